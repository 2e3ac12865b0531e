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
	// firstPause and maxPause are between attempts to hand on, at first and at most.
	firstPause, maxPause = 500 * time.Millisecond, 3 * time.Second
	// maxBatch and maxBatchBytes bound what is on its way at once. As much is in memory beside it, to go next.
	maxBatch, maxBatchBytes = 1024, 4 << 20
	// maxWait is how long a batch may take before the next one is smaller: new events wait behind it in the stream.
	maxWait = 500 * time.Millisecond
	// maxStored is how many stored events are deleted at once: the disk is waited for several times each time.
	maxStored = 4 * maxBatch
	// closeTimeout bounds the deleting of what is stored at the end of the spool.
	closeTimeout = 5 * time.Second
)

// drain hands events on for as long as there are any.
func (s *Spool) drain(ctx context.Context) {
	for pause := firstPause; ; {
		err := s.handOn(ctx)
		if ctx.Err() != nil {
			s.finish(ctx)
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
			s.opts.Log.WithError(err).WithField("events", s.State().Events).Warn("events are kept in the spool until JetStream takes them")
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

// noteFailure keeps for [Spool.Check] how handing on has ended, and says whether it has failed for the first time.
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

// finish deletes what is stored, so that the next process does not have to ask for it.
func (s *Spool) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := s.sweep(ctx); err != nil {
		s.opts.Log.WithError(err).Warn("events that are stored stay in the spool: they will be looked for in their stream")
	}
}

// sweep deletes what is stored.
func (s *Spool) sweep(ctx context.Context) error {
	err := s.remove(ctx, s.stored)
	if err == nil {
		s.stored = nil
	}
	return err
}

// handOn publishes all that waits. While one batch is on its way, the one before it is deleted and the one after it is read,
// so that there are two in memory at most. A batch ends before the next one begins: an event that is not taken is overtaken
// by none behind its batch. The first batch is one event, which finds out whether the stream takes any, and each
// has twice as many as the one before, or half as many where the stream is slow. handOn ends with the first event that cannot be stored for the moment.
func (s *Spool) handOn(ctx context.Context) error {
	if err := s.sweep(ctx); err != nil {
		return err
	}
	handed := 0
	list, err := s.next(ctx, 0, 1)
	for count := 1; err == nil && len(list) > 0; {
		s.noteOldest(list[0].at)
		var left []row
		if left, err = s.unstored(ctx, list); err != nil {
			break
		}
		began := time.Now()
		batch := s.publish(ctx, left)
		var following []row
		following, err = s.prepare(ctx, list[len(list)-1].seq, min(2*count, maxBatch))
		err = errors.Join(s.settle(ctx, batch), err)
		handed += len(list)
		list = portion(following, time.Since(began))
		count = len(list)
	}
	clear(s.recalls) // of what has gone
	if err = errors.Join(err, s.sweep(ctx)); err == nil && handed > 0 {
		s.opts.Log.WithField("events", handed).Info("the events in the spool are stored")
	}
	return err
}

// portion gives those of the events that were read that go next: fewer where those before them took a while. The rest is read
// again.
func portion(list []row, took time.Duration) []row {
	if took > maxWait {
		return list[:(len(list)+3)/4] // twice as many were read as went before
	}
	return list
}

// prepare deletes what went before a batch, where it is enough, and reads what follows it.
func (s *Spool) prepare(ctx context.Context, after int64, count int) ([]row, error) {
	if len(s.stored) >= maxStored {
		if err := s.sweep(ctx); err != nil {
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

// unstored gives those of a batch that have to be published: neither those that are stored already nor those that have
// waited for too long.
func (s *Spool) unstored(ctx context.Context, list []row) ([]row, error) {
	s.batches++
	left := make([]row, 0, len(list))
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
			left = append(left, *r)
		}
	}
	if dropped > 0 {
		s.opts.Log.WithFields(logrus.Fields{"events": dropped, "since": list[0].at}).Error("events have waited for too long and are dropped")
	}
	s.leave(done)
	return left, nil
}

// leave takes events that need not be handed on any longer out of the account. They are deleted later, with others.
func (s *Spool) leave(list []row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		s.forget(list[i].Key, list[i].size)
		s.stored = append(s.stored, list[i].seq)
	}
	s.kept -= len(list)
}

// batch is events on their way.
type batch struct {
	list  []row
	errs  []error // of each
	under sync.WaitGroup
}

func (s *Spool) publish(ctx context.Context, list []row) *batch {
	b := &batch{list: list, errs: make([]error, len(list))}
	b.under.Add(len(list))
	for i := range list {
		s.opts.Publish(ctx, list[i].Event, func(_ bool, err error) {
			b.errs[i] = err
			b.under.Done()
		})
	}
	return b
}

// settle waits for the end of a batch. The error is that of the first event that was not stored.
func (s *Spool) settle(ctx context.Context, b *batch) error {
	b.under.Wait()
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
	s.leave(stored)
	return first
}

// reject sets an event aside.
func (s *Spool) reject(ctx context.Context, r *row, reason error) error {
	s.opts.Log.WithError(reason).WithFields(logrus.Fields{"event": r.Name, "id": r.MsgID}).Error("an event can never be stored and is set aside in the spool")
	if err := s.setAside(ctx, r, reason); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(r.Key, r.size)
	s.kept--
	s.state.SetAside++
	return nil
}
