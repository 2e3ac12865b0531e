package spool

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	// firstPause and maxPause are the first and the longest pause between attempts to publish.
	firstPause, maxPause = 500 * time.Millisecond, 3 * time.Second
	// maxBatch and maxBatchBytes bound the events in flight. The next batch of up to the same size is in memory, too.
	maxBatch, maxBatchBytes = 1024, 4 << 20
	// maxWait is how long a batch may take. After a slower one the next is smaller, because new events wait behind it.
	maxWait = 500 * time.Millisecond
	// maxStored is how many stored events are deleted in one transaction, which waits for the disk several times.
	maxStored = 4 * maxBatch
	// closeTimeout bounds the deletion of stored events in Close.
	closeTimeout = 5 * time.Second
)

// drain publishes waiting events until ctx ends.
func (s *Spool) drain(ctx context.Context) {
	for pause := firstPause; ; {
		err := s.publishAll(ctx)
		if ctx.Err() != nil {
			s.deleteStoredAtEnd(ctx)
			return
		}
		first := s.noteFailure(err)
		if err == nil {
			pause = firstPause
			select {
			case <-s.wake:
			case <-ctx.Done():
			}
			continue
		}
		if first { // once for each outage
			s.opts.Log.WithError(err).WithField("events", s.State().Events).
				Warn("events are kept in the spool until JetStream takes them")
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		pause = min(2*pause, maxPause)
	}
}

// noteFailure remembers the result of publishing for [Spool.Check]. It returns true for the first failure after a
// success.
func (s *Spool) noteFailure(err error) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first = err != nil && s.failedAt.IsZero()
	s.failedAt = time.Time{}
	if err != nil {
		s.failedAt = time.Now()
	}
	return first
}

// deleteStoredAtEnd deletes stored events, so that the next process need not look for them in the stream.
func (s *Spool) deleteStoredAtEnd(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := s.deleteStored(ctx); err != nil {
		s.opts.Log.WithError(err).
			Warn("events that are stored stay in the spool: they will be looked for in their stream")
	}
}

// deleteStored deletes stored events from the file.
func (s *Spool) deleteStored(ctx context.Context) error {
	err := s.remove(ctx, s.stored)
	if err == nil {
		s.stored = nil
	}
	return err
}

// publishAll publishes all waiting events in batches. It ends with the first event that cannot be stored for the
// moment.
//
// While one batch is in flight, the batch before it is deleted and the one after it is read, so at most two are in
// memory. A batch ends before the next one begins: so no event of a later batch is stored before one that the stream
// refuses. The first batch is one event, which finds out whether the stream takes any. Each later batch has twice as
// many events as the one before, or half as many if the stream is slow.
func (s *Spool) publishAll(ctx context.Context) error {
	if err := s.deleteStored(ctx); err != nil {
		return err
	}
	published := 0
	list, err := s.next(ctx, 0, 1)
	for count := 1; err == nil && len(list) > 0; {
		s.noteOldest(list[0].at)
		var unstored []row
		if unstored, err = s.unstored(ctx, list); err != nil {
			break
		}
		began := time.Now()
		batch := s.publish(ctx, unstored)
		var following []row
		following, err = s.prepare(ctx, list[len(list)-1].seq, min(2*count, maxBatch))
		err = errors.Join(s.waitForAcks(ctx, batch), err)
		published += len(list)
		list = nextBatch(following, time.Since(began))
		count = len(list)
	}
	clear(s.lookups)
	if err = errors.Join(err, s.deleteStored(ctx)); err == nil && published > 0 {
		s.opts.Log.WithField("events", published).Info("the events in the spool are stored")
	}
	return err
}

// nextBatch returns the events of list that are published next: fewer if the batch before was slow. The rest is read
// again.
func nextBatch(list []row, took time.Duration) []row {
	if took > maxWait {
		return list[:(len(list)+3)/4] // the batch before had half as many
	}
	return list
}

// prepare reads the events behind a sequence. If there are enough stored events, it deletes them first.
func (s *Spool) prepare(ctx context.Context, after int64, count int) ([]row, error) {
	if len(s.stored) >= maxStored {
		if err := s.deleteStored(ctx); err != nil {
			return nil, err
		}
	}
	return s.next(ctx, after, count)
}

func (s *Spool) noteOldest(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Oldest = at
}

// unstored returns the events of a batch that have to be published: those that are not stored yet and not too old.
func (s *Spool) unstored(ctx context.Context, list []row) ([]row, error) {
	s.batches++
	unstored := make([]row, 0, len(list))
	var done []row
	dropped := 0
	for i := range list {
		r := &list[i]
		stored, err := s.isStored(ctx, r, s.batches)
		switch {
		case err != nil:
			return nil, err
		case stored:
			done = append(done, *r)
		case s.opts.MaxAge > 0 && time.Since(r.at) > s.opts.MaxAge:
			done = append(done, *r)
			dropped++
		default:
			unstored = append(unstored, *r)
		}
	}
	if dropped > 0 {
		s.opts.Log.WithFields(logrus.Fields{"events": dropped, "since": list[0].at}).
			Error("events have waited for too long and are dropped")
	}
	s.noteStored(done)
	return unstored, nil
}

// noteStored removes events from the counts that need not be published any longer. deleteStored deletes them later.
func (s *Spool) noteStored(list []row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		s.uncount(list[i].Key, list[i].size)
		s.stored = append(s.stored, list[i].seq)
	}
	s.inFile -= len(list)
}

// batch is a number of events in flight.
type batch struct {
	list []row
	errs []error        // of each event
	acks sync.WaitGroup // for the onAck of all events
}

func (s *Spool) publish(ctx context.Context, list []row) *batch {
	b := &batch{list: list, errs: make([]error, len(list))}
	b.acks.Add(len(list))
	for i := range list {
		s.opts.Publish(ctx, list[i].Event, func(_ bool, err error) {
			b.errs[i] = err
			b.acks.Done()
		})
	}
	return b
}

// waitForAcks waits until all events of a batch are stored or have failed. The error is that of the first event that
// was not stored.
func (s *Spool) waitForAcks(ctx context.Context, b *batch) error {
	b.acks.Wait()
	var first error
	stored := b.list[:0]
	for i, err := range b.errs {
		var permanent interface{ Permanent() bool }
		switch r := b.list[i]; {
		case err == nil:
			stored = append(stored, r)
		case errors.As(err, &permanent) && permanent.Permanent():
			first = errors.Join(first, s.reject(ctx, &r, err))
		case first == nil:
			first = err
		}
	}
	s.noteStored(stored)
	return first
}

// reject sets an event aside that can never be stored, and logs it.
func (s *Spool) reject(ctx context.Context, r *row, reason error) error {
	s.opts.Log.WithError(reason).WithFields(logrus.Fields{"event": r.Name, "id": r.MsgID}).
		Error("an event can never be stored and is set aside in the spool")
	if err := s.setAside(ctx, r, reason); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uncount(r.Key, r.size)
	s.inFile--
	s.state.SetAside++
	return nil
}
