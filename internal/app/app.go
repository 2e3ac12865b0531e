// Package app puts a node together: configuration in, running node out, graceful stop. It is the
// one place that knows every other package.
package app

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/moleculer-go/moleculer/broker"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/config"
	"github.com/hiliosai/switchboard/internal/listener"
	"github.com/hiliosai/switchboard/internal/redact"
)

// Version is this build's version: the module's when it was installed by version, else the commit's.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "dev-" + s.Value[:12]
		}
	}
	return "dev"
}

// Node is a running node. Its parts are started in the order of the fields and stopped in reverse.
type Node struct {
	config   *config.Config
	log      *logrus.Entry
	client   *httpapi.Client
	embedded *server.Server
	nc       *nats.Conn
	link     *cluster.Link
	stores   // what channels, cached values and claims are kept in
	broker   *broker.ServiceBroker
	services []*integration.Service
	listener *listener.Listener
}

// Start starts a node. What was started of it is stopped again when it fails.
func Start(ctx context.Context, c *config.Config, extra Offer, log *logrus.Logger, secrets *redact.Secrets) (*Node, error) {
	secrets.Add(configSecrets(c)...)
	n := &Node{config: c, log: log.WithField("node", c.NodeID()), client: newClient(c)}
	if err := n.start(ctx, extra, secrets); err != nil {
		n.Stop()
		return nil, err
	}
	return n, nil
}

// newClient is how platforms are called.
func newClient(c *config.Config) *httpapi.Client {
	return httpapi.New(httpapi.Options{AllowPrivate: c.Media.AllowPrivate})
}

func (n *Node) start(ctx context.Context, extra Offer, secrets *redact.Secrets) error {
	c := n.config
	offer, err := newOffer(extra, n.client)
	if err == nil {
		err = offer.check(c)
	}
	if err != nil {
		return err
	}
	if c.NATS.Embedded {
		if n.embedded, err = startEmbedded(ctx, c, n.log); err != nil {
			return err
		}
	}
	if n.nc, err = connect(ctx, c, c.NodeID(), n.embedded, n.log); err != nil {
		return err
	}
	publisher, err := n.openEvents(ctx)
	if err != nil {
		return err
	}
	n.link = cluster.New(n.nc, cluster.Options{
		NodeID: c.NodeID(), Namespace: c.Node.Namespace, Version: Version(),
		Protocol: wire.Version(c.Node.Protocol), MaxCallLevel: c.Limits.MaxCallLevel,
		HeartbeatInterval: orNever(c.Node.HeartbeatInterval), HeartbeatTimeout: orNever(c.Node.HeartbeatTimeout),
		Concurrency: c.Limits.Concurrency, Queue: c.Limits.Queue, DrainTimeout: c.Limits.DrainTimeout,
		Health:      func(ctx context.Context) map[string]any { return map[string]any{"datasources": n.Health(ctx)} },
		Reconnected: n.missed,
		Log:         logrus.NewEntry(n.log.Logger),
	})
	if err := n.openStores(ctx, publisher); err != nil {
		return err
	}
	if err := n.link.Open(ctx); err != nil {
		return err
	}
	n.broker = n.link.NewBroker()
	if err := n.host(ctx, offer, publisher, secrets); err != nil {
		return err
	}
	if c.HTTP.Listen != "" {
		n.listener, err = listener.Start(ctx, listener.Options{
			Address: c.HTTP.Listen, Caller: n.link, Services: c.Services, Ready: n.ready, Log: n.log,
		})
		if err != nil {
			return err
		}
		n.log.Infof("webhooks are taken in at http://%s/<service>/<channelId>", n.listener.Address())
	}
	n.log.WithField("services", strings.Join(c.Services, ",")).Infof("node is ready, connected to %s", n.nc.ConnectedUrlRedacted())
	return nil
}

// host defines the services, starts them side by side, as they may wait for each other, and publishes
// each as soon as it is there.
func (n *Node) host(ctx context.Context, offer *offer, publisher *events.Publisher, secrets *redact.Secrets) error {
	c := n.config
	runtime := integration.Runtime{
		Cluster: n.link.Caller(), Channels: n.memo, Events: publisher, Consumer: consumer{publisher, c.Node.Namespace}, Cache: n.cache, Claims: n.claims,
		CacheNamespace: c.Node.Namespace, Dialect: dialect(c), Secrets: secrets,
		Namespace: c.Events.Namespace, PlainEvents: c.Events.Plain,
		ChannelCalls: max(1, c.Limits.Concurrency/2), // so that one channel leaves room for others
		Log:          n.log,
	}
	if n.spool != nil { // a nil *spool.Spool is no nil Spool
		runtime.Spool = n.spool
	}
	own := &own{
		channels: newManager(n.store, offer, announcer{n.link, publisher, c.Events.Namespace}, secrets, n.log),
		events:   newDesk(publisher, c, secrets),
	}
	var faults []error
	for _, name := range c.Services {
		service, err := offer.define(name, own, runtime)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		n.services = append(n.services, service)
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	n.broker.Publish(forget(n.memo))
	n.broker.Start()
	return n.startServices(ctx)
}

func (n *Node) startServices(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, n.config.Limits.StartTimeout)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	var publishing sync.Mutex // moleculer-go's broker takes one at a time
	for _, service := range n.services {
		group.Go(func() error {
			if err := service.Start(ctx); err != nil {
				return err
			}
			publishing.Lock()
			n.broker.Publish(service.Schema())
			publishing.Unlock()
			return service.StartConsuming(ctx)
		})
	}
	return group.Wait()
}

// Address is where webhooks are taken in, empty without a listener.
func (n *Node) Address() string {
	if n.listener == nil {
		return ""
	}
	return n.listener.Address()
}

// Fatal delivers the error after which the node must be stopped.
func (n *Node) Fatal() <-chan error { return n.link.Fatal() }

// Stop ends the node: no new webhooks and reliable events, then no new calls, then nothing running, then no
// connection.
func (n *Node) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), n.config.Limits.DrainTimeout+5*time.Second)
	defer cancel()
	if n.listener != nil {
		if err := n.listener.Stop(ctx); err != nil {
			n.log.WithError(err).Warn("webhooks were cut off")
		}
	}
	var consuming sync.WaitGroup
	for _, service := range n.services {
		consuming.Go(func() {
			if err := service.StopConsuming(ctx); err != nil {
				n.log.WithError(err).WithField("service", service.FullName()).Warn("reliable events were cut off; they come again")
			}
		})
	}
	consuming.Wait()
	switch {
	case n.broker != nil && n.broker.IsStarted():
		n.broker.Stop()
	case n.link != nil:
		if err := n.link.Close(); err != nil {
			n.log.WithError(err).Warn("the cluster was not left cleanly")
		}
	}
	for _, service := range slices.Backward(n.services) {
		if err := service.Stop(ctx); err != nil {
			n.log.WithError(err).WithField("service", service.FullName()).Warn("a service did not stop cleanly")
		}
	}
	if err := n.closeStores(ctx); err != nil {
		n.log.WithError(err).Warn("the stores did not close cleanly")
	}
	if n.nc != nil {
		n.nc.Close()
	}
	if n.embedded != nil {
		n.embedded.Shutdown()
		n.embedded.WaitForShutdown()
	}
	n.client.Close()
}

// Run starts a node and keeps it running until ctx ends or it must not go on.
func Run(ctx context.Context, c *config.Config, extra Offer, log *logrus.Logger, secrets *redact.Secrets) error {
	defer tuneGC()()
	n, err := Start(ctx, c, extra, log, secrets)
	if err != nil {
		return err
	}
	releaseStartup()
	if n.embedded == nil { // which waits for the disk again and again, and would keep the only processor meanwhile
		defer tuneProcessors(available, n.log)()
	}
	select {
	case <-ctx.Done():
		n.log.Info("stopping")
	case err = <-n.Fatal():
	}
	n.Stop()
	if err == nil {
		n.log.Info("stopped")
	}
	return err
}
