package events

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action/codes"
)

// A poison event ends the process that handles it: it exhausts the memory, or causes a fault that no recover catches.
// Then no handler reports an error. The server delivers the event again, with all others that the process had not
// acknowledged, and cannot tell them apart. So an event whose last deliveries were not acknowledged is handled alone in
// its process, and meanwhile a mark in the durable's metadata says so. If the event is delivered again and still has
// its mark, the process ended with it, and it is given up.

const (
	// markPrefix is the prefix of the marks in a durable's metadata. The event's sequence follows.
	markPrefix = "switchboard.alone."
	// aloneWait is how long a suspected event waits for the running handlers, and how long other handlers wait for it.
	aloneWait = 30 * time.Second
	// lastWait is how long other handlers wait for an event that may just have failed on another node.
	lastWait = time.Second
	// markWait bounds the write of a mark.
	markWait = 5 * time.Second
)

// poisonError is why a poison event is given up.
type poisonError struct{ deliveries int }

func (e poisonError) Error() string {
	return fmt.Sprintf(
		"delivered %d times; the last process that handled it ended, or lost its connection, before its handler returned",
		e.deliveries)
}

// Permanent says that the event must not be delivered again.
func (poisonError) Permanent() bool { return true }

// ErrorHeader returns the headers of the dead letter.
func (e poisonError) ErrorHeader() map[string]string {
	return map[string]string{
		"x-error-name": "Error", "x-error-message": e.Error(), "x-error-type": codes.HandlerDidNotReturn,
		"x-error-retryable": "false",
	}
}

// runHandler runs the handler of an event: beside others, or alone if the event may have ended its process before.
func (c *Consumer) runHandler(log *logrus.Entry, d *delivery) error {
	end, err := c.startHandler(log, d)
	if err != nil {
		return err
	}
	defer end()
	began := time.Now()
	c.counted.Begin()
	err = c.sub.Handle(c.ctx, &d.Delivery)
	c.counted.End(began, err)
	return err
}

// startHandler waits until an event may be handled. The caller must call end when its handler has returned. An error
// means that the event is given up.
func (c *Consumer) startHandler(log *logrus.Entry, d *delivery) (end func(), err error) {
	gate := &c.p.gate
	if !c.maybePoison(d) {
		gate.enter()
		return gate.leave, nil
	}
	if d.Attempt <= c.sub.MaxRetries { // it may also have failed on another node
		release, alone := gate.tryAlone()
		if !alone {
			gate.enter()
			return gate.leave, nil
		}
		return c.startAlone(log, d, release, lastWait)
	}
	release, alone := gate.enterAlone(c.ctx, aloneWait)
	if !alone {
		log.Warn("other handlers take long: an event that may have ended its process is handled beside them")
	}
	return c.startAlone(log, d, release, aloneWait)
}

// maybePoison says whether an event may be a poison event: this is its last delivery or one beyond it, and its handler
// is not known to have returned after the delivery before.
func (c *Consumer) maybePoison(d *delivery) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	returned := c.returned[d.key()]
	delete(c.returned, d.key())
	if d.Attempt < max(c.sub.MaxRetries, 2) || returned == d.Attempt-1 {
		return false
	}
	return d.Attempt > c.sub.MaxRetries || time.Since(d.Time) >= c.source.info.Config.AckWait
}

// startAlone marks an event that is handled alone. After maxAlone other handlers may start beside it. Then an event
// that may just have failed on another node loses its mark.
func (c *Consumer) startAlone(
	log *logrus.Entry, d *delivery, release func(), maxAlone time.Duration,
) (end func(), err error) {
	mayHaveFailed := d.Attempt <= c.sub.MaxRetries
	marked, err := c.mark(d)
	if err != nil {
		log.WithError(err).Warn("an event that may have ended its process cannot be marked: only its deliveries count")
		marked = d.Attempt > 2*max(c.sub.MaxRetries, 2)
	}
	if marked {
		release()
		c.unmark(d)
		return nil, poisonError{d.Attempt - 1}
	}
	timer := time.AfterFunc(maxAlone, func() {
		if mayHaveFailed {
			c.unmark(d)
		}
		release()
	})
	return func() {
		timer.Stop()
		c.unmark(d)
		release()
	}, nil
}

// mark marks an event as handled alone, and says whether it had the mark before.
func (c *Consumer) mark(d *delivery) (before bool, err error) {
	name := markPrefix + strconv.FormatUint(d.Sequence, 10)
	err = c.updateMetadata(func(metadata map[string]string, ackFloor uint64) bool {
		if _, before = metadata[name]; before {
			return false
		}
		maps.DeleteFunc(metadata, func(key, _ string) bool { return isStaleMark(key, ackFloor) })
		metadata[name] = strconv.Itoa(d.Attempt)
		return true
	})
	return before, err
}

// unmark removes the mark. If the server cannot be reached, a later mark removes it once the event is acknowledged.
func (c *Consumer) unmark(d *delivery) {
	name := markPrefix + strconv.FormatUint(d.Sequence, 10)
	err := c.updateMetadata(func(metadata map[string]string, _ uint64) bool {
		_, marked := metadata[name]
		delete(metadata, name)
		return marked
	})
	if err != nil {
		c.log.WithError(err).WithField("sequence", d.Sequence).
			Warn("the mark of an event that is handled alone could not be removed")
	}
}

// isStaleMark says whether a key of the metadata is the mark of an acknowledged event.
func isStaleMark(key string, ackFloor uint64) bool {
	text, ok := strings.CutPrefix(key, markPrefix)
	if !ok {
		return false
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	return err != nil || seq <= ackFloor
}

// updateMetadata calls change with a copy of the durable's metadata, and writes it back if change returns true. If two
// members do so at once, one may overwrite the other's change: then an event is handled once more, or once less.
func (c *Consumer) updateMetadata(change func(metadata map[string]string, ackFloor uint64) bool) error {
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
