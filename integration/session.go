package integration

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/leases"
)

const (
	// maxUnderway and maxUnderwayBytes bound the items of a session that are not durable yet.
	maxUnderway      = 1024
	maxUnderwayBytes = 8 << 20
	// maxReceivingBytes bounds them for all sessions of a platform on this node.
	maxReceivingBytes = 64 << 20
	// itemTimeout bounds one attempt to store an item.
	itemTimeout = 10 * time.Second
	// shareFor is how long attempts share a context.
	shareFor = time.Second
	// drainTimeout is how long a session that ends waits for the items under way: another node waits for its lease.
	drainTimeout = 500 * time.Millisecond
	// spoolCheck is how often a session asks whether the spool still has events that its cursor must not pass.
	spoolCheck = time.Second
)

// retryPause is the pause before items are delivered again that could not be stored: it doubles from 200 ms to 5 s.
func retryPause(failures int) time.Duration {
	return min(200*time.Millisecond<<min(failures-1, 5), 5*time.Second)
}

// Session is one life of a connection, as a [Receiver] sees it. Deliver and Flush are for the goroutine that runs
// Receive; all other methods are safe for concurrent use.
type Session struct {
	Channel *Channel // as it is now: when it changes, the session ends
	Index   int      // of the channel's connections, from 0; the number of a shard
	Of      int      // how many connections the channel has

	s          *platformService
	lease      *leases.Lease
	conn       *connection
	ctx        context.Context // of Receive
	generation string          // of the channel's credentials
	held       atomic.Bool     // an event could not be published: none after it may be, before it is tried again

	mu         sync.Mutex
	shared     context.Context // of attempts that begin before shareUntil
	shareUntil time.Time
	changed    sync.Cond
	items      []*item // not yet passed by the cursor's position, oldest first
	bytes      int     // of their payloads
	underway   int     // items handed to the webhook's path
	failed     bool    // an item has to be delivered again; no other one is handed over before it
	retrying   bool    // items are being delivered again, in order
	failures   int     // in a row
	cursor     json.RawMessage
	unsaved    bool     // cursor has not been given to the lease, because the spool holds events before it
	spooled    []string // keys of these events
	checking   bool     // a timer will ask the spool again
	closed     bool
}

// item is something that came in and is not durable yet.
type item struct {
	Incoming
	at    time.Time // when it came: the same for each attempt
	state itemState
	keys  []string // of the events that the spool may have
	run   *webhookRun
}

type itemState int

const (
	itemQueued itemState = iota
	itemUnderway
	itemDone
)

func newSession(ctx context.Context, c *connection, ch *Channel, of int) *Session {
	session := &Session{
		Channel: ch, Index: c.index, Of: of, s: c.of.s, lease: c.lease, conn: c, ctx: ctx, generation: generation(ch),
	}
	session.cursor = c.cursorFor(session.generation)
	session.changed.L = &session.mu
	return session
}

// Cursor returns the platform's position that was saved last, nil where there is none. It is another node's if this one
// took over.
func (x *Session) Cursor() json.RawMessage {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cursor
}

// SetCursor saves a position without an item, such as that of a new session of the platform's, and after all items that
// were handed over before.
func (x *Session) SetCursor(ctx context.Context, cursor json.RawMessage) error {
	if err := x.Flush(ctx); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.cursor, x.unsaved = cursor, true
	x.save()
	return nil
}

// Ready says that the connection receives. The notes are shown with it, such as that the platform leaves something out.
func (x *Session) Ready(notes ...string) { x.conn.ready(notes) }

// Log returns the log of the connection.
func (x *Session) Log() *logrus.Entry { return x.conn.log }

// SetShards says how many connections the channel needs, of which this one is the first. Other nodes take their part.
// All sessions of the channel that were opened with another number end soon, this one too, and are opened anew.
func (x *Session) SetShards(n int) { x.conn.setShards(n) }

// Turn waits until nobody in the cluster has had the turn of that name for the interval, and takes it. It is for limits
// that a platform has for all connections of an account, so the name must hold the account's id. The error is ctx's, or
// says that the cluster cannot be asked.
func (x *Session) Turn(ctx context.Context, name string, interval time.Duration) error {
	return x.s.runtime.Leases.Turn(ctx, x.s.def.Name+"/"+name, interval)
}

// Deliver hands over one item, in order. It returns without waiting for the item to be durable, but blocks while too
// many before it are not. The error is that of ctx.
func (x *Session) Deliver(ctx context.Context, in Incoming) error {
	if err := x.s.receiving.Acquire(ctx, weightOf(in)); err != nil {
		return err
	}
	if err := x.makeRoom(ctx, len(in.Payload)); err != nil {
		x.s.receiving.Release(weightOf(in))
		return err
	}
	x.mu.Lock()
	i := &item{Incoming: in, at: x.s.now()}
	x.items = append(x.items, i)
	x.bytes += len(in.Payload)
	start := in.Payload != nil && !x.failed && !x.retrying
	switch {
	case start:
		i.state = itemUnderway
		x.underway++
	case in.Payload == nil:
		i.state = itemDone
		x.pass()
	}
	x.mu.Unlock()
	if start {
		x.start(i)
	}
	return nil
}

// makeRoom waits until an item of that size may be handed over.
func (x *Session) makeRoom(ctx context.Context, size int) error {
	return x.waitFor(ctx, func() bool {
		return len(x.items) == 0 || len(x.items) < maxUnderway && x.bytes+size <= maxUnderwayBytes
	})
}

// Flush waits until all items that were handed over are durable. The error is that of ctx.
func (x *Session) Flush(ctx context.Context) error {
	return x.waitFor(ctx, func() bool { return len(x.items) == 0 })
}

// waitFor waits until ok, which is asked with the lock held.
func (x *Session) waitFor(ctx context.Context, ok func() bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if ok() {
		return ctx.Err()
	}
	defer context.AfterFunc(ctx, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.changed.Broadcast()
	})()
	for !ok() {
		if err := ctx.Err(); err != nil {
			return err
		}
		x.changed.Wait()
	}
	return nil
}

// start sends an item on the way of a webhook. Items are started in order.
func (x *Session) start(i *item) {
	req := &action.Request{
		Service: x.s.fullName, Action: x.s.fullName + ".connection", RequestID: uuid.NewString(), Meta: action.NewMeta(nil),
		Cluster: x.s.runtime.Cluster, Level: 1,
	}
	ctx := action.WithRequest(x.itemContext(), req)
	i.run = &webhookRun{
		s: x.s, ctx: ctx, req: req, fence: x.mayPublish, failed: func() { x.held.Store(true) },
		unanswered: i.Done == nil,
		webhook: &Webhook{
			Platform: x.s.def.Name, Payload: i.Payload, RawBody: i.Payload, Headers: i.Headers, Timestamp: i.at,
			Connection: true,
		},
	}
	done := func(_ any, err error) { x.finished(i, err) }
	if err := i.run.accept(x.Channel.ID, nil); err != nil {
		done(nil, err)
		return
	}
	i.run.answer.OnDone(done)
}

// itemContext returns the context of an attempt that begins now. Attempts that begin within a second share one, because
// a timer for each would cost more than the rest of its start. It ends no sooner than itemTimeout after they began. It
// outlives Receive: what is under way when a session ends may still be stored. The fence ends that.
func (x *Session) itemContext() context.Context {
	x.mu.Lock()
	defer x.mu.Unlock()
	if now := time.Now(); !now.Before(x.shareUntil) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(x.ctx), itemTimeout+shareFor)
		context.AfterFunc(ctx, cancel)
		x.shared, x.shareUntil = ctx, now.Add(shareFor)
	}
	return x.shared
}

// mayPublish says whether this node still has the lease, and no earlier event waits to be published again.
func (x *Session) mayPublish() bool { return !x.held.Load() && x.lease.Valid() }

// finished notes how an item's attempt ended.
func (x *Session) finished(i *item, err error) {
	run := i.run // another attempt has another one
	again := err != nil && isTemporary(err)
	x.mu.Lock()
	x.underway--
	if again {
		i.state, x.failed = itemQueued, true
		x.failures++
	} else {
		i.state, i.keys = itemDone, run.spoolKeys()
		if !x.failed { // else it was on its way beside the one that failed
			x.failures = 0
		}
	}
	passed := x.pass()
	x.retryLater()
	x.changed.Broadcast()
	x.mu.Unlock()
	x.release(passed)
	switch {
	case again && !x.lease.Valid(): // another node goes on from the cursor
	case again:
		x.conn.log.WithError(err).WithField("requestID", run.req.RequestID).
			Warn("what came over a connection could not be stored; it is tried again")
	case i.Done != nil:
		i.Done(run.response, err)
	}
}

// release gives the bytes of items back, which Deliver has taken from those of the platform.
func (x *Session) release(items []*item) {
	for _, i := range items {
		x.s.receiving.Release(weightOf(i.Incoming))
	}
}

// weightOf is what an item takes of maxReceivingBytes.
func weightOf(in Incoming) int64 { return int64(min(len(in.Payload), maxReceivingBytes)) }

// retryLater delivers what failed again after a pause, once nothing is under way. The lock is held.
func (x *Session) retryLater() {
	if x.failed && x.underway == 0 && !x.retrying && !x.closed && x.lease.Valid() {
		x.retrying = true
		time.AfterFunc(retryPause(x.failures), x.retry)
	}
}

// pass moves the cursor past the items that are done. It returns them. The lock is held.
func (x *Session) pass() []*item {
	n := 0
	for n < len(x.items) && x.items[n].state == itemDone {
		i := x.items[n]
		x.bytes -= len(i.Payload)
		x.spooled = append(x.spooled, i.keys...)
		if i.Cursor != nil {
			x.cursor, x.unsaved = i.Cursor, true
		}
		n++
	}
	passed := x.items[:n:n]
	x.items = x.items[n:]
	x.save()
	return passed
}

// save gives the cursor to the lease, unless the spool still holds events before it: another node that took over would
// store later messages of their conversations first. The lock is held.
func (x *Session) save() {
	held := x.spooled[:0]
	for _, key := range x.spooled {
		if x.s.runtime.Spool.Holds(key) {
			held = append(held, key)
		}
	}
	x.spooled = held
	switch {
	case !x.unsaved || x.closed:
	case len(held) == 0:
		x.unsaved = false
		x.conn.save(x.generation, x.cursor)
	case !x.checking:
		x.checking = true
		time.AfterFunc(spoolCheck, func() {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.checking = false
			x.save()
		})
	}
}

// retry delivers again what is not done, in order, until one fails again.
func (x *Session) retry() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.failed = false
	x.held.Store(false)
	for !x.failed && !x.closed {
		at := slices.IndexFunc(x.items, func(i *item) bool { return i.state == itemQueued })
		if at < 0 {
			break
		}
		next := x.items[at]
		next.state = itemUnderway
		x.underway++
		x.mu.Unlock()
		x.start(next)
		x.mu.Lock()
	}
	x.retrying = false
	x.retryLater()
}

// close waits a little for what is under way, and ends the session. Later outcomes save nothing.
func (x *Session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	_ = x.waitFor(ctx, func() bool { return x.underway == 0 })
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	x.release(x.items) // also what is done, and waits for something before it
	x.items, x.bytes = nil, 0
	x.changed.Broadcast()
}

// isTemporary says whether an item that was not taken in is to be delivered again. What the channel's own state
// refuses is: it stays with the platform until the channel is there again.
func isTemporary(err error) bool {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Retryable() || e.Kind == FaultNotFound || e.Kind == FaultForbidden
	}
	m, ok := errors.AsType[action.Moleculer](err)
	return !ok || m.MoleculerError().Retryable
}
