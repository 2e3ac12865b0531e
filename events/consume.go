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
)

// Subscription says which events a service consumes, and how.
type Subscription struct {
	Name    string // of the events, without the prefix
	Group   string // whose members share the events; instances on Go and Node nodes may be in one
	Service string // full name of the service that consumes

	MaxInFlight int // events of the group that are handled at once; at least 1
	MaxRetries  int // deliveries after which an event is given up; less than 1 counts as 1
	// DeadLetters names the queue that takes what is given up, without the prefix; "" drops it.
	DeadLetters string
	// Backoff is how long an event rests after its first, second… failure; the last one is for all that
	// follow. Empty redelivers at once, as @moleculer/channels does.
	Backoff []time.Duration

	// Handle takes one event. An error makes it come again, see [Consumer]; what dead letters tell of the
	// error comes from its optional method ErrorHeader() map[string]string. One with a method
	// Permanent() bool that says true is not tried again. ctx ends when a stop has waited long enough.
	Handle func(ctx context.Context, d *Delivery) error
}

// Delivery is one event on its way to a handler.
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

// Consumer hands events to one handler. It is the push consumer of @moleculer/channels on the wire: one
// durable a group, whose members, on Go and Node nodes, share what it delivers. What fails comes again, after
// a while, until it has come MaxRetries times; then it goes to the dead letters. So does an event that ended its
// process each time: the last time, and any beyond it, it is handled alone, so that no other is taken for it. An
// event is acknowledged only when it has been handled or is safe among the dead letters, so it may come more than
// once, never not at all. A handler that takes long keeps its event.
type Consumer struct {
	p       *Publisher
	sub     Subscription
	log     *logrus.Entry
	subject string

	ctx    context.Context // of handlers; ends when a stop has waited long enough
	cancel context.CancelFunc
	leave  chan struct{} // closed to end the watch
	gone   chan struct{} // closed when it has ended

	mu       sync.Mutex
	source   *source
	floor    uint64 // all of the stream up to here has been dealt with
	queue    []*delivery
	open     map[place]*delivery // what has come and is not settled
	returned map[place]int       // of events that come again: the last attempt whose handler returned in this process
	workers  int
	stopping bool
	idle     chan struct{} // closed when a stop finds nobody working
}

// source is the durable that events come from.
type source struct {
	info      *jetstream.ConsumerInfo
	receiving jetstream.ConsumeContext
}

// delivery is an event with what the server expects an answer to.
type delivery struct {
	Delivery

	// Of Consumer.mu, and of the last time, where the event has come again while it is worked on:
	msg  jetstream.Msg
	came int // deliveries so far
}

// place is where an event is stored. The time tells it from another one of the same sequence in a stream that has been
// deleted and made again.
type place struct {
	sequence uint64
	stored   int64 // ns
}

func (d *delivery) place() place { return place{d.Sequence, d.Time.UnixNano()} }

// Consume begins to hand events over. The streams of the events and of the dead letters are made where they
// are missing; the durable is made as @moleculer/channels makes it, or used as it is. The consumer looks
// after itself from then on: through reconnects, restarts of the server, and when its durable or stream is
// deleted.
func (p *Publisher) Consume(ctx context.Context, sub Subscription) (*Consumer, error) {
	c := &Consumer{
		p: p, sub: sub, subject: p.Subject(sub.Name),
		log:   p.log.WithFields(logrus.Fields{"event": sub.Name, "group": sub.Group}),
		leave: make(chan struct{}), gone: make(chan struct{}),
		open: map[place]*delivery{}, returned: map[place]int{}, idle: make(chan struct{}),
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

// deliverSubject is where a durable that is made here delivers to: as with @moleculer/channels, or beside
// it for a group that is not the service's own, as there may have been others.
func (c *Consumer) deliverSubject() string {
	id := c.p.opts.NodeID + "." + c.sub.Service + "." + c.subject
	if c.sub.Group != c.sub.Service {
		id += "." + c.sub.durable()
	}
	return subject(c.p.opts.Prefix, strings.NewReplacer("*", "_", ">", "_", "|", "_").Replace(id))
}

// attach finds or makes the durable, and receives from it.
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
		return fmt.Errorf("the durable %s of stream %s is a pull consumer: it belongs to something else, choose another group", c.sub.durable(), stream)
	}
	if err != nil {
		return fmt.Errorf("durable %s: %w", c.sub.durable(), explained(err))
	}
	return c.receive(durable)
}

// create makes the durable, in the words of @moleculer/channels.
func (c *Consumer) create(ctx context.Context, stream string) (jetstream.PushConsumer, error) {
	config := jetstream.ConsumerConfig{
		Durable: c.sub.durable(), FilterSubject: c.subject, DeliverSubject: c.deliverSubject(), DeliverGroup: streamName(c.subject),
		DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second, MaxAckPending: max(c.sub.MaxInFlight, 1),
	}
	if err := c.resume(ctx, stream, &config); err != nil {
		return nil, err
	}
	durable, err := c.p.js.CreatePushConsumer(ctx, stream, config)
	if errors.Is(err, jetstream.ErrConsumerExists) { // another member was faster
		return c.p.js.PushConsumer(ctx, stream, c.sub.durable())
	}
	return durable, err
}

// resume lets a durable that had been there go on where it was: what came in between is not lost.
func (c *Consumer) resume(ctx context.Context, stream string, config *jetstream.ConsumerConfig) error {
	c.mu.Lock()
	before, floor := c.source, c.floor
	c.mu.Unlock()
	if before == nil {
		return nil
	}
	s, err := c.p.js.Stream(ctx, stream)
	if err != nil {
		return err
	}
	if s.CachedInfo().Created.After(before.info.Created) || s.CachedInfo().State.LastSeq < floor {
		config.DeliverPolicy = jetstream.DeliverAllPolicy // the stream is a new one
		return nil
	}
	config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, floor+1
	return nil
}

// receive subscribes to a durable, in place of the one before.
func (c *Consumer) receive(durable jetstream.PushConsumer) error {
	info := durable.CachedInfo()
	if err := c.fits(info.Config); err != nil {
		return err
	}
	receiving, err := durable.Consume(c.take)
	if err != nil {
		return err
	}
	c.mu.Lock()
	before, stopping := c.source, c.stopping
	c.source = &source{info, receiving}
	c.floor = info.AckFloor.Stream
	c.mu.Unlock()
	if before != nil {
		before.receiving.Drain()
	}
	if stopping {
		receiving.Drain()
	}
	return nil
}

// fits refuses a durable that would deliver something else, or to all members at once, as Node does.
func (c *Consumer) fits(config jetstream.ConsumerConfig) error {
	group, filters := streamName(c.subject), config.FilterSubjects
	if config.FilterSubject != "" {
		filters = []string{config.FilterSubject}
	}
	switch {
	case config.DeliverGroup != group:
		return fmt.Errorf("the durable %s has the deliver group %q, which should be %q: it belongs to something else, choose another group", config.Durable, config.DeliverGroup, group)
	case len(filters) > 0 && !slices.Equal(filters, []string{c.subject}):
		return fmt.Errorf("the durable %s is for %s: it belongs to something else, choose another group", config.Durable, strings.Join(filters, ", "))
	case config.AckPolicy != jetstream.AckExplicitPolicy:
		return fmt.Errorf("the durable %s does not take an ack for each event: it belongs to something else, choose another group", config.Durable)
	}
	return nil
}

// warnOfDifferences tells of a durable that was there and is not as this service would make it.
func (c *Consumer) warnOfDifferences() {
	config := c.source.info.Config
	if config.MaxAckPending != max(c.sub.MaxInFlight, 1) {
		c.log.Warnf("the group handles %d event(s) at once, as the durable %s was made, not %d (maxInFlight)", config.MaxAckPending, config.Durable, max(c.sub.MaxInFlight, 1))
	}
	if config.MaxDeliver > 0 {
		c.log.Warnf("the durable %s delivers an event %d time(s) and then forgets it: it may be lost", config.Durable, config.MaxDeliver)
	}
}

// take is called for each event, one after the other.
func (c *Consumer) take(msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		c.log.WithError(err).Warn("something that is no event was delivered")
		return
	}
	d := &delivery{msg: msg, came: int(meta.NumDelivered), Delivery: Delivery{
		Name: c.sub.Name, Subject: msg.Subject(), Group: c.sub.Group, Stream: meta.Stream, Sequence: meta.Sequence.Stream,
		Attempt: int(meta.NumDelivered), Time: meta.Timestamp, Header: msg.Headers(), Payload: msg.Data(),
	}}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		_ = msg.Nak() // for another member; without the connection it comes again by itself
		return
	}
	if same := c.open[d.place()]; same != nil { // the connection was lost for long
		same.msg, same.came = d.msg, d.came
		return
	}
	c.open[d.place()] = d
	c.queue = append(c.queue, d)
	if c.workers < max(c.sub.MaxInFlight, 1) {
		c.workers++
		go c.work()
	}
}

// work handles what has come until nothing is left.
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
		c.deal(d)
		c.mu.Lock()
		delete(c.open, d.place())
		c.mu.Unlock()
	}
}

// deal handles one event and tells the server what became of it.
func (c *Consumer) deal(d *delivery) {
	log := c.log.WithFields(logrus.Fields{"sequence": d.Sequence, "attempt": d.Attempt})
	if g := nats.Header(d.Header).Get(headerReplayedGroup); g != "" && g != c.sub.Group {
		c.settle(log, c.ack(d)) // it was dead for another group; this one has had it
		return
	}
	err := c.handle(log, d)
	switch {
	case err == nil:
		c.settle(log, c.ack(d))
		return
	case d.Attempt < c.sub.MaxRetries && !isPermanent(err):
		log.WithError(err).Warn("event not handled, it comes again")
	case c.sub.DeadLetters == "":
		log.WithError(err).Error("event not handled, and dropped: dead letters are off")
		c.settle(log, c.ack(d))
		return
	default:
		moved := c.bury(d, err)
		if moved == nil {
			log.WithError(err).Errorf("event not handled, moved to %s", c.sub.DeadLetters)
			c.settle(log, c.ack(d))
			return
		}
		log.WithError(errors.Join(err, moved)).Errorf("event not handled, and not moved to %s either: it comes again", c.sub.DeadLetters)
	}
	c.mu.Lock()
	c.returned[d.place()] = d.came
	c.mu.Unlock()
	rest := c.rest(d.Attempt)
	c.settle(log, func() error { return c.message(d).NakWithDelay(rest) })
}

// message is what the server waits for an answer to.
func (c *Consumer) message(d *delivery) jetstream.Msg {
	c.mu.Lock()
	defer c.mu.Unlock()
	return d.msg
}

func (c *Consumer) rest(attempt int) time.Duration {
	if len(c.sub.Backoff) == 0 {
		return 0
	}
	return c.sub.Backoff[min(max(attempt, 1), len(c.sub.Backoff))-1]
}

func isPermanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

// ack is an answer that the server confirms: one that is lost with the connection would bring the event again.
func (c *Consumer) ack(d *delivery) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), min(ackWait, c.p.opts.Timeout))
		defer cancel()
		return c.message(d).DoubleAck(ctx)
	}
}

// settle gives an answer. While the connection is down it tries again: a late answer is as good, and spares
// another delivery.
func (c *Consumer) settle(log *logrus.Entry, answer func() error) {
	deadline := time.Now().Add(c.p.opts.Timeout)
	for {
		err := answer()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || c.p.nc.IsClosed() {
			log.WithError(err).Warn("what became of an event could not be told: it comes again")
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

// watch keeps events that are worked on, and sees to it that the durable is there.
func (c *Consumer) watch() {
	defer close(c.gone)
	reconnected := c.p.nc.StatusChanged(nats.CONNECTED)
	defer c.p.nc.RemoveStatusListener(reconnected)
	interval := c.keepInterval()
	keep := time.NewTicker(interval)
	defer keep.Stop()
	check := time.NewTimer(c.p.opts.CheckInterval)
	defer check.Stop()
	for {
		select {
		case <-keep.C:
			c.keep()
		case _, ok := <-reconnected:
			if !ok { // the connection is closed
				reconnected = nil
				continue
			}
			check.Reset(0)
		case <-check.C:
			next := c.p.opts.CheckInterval
			if err := c.check(); err != nil {
				next = min(next, time.Second)
				c.log.WithError(err).Warn("events are not consumed at the moment, trying again")
			}
			check.Reset(next)
			if i := c.keepInterval(); i != interval { // a reset begins anew: done each time it would never be due
				interval = i
				keep.Reset(i)
			}
		case <-c.leave:
			return
		}
	}
}

// keepInterval makes sure that an event is kept well before the server takes it for lost.
func (c *Consumer) keepInterval() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	config := c.source.info.Config
	wait := config.AckWait
	for _, w := range config.BackOff {
		wait = min(wait, w)
	}
	return max(wait/3, 10*time.Millisecond)
}

func (c *Consumer) keep() {
	c.mu.Lock()
	list := make([]jetstream.Msg, 0, len(c.open))
	for _, d := range c.open {
		list = append(list, d.msg)
	}
	c.mu.Unlock()
	for _, msg := range list {
		_ = msg.InProgress() // it fails where the event has been settled, or without a connection
	}
}

// checkTimeout bounds a look at the durable.
const checkTimeout = 5 * time.Second

// check sees to it that the durable is there and that this member gets its events.
func (c *Consumer) check() error {
	if !c.p.nc.IsConnected() {
		return nil // nobody to ask; the reconnect makes for another check
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
		return c.receive(durable) // somebody has made it anew
	}
	c.mu.Lock()
	c.floor = max(c.floor, info.AckFloor.Stream)
	maps.DeleteFunc(c.returned, func(p place, _ int) bool { return p.sequence <= c.floor })
	c.mu.Unlock()
	return nil
}

// Stop takes no more events and waits for the handlers that run, until ctx ends; then their context ends,
// too. What has not been begun goes to other members at once. The durable stays.
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
		delete(c.open, d.place())
	}
	if c.workers == 0 {
		close(c.idle)
	}
	receiving := c.source.receiving
	c.mu.Unlock()
	defer c.cancel()
	receiving.Drain()
	for _, d := range waiting {
		_ = c.message(d).Nak()
	}
	err := c.drained(ctx, receiving)
	close(c.leave)
	<-c.gone
	return err
}

func (c *Consumer) drained(ctx context.Context, receiving jetstream.ConsumeContext) error {
	select {
	case <-c.idle:
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		return fmt.Errorf("%d handler(s) of %s still run: %w", c.workers, c.subject, ctx.Err())
	}
	if !c.p.nc.IsConnected() {
		return nil // nothing more comes
	}
	select {
	case <-receiving.Closed():
	case <-ctx.Done(): // what the server may have sent comes again
	}
	return nil
}
