package integration

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
)

// Webhooks that are refused are logged so that a wrong secret shows and a flood of them does not fill the log.
const (
	// refusalPause is the time between two lines about one channel and reason.
	refusalPause = time.Minute
	// maxRefusals bounds the channels and reasons with a line of their own; all others share one.
	maxRefusals = 1000
)

// refusals logs why webhooks are refused: at once, and then once a minute with the count since the last line. Safe for
// concurrent use.
type refusals struct {
	log *logrus.Entry

	mu     sync.Mutex
	kinds  map[refusalKind]*counted
	closed bool
}

// refusalKind identifies the refusals that share a line. Unknown channels have no id in it, because anybody can invent
// ids.
type refusalKind struct{ channel, tenant, reason string }

// counted is what was counted of a kind since its last line.
type counted struct {
	count   int
	message string // of the last one
	id      string // of the last one's channel, if that is unknown
	timer   *time.Timer
}

// note counts a refusal. id is the webhook's id of the channel.
func (r *refusals) note(kind refusalKind, id, message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	known, ok := r.kinds[kind]
	if !ok && len(r.kinds) >= maxRefusals {
		kind = refusalKind{reason: "OTHER"}
		known, ok = r.kinds[kind]
	}
	if !ok {
		known = &counted{}
		known.timer = time.AfterFunc(refusalPause, func() { r.pass(kind) })
		if r.kinds == nil {
			r.kinds = map[refusalKind]*counted{}
		}
		r.kinds[kind] = known
	}
	known.count++
	known.message, known.id = cut(message, maxErrorText), cut(id, maxErrorText/8)
	if !ok {
		r.tell(kind, known)
	}
}

// pass logs the count of the last minute. It forgets a kind that did not occur.
func (r *refusals) pass(kind refusalKind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.kinds[kind]
	switch {
	case r.closed:
	case known.count == 0:
		delete(r.kinds, kind)
	default:
		r.tell(kind, known)
		known.timer.Reset(refusalPause)
	}
}

func (r *refusals) tell(kind refusalKind, known *counted) {
	fields := logrus.Fields{"reason": kind.reason, "count": known.count}
	if kind.channel != "" {
		fields["channel"], fields["tenant"] = kind.channel, kind.tenant
	} else if known.id != "" {
		fields["lastChannel"] = known.id
	}
	r.log.WithFields(fields).Warn("webhook refused: " + known.message)
	known.count = 0
}

// close logs the remaining counts and ends the logging.
func (r *refusals) close(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for kind, known := range r.kinds {
		known.timer.Stop()
		if known.count > 0 {
			r.tell(kind, known)
		}
	}
	r.kinds = nil
	return nil
}

// refused counts a refused webhook or handshake. ch is nil for an unknown channel. Errors that are not the sender's
// fault, such as a store that does not answer, have log lines of their own.
func (s *platformService) refused(id string, ch *Channel, err error) {
	m, ok := errors.AsType[action.Moleculer](err)
	if !ok {
		return
	}
	e := m.MoleculerError()
	if e.Retryable && e.Code >= http.StatusInternalServerError {
		return
	}
	kind := refusalKind{reason: e.Type}
	if ch != nil {
		kind.channel, kind.tenant = ch.ID, ch.TenantID
	}
	s.refusals.note(kind, id, e.Message)
}
