package events

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/metrics"
)

// Subscription says which events a service consumes, and how.
type Subscription struct {
	Name    string // of the events, without the prefix
	Group   string // consumer group; its members share the events and may be on Go and Node nodes
	Service string // full name of the service that consumes

	MaxInFlight int // events of the group that are handled at once; at least 1
	MaxRetries  int // deliveries after which an event is given up; less than 1 counts as 1
	// DeadLetters is the name of the dead letter queue, without the prefix. If it is "", events that are given up are
	// dropped.
	DeadLetters string
	// Backoff are the delays before an event is delivered again, after its first, second… failure. The last one also
	// holds for all later failures. If it is empty, events are delivered again at once, as @moleculer/channels does.
	Backoff []time.Duration

	// Handle handles one event. After an error the event is delivered again, see [Consumer]. If the error has a method
	// Permanent() bool that returns true, the event is given up at once. If it has a method ErrorHeader()
	// map[string]string, the dead letter gets these headers. ctx ends when the context of [Consumer.Stop] does.
	Handle func(ctx context.Context, d *Delivery) error
}

// Delivery is one delivery of an event to a handler.
type Delivery struct {
	Name     string // as in the subscription
	Subject  string
	Group    string
	Stream   string
	Sequence uint64
	Attempt  int       // of the group, from 1
	Time     time.Time // when it was stored
	Header   map[string][]string
	Payload  []byte
}

// Consumer delivers events to one handler. On the wire it is the push consumer of @moleculer/channels: each group has
// one durable, and the members of the group, on Go and Node nodes, share what it delivers.
//
// An event whose handler fails is delivered again after the backoff, up to MaxRetries times. Then it goes to the dead
// letters. The same holds for a poison event, which ends its process each time: its last delivery is handled alone, so
// that no other event is taken for it.
//
// An event is acknowledged when it is handled or stored as a dead letter. So it is delivered at least once. While a
// handler runs, the consumer tells the server that its event is in progress.
type Consumer struct {
	p       *Publisher
	sub     Subscription
	log     *logrus.Entry
	subject string
	counted *metrics.Consumer

	ctx        context.Context // of handlers; ends when the context of Stop does
	cancel     context.CancelFunc
	stopWatch  chan struct{} // closed to end watch
	watchEnded chan struct{} // closed when watch has ended

	mu       sync.Mutex
	source   *source
	ackFloor uint64 // all events of the stream up to this sequence are acknowledged
	queue    []*delivery
	unacked  map[eventKey]*delivery // delivered and not yet acknowledged
	returned map[eventKey]int       // the last delivery whose handler returned in this process, of events that failed
	workers  int
	stopping bool
	idle     chan struct{} // closed when no worker runs after Stop was called
}

// source is the durable that events come from.
type source struct {
	info      *jetstream.ConsumerInfo
	consuming jetstream.ConsumeContext
}

// delivery is an event with the message to acknowledge.
type delivery struct {
	Delivery

	// These are guarded by Consumer.mu. They are of the latest delivery, if the event was delivered again while it is
	// handled.

	msg        jetstream.Msg
	deliveries int // so far
}

// eventKey identifies an event of a stream. The time tells it from an event with the same sequence in a stream that was
// deleted and created again.
type eventKey struct {
	sequence uint64
	stored   int64 // ns
}

func (d *delivery) key() eventKey { return eventKey{d.Sequence, d.Time.UnixNano()} }

// Consume starts a consumer. It creates the streams of the events and of the dead letters if they are missing. It
// creates the durable as @moleculer/channels does, or uses an existing one as it is. The consumer goes on after
// reconnects and restarts of the server, and after its durable or stream was deleted. [Consumer.Stop] ends it.
func (p *Publisher) Consume(ctx context.Context, sub Subscription) (*Consumer, error) {
	c := &Consumer{
		p: p, sub: sub, subject: p.Subject(sub.Name),
		counted:   p.metrics.Consumer(metrics.Consumed{Name: sub.Name, Subject: p.Subject(sub.Name), Group: sub.Group}),
		log:       p.log.WithFields(logrus.Fields{"event": sub.Name, "group": sub.Group}),
		stopWatch: make(chan struct{}), watchEnded: make(chan struct{}),
		unacked: map[eventKey]*delivery{}, returned: map[eventKey]int{}, idle: make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := c.attach(ctx); err != nil {
		c.cancel()
		return nil, fmt.Errorf("consume %s in group %s: %w", c.subject, sub.Group, err)
	}
	c.warnOfDifferences()
	go c.watch()
	return c, nil
}

func (s Subscription) durable() string { return strings.ReplaceAll(s.Group, ".", "_") }

// deliverSubject is the deliver subject of a durable that is created here. It is that of @moleculer/channels. A group
// that does not have the service's name adds its own name, because the service may have several groups.
func (c *Consumer) deliverSubject() string {
	id := c.p.opts.NodeID + "." + c.sub.Service + "." + c.subject
	if c.sub.Group != c.sub.Service {
		id += "." + c.sub.durable()
	}
	return subject(c.p.opts.Prefix, strings.NewReplacer("*", "_", ">", "_", "|", "_").Replace(id))
}

// attach finds or creates the durable, and subscribes to it.
func (c *Consumer) attach(ctx context.Context) error {
	if err := c.p.ensure(ctx, c.subject); err != nil {
		return err
	}
	if c.sub.DeadLetters != "" {
		c.p.queues.Store(c.p.Subject(c.sub.DeadLetters), true)
		if err := c.p.Ensure(ctx, c.sub.DeadLetters); err != nil {
			return err
		}
	}
	stream, err := c.p.js.StreamNameBySubject(ctx, c.subject)
	if err != nil {
		return fmt.Errorf("look for the stream: %w", err)
	}
	durable, err := c.p.js.PushConsumer(ctx, stream, c.sub.durable())
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		durable, err = c.create(ctx, stream)
	}
	if errors.Is(err, jetstream.ErrNotPushConsumer) {
		return fmt.Errorf(
			"the durable %s of stream %s is a pull consumer: it belongs to something else, choose another group",
			c.sub.durable(), stream)
	}
	if err != nil {
		return fmt.Errorf("durable %s: %w", c.sub.durable(), explained(err))
	}
	return c.subscribe(durable)
}

// create creates the durable with the configuration of @moleculer/channels.
func (c *Consumer) create(ctx context.Context, stream string) (jetstream.PushConsumer, error) {
	config := jetstream.ConsumerConfig{
		Durable: c.sub.durable(), FilterSubject: c.subject, DeliverSubject: c.deliverSubject(),
		DeliverGroup: streamName(c.subject), DeliverPolicy: jetstream.DeliverNewPolicy,
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second, MaxAckPending: max(c.sub.MaxInFlight, 1),
	}
	if err := c.resume(ctx, stream, &config); err != nil {
		return nil, err
	}
	durable, err := c.p.js.CreatePushConsumer(ctx, stream, config)
	if errors.Is(err, jetstream.ErrConsumerExists) { // another member has created it meanwhile
		return c.p.js.PushConsumer(ctx, stream, c.sub.durable())
	}
	return durable, err
}

// resume makes a durable that replaces a deleted one start where that one was, so that no event is lost.
func (c *Consumer) resume(ctx context.Context, stream string, config *jetstream.ConsumerConfig) error {
	c.mu.Lock()
	before, ackFloor := c.source, c.ackFloor
	c.mu.Unlock()
	if before == nil {
		return nil
	}
	s, err := c.p.js.Stream(ctx, stream)
	if err != nil {
		return err
	}
	if s.CachedInfo().Created.After(before.info.Created) || s.CachedInfo().State.LastSeq < ackFloor {
		config.DeliverPolicy = jetstream.DeliverAllPolicy // the stream was created again
		return nil
	}
	config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, ackFloor+1
	return nil
}

// subscribe subscribes to a durable, instead of the one before.
func (c *Consumer) subscribe(durable jetstream.PushConsumer) error {
	info := durable.CachedInfo()
	if err := c.checkConfig(info.Config); err != nil {
		return err
	}
	consuming, err := durable.Consume(c.receive)
	if err != nil {
		return err
	}
	c.mu.Lock()
	before, stopping := c.source, c.stopping
	c.source = &source{info, consuming}
	c.ackFloor = info.AckFloor.Stream
	c.mu.Unlock()
	if before != nil {
		before.consuming.Drain()
	}
	if stopping {
		consuming.Drain()
	}
	return nil
}

// checkConfig refuses a durable that delivers other events, or delivers to all members at once. Node does, too.
func (c *Consumer) checkConfig(config jetstream.ConsumerConfig) error {
	group, filters := streamName(c.subject), config.FilterSubjects
	if config.FilterSubject != "" {
		filters = []string{config.FilterSubject}
	}
	switch {
	case config.DeliverGroup != group:
		return fmt.Errorf(
			"the durable %s has the deliver group %q, which should be %q: it belongs to something else, choose another group",
			config.Durable, config.DeliverGroup, group)
	case len(filters) > 0 && !slices.Equal(filters, []string{c.subject}):
		return fmt.Errorf("the durable %s is for %s: it belongs to something else, choose another group",
			config.Durable, strings.Join(filters, ", "))
	case config.AckPolicy != jetstream.AckExplicitPolicy:
		return fmt.Errorf(
			"the durable %s does not take an ack for each event: it belongs to something else, choose another group",
			config.Durable)
	}
	return nil
}

// warnOfDifferences warns if an existing durable differs from what this service would create.
func (c *Consumer) warnOfDifferences() {
	config := c.source.info.Config
	if config.MaxAckPending != max(c.sub.MaxInFlight, 1) {
		c.log.Warnf("the group handles %d event(s) at once, as the durable %s was made, not %d (maxInFlight)",
			config.MaxAckPending, config.Durable, max(c.sub.MaxInFlight, 1))
	}
	if config.MaxDeliver > 0 {
		c.log.Warnf("the durable %s delivers an event %d time(s) and then forgets it: it may be lost",
			config.Durable, config.MaxDeliver)
	}
}

// receive queues a delivered event for the workers. It is called for one message at a time.
func (c *Consumer) receive(msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		c.log.WithError(err).Warn("something that is no event was delivered")
		return
	}
	d := &delivery{msg: msg, deliveries: int(meta.NumDelivered), Delivery: Delivery{
		Name: c.sub.Name, Subject: msg.Subject(), Group: c.sub.Group, Stream: meta.Stream,
		Sequence: meta.Sequence.Stream, Attempt: int(meta.NumDelivered), Time: meta.Timestamp,
		Header: msg.Headers(), Payload: msg.Data(),
	}}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		_ = msg.Nak() // another member gets it at once; without a connection it is delivered again after the ack wait
		return
	}
	if same := c.unacked[d.key()]; same != nil { // delivered again, because the connection was lost for long
		same.msg, same.deliveries = d.msg, d.deliveries
		return
	}
	c.unacked[d.key()] = d
	c.queue = append(c.queue, d)
	if c.workers < max(c.sub.MaxInFlight, 1) {
		c.workers++
		go c.work()
	}
}

// work handles queued events until the queue is empty.
func (c *Consumer) work() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.workers--
			if c.stopping && c.workers == 0 {
				close(c.idle)
			}
			c.mu.Unlock()
			return
		}
		d := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()
		c.handle(d)
		c.mu.Lock()
		delete(c.unacked, d.key())
		c.mu.Unlock()
	}
}

// handle runs the handler of one event and sends the server an ack, or a nak that makes it deliver the event again.
func (c *Consumer) handle(d *delivery) {
	log := c.log.WithFields(logrus.Fields{"sequence": d.Sequence, "attempt": d.Attempt})
	if g := nats.Header(d.Header).Get(headerReplayedGroup); g != "" && g != c.sub.Group {
		c.sendAck(log, c.ack(d)) // it was replayed for another group; this one has handled it
		return
	}
	err := c.runHandler(log, d)
	switch {
	case err == nil:
		c.sendAck(log, c.ack(d))
		return
	case d.Attempt < c.sub.MaxRetries && !isPermanent(err):
		log.WithError(err).Warn("event not handled, it comes again")
	case c.sub.DeadLetters == "":
		log.WithError(err).Error("event not handled, and dropped: dead letters are off")
		c.sendAck(log, c.ack(d))
		return
	default:
		moved := c.deadLetter(d, err)
		if moved == nil {
			c.counted.DeadLettered()
			log.WithError(err).Errorf("event not handled, moved to %s", c.sub.DeadLetters)
			c.sendAck(log, c.ack(d))
			return
		}
		log.WithError(errors.Join(err, moved)).
			Errorf("event not handled, and not moved to %s either: it comes again", c.sub.DeadLetters)
	}
	c.mu.Lock()
	c.returned[d.key()] = d.deliveries
	c.mu.Unlock()
	delay := c.backoff(d.Attempt)
	c.counted.Retried()
	c.sendAck(log, func() error { return c.latestMsg(d).NakWithDelay(delay) })
}

// latestMsg returns the message of the latest delivery, which the server waits for an ack of.
func (c *Consumer) latestMsg(d *delivery) jetstream.Msg {
	c.mu.Lock()
	defer c.mu.Unlock()
	return d.msg
}

// backoff returns the delay after a failed attempt, which counts from 1.
func (c *Consumer) backoff(attempt int) time.Duration {
	if len(c.sub.Backoff) == 0 {
		return 0
	}
	return c.sub.Backoff[min(max(attempt, 1), len(c.sub.Backoff))-1]
}

func isPermanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// ack returns a function that sends an ack and waits for the server to confirm it: if an ack is lost with the
// connection, the event is delivered again.
func (c *Consumer) ack(d *delivery) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), min(ackWait, c.p.opts.Timeout))
		defer cancel()
		return c.latestMsg(d).DoubleAck(ctx)
	}
}

// sendAck calls send, and calls it again while it fails: a late ack is still good and saves another delivery. It gives
// up after Options.Timeout.
func (c *Consumer) sendAck(log *logrus.Entry, send func() error) {
	deadline := time.Now().Add(c.p.opts.Timeout)
	for {
		err := send()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || c.p.nc.IsClosed() {
			log.WithError(err).Warn("event not acknowledged to the server: it is delivered again")
			return
		}
		pause := time.NewTimer(retryWait)
		select {
		case <-pause.C:
		case <-c.ctx.Done():
			pause.Stop()
			deadline = time.Now() // the last attempt
		}
	}
}

// watch keeps events in progress while their handlers run, and checks the durable from time to time.
func (c *Consumer) watch() {
	defer close(c.watchEnded)
	reconnected := c.p.nc.StatusChanged(nats.CONNECTED)
	defer c.p.nc.RemoveStatusListener(reconnected)
	interval := c.progressInterval()
	progress := time.NewTicker(interval)
	defer progress.Stop()
	check := time.NewTimer(c.p.opts.CheckInterval)
	defer check.Stop()
	for {
		select {
		case <-progress.C:
			c.keepInProgress()
		case _, ok := <-reconnected:
			if !ok { // the connection is closed
				reconnected = nil
				continue
			}
			check.Reset(0)
		case <-check.C:
			next := c.p.opts.CheckInterval
			if err := c.checkDurable(); err != nil {
				next = min(next, time.Second)
				c.log.WithError(err).Warn("events are not consumed at the moment, trying again")
			}
			check.Reset(next)
			if i := c.progressInterval(); i != interval { // only then: a reset starts the interval again
				interval = i
				progress.Reset(i)
			}
		case <-c.stopWatch:
			return
		}
	}
}

// progressInterval is how often the consumer tells the server that events are in progress: well within the ack wait.
func (c *Consumer) progressInterval() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	config := c.source.info.Config
	wait := config.AckWait
	for _, w := range config.BackOff {
		wait = min(wait, w)
	}
	return max(wait/3, 10*time.Millisecond)
}

// keepInProgress tells the server that the unacknowledged events are being handled, so that it does not deliver them
// again.
func (c *Consumer) keepInProgress() {
	c.mu.Lock()
	list := make([]jetstream.Msg, 0, len(c.unacked))
	for _, d := range c.unacked {
		list = append(list, d.msg)
	}
	c.mu.Unlock()
	for _, msg := range list {
		_ = msg.InProgress() // it fails if the event is acknowledged meanwhile, or without a connection
	}
}

// checkTimeout bounds one check of the durable.
const checkTimeout = 5 * time.Second

// checkDurable creates the durable again if it is gone, and subscribes again if somebody else has replaced it.
func (c *Consumer) checkDurable() error {
	if !c.p.nc.IsConnected() {
		return nil // the next reconnect starts another check
	}
	ctx, cancel := context.WithTimeout(c.ctx, checkTimeout)
	defer cancel()
	c.mu.Lock()
	before := c.source.info
	c.mu.Unlock()
	durable, err := c.p.js.PushConsumer(ctx, before.Stream, before.Name)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
		c.log.Warnf("the durable %s of stream %s is gone, making it again", before.Name, before.Stream)
		return c.attach(ctx)
	case err != nil:
		return err
	}
	info := durable.CachedInfo()
	if info.Config.DeliverSubject != before.Config.DeliverSubject || !info.Created.Equal(before.Created) {
		return c.subscribe(durable) // somebody has created it again
	}
	c.mu.Lock()
	c.ackFloor = max(c.ackFloor, info.AckFloor.Stream)
	maps.DeleteFunc(c.returned, func(key eventKey, _ int) bool { return key.sequence <= c.ackFloor })
	c.mu.Unlock()
	return nil
}

// Stop takes no more events and waits for the running handlers. If ctx ends first, Stop cancels their contexts and
// returns an error. Events that no handler has started go to other members at once. The durable stays.
func (c *Consumer) Stop(ctx context.Context) error {
	c.mu.Lock()
	if c.stopping {
		c.mu.Unlock()
		return nil
	}
	c.stopping = true
	waiting := c.queue
	c.queue = nil
	for _, d := range waiting {
		delete(c.unacked, d.key())
	}
	if c.workers == 0 {
		close(c.idle)
	}
	consuming := c.source.consuming
	c.mu.Unlock()
	defer c.cancel()
	consuming.Drain()
	for _, d := range waiting {
		_ = c.latestMsg(d).Nak()
	}
	err := c.waitDrained(ctx, consuming)
	close(c.stopWatch)
	<-c.watchEnded
	return err
}

// waitDrained waits until no worker runs and the subscription is closed, or until ctx ends.
func (c *Consumer) waitDrained(ctx context.Context, consuming jetstream.ConsumeContext) error {
	select {
	case <-c.idle:
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		return fmt.Errorf("%d handler(s) of %s still run: %w", c.workers, c.subject, ctx.Err())
	}
	if !c.p.nc.IsConnected() {
		return nil // nothing more is delivered
	}
	select {
	case <-consuming.Closed():
	case <-ctx.Done(): // events that are still on the way are delivered again
	}
	return nil
}
