// Package app puts a node together: configuration in, running node out, graceful stop. It is the
// one place that knows every other package.
package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/moleculer-go/moleculer/broker"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/cluster"
	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/datasource/channelstore"
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
	channels *channelstore.SQLite
	embedded *server.Server
	nc       *nats.Conn
	link     *cluster.Link
	broker   *broker.ServiceBroker
	listener *listener.Listener
}

// Start starts a node. What was started of it is stopped again when it fails.
func Start(ctx context.Context, c *config.Config, log *logrus.Logger, secrets *redact.Secrets) (*Node, error) {
	secrets.Add(configSecrets(c)...)
	n := &Node{config: c, log: log.WithField("node", c.NodeID()), client: httpapi.New()}
	if err := n.start(ctx, secrets); err != nil {
		n.Stop()
		return nil, err
	}
	return n, nil
}

func (n *Node) start(ctx context.Context, secrets *redact.Secrets) (err error) {
	c := n.config
	definitions := platforms(n.client)
	for i, name := range c.Services {
		if _, ok := definitions[name]; !ok {
			return c.Fault(fmt.Sprintf("services[%d]", i), "no such service %q; there are: %s", name, strings.Join(sortedKeys(definitions), ", "))
		}
	}
	if n.channels, err = channelstore.OpenSQLite(ctx, c.Channels.DSN); err != nil {
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
		Concurrency: c.Limits.Concurrency, Queue: c.Limits.Queue, DrainTimeout: c.Limits.DrainTimeout,
		Log: logrus.NewEntry(n.log.Logger),
	})
	if err := n.link.Open(ctx); err != nil {
		return err
	}
	n.broker = n.link.NewBroker()
	for _, name := range c.Services {
		service, err := integration.Define(definitions[name], integration.Runtime{
			Channels: n.channels, Events: publisher, Secrets: secrets, Namespace: c.Events.Namespace, Log: n.log,
		})
		if err != nil {
			return err
		}
		n.broker.Publish(service.Schema())
	}
	n.broker.Start()
	if c.HTTP.Listen != "" {
		if n.listener, err = listener.Start(ctx, c.HTTP.Listen, n.link, c.Services, n.log); err != nil {
			return err
		}
		n.log.Infof("webhooks are taken in at http://%s/<service>/<channelId>", n.listener.Address())
	}
	n.log.WithField("services", strings.Join(c.Services, ",")).Infof("node is ready, connected to %s", n.nc.ConnectedUrlRedacted())
	return nil
}

// openEvents makes the streams, which a server that has just started may need some time for.
func (n *Node) openEvents(ctx context.Context) (*events.Publisher, error) {
	c := n.config
	publisher, err := events.New(n.nc, events.Options{
		Prefix: c.Prefix(), Replicas: c.Events.Replicas, Timeout: c.Events.PublishTimeout, Log: n.log,
	})
	if err != nil {
		return nil, err
	}
	names := integration.EventNames(c.Events.Namespace)
	ctx, cancel := context.WithTimeout(ctx, c.NATS.StartTimeout)
	defer cancel()
	for {
		err := publisher.Ensure(ctx, names...)
		if err == nil {
			break
		}
		if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
			return nil, errors.New("JetStream is not enabled on the NATS server; reliable events need it (nats-server -js)")
		}
		n.log.WithError(err).Warn("the streams of the reliable events are not there yet, trying again")
		pause := time.NewTimer(connectWait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, err
		}
	}
	subjects := make([]string, len(names))
	for i, name := range names {
		subjects[i] = publisher.Subject(name)
	}
	n.log.Info("reliable events go to ", strings.Join(subjects, ", "))
	publisher.WarnOfOtherPrefix(ctx, c.Node.Namespace, names...)
	return publisher, nil
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

// Stop ends the node: no new webhooks, then no new calls, then nothing running, then no connection.
func (n *Node) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), n.config.Limits.DrainTimeout+5*time.Second)
	defer cancel()
	if n.listener != nil {
		if err := n.listener.Stop(ctx); err != nil {
			n.log.WithError(err).Warn("webhooks were cut off")
		}
	}
	switch {
	case n.broker != nil && n.broker.IsStarted():
		n.broker.Stop()
	case n.link != nil:
		if err := n.link.Close(); err != nil {
			n.log.WithError(err).Warn("the cluster was not left cleanly")
		}
	}
	if n.nc != nil {
		n.nc.Close()
	}
	if n.embedded != nil {
		n.embedded.Shutdown()
		n.embedded.WaitForShutdown()
	}
	if n.channels != nil {
		if err := n.channels.Close(); err != nil {
			n.log.WithError(err).Warn("the channel store did not close cleanly")
		}
	}
	n.client.Close()
}

// gcPercent lets the heap, which is small, grow further between two collections than Go does by
// itself: some 10 MB for a quarter of the CPU per request (bench/node, echo and telegram at 64 calls at
// once). The environment's GOGC has the last word.
const gcPercent = 400

// Run starts a node and keeps it running until ctx ends or it must not go on.
func Run(ctx context.Context, c *config.Config, log *logrus.Logger, secrets *redact.Secrets) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	n, err := Start(ctx, c, log, secrets)
	if err != nil {
		return err
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
