// Package app puts a node together: configuration in, running node out, graceful stop. It is the
// one place that knows every other package.
package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/moleculer-go/moleculer/broker"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/egress"
	"github.com/hiliosai/switchboard/internal/filelock"
	"github.com/hiliosai/switchboard/internal/inflight"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/metrics"
	"github.com/hiliosai/switchboard/node/internal/admin"
	"github.com/hiliosai/switchboard/node/internal/config"
	"github.com/hiliosai/switchboard/node/internal/listener"
	"github.com/hiliosai/switchboard/services/channels"
)

// Node is a running node. Its parts are started in the order of the fields and stopped in reverse.
type Node struct {
	config    *config.Config
	log       *logrus.Entry
	metrics   *metrics.Registry // nil counts nothing
	admin     *admin.Listener
	started   atomic.Bool
	guard     *egress.Guard
	client    *httpapi.Client
	storage   *filelock.Lock // of the folder of embedded
	embedded  *server.Server
	nc        *nats.Conn
	link      *cluster.Link
	stores    // what channels, cached values and claims are kept in
	broker    *broker.ServiceBroker
	services  []*integration.Service
	listener  *listener.Listener
	publisher *events.Publisher
	channels  *channels.Manager
	readiness readiness
	lost      chan error // delivers why the connection to NATS was closed for good
	stopping  atomic.Bool
	secrets   *redact.Secrets

	applied *config.Config // what reload compares with: config, and what it has taken over since; of serve only
	waiting []string       // the settings that have changed and wait for a restart; of serve only
}

// Start starts a node. What was started of it is stopped again when it fails.
func Start(
	ctx context.Context, c *config.Config, extensions Extensions, log *logrus.Logger, secrets *redact.Secrets,
) (*Node, error) {
	secrets.Keep(configSecrets(c)...)
	guard, err := newGuard(c)
	if err != nil {
		return nil, err
	}
	counts := newMetrics(c)
	n := &Node{
		config: c, log: log.WithField("node", c.NodeID()), guard: guard, client: newClient(guard, counts),
		lost:    make(chan error, 1),
		secrets: secrets, applied: c, metrics: counts,
	}
	if err := n.start(ctx, extensions, secrets); err != nil {
		n.Stop()
		return nil, err
	}
	n.started.Store(true)
	return n, nil
}

// newGuard judges the addresses that are not the operator's.
func newGuard(c *config.Config) (*egress.Guard, error) {
	if c.Media.AllowPrivate {
		return egress.Anywhere(), nil
	}
	guard, err := egress.New(c.Egress.Allow...)
	if err != nil {
		return nil, c.Fault("egress.allow", "%v", err)
	}
	return guard, nil
}

// newClient is how platforms are called.
func newClient(guard *egress.Guard, counts *metrics.Registry) *httpapi.Client {
	return httpapi.New(httpapi.Options{Guard: guard, Metrics: counts})
}

func (n *Node) start(ctx context.Context, extensions Extensions, secrets *redact.Secrets) error {
	c := n.config
	catalog, err := newCatalog(extensions, n.client)
	if err == nil {
		err = catalog.check(c)
	}
	if err == nil {
		err = n.startAdmin(ctx)
	}
	if err != nil {
		return err
	}
	if c.NATS.Embedded {
		// Two servers would write over each other's streams.
		if n.storage, err = filelock.Acquire(filepath.Clean(c.NATS.StoreDir)+"-lock", "node "+c.NodeID()); err != nil {
			return fmt.Errorf("nats.storeDir: %w", err)
		}
		if n.embedded, err = startEmbedded(ctx, c, n.log); err != nil {
			return err
		}
	}
	if n.nc, err = connect(ctx, c, c.NodeID(), n.embedded, n.log); err != nil {
		return err
	}
	n.nc.SetClosedHandler(n.disconnected)
	publisher, err := n.openEvents(ctx)
	if err != nil {
		return err
	}
	n.publisher, n.readiness.find, n.readiness.log = publisher, n.findState, n.log
	n.link = cluster.New(n.nc, cluster.Options{
		NodeID: c.NodeID(), Namespace: c.Node.Namespace, Version: Version(),
		Protocol: wire.Version(c.Node.Protocol), MaxCallLevel: c.Limits.MaxCallLevel,
		HeartbeatInterval: orNever(c.Node.HeartbeatInterval), HeartbeatTimeout: orNever(c.Node.HeartbeatTimeout),
		Concurrency: c.Limits.Concurrency, Queue: c.Limits.Queue, RequestBytes: int64(c.Limits.RequestsMB) << 20,
		DrainTimeout: c.Limits.DrainTimeout,
		Health:       n.health,
		Metrics:      n.metrics,
		Reconnected:  n.missed,
		Log:          logrus.NewEntry(n.log.Logger),
	})
	// One limit for all that a start waits for from here on: the node's own stores and those of its services.
	limit := c.Limits.StartTimeout
	waiting, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("limits.startTimeout is over (%s)", limit))
	defer cancel()
	if err := n.openStores(waiting, publisher); err != nil {
		return err
	}
	if n.spool != nil {
		n.metrics.Read(n.measureSpool)
	}
	if err := n.link.Open(ctx); err != nil {
		return err
	}
	n.broker = n.link.NewBroker()
	if err := n.host(waiting, catalog, publisher, secrets); err != nil {
		return err
	}
	if c.HTTP.Listen != "" {
		n.listener, err = listener.Start(ctx, listener.Options{
			Address: c.HTTP.Listen, Caller: n.link, Services: c.Services, Ready: n.ready, Log: n.log,
			Channel: n.checkChannel, MaxBodies: int64(c.HTTP.MaxBodiesMB) << 20,
		})
		if err != nil {
			return err
		}
		n.log.Infof("webhooks are taken in at http://%s/<service>/<channelId>", n.listener.Address())
	}
	n.log.WithFields(logrus.Fields{"services": strings.Join(c.Services, ","), "version": Version(), "config": c.Path()}).
		Infof("node is ready, connected to %s", n.nc.ConnectedUrlRedacted())
	return nil
}

// packetLimit is how many bytes the answer to a request may have: a call from this node needs no packet.
func (n *Node) packetLimit(req *action.Request) int64 {
	if req.Sender == n.config.NodeID() {
		return 0
	}
	return n.nc.MaxPayload()
}

// checkChannel says what is wrong with a channel of a service, as the listener wants to know.
func (n *Node) checkChannel(ctx context.Context, service, id string) error {
	for _, s := range n.services {
		if s.Name() == service {
			return s.CheckChannel(ctx, id)
		}
	}
	return nil // the call tells
}

// host defines the services, starts them side by side, as they may wait for each other, and publishes
// each as soon as it is there.
func (n *Node) host(ctx context.Context, catalog *catalog, publisher *events.Publisher, secrets *redact.Secrets) error {
	c := n.config
	runtime := integration.Runtime{
		Cluster: n.link.Caller(), Channels: n.memo, Events: publisher, Consumer: consumer{publisher, n.nc, c.Node.Namespace},
		Cache: n.cache, Claims: n.claims, Leases: n.leases,
		OpenRedis: func(url string) (cache.Store, error) { return openRedis(c, url) }, Dialect: dialect(c), Secrets: secrets,
		NodeID: c.NodeID(), Namespace: c.Events.Namespace, PlainEvents: c.Events.Plain, AnyTenant: !c.Channels.TenantCheck,
		TrustForwarded: c.Webhooks.TrustForwarded,
		Metrics:        n.metrics,
		PacketLimit:    n.packetLimit, MediaBytes: inflight.New(int64(c.Media.MaxMB) << 20),
		ChannelCalls: max(1, c.Limits.Concurrency/2), // so that one channel leaves room for others
		Log:          n.log,
	}
	if n.spool != nil { // a nil *spool.Spool is no nil Spool
		runtime.Spool = n.spool
	}
	builtins := &builtins{
		channels: newManager(n.store, n.guard, catalog, announcer{n.link, publisher, c.Events.Namespace}, secrets, n.log),
		events:   newDesk(publisher, c, secrets),
	}
	n.channels = builtins.channels
	builtins.channels.Reports = func(ctx context.Context) *channels.Reports {
		return reports(ctx, n.link, sortedKeys(catalog.platforms))
	}
	var faults []error
	for _, name := range c.Services {
		service, err := catalog.define(name, builtins, runtime)
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

// disconnected is called when the connection to NATS is closed for good, which only Stop means to do.
func (n *Node) disconnected(nc *nats.Conn) {
	err := nc.LastError()
	if err == nil {
		err = nats.ErrConnectionClosed
	}
	n.lost <- fmt.Errorf("the connection to NATS is closed for good: %w", err)
}

// Stop ends the node: no new webhooks and reliable events, then no new calls, then nothing running, then no
// connection, then no admin listener.
func (n *Node) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), n.config.Limits.DrainTimeout+5*time.Second)
	defer cancel()
	n.stopping.Store(true)
	if n.admin != nil {
		defer n.stopAdmin() // last, so that a drain can be watched
	}
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
	if n.storage != nil {
		if err := n.storage.Release(); err != nil {
			n.log.WithError(err).Warn("the folder of the embedded server was not given up cleanly")
		}
	}
	n.client.Close()
}

// Run starts a node and keeps it running until ctx ends or it must not go on.
func Run(
	ctx context.Context, c *config.Config, extensions Extensions, log *logrus.Logger, secrets *redact.Secrets,
) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // which would end the process at once
	defer signal.Stop(hangups)
	if c.Node.Tuning {
		defer tuneGC()()
	}
	defer limitMemory(memlimit.FromCgroup, logrus.NewEntry(log))()
	n, err := Start(ctx, c, extensions, log, secrets)
	if err != nil {
		return err
	}
	// which waits for the disk again and again, and would keep the only processor meanwhile
	if c.Node.Tuning && n.embedded == nil {
		defer tuneProcessors(available, processTime, n.log)()
	}
	systemd := notifier{n.log}
	systemd.ready()
	err = n.serve(ctx, hangups, systemd)
	systemd.stopping()
	n.Stop()
	if err == nil {
		n.log.Info("stopped")
	}
	return err
}

// serve returns when ctx ends, or with the error after which the node must not go on.
func (n *Node) serve(ctx context.Context, hangups <-chan os.Signal, systemd notifier) error {
	changed := n.watchConfig(ctx)
	for {
		select {
		case <-hangups:
			systemd.reloading()
			n.reload(ctx, true)
			systemd.ready()
		case <-changed:
			n.reload(ctx, false)
		case <-ctx.Done():
			n.log.Info("stopping")
			return nil
		case err := <-n.link.Fatal():
			return err
		case err := <-n.lost:
			return err
		}
	}
}
