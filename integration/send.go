package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

const debugLevel = logrus.DebugLevel

// How a send is repeated: at most maxAttempts, with exponential backoff and jitter between them. If the platform asks
// for a wait that is longer than maxWait, the send fails and the error tells the caller how long to wait.
const (
	maxAttempts  = 3
	firstBackoff = 500 * time.Millisecond
	maxWait      = 10 * time.Second
	// sendTimeout bounds a send whose caller set no timeout, all attempts together.
	sendTimeout = 60 * time.Second
	// outcomeTimeout bounds the storing of the outcome. The caller's own deadline does not apply to it, because the event
	// must not get lost once the platform has answered.
	outcomeTimeout = 5 * time.Second
)

var sendParams = action.Params{
	{Name: "message", Type: action.Object},
	{Name: "channelId", Type: action.String},
	{Name: "idempotencyKey", Type: action.String, Optional: true},
}

// sendMessage is i_sendMessage: it reads the params, finds the channel and sets the deadline. The message then goes
// through idempotent, sendAndReport, sendParts, withRetries and withLimits to Send of the platform. Each of them adds
// one thing.
func (s *platformService) sendMessage(ctx context.Context, req *action.Request) (any, error) {
	fields, err := sendParams.Decode(req)
	if err != nil {
		return nil, err
	}
	run := &sendRun{platformService: s, req: req, raw: fields.Get("message")}
	if err := readMessage(run.raw, &run.message); err != nil {
		return nil, paramsFault(req, "message", err)
	}
	if run.channel, err = s.callersChannel(ctx, req, rawjson.Text(fields.Get("channelId"))); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	switch key := rawjson.Text(fields.Get("idempotencyKey")); {
	case key == "":
		return run.sendAndReport(ctx)
	case len(key) > maxIdempotencyKey:
		return nil, &Error{
			Kind: FaultInvalid, Code: codes.IdempotencyKeyInvalid,
			Message: fmt.Sprintf("an idempotencyKey has %d bytes at most", maxIdempotencyKey),
		}
	default:
		return run.idempotent(ctx, key)
	}
}

// sendRun carries one call of i_sendMessage.
type sendRun struct {
	*platformService
	req     *action.Request
	channel *Channel
	message Message
	raw     json.RawMessage // the message as it came
}

func (r *sendRun) recipient() ID { return cmp.Or(r.message.To.ID, r.message.ConversationID) }

// sendAndReport adds the event: it sends the message, and publishes and logs the outcome.
func (r *sendRun) sendAndReport(ctx context.Context) (any, error) {
	began, counted := time.Now(), r.metrics.Channel(r.channel.ID)
	result, attempts, err := r.sendParts(ctx)
	if err == nil {
		counted.Sent(began, sent, "")
		r.publishSent(ctx, result)
		if r.log.Logger.IsLevelEnabled(debugLevel) {
			r.logFor(r.req, r.channel).WithFields(logrus.Fields{"messageId": result.MessageID, "attempts": attempts}).
				Debug("message sent")
		}
		return result, nil
	}
	failure := r.cleaner(r.req).error(asError(err, FaultUnknown, codes.SendFailed))
	counted.Sent(began, string(failedOutcome(failure, result)), failure.Code)
	r.publishFailed(ctx, failure, attempts, result)
	r.logFor(r.req, r.channel).WithFields(logrus.Fields{"kind": failure.Kind, "code": failure.Code, "attempts": attempts}).
		Warn("message not sent: " + failure.Message)
	return refusal(failure, result)
}

// refusal makes a caller's answer of a failure. As in the SDK, a failure that no repetition can mend is a result, and
// any other is an error. sent is what was delivered nevertheless, nil for nothing.
func refusal(failure *Error, sent *SendResult) (any, error) {
	if failure.Kind != FaultPermanent && failure.Kind != FaultAuth && failure.Kind != FaultInvalid {
		return nil, failure
	}
	result := &SendResult{}
	if sent != nil {
		*result = *sent
		result.Success, result.MessageID = false, ""
	}
	result.Error = failure.asSendError()
	return result, nil
}

// sendParts adds the parts: it checks the message, splits it, and sends the parts one after the other. The result holds
// what was delivered, also if there is an error. attempts counts those of the last part that was tried.
func (r *sendRun) sendParts(ctx context.Context) (whole *SendResult, attempts int, err error) {
	parts, degraded, err := r.prepare(ctx, &r.message, r.channel)
	if err != nil {
		return nil, 1, err
	}
	whole = &SendResult{Degraded: degraded}
	for i, part := range parts {
		if i == 1 {
			ctx = context.WithValue(ctx, laterPartKey{}, true)
		}
		var result *SendResult
		result, attempts, err = r.withRetries(ctx, &platformCall{
			req: r.req, channel: r.channel, recipient: r.recipient(),
			do: func(ctx context.Context) (*SendResult, error) { return r.sendPart(ctx, part, r.channel) },
		})
		switch {
		case err != nil && i == 0:
			return nil, attempts, err
		case err != nil:
			return r.cleanResult(r.req, whole), attempts, partlySent(asError(err, FaultUnknown, codes.SendFailed), i, len(parts))
		}
		whole.add(result, i, len(parts))
	}
	return r.cleanResult(r.req, whole), attempts, nil
}

// add adds the result of part i, from 0, of so many parts.
func (r *SendResult) add(part *SendResult, i, parts int) {
	for _, d := range part.Degraded {
		if !slices.Contains(r.Degraded, d) {
			r.Degraded = append(r.Degraded, d)
		}
	}
	if i == 0 {
		r.Success, r.MessageID, r.MessageIDs, r.Metadata = true, part.MessageID, part.MessageIDs, part.Metadata
		if r.MessageID == "" && len(r.MessageIDs) > 0 {
			r.MessageID = r.MessageIDs[0]
		}
	}
	if parts == 1 {
		return
	}
	switch {
	case len(part.MessageIDs) == 0:
		r.MessageIDs = append(r.MessageIDs[:len(r.MessageIDs):len(r.MessageIDs)], part.MessageID)
	case i > 0:
		r.MessageIDs = append(r.MessageIDs[:len(r.MessageIDs):len(r.MessageIDs)], part.MessageIDs...)
	}
	r.Parts = parts
}

// cleanResult returns a copy of a platform's result that may leave the node: without secrets, and with the typed fields
// in its metadata, too, where they stood before there were any.
func (s *platformService) cleanResult(req *action.Request, result *SendResult) *SendResult {
	clean, c := *result, s.cleaner(req)
	if clean.Metadata = c.values(result.Metadata); clean.Metadata == nil &&
		len(clean.MessageIDs)+clean.Parts+len(clean.Degraded) > 0 {
		clean.Metadata = map[string]any{}
	}
	if len(clean.MessageIDs) > 0 {
		clean.Metadata["messageIds"] = clean.MessageIDs
	}
	if clean.Parts > 0 {
		clean.Metadata["parts"] = clean.Parts
	}
	if len(clean.Degraded) > 0 {
		clean.Degraded = slices.Clone(clean.Degraded)
		tokens := make([]string, len(clean.Degraded))
		for i := range clean.Degraded {
			d := &clean.Degraded[i]
			d.Feature, d.Became, d.Note = Feature(c.redact(string(d.Feature))), c.redact(d.Became), c.redact(d.Note)
			tokens[i] = d.String()
		}
		clean.Metadata["degraded"] = tokens
	}
	return &clean
}

// sendPart makes the platform send one part, with one attempt.
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

// partlySent makes an error of the failure of a later part. Sending the whole message again would double the parts
// before it.
func partlySent(err *Error, sent, parts int) *Error {
	e := *err
	e.Idempotent = false // the part may be sent again, the message may not
	e.Message = fmt.Sprintf("%d of %d parts were sent, then: %s", sent, parts, e.Message)
	if e.Kind != FaultUnknown {
		e.Kind, e.Code = FaultPermanent, codes.PartlySent
	}
	return &e
}

// paramsFault returns the ValidationError of a param, or of a field within it, that has the wrong type.
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

// platformCall is one call of a platform, which may need several attempts.
type platformCall struct {
	req       *action.Request
	channel   *Channel
	recipient ID // whose pauses and rate count beside the channel's
	do        func(context.Context) (*SendResult, error)
}

// withRetries adds the retries: it makes a call of the platform, and repeats it if that can help and cannot do anything
// twice.
func (s *platformService) withRetries(ctx context.Context, call *platformCall) (
	result *SendResult, attempts int, err error,
) {
	channel := s.limiter.ofChannel(call.channel)
	end, err := s.limiter.begin(channel)
	if err != nil {
		return nil, 1, err
	}
	defer end()
	err = errPanicked // until there is an outcome
	defer func() { s.conditions.sent(channel, err) }()
	ticket := s.limiter.throttle.NewTicket()
	var open *Error // of an attempt that may have been carried out
	for n := 1; ; n++ {
		result, err := s.limiter.withLimits(ctx, channel, ticket, call)
		if err == nil {
			return result, n, nil
		}
		e := asError(err, FaultUnknown, codes.SendFailed)
		failure := leftOpen(e, open)
		if n == maxAttempts || !mayRepeat(e, call.channel) {
			return nil, n, failure
		}
		wait := max(e.RetryAfter, backoff(n))
		if deadline, ok := ctx.Deadline(); wait > maxWait || ok && wait > time.Until(deadline) {
			return nil, n, failure
		}
		if e.Kind == FaultUnknown {
			open = e
		}
		s.logFor(call.req, call.channel).WithFields(logrus.Fields{"attempt": n, "code": e.Code, "wait": wait}).
			Info("the platform did not do it, trying again")
		if e.Kind == FaultThrottled {
			continue // the limits wait for as long as it asked, in the order of the calls
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

// mayRepeat says whether a call that failed is made again: if that can help and does nothing twice, or if the channel's
// settings prefer a message sent twice to one not sent.
func mayRepeat(e *Error, ch *Channel) bool {
	prefers := e.Kind == FaultUnknown && ch.Settings[settingUnknown] == retryUnknown
	return prefers || e.Retryable()
}

// leftOpen returns the failure of an attempt. If an earlier attempt may have been carried out, the outcome stays
// unknown, whatever this attempt's error says. earlier is the error of that attempt, nil for none.
func leftOpen(e, earlier *Error) *Error {
	if earlier == nil || e.Kind == FaultUnknown {
		return e
	}
	open := *earlier
	open.Message += "; when it was tried again: " + e.Message
	open.Idempotent, open.RetryAfter = earlier.Idempotent && e.Retryable(), e.RetryAfter
	return &open
}

// checked turns a failure that the platform reports inside its result, as in the SDK, into an error.
func checked(result *SendResult, err error) (*SendResult, error) {
	switch {
	case err != nil:
		return nil, err
	case result == nil:
		return &SendResult{Success: true}, nil
	case result.Success:
		return result, nil
	case result.Error == nil:
		return nil, &Error{Kind: FaultPermanent, Code: codes.SendFailed, Message: "the platform did not take the message"}
	}
	return nil, result.Error.asError()
}

// backoff returns the wait before attempt n+1. It grows exponentially. Up to half of it is taken off at random, so that
// senders that failed together do not come back together.
func backoff(n int) time.Duration {
	d := firstBackoff << (n - 1)
	return d - rand.N(d/2)
}

func (r *sendRun) publishSent(ctx context.Context, result *SendResult) {
	payload, err := encodeSent(&MessageSentPayload{
		TenantID: r.channel.TenantID, ChannelID: r.channel.ID, Platform: r.def.Name,
		MessageID: result.MessageID, Metadata: result.Metadata, Timestamp: r.now().UnixMilli(),
	})
	r.publishOutcome(ctx, sent, payload, err)
}

// failedOutcome is the outcome of a send that failed. delivered is what was delivered nevertheless, nil for nothing.
func failedOutcome(e *Error, delivered *SendResult) Outcome {
	if delivered != nil && e.Outcome() == NotDelivered {
		return PartlyDelivered
	}
	return e.Outcome()
}

// publishFailed publishes a failure, and what was delivered nevertheless: delivered is nil for nothing.
func (r *sendRun) publishFailed(ctx context.Context, e *Error, attempts int, delivered *SendResult) {
	metadata := map[string]any{"code": e.Code, "kind": e.Kind, "outcome": failedOutcome(e, delivered)}
	if delivered != nil {
		metadata["messageIds"], metadata["parts"] = delivered.MessageIDs, delivered.Parts
	}
	payload, err := json.Marshal(&MessageFailedPayload{
		TenantID: r.channel.TenantID, ChannelID: r.channel.ID, Platform: r.def.Name,
		Error: e.Message, Message: withoutLogins(withoutData(&r.message, r.raw)), Timestamp: r.now().UnixMilli(),
		RetryCount: attempts - 1, Metadata: metadata,
	})
	r.publishOutcome(ctx, failed, payload, err)
}

// publishOutcome publishes what became of a send. The send is done: its answer stays the same if the event cannot be
// stored. Each send has an event of its own, also if a platform gives two messages the same id. err says why there is
// no payload.
func (r *sendRun) publishOutcome(ctx context.Context, outcome string, payload []byte, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outcomeTimeout)
	defer cancel()
	if err != nil {
		err = unencodable(outcome, err)
	} else {
		key, header := outcome+":"+uuid.NewString(), r.eventHeader(r.req, r.channel.TenantID, r.channel.ID)
		e := messageEvent{outcome, r.recipient(), key, header, payload, nil}
		err = waitForAck(func(onAck AckFunc) { r.publish(ctx, r.req, r.channel, e, onAck) })
	}
	if err != nil {
		r.logFor(r.req, r.channel).WithError(err).WithField("outcome", outcome).
			Error("the outcome of a send could not be published")
	}
}
