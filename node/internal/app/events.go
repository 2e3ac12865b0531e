package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/events"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/metrics"
	"github.com/hiliosai/switchboard/node/internal/config"
	service "github.com/hiliosai/switchboard/services/events"
)

// newPublisher publishes events as the configuration says. counts counts them; nil counts nothing.
func newPublisher(
	nc *nats.Conn, c *config.Config, counts *metrics.Registry, log *logrus.Entry,
) (*events.Publisher, error) {
	return events.New(nc, events.Options{
		Metrics: counts,
		Prefix:  c.Prefix(), Replicas: c.Events.Replicas, Timeout: c.Events.PublishTimeout, NodeID: c.NodeID(), Log: log,
		Limits:      events.Limits{MaxAge: c.Events.MaxAge, MaxBytes: int64(c.Events.MaxMB) << 20},
		DeadLetters: events.Limits{MaxAge: c.Events.DeadLetters.MaxAge, MaxBytes: int64(c.Events.DeadLetters.MaxMB) << 20},
		Queues:      []string{integration.DeadLetters},
	})
}

// ensureWait bounds one attempt to find or make the streams of the events.
const ensureWait = 5 * time.Second

// openEvents makes the streams, which a server that has just started may need some time for.
func (n *Node) openEvents(ctx context.Context) (*events.Publisher, error) {
	c := n.config
	publisher, err := newPublisher(n.nc, c, n.metrics, n.log)
	if err != nil {
		return nil, err
	}
	names := integration.EventNames(c.Events.Namespace)
	subjects := make([]string, len(names))
	for i, name := range names {
		subjects[i] = publisher.Subject(name)
	}
	if err := checkPermissions(ctx, n.nc, nodePermissions(c, n.nc, subjects)); err != nil {
		return nil, err
	}
	if err := n.ensure(ctx, publisher, names, subjects); err != nil {
		return nil, err
	}
	n.log.Info("reliable events go to ", strings.Join(subjects, ", "))
	publisher.WarnOfOtherPrefix(ctx, c.Node.Namespace, append(eventNames(c.Events.Namespace), integration.DeadLetters)...)
	publisher.WarnOfServer(ctx, names...)
	if !c.NATS.Embedded && c.Events.Replicas == 1 {
		n.log.Info("a NATS server does not tell how often it writes to its disk (sync_interval, 2m by default): " +
			"events that it has acknowledged since are lost when its machine fails, " +
			"unless it is set to always or there are replicas")
	}
	return publisher, nil
}

// ensure finds or makes the streams of the events, again and again until nats.startTimeout is over.
func (n *Node) ensure(ctx context.Context, publisher *events.Publisher, names, subjects []string) error {
	c := n.config
	ctx, cancel := context.WithTimeout(ctx, c.NATS.StartTimeout)
	defer cancel()
	for {
		attempt, cancel := context.WithTimeout(ctx, ensureWait)
		err := publisher.Ensure(attempt, names...)
		cancel()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
			return errors.New("JetStream is not enabled on the NATS server; reliable events need it (nats-server -js)")
		case errors.Is(err, events.ErrNoCluster):
			return c.Fault(
				"events.replicas", "%d copies of each event ask for a NATS cluster, and the server is in none", c.Events.Replicas,
			)
		case errors.Is(err, events.ErrMaxBytesRequired):
			return fmt.Errorf("%w: set events.maxMB, or make the streams yourself, see docs/nats.md", err)
		case errors.Is(err, context.DeadlineExceeded):
			denied := checkPermissions(context.WithoutCancel(ctx), n.nc, makingPermissions(c, subjects))
			if errors.Is(denied, errDenied) {
				return denied
			}
		}
		n.log.WithError(err).Warn("the streams of the reliable events are not there yet, trying again")
		pause := time.NewTimer(connectWait)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
	}
}

// consumer delivers reliable events to services.
type consumer struct {
	publisher *events.Publisher
	nc        *nats.Conn
	namespace string // the cluster's
}

var _ integration.Consumer = consumer{}

func (c consumer) Consume(ctx context.Context, sub integration.Subscription) (func(context.Context) error, error) {
	consumer, err := c.publisher.Consume(ctx, events.Subscription{
		Name: sub.Name, Group: sub.Group, Service: sub.Service, MaxInFlight: sub.MaxInFlight, MaxRetries: sub.MaxRetries,
		DeadLetters: sub.DeadLetters, Backoff: sub.Backoff,
		Handle: func(ctx context.Context, d *events.Delivery) error {
			return sub.Handle(ctx, &integration.Delivery{
				Name: d.Name, Subject: d.Subject, Group: d.Group, MessageID: nats.Header(d.Header).Get(jetstream.MsgIDHeader),
				Attempt: d.Attempt, Time: d.Time, Header: d.Header,
			}, d.Payload)
		},
	})
	if err != nil {
		return nil, err
	}
	if err := deniedDelivery(ctx, c.nc, sub.Name); err != nil {
		return nil, errors.Join(err, consumer.Stop(ctx))
	}
	c.publisher.WarnOfOtherPublishers(ctx, c.namespace, sub.Name)
	return consumer.Stop, nil
}

// newDesk is what operators look at events and dead letters with.
func newDesk(publisher *events.Publisher, c *config.Config, secrets *redact.Secrets) *service.Admin {
	return &service.Admin{
		Archive: events.NewArchive(publisher), Names: eventNames(c.Events.Namespace), Queue: integration.DeadLetters,
		Secrets: secrets, Now: time.Now,
	}
}

// eventNames are the events that integrations and the service channels publish, dead letters aside. Streams of those
// that not every node needs are made with their first event.
func eventNames(namespace string) []string {
	names := append(
		integration.EventNames(namespace), integration.RegisteredEvent(namespace), integration.UnregisteredEvent(namespace),
		integration.ChannelDegradedEvent(namespace), integration.ChannelRecoveredEvent(namespace),
	)
	return slices.DeleteFunc(names, func(name string) bool { return name == integration.DeadLetters })
}

// Events looks at events and dead letters outside of a running node. It needs NATS only.
type Events struct {
	*service.Admin
	nc *nats.Conn
}

// OpenEvents connects to the NATS that the configuration names, without joining the cluster.
func OpenEvents(ctx context.Context, c *config.Config, log *logrus.Logger, secrets *redact.Secrets) (*Events, error) {
	secrets.Keep(configSecrets(c)...)
	id := c.NodeID() + "-events"
	entry := log.WithField("node", id)
	nc, err := connect(ctx, c, id, nil, entry)
	if err != nil {
		return nil, err
	}
	publisher, err := newPublisher(nc, c, nil, entry)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("open the events: %w", err)
	}
	return &Events{newDesk(publisher, c, secrets), nc}, nil
}

// Close ends the connection.
func (e *Events) Close() { e.nc.Close() }
