package app

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/config"
)

// Visitor is a short-lived node without services: it calls and looks around.
type Visitor struct {
	nc   *nats.Conn
	link *cluster.Link
	log  *logrus.Entry
}

// Visit joins the cluster that the configuration names. With nats.embedded that is the one of the running node.
func Visit(ctx context.Context, c *config.Config, log *logrus.Logger, secrets *redact.Secrets) (*Visitor, error) {
	secrets.Keep(configSecrets(c)...)
	id := c.NodeID() + "-visitor-" + uuid.NewString()[:8]
	entry := log.WithField("node", id)
	nc, err := connect(ctx, c, id, nil, entry)
	if err != nil {
		return nil, err
	}
	v := &Visitor{nc, cluster.New(nc, cluster.Options{
		NodeID: id, Namespace: c.Node.Namespace, Version: Version(), Protocol: wire.Version(c.Node.Protocol), Concurrency: 1, DrainTimeout: time.Second, Log: logrus.NewEntry(log),
		Metadata:          map[string]any{cluster.Visitor: true},
		HeartbeatInterval: orNever(c.Node.HeartbeatInterval), HeartbeatTimeout: orNever(c.Node.HeartbeatTimeout),
	}), entry}
	if err := v.link.Join(); err != nil {
		v.Leave()
		return nil, err
	}
	return v, nil
}

// orNever turns the configuration's 0, for off, into that of the cluster's options.
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// Leave leaves the cluster.
func (v *Visitor) Leave() {
	v.link.Leave()
	v.nc.Close()
}

// Call runs an action as soon as a node that serves it is known. Errors are *action.Error, or say that there is no such
// node.
func (v *Visitor) Call(ctx context.Context, name string, params json.RawMessage, opts action.CallOptions) (json.RawMessage, error) {
	switch {
	case opts.NodeID != "":
		v.link.WaitQuiet(ctx, quiet) // a visitor has the internal actions too, so they say nothing of who is there
		if nodes := v.link.NodeIDs(); !slices.Contains(nodes, opts.NodeID) {
			return nil, fmt.Errorf("there is no node %q; there are: %s", opts.NodeID, strings.Join(nodes, ", "))
		}
	case strings.HasPrefix(name, "$"):
		return nil, fmt.Errorf("%s tells of one node: name it with --node", name)
	}
	if err := v.link.WaitFor(ctx, name); err != nil {
		return nil, action.ServiceNotFound(name, opts.NodeID).Because(err)
	}
	result, err := v.link.Call(ctx, name, params, opts)
	if err != nil {
		return nil, err
	}
	return result.Data, nil
}

// quiet is how long no node has introduced itself when all are taken to have done so.
const quiet = 500 * time.Millisecond

// Services lists what the cluster serves.
func (v *Visitor) Services(ctx context.Context) []cluster.ServiceStatus {
	v.link.WaitQuiet(ctx, quiet)
	return v.link.Services()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
