package cache

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// health notices when a store stops answering, says so once, and lets one try after the other find out
// whether it is back, so that few have to wait for it.
type health struct {
	log   *logrus.Entry
	tryAt atomic.Int64 // when the store may be asked again, in Unix nanoseconds; 0 while it answers
}

const (
	// retryPause is how long a store that does not answer is left alone.
	retryPause = 2 * time.Second
	// conclusive is how long a store must have had for its answer before a caller's end counts against it.
	conclusive = 100 * time.Millisecond
)

var errStoreDown = errors.New("the store did not answer a moment ago")

// admits says whether to ask the store at all.
func (h *health) admits() bool {
	at := h.tryAt.Load()
	if at == 0 {
		return true
	}
	now := time.Now().UnixNano()
	return now >= at && h.tryAt.CompareAndSwap(at, now+int64(retryPause))
}

// report takes the outcome of what the store was asked at began.
func (h *health) report(ctx context.Context, began time.Time, err error) {
	switch {
	case err == nil:
		if h.tryAt.Load() != 0 && h.tryAt.Swap(0) != 0 {
			h.log.Info("the cache answers again")
		}
	case time.Since(began) < conclusive && (ctx.Err() != nil || timedOut(err)):
		// The caller left or was about to.
	case h.tryAt.Swap(time.Now().Add(retryPause).UnixNano()) == 0:
		h.log.WithError(err).Warn("the cache does not answer; results are computed anew until it does")
	}
}

func timedOut(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// answers says whether the store answered when it was last asked.
func (h *health) answers() bool { return h.tryAt.Load() == 0 }
