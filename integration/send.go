package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

const debugLevel = logrus.DebugLevel

// How a send is repeated: at most maxAttempts, with exponential backoff and jitter between them. A
// platform that asks to wait for longer than maxWait is obeyed by the caller, who is told how long.
const (
	maxAttempts  = 3
	firstBackoff = 500 * time.Millisecond
	maxWait      = 10 * time.Second
	// sendTimeout bounds a send whose caller set no timeout, all attempts together.
	sendTimeout = 60 * time.Second
	// outcomeTimeout bounds the storing of the outcome, which the caller's own deadline does not cut short:
	// once the platform has answered, its event must not get lost.
	outcomeTimeout = 5 * time.Second
)

var sendParams = action.Params{
	{Name: "message", Type: action.Object},
	{Name: "channelId", Type: action.String},
	{Name: "idempotencyKey", Type: action.String, Optional: true},
}

// sendMessage is i_sendMessage.
func (s *platformService) sendMessage(ctx context.Context, req *action.Request) (any, error) {
	fields, err := sendParams.Decode(req)
	if err != nil {
		return nil, err
	}
	message := &Message{}
	if err := readMessage(fields.Get("message"), message); err != nil {
		return nil, paramsFault(req, "message", err)
	}
	ch, err := s.callersChannel(ctx, req, rawjson.Text(fields.Get("channelId")))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	send := func(ctx context.Context) (any, error) { return s.send(ctx, req, ch, message, fields.Get("message")) }
	switch key := rawjson.Text(fields.Get("idempotencyKey")); {
	case key == "":
		return send(ctx)
	case len(key) > maxIdempotencyKey:
		return nil, &Error{Kind: ErrInvalid, Code: "IDEMPOTENCY_KEY_INVALID", Message: fmt.Sprintf("an idempotencyKey has %d bytes at most", maxIdempotencyKey)}
	default:
		return s.once(ctx, req, ch, key, send)
	}
}

// send sends a message and publishes the outcome.
func (s *platformService) send(ctx context.Context, req *action.Request, ch *Channel, message *Message, raw json.RawMessage) (any, error) {
	result, attempts, err := s.deliver(ctx, req, message, ch)
	if err == nil {
		s.publishSent(ctx, req, ch, message, result)
		if s.log.Logger.IsLevelEnabled(debugLevel) {
			s.logFor(req, ch).WithFields(logrus.Fields{"messageId": result.MessageID, "attempts": attempts}).Debug("message sent")
		}
		return result, nil
	}
	failure := s.cleaner(req).error(asError(err, ErrUnknown, "SEND_FAILED"))
	s.publishFailed(ctx, req, ch, outgoing{message, withoutData(message, raw)}, failure, attempts, result)
	s.logFor(req, ch).WithFields(logrus.Fields{"kind": failure.Kind, "code": failure.Code, "attempts": attempts}).
		Warn("message not sent: " + failure.Message)
	return refusal(failure, result)
}

// refusal is how a caller learns of a failure: what will never succeed is an answer, as in the SDK. sent is
// what was delivered all the same, nil for nothing.
func refusal(failure *Error, sent *SendResult) (any, error) {
	if failure.Kind != ErrPermanent && failure.Kind != ErrAuth && failure.Kind != ErrInvalid {
		return nil, failure
	}
	result := &SendResult{Error: failure.asSendError()}
	if sent != nil {
		result.Metadata = sent.Metadata
	}
	return result, nil
}

// deliver sends a message in as many parts as its text needs, one after the other. The result holds what was
// delivered, also beside an error.
func (s *platformService) deliver(ctx context.Context, req *action.Request, m *Message, ch *Channel) (*SendResult, int, error) {
	degraded, err := s.admit(m)
	if err != nil {
		return nil, 1, err
	}
	parts, err := s.parts(m, ch)
	if err != nil {
		return nil, 1, err
	}
	var whole *SendResult
	var ids []ID
	for i, part := range parts {
		result, attempts, err := s.attempt(ctx, req, ch, cmp.Or(m.To.ID, m.ConversationID), func(ctx context.Context) (*SendResult, error) {
			return s.sendPart(ctx, part, ch)
		})
		if err != nil {
			e := asError(err, ErrUnknown, "SEND_FAILED")
			if ids = append(ids, e.Delivered...); len(ids) == 0 {
				return nil, attempts, e
			}
			if whole == nil {
				whole = &SendResult{}
			}
			whole.note("messageIds", ids)
			if i > 0 {
				whole.note("parts", len(parts))
				e = partlySent(e, i, len(parts))
			}
			return whole, attempts, e
		}
		if ids = append(ids, result.ids()...); i == 0 {
			clean := *result
			if clean.Metadata = s.cleaner(req).values(result.Metadata); len(degraded) > 0 {
				theirs, _ := clean.Metadata["degraded"].([]string)
				clean.note("degraded", append(degraded, theirs...))
			}
			whole = &clean
		} else {
			whole.note("messageIds", ids)
			whole.note("parts", len(parts))
		}
		if i == len(parts)-1 {
			return whole, attempts, nil
		}
	}
	return nil, 1, nil // there is always a part
}

// ids lists the messages that a platform made of one part, mostly one.
func (r *SendResult) ids() []ID {
	if list, ok := r.Metadata["messageIds"].([]ID); ok {
		return list
	}
	return []ID{r.MessageID}
}

// note adds to what the result tells beside the message's id.
func (r *SendResult) note(key string, value any) {
	if r.Metadata == nil {
		r.Metadata = map[string]any{}
	}
	r.Metadata[key] = value
}

func (s *platformService) sendPart(ctx context.Context, m *Message, ch *Channel) (*SendResult, error) {
	reactor, ok := s.def.Platform.(Reactor)
	if r := m.Content.Reaction; ok && m.Content.Type == TypeReaction && r != nil {
		emoji := r.Emoji
		if r.Action == ReactionRemove {
			emoji = ""
		}
		target := Target{ConversationID: cmp.Or(m.ConversationID, m.To.ID), ThreadID: m.ThreadID, MessageID: r.MessageID}
		return nil, reactor.React(ctx, target, emoji, ch)
	}
	if m.Content.Media != nil || len(m.Content.Attachments) > 0 {
		var done func()
		ctx, done = s.holding(ctx)
		defer done()
	}
	return s.def.Platform.Send(ctx, m, ch)
}

// partlySent is the failure of a later part: to send the whole message again would double those before.
func partlySent(err *Error, sent, parts int) *Error {
	e := *err
	e.Idempotent = false // the part may be sent again, the message may not
	e.Message = fmt.Sprintf("%d of %d parts were sent, then: %s", sent, parts, e.Message)
	if e.Kind != ErrUnknown {
		e.Kind, e.Code = ErrPermanent, "PARTLY_SENT"
	}
	return &e
}

// paramsFault is the ValidationError for params, or the one of a name, whose fields have the wrong types.
func paramsFault(req *action.Request, name string, err error) error {
	field, want := name, "object"
	if typeErr, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field, want = strings.Trim(name+"."+typeErr.Field, "."), jsonType(typeErr.Type)
	}
	return action.Validation(action.Fault{
		Type: want, Field: field, Message: fmt.Sprintf("The '%s' field must be of type %s.", field, want),
		Action: req.Action, NodeID: req.Sender,
	}).Because(err)
}

// jsonType names a Go type as Moleculer's validator names what it looks like in JSON.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice:
		return "array"
	case reflect.Struct, reflect.Map, reflect.Pointer:
		return "object"
	default:
		return "number"
	}
}

// attempt makes a call of the platform, and makes it again where that can help and cannot double anything.
func (s *platformService) attempt(ctx context.Context, req *action.Request, ch *Channel, recipient ID, call func(context.Context) (*SendResult, error)) (*SendResult, int, error) {
	lane := s.traffic.lane(ch)
	leave, err := s.traffic.join(lane)
	if err != nil {
		return nil, 1, err
	}
	defer leave()
	turn := s.traffic.pacer.Turn()
	var open *Error // of an attempt that may have been carried out
	for n := 1; ; n++ {
		result, err := s.traffic.call(ctx, lane, recipient, turn, call)
		if err == nil {
			return result, n, nil
		}
		e := asError(err, ErrUnknown, "SEND_FAILED")
		failure := leftOpen(e, open)
		if n == maxAttempts || !mayRepeat(e, ch) {
			return nil, n, failure
		}
		wait := max(e.RetryAfter, backoff(n))
		if deadline, ok := ctx.Deadline(); wait > maxWait || ok && wait > time.Until(deadline) {
			return nil, n, failure
		}
		if e.Kind == ErrUnknown {
			open = e
		}
		s.logFor(req, ch).WithFields(logrus.Fields{"attempt": n, "code": e.Code, "wait": wait}).Info("the platform did not do it, trying again")
		if e.Kind == ErrThrottled {
			continue // what it asked for is waited for in traffic, in the order of the calls
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, n, failure
		}
	}
}

// mayRepeat says whether a call that failed is made again: where that can help and does nothing twice, or where the
// channel would rather send a message twice than not at all.
func mayRepeat(e *Error, ch *Channel) bool {
	prefers := e.Kind == ErrUnknown && len(e.Delivered) == 0 && ch.Settings[settingUnknown] == retryUnknown
	return prefers || e.Retryable()
}

// leftOpen is the failure of an attempt after an earlier one that may have been carried out, nil for none: whatever the
// later one says, the message may be there.
func leftOpen(e, earlier *Error) *Error {
	if earlier == nil || e.Kind == ErrUnknown {
		return e
	}
	open := *earlier
	open.Message += "; when it was tried again: " + e.Message
	open.Idempotent, open.RetryAfter = earlier.Idempotent && e.Retryable(), e.RetryAfter
	return &open
}

// checked finds the failures among results: a platform may report one in the SDK's way, inside its result.
func checked(result *SendResult, err error) (*SendResult, error) {
	switch {
	case err != nil:
		return nil, err
	case result == nil:
		return &SendResult{Success: true}, nil
	case result.Success:
		return result, nil
	case result.Error == nil:
		return nil, &Error{Kind: ErrPermanent, Code: "SEND_FAILED", Message: "the platform did not take the message"}
	}
	return nil, result.Error.asError()
}

// backoff is the wait before attempt n+1: exponential, with up to half of it taken off at random so
// that senders that failed together do not come back together.
func backoff(n int) time.Duration {
	d := firstBackoff << (n - 1)
	return d - rand.N(d/2)
}

func (s *platformService) publishSent(ctx context.Context, req *action.Request, ch *Channel, m *Message, result *SendResult) {
	payload, err := encodeSent(&MessageSentPayload{
		TenantID: ch.TenantID, ChannelID: ch.ID, Platform: s.def.Name,
		MessageID: result.MessageID, Metadata: result.Metadata, Timestamp: s.now().UnixMilli(),
	})
	s.publishOutcome(ctx, req, ch, m, sent, payload, err)
}

// outgoing is a message that could not be sent.
type outgoing struct {
	*Message
	lean json.RawMessage // as it came, less the attachments' content
}

// publishFailed tells of a failure, and of what was delivered all the same: sent is nil for nothing.
func (s *platformService) publishFailed(ctx context.Context, req *action.Request, ch *Channel, m outgoing, e *Error, attempts int, sent *SendResult) {
	metadata := map[string]any{"code": e.Code, "kind": e.Kind, "outcome": e.Outcome()}
	if sent != nil {
		for _, key := range []string{"messageIds", "parts"} {
			if value, ok := sent.Metadata[key]; ok {
				metadata[key] = value
			}
		}
		if e.Outcome() == NotDelivered {
			metadata["outcome"] = PartlyDelivered
		}
	}
	payload, err := json.Marshal(&MessageFailedPayload{
		TenantID: ch.TenantID, ChannelID: ch.ID, Platform: s.def.Name,
		Error: e.Message, Message: withoutLogins(m.lean), Timestamp: s.now().UnixMilli(), RetryCount: attempts - 1,
		Metadata: metadata,
	})
	s.publishOutcome(ctx, req, ch, m.Message, failed, payload, err)
}

// publishOutcome publishes what became of a send. The send itself is done and its answer stands,
// whether or not the event can be stored. Each send has an event of its own, also where a platform
// numbers two messages alike. err is why there is no payload.
func (s *platformService) publishOutcome(ctx context.Context, req *action.Request, ch *Channel, m *Message, outcome string, payload []byte, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTimeout)
	defer cancel()
	if err != nil {
		err = unencodable(outcome, err)
	} else {
		key, header := outcome+":"+uuid.NewString(), s.eventHeader(req, ch.TenantID, ch.ID)
		e := messageEvent{outcome, cmp.Or(m.To.ID, m.ConversationID), key, header, payload}
		err = waitForAck(func(onAck AckFunc) { s.publish(ctx, req, ch, e, onAck) })
	}
	if err != nil {
		s.logFor(req, ch).WithError(err).WithField("outcome", outcome).Error("the outcome of a send could not be published")
	}
}
