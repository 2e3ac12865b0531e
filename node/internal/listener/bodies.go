package listener

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/semaphore"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/internal/inflight"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

const (
	// maxBody bounds a webhook, in bytes: Meta sends up to 3 MB.
	maxBody = 3 << 20
	// smallBody, in bytes, is more than nearly all webhooks have. A quarter of what all bodies may hold is for such
	// ones alone, so that large ones, which anybody can send, do not keep them out.
	smallBody = 64 << 10
	// handledAtOnce bounds, in bytes, the larger bodies that are handled at once, which takes some copies of each.
	handledAtOnce = 2 * maxBody
	// busyPause is the time between two log lines about webhooks that are refused for want of room.
	busyPause = time.Minute
)

// DefaultMaxBodies is how many bytes the bodies under way may have together.
const DefaultMaxBodies = 64 << 20

// bodies are those of the webhooks under way.
type bodies struct {
	held    *inflight.Bytes
	large   *semaphore.Weighted // of larger ones being handled
	refused atomic.Int64        // since the last log line
	logged  atomic.Int64        // when that was, in ns since 1970
}

func newBodies(limit int64) *bodies {
	if limit == 0 {
		limit = DefaultMaxBodies
	}
	return &bodies{held: inflight.New(limit), large: semaphore.NewWeighted(handledAtOnce)}
}

// body is one of them, until its release.
type body struct {
	data []byte
	held int64
	of   *bodies
}

func (b *body) release() { b.of.held.Give(b.held) }

// grow makes room for size bytes.
func (b *body) grow(size int) error {
	limit := b.of.held.Limit()
	if size > smallBody {
		limit -= limit / 4
	}
	more := int64(size) - b.held
	if !b.of.held.TakeUpTo(more, limit) {
		return errBusy
	}
	b.held += more
	b.data = append(make([]byte, 0, size), b.data...)
	return nil
}

var errBusy = action.Retryable(http.StatusServiceUnavailable, codes.TooManyBodies,
	"the bodies of the webhooks under way have as many bytes as the node takes (http.maxBodiesMB); send it again")

// read reads the body of a webhook. What is counted is what has come, not what was announced: an announcement costs
// the sender nothing. The caller releases the body, also beside an error.
func (s *bodies) read(w http.ResponseWriter, r *http.Request) (*body, error) {
	b := &body{of: s}
	if r.ContentLength > maxBody {
		return b, tooLarge()
	}
	size := smallBody
	if n := int(r.ContentLength); n >= 0 && n < size {
		size = n + 1 // one more, to see the end
	}
	from := http.MaxBytesReader(w, r.Body, maxBody)
	for {
		if len(b.data) == cap(b.data) {
			if err := b.grow(size); err != nil {
				return b, err
			}
			size = nextSize(size, int(r.ContentLength))
		}
		n, err := from.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		if _, over := errors.AsType[*http.MaxBytesError](err); over {
			return b, tooLarge()
		}
		switch err {
		case nil:
		case io.EOF: // readers give it as it is
			return b, nil
		default:
			return b, action.Client(http.StatusBadRequest, codes.BodyIncomplete, "the body could not be read to its end")
		}
	}
}

// nextSize is the room after the first: for all of the body where its length is known.
func nextSize(size, length int) int {
	if length > size {
		return length + 1
	}
	return min(2*size, maxBody+1)
}

func tooLarge() error {
	return action.Client(http.StatusRequestEntityTooLarge, codes.BodyTooLarge, "the body is larger than %d bytes", maxBody)
}

// handle waits until a body may be handled; done ends that.
func (s *bodies) handle(ctx context.Context, b *body) (done func(), err error) {
	n := int64(len(b.data))
	if n <= smallBody {
		return func() {}, nil
	}
	if err := s.large.Acquire(ctx, n); err != nil {
		return nil, errBusy
	}
	return func() { s.large.Release(n) }, nil
}

// busy counts a webhook that was refused for want of room, and says whether to log that, and how many there were.
func (s *bodies) busy(now time.Time) (count int64, log bool) {
	s.refused.Add(1)
	last := s.logged.Load()
	if now.UnixNano()-last < int64(busyPause) || !s.logged.CompareAndSwap(last, now.UnixNano()) {
		return 0, false
	}
	return s.refused.Swap(0), true
}

// paramsOf writes the params of i_receiveWebhook. A body of 3 MB is in them twice: it is copied once for each.
func paramsOf(r *http.Request, payload json.RawMessage, body []byte, now time.Time) (json.RawMessage, error) {
	headers, err := json.Marshal(headersOf(r))
	if err != nil {
		return nil, err
	}
	raw, encoding := "", ""
	if utf8.Valid(body) {
		raw = rawjson.UnsafeString(body)
	} else {
		raw, encoding = base64.StdEncoding.EncodeToString(body), `,"rawBodyEncoding":"base64"`
	}
	const names = 160
	p := make([]byte, 0, len(payload)+len(raw)+len(raw)/8+len(headers)+len(r.RequestURI)+names+len(encoding))
	p = append(append(p, `{"payload":`...), payload...)
	if id := r.PathValue("channelId"); id != "" {
		p = rawjson.AppendQuote(append(p, `,"channelId":`...), id)
	}
	p = append(append(p, `,"headers":`...), headers...)
	p = rawjson.AppendQuote(append(p, `,"method":`...), r.Method)
	p = rawjson.AppendQuote(append(p, `,"url":`...), r.RequestURI)
	p = strconv.AppendInt(append(p, `,"timestamp":`...), now.UnixMilli(), 10)
	p = rawjson.AppendQuote(append(p, `,"rawBody":`...), raw)
	return append(append(p, encoding...), '}'), nil
}
