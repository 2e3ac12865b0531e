package integration

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/internal/inflight"
)

// lease counts the attachment bytes that one send or one i_getMedia holds.
type lease struct {
	bytes *inflight.Bytes
	held  atomic.Int64
}

type leaseKey struct{}

// holding counts the attachments that are read in the returned context, until done is called.
func (s *platformService) holding(ctx context.Context) (_ context.Context, done func()) {
	if s.runtime.MediaBytes == nil {
		return ctx, func() {}
	}
	l := &lease{bytes: s.runtime.MediaBytes}
	return context.WithValue(ctx, leaseKey{}, l), func() { l.bytes.Give(l.held.Swap(0)) }
}

// hold adds n bytes. A nil lease counts nothing.
func (l *lease) hold(name string, n int64) error {
	switch {
	case l == nil:
	case l.held.Load()+n > l.bytes.Limit():
		return mediaTooLarge(name, l.bytes.Limit())
	case !l.bytes.Take(n):
		return &Error{
			Kind: FaultTransient, Code: codes.MediaBusy,
			Message: name + ": the attachments under way have as many bytes as the node takes (media.maxMB)",
		}
	default:
		l.held.Add(n)
	}
	return nil
}

func mediaTooLarge(name string, limit int64) *Error {
	return Refused(codes.MediaTooLarge, "%s: the attachment is larger than %d bytes", name, limit)
}

// firstMedia is how many bytes are reserved for the beginning of an attachment. Its announced size is reserved only as
// the bytes come.
const firstMedia = 64 << 10

// ReadMedia reads an attachment of at most limit bytes. In a send or in i_getMedia its bytes count towards the node's
// limit. Errors are *Error, whose message begins with name. The caller closes the file.
func ReadMedia(ctx context.Context, name string, file *MediaFile, limit int64) ([]byte, error) {
	if file.Size > limit {
		return nil, mediaTooLarge(name, limit)
	}
	l, _ := ctx.Value(leaseKey{}).(*lease)
	most := limit + 1
	if file.Size > 0 {
		most = file.Size + 1 // one more, to see the end
	}
	next := min(firstMedia, most)
	var data []byte
	for {
		if len(data) == cap(data) {
			if err := l.hold(name, next-int64(cap(data))); err != nil {
				return nil, err
			}
			data = append(make([]byte, 0, next), data...)
			if next = 2 * next; next > most/2 {
				next = max(most, int64(cap(data))+firstMedia) // a body may be longer than was said
			}
		}
		n, err := file.Body.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			return nil, mediaTooLarge(name, limit)
		case errors.Is(err, io.EOF):
			return data, nil
		case err != nil:
			if e, ok := errors.AsType[*Error](err); ok {
				return nil, e
			}
			return nil, &Error{
				Kind: FaultTransient, Code: codes.MediaUnavailable, Message: name + ": it could not be read to its end", Err: err,
			}
		}
	}
}
