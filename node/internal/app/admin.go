package app

import (
	"context"
	"time"

	"github.com/hiliosai/switchboard/metrics"
	"github.com/hiliosai/switchboard/node/internal/admin"
	"github.com/hiliosai/switchboard/node/internal/config"
)

// stateStarting is told by the admin listener only: the webhook listener comes last.
const stateStarting = "starting"

// adminWait is how long answers of the admin listener may still take when the node has ended.
const adminWait = time.Second

// newMetrics is nil where nothing is counted.
func newMetrics(c *config.Config) *metrics.Registry {
	if !c.Metrics.Enabled {
		return nil
	}
	o := metrics.Options{Namespace: c.Node.Namespace, NodeID: c.NodeID()}
	if c.Metrics.PerChannel {
		o.Channels = c.Metrics.MaxChannels
	}
	return metrics.New(o)
}

// startAdmin starts the admin listener, where there is one: first of all, so that a start can be watched.
func (n *Node) startAdmin(ctx context.Context) error {
	if n.config.Admin.Listen == "" {
		return nil
	}
	o := admin.Options{
		Address: n.config.Admin.Listen, Ready: n.adminReady, Pprof: n.config.Admin.Pprof, Log: n.log,
	}
	if n.metrics != nil { // a nil *metrics.Registry has no handler
		o.Metrics = n.metrics.Handler()
	}
	listener, err := admin.Start(ctx, o)
	if err != nil {
		return err
	}
	n.admin = listener
	n.log.Infof("metrics and probes are answered at http://%s", listener.Address())
	return nil
}

func (n *Node) stopAdmin() {
	ctx, cancel := context.WithTimeout(context.Background(), adminWait)
	defer cancel()
	if err := n.admin.Stop(ctx); err != nil {
		n.log.WithError(err).Debug("the admin listener was cut off")
	}
}

// AdminAddress is where metrics are read, empty without an admin listener.
func (n *Node) AdminAddress() string {
	if n.admin == nil {
		return ""
	}
	return n.admin.Address()
}

// adminReady answers GET /-/ready of the admin listener: as the webhook listener does, once all services are started.
// Before, NATS and the stores may not be there to be asked.
func (n *Node) adminReady(ctx context.Context) (bool, any) {
	if !n.started.Load() {
		return false, readyReport{State: stateStarting}
	}
	return n.ready(ctx)
}

// measureSpool sets what the spool holds.
func (n *Node) measureSpool(set func(f *metrics.Family, value float64, labels ...string)) {
	state, age := n.spool.State(), 0.0
	if state.Events > 0 {
		age = max(time.Since(state.Oldest).Seconds(), 0)
	}
	set(metrics.SpoolEvents, float64(state.Events))
	set(metrics.SpoolBytes, float64(state.Bytes))
	set(metrics.SpoolOldest, age)
	set(metrics.SpoolSetAside, float64(state.SetAside))
}
