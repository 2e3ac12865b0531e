package cache

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// health is a circuit breaker for a store. When the store stops answering, it logs that once. Then it lets one call at
// a time through, every retryPause, to find out whether the store answers again.
type health struct {
	log   *logrus.Entry
	tryAt atomic.Int64 // time of the next call, in Unix nanoseconds; 0 while the store answers
}

const (
	// retryPause is the time between two calls to a store that does not answer.
	retryPause = 2 * time.Second
	// conclusive is how long the store must have had to answer before a timeout of the caller counts as its failure.
	conclusive = 100 * time.Millisecond
)

var errStoreDown = errors.New("the store did not answer a moment ago")

// admits says whether to call the store.
func (h *health) admits() bool {
	at := h.tryAt.Load()
	if at == 0 {
		return true
	}
	now := time.Now().UnixNano()
	return now >= at && h.tryAt.CompareAndSwap(at, now+int64(retryPause))
}

// report takes the result of a call to the store that began at a time.
func (h *health) report(ctx context.Context, began time.Time, err error) {
	switch {
	case err == nil:
		if h.tryAt.Load() != 0 && h.tryAt.Swap(0) != 0 {
			h.log.Info("the cache answers again")
		}
	case time.Since(began) < conclusive && (ctx.Err() != nil || timedOut(err)):
		// The caller stopped waiting.
	case h.tryAt.Swap(time.Now().Add(retryPause).UnixNano()) == 0:
		h.log.WithError(err).Warn("the cache does not answer; results are computed anew until it does")
	}
}

func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// answers says whether the store answered the last call.
func (h *health) answers() bool { return h.tryAt.Load() == 0 }
