package events

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// An event may end the process that handles it, by exhausting the memory or by a fault that no recover catches. No handler
// says so: the server only delivers the event again, and all the others that the process had taken, as it cannot tell them
// apart. So an event whose last deliveries got no answer is handled alone in its process, and the durable's metadata say
// so meanwhile. When it comes again and still has that mark, its process ended with it, and it is given up.

const (
	// markPrefix begins the names of the marks in a durable's metadata; the event's sequence follows.
	markPrefix = "switchboard.alone."
	// aloneWait is how long a suspect waits for the handlers that run, and how long it may keep others from beginning.
	aloneWait = 30 * time.Second
	// lastWait is the same for an event that may have failed in the usual way on another node: others are not to wait for it.
	lastWait = time.Second
	// markWait bounds the writing of a mark.
	markWait = 5 * time.Second
)

// unanswered is why an event is given up that no handler has answered for.
type unanswered struct{ deliveries int }

func (u unanswered) Error() string {
	return fmt.Sprintf("delivered %d times; the last process that handled it ended, or lost its connection, before its handler returned", u.deliveries)
}

// Permanent says that it does not come again.
func (unanswered) Permanent() bool { return true }

// ErrorHeader is what dead letters tell of it.
func (u unanswered) ErrorHeader() map[string]string {
	return map[string]string{
		"x-error-name": "Error", "x-error-message": u.Error(), "x-error-type": "HANDLER_DID_NOT_RETURN", "x-error-retryable": "false",
	}
}

// handle runs the handler of an event, beside others or, where the event may have ended its process before, alone.
func (c *Consumer) handle(log *logrus.Entry, d *delivery) error {
	end, err := c.begin(log, d)
	if err != nil {
		return err
	}
	defer end()
	return c.sub.Handle(c.ctx, &d.Delivery)
}

// begin waits until an event may be handled. Its error gives the event up.
func (c *Consumer) begin(log *logrus.Entry, d *delivery) (end func(), err error) {
	gate := &c.p.gate
	if !c.unanswered(d) {
		gate.enter()
		return gate.leave, nil
	}
	if d.Attempt <= c.sub.MaxRetries { // it may as well have failed in the usual way, on another node
		free, alone := gate.tryAlone()
		if !alone {
			gate.enter()
			return gate.leave, nil
		}
		return c.aloneFor(log, d, free, lastWait)
	}
	free, alone := gate.enterAlone(c.ctx, aloneWait)
	if !alone {
		log.Warn("other handlers take long: an event that may have ended its process is handled beside them")
	}
	return c.aloneFor(log, d, free, aloneWait)
}

// unanswered says whether an event has been delivered as often as it may be, or this is the last time, and it is not known
// that its handler returned before.
func (c *Consumer) unanswered(d *delivery) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	returned := c.returned[d.place()]
	delete(c.returned, d.place())
	if d.Attempt < max(c.sub.MaxRetries, 2) || returned == d.Attempt-1 {
		return false
	}
	return d.Attempt > c.sub.MaxRetries || time.Since(d.Time) >= c.source.info.Config.AckWait
}

// aloneFor marks an event that is handled alone. After some time others may begin beside it; one that may have failed in
// the usual way is not marked any longer then.
func (c *Consumer) aloneFor(log *logrus.Entry, d *delivery, free func(), bound time.Duration) (end func(), err error) {
	last := d.Attempt <= c.sub.MaxRetries
	marked, err := c.mark(d)
	if err != nil {
		log.WithError(err).Warn("it cannot be noted that an event may have ended its process: only its deliveries count")
		marked = d.Attempt > 2*max(c.sub.MaxRetries, 2)
	}
	if marked {
		free()
		c.unmark(d)
		return nil, unanswered{d.Attempt - 1}
	}
	timer := time.AfterFunc(bound, func() {
		if last {
			c.unmark(d)
		}
		free()
	})
	return func() {
		timer.Stop()
		c.unmark(d)
		free()
	}, nil
}

// mark notes that an event is handled alone, and says whether that has been noted before.
func (c *Consumer) mark(d *delivery) (before bool, err error) {
	name := markPrefix + strconv.FormatUint(d.Sequence, 10)
	err = c.note(func(metadata map[string]string, floor uint64) bool {
		if _, before = metadata[name]; before {
			return false
		}
		maps.DeleteFunc(metadata, func(key, _ string) bool { return settledMark(key, floor) })
		metadata[name] = strconv.Itoa(d.Attempt)
		return true
	})
	return before, err
}

// unmark takes the mark off. One that stays because the server cannot be reached is removed once the event is settled.
func (c *Consumer) unmark(d *delivery) {
	name := markPrefix + strconv.FormatUint(d.Sequence, 10)
	err := c.note(func(metadata map[string]string, _ uint64) bool {
		_, marked := metadata[name]
		delete(metadata, name)
		return marked
	})
	if err != nil {
		c.log.WithError(err).WithField("sequence", d.Sequence).Warn("the note that an event is handled alone could not be removed")
	}
}

// settledMark says whether a mark is of an event up to floor.
func settledMark(key string, floor uint64) bool {
	text, ok := strings.CutPrefix(key, markPrefix)
	if !ok {
		return false
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	return err != nil || seq <= floor
}

// note changes the durable's metadata, if change says that it has. Two members that do so at once may undo each other's
// change: then an event is handled once more, or not.
func (c *Consumer) note(change func(metadata map[string]string, floor uint64) bool) error {
	c.mu.Lock()
	source := c.source.info
	c.mu.Unlock()
	c.p.metadataMu.Lock()
	defer c.p.metadataMu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), min(markWait, c.p.opts.Timeout))
	defer cancel()
	durable, err := c.p.js.PushConsumer(ctx, source.Stream, source.Name)
	if err != nil {
		return err
	}
	info := durable.CachedInfo()
	config := info.Config
	config.Metadata = maps.Clone(config.Metadata)
	if config.Metadata == nil {
		config.Metadata = map[string]string{}
	}
	if !change(config.Metadata, info.AckFloor.Stream) {
		return nil
	}
	_, err = c.p.js.UpdatePushConsumer(ctx, source.Stream, config)
	return err
}
