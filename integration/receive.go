package integration

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// The window in which a webhook's timestamp must lie. Gateways stamp webhooks as they come in, so
// the future side covers no more than clocks that differ.
const (
	maxWebhookAge = 5 * time.Minute
	maxClockSkew  = time.Minute
)

// maxTimestamp, in ms since 1970, is beyond all that a clock may say: the year 9999.
const maxTimestamp = 253_402_300_799_999

// maxMessages bounds the messages of one webhook, all of which are on their way at once. Meta, which
// batches most, puts up to 1000 updates into one.
const maxMessages = 10_000

var receiveParams = action.Params{
	{Name: "channelId", Type: action.String},
	{Name: "payload", Type: action.Object},
	{Name: "headers", Type: action.Object},
	{Name: "timestamp", Type: action.Number},
	{Name: "rawBody", Type: action.String, Optional: true, Buffer: true},
	{Name: "rawBodyEncoding", Type: action.String, Optional: true},
	{Name: "method", Type: action.String, Optional: true},
	{Name: "url", Type: action.String, Optional: true}, // path and query, or absolute
}

// receiveResult is the answer of i_receiveWebhook.
type receiveResult struct {
	Success  bool `json:"success"`
	Messages int  `json:"messages"` // durable
	Failed   int  `json:"failed"`   // can never be published; logged and dead-lettered
	// Duplicates are those of Messages that were stored before; Ignored are the channel's own, see the setting
	// ownMessages.
	Duplicates int `json:"duplicates,omitempty"`
	Ignored    int `json:"ignored,omitempty"`
}

// receiveWebhook is i_receiveWebhook. The order of its checks is part of the SDK's contract.
func (s *platformService) receiveWebhook(ctx context.Context, req *action.Request) (any, error) {
	fields, err := receiveParams.Decode(req)
	if err != nil {
		s.refused("", nil, err)
		return nil, err
	}
	b, err := s.handOver(ctx, req, fields)
	if err != nil {
		return nil, err
	}
	return &b.answer, nil
}

// batch is the messages of a webhook on their way into the stream.
type batch struct {
	webhook  *Webhook
	messages []Message
	ends     []end    // what became of each
	claimed  *claimed // nil: nothing is claimed
	ignored  int

	open   atomic.Int32 // messages that are under way, and one more while they are handed over
	answer action.Promise
}

// end is what became of a message.
type end struct {
	duplicate bool
	err       error
}

// handOver checks a webhook and hands its messages over to be published: after those of all webhooks of the
// channel that came before, which takes no longer than reading these. Their acks are not waited for here.
func (s *platformService) handOver(ctx context.Context, req *action.Request, fields action.Fields) (*batch, error) {
	id := rawjson.Text(fields.Get("channelId"))
	arrival := s.arrivals.join(id)
	defer arrival.leave()
	ch, err := s.platformsChannel(ctx, req, id)
	b := &batch{}
	if err == nil {
		b.webhook, b.messages, err = s.read(ctx, req, ch, fields)
	}
	if err != nil {
		s.refused(id, ch, err)
		return nil, err
	}
	b.messages, b.ignored = s.withoutOwn(ch, b.messages)
	b.ignored += s.withoutForeign(b.webhook)
	late := func(err error) error {
		return action.Retryable(http.StatusServiceUnavailable, "WEBHOOK_LATE", "an earlier webhook of the channel held this one up; send it again").Because(err)
	}
	if err := arrival.wait(ctx); err != nil {
		return nil, late(err)
	}
	claims, statuses := ch.Settings[settingDedup] == dedupByHorizon, slices.ContainsFunc(b.messages, isStatus)
	if claims || statuses {
		// Others have to be asked: from here on only the same conversation waits.
		b.messages = slices.Clone(b.messages) // which are the platform's own
		talks := s.conversations(ch, b.messages)
		arrival.leave()
		defer talks.leave()
		if claims {
			b.claimed = s.claim(ctx, req, ch, b.messages)
		}
		if err := talks.wait(ctx); err != nil {
			_ = b.claimed.settle(context.WithoutCancel(ctx), make([]bool, len(b.messages))) // else their lease gives them back
			return nil, late(err)
		}
		if statuses {
			s.markLate(ctx, ch, b.messages)
		}
	}
	s.publishAll(ctx, req, ch, b)
	return b, nil
}

// publishAll hands the messages of a batch over, and has it answered when the last one's end is known.
func (s *platformService) publishAll(ctx context.Context, req *action.Request, ch *Channel, b *batch) {
	b.ends = make([]end, len(b.messages))
	b.open.Store(1)
	settled := func() {
		if b.open.Add(-1) == 0 {
			s.answer(ctx, req, b)
		}
	}
	defer settled()
	header, now := s.eventHeader(req, ch.TenantID, ch.ID), s.now().UnixMilli()
	for i := range b.messages {
		if b.claimed.isDone(i) {
			b.ends[i].duplicate = true
			continue
		}
		m := &b.messages[i]
		payload, err := encodeReceived(&MessageReceivedPayload{TenantID: ch.TenantID, ChannelID: ch.ID, Platform: b.webhook.Platform, Message: m, Timestamp: now})
		if err != nil {
			b.ends[i].err = unencodable(received, err)
			continue
		}
		b.open.Add(1)
		s.publish(ctx, req, ch, about{received, m.ConversationID, dedupKey(m)}, header, payload, func(duplicate bool, err error) {
			b.ends[i] = end{duplicate, err}
			settled()
		})
	}
}

// answer settles a batch. Where others have to be asked yet, that is not done by who told of its last message.
func (s *platformService) answer(ctx context.Context, req *action.Request, b *batch) {
	_, responds := s.def.Platform.(Responder)
	if b.claimed != nil || responds || slices.ContainsFunc(b.ends, func(e end) bool { return e.err != nil }) {
		b.answer.Go(func() (any, error) { return s.conclude(ctx, req, b) })
		return
	}
	b.answer.Resolve(s.conclude(ctx, req, b))
}

func (s *platformService) conclude(ctx context.Context, req *action.Request, b *batch) (any, error) {
	result, err := s.settle(ctx, req, b)
	if err != nil {
		return nil, err
	}
	return s.respond(ctx, req, b.webhook, result)
}

// read checks a webhook and finds its messages.
func (s *platformService) read(ctx context.Context, req *action.Request, ch *Channel, fields action.Fields) (*Webhook, []Message, error) {
	webhook, err := s.buildWebhook(req, ch, fields)
	if err != nil {
		return nil, nil, err
	}
	if err := s.checkAge(webhook); err != nil {
		return nil, nil, err
	}
	if err := s.validateWebhook(ctx, webhook); err != nil {
		return nil, nil, err
	}
	messages, err := s.def.Platform.Normalize(ctx, webhook)
	if err != nil {
		return nil, nil, asError(err, ErrInvalid, "WEBHOOK_INVALID")
	}
	for i := range messages {
		maskLinks(&messages[i].Content)
	}
	if len(messages) > maxMessages {
		return nil, nil, tooLarge("the webhook holds %d messages; at most %d are taken", len(messages), maxMessages)
	}
	return webhook, messages, nil
}

// withoutForeign tells what of a webhook is another account's, of which nothing is published here.
func (s *platformService) withoutForeign(w *Webhook) (ignored int) {
	for _, whose := range w.foreign {
		s.refusals.note(refusalKind{w.ChannelID, w.TenantID, "FOREIGN_ACCOUNT"}, w.ChannelID,
			"it is for "+whose+", which is not the channel's; nothing of it was published")
	}
	return len(w.foreign)
}

// withoutOwn drops what the channel's own account or a bot wrote, unless the channel wants it marked.
func (s *platformService) withoutOwn(ch *Channel, messages []Message) (kept []Message, ignored int) {
	isOwn := func(m Message) bool { return m.Direction == DirectionEcho }
	if !slices.ContainsFunc(messages, isOwn) || ch.Settings[settingOwnMessages] == markOwnMessages {
		return messages, 0
	}
	kept = slices.DeleteFunc(slices.Clone(messages), isOwn)
	return kept, len(messages) - len(kept)
}

// respond gives the answer that the platform wants to read, else the usual one.
func (s *platformService) respond(ctx context.Context, req *action.Request, w *Webhook, result *receiveResult) (any, error) {
	responder, ok := s.def.Platform.(Responder)
	if !ok {
		return result, nil
	}
	response, err := responder.Respond(ctx, w)
	switch {
	case err != nil:
		return nil, asError(err, ErrInvalid, "WEBHOOK_INVALID")
	case response == nil:
		return result, nil
	}
	return answerHTTP(req, response), nil
}

// answerHTTP makes an answer of the cluster that a gateway turns into the response. An object or a list is handed
// on as a value, which moleculer-web encodes itself; it sends any other text as it is, JSON's own texts too.
func answerHTTP(req *action.Request, r *Response) any {
	req.Meta.Set("$statusCode", cmp.Or(r.Status, http.StatusOK))
	if r.ContentType != "" {
		req.Meta.Set("$responseType", r.ContentType)
		// What is in it may be the caller's own text: no browser may take it for a page.
		headers := map[string]string{"X-Content-Type-Options": "nosniff"}
		if r.Body == "" {
			headers["Content-Type"] = r.ContentType // moleculer-web leaves the type of an empty body out
		}
		req.Meta.Set("$responseHeaders", headers)
	}
	switch {
	case r.Body == "":
		return nil
	case strings.HasPrefix(r.ContentType, "application/json") && (r.Body[0] == '{' || r.Body[0] == '['):
		return json.RawMessage(r.Body)
	default:
		return r.Body
	}
}

func (s *platformService) buildWebhook(req *action.Request, ch *Channel, fields action.Fields) (*Webhook, error) {
	w := &Webhook{
		TenantID: ch.TenantID, ChannelID: ch.ID, Platform: s.def.Spec.Platform,
		Payload: fields.Get("payload"), Channel: ch,
	}
	ms, err := strconv.ParseFloat(rawjson.UnsafeString(fields.Get("timestamp")), 64)
	if err != nil {
		return nil, &Error{Kind: ErrInvalid, Code: "TIMESTAMP_INVALID", Message: "the timestamp is not a number of milliseconds", Err: err}
	}
	w.Timestamp = time.UnixMilli(int64(min(max(ms, 0), maxTimestamp)))

	if w.Headers, err = readHeaders(fields.Get("headers")); err != nil {
		return nil, &Error{Kind: ErrInvalid, Code: "HEADERS_INVALID", Message: "headers must be an object of strings", Err: err}
	}
	w.Method, w.ContentType = rawjson.Text(fields.Get("method")), w.Headers.Get("content-type")
	if err := w.setURL(rawjson.Text(fields.Get("url")), s.runtime.TrustForwarded); err != nil {
		return nil, err
	}
	if w.RawBody, err = rawBody(req, fields); err != nil {
		return nil, err
	}
	// The platform reads what was signed, never a second form of it. Only the payload of a body that is no JSON is the
	// gateway's.
	if body := bytes.TrimSpace(w.RawBody); bytes.Equal(body, w.Payload) || rawjson.Valid(body) { // mostly they are the same text
		w.Payload = body
	} else if len(body) > 0 && body[0] == '{' {
		return nil, &Error{Kind: ErrInvalid, Code: "WEBHOOK_INVALID", Message: "the raw body is not valid JSON"}
	}
	return w, nil
}

// rawBody finds the bytes that the platform sent, in the params or in ctx.meta, nil when neither has them.
func rawBody(req *action.Request, fields action.Fields) ([]byte, error) {
	value, encoding := fields.Get("rawBody"), rawjson.Text(fields.Get("rawBodyEncoding"))
	body := rawjson.AppendText(nil, value)
	if len(body) == 0 && !rawjson.IsBuffer(value) {
		value, encoding = req.Meta.Raw("rawBody"), req.Meta.String("rawBodyEncoding")
		body = rawjson.AppendText(nil, value)
	}
	switch {
	case rawjson.IsBuffer(value):
		raw, ok := rawjson.Buffer(value)
		if !ok {
			return nil, &Error{Kind: ErrInvalid, Code: "RAW_BODY_INVALID", Message: "rawBody is no Buffer of Node.js after JSON"}
		}
		return raw, nil
	case len(body) == 0:
		return nil, nil
	case encoding == "" || strings.EqualFold(encoding, "utf8") || strings.EqualFold(encoding, "utf-8"):
		return body, nil
	case strings.EqualFold(encoding, "base64"):
		raw, err := base64.StdEncoding.AppendDecode([]byte{}, body)
		if err != nil {
			return nil, &Error{Kind: ErrInvalid, Code: "RAW_BODY_INVALID", Message: "rawBody is not valid base64", Err: err}
		}
		return raw, nil
	default:
		return nil, &Error{Kind: ErrInvalid, Code: "RAW_BODY_INVALID", Message: "rawBodyEncoding must be utf8 or base64"}
	}
}

func (s *platformService) checkAge(w *Webhook) error {
	return CheckTimestamp(w.Timestamp, s.now(), maxWebhookAge)
}

// CheckTimestamp refuses a webhook of another time, which somebody may have recorded and sent again: one that is older
// than maxAge, or more than a minute ahead of now. The errors are of kind ErrInvalid, with the codes WEBHOOK_TOO_OLD and
// WEBHOOK_FROM_FUTURE. It is for a timestamp that a platform signs; that of the gateway is checked by the factory.
func CheckTimestamp(at, now time.Time, maxAge time.Duration) error {
	age := now.Sub(at)
	switch {
	case age > maxAge:
		return &Error{Kind: ErrInvalid, Code: "WEBHOOK_TOO_OLD", Message: fmt.Sprintf(
			"the webhook's timestamp is %s old and may be %s: it was recorded, or the clocks of gateway and node differ", age.Round(time.Second), maxAge)}
	case age < -maxClockSkew:
		return &Error{Kind: ErrInvalid, Code: "WEBHOOK_FROM_FUTURE", Message: fmt.Sprintf(
			"the webhook's timestamp is %s ahead: it does not count milliseconds since 1970, or the clocks of gateway and node differ", (-age).Round(time.Second))}
	}
	return nil
}

// dedupKey is the message's own. A platform that gave none must not have all its messages taken for one.
func dedupKey(m *Message) string {
	if key := cmp.Or(m.DedupKey, string(m.ID)); key != "" {
		return key
	}
	return uuid.NewString()
}

// settle counts what became of a batch's messages: one that failed holds back no other.
func (s *platformService) settle(ctx context.Context, req *action.Request, b *batch) (*receiveResult, error) {
	w, messages := b.webhook, b.messages
	result := &receiveResult{Success: true, Ignored: b.ignored}
	var transient error
	settled := make([]bool, len(b.ends)) // stored, or given up
	for i, end := range b.ends {
		err := end.err
		if settled[i] = err == nil; settled[i] {
			if result.Messages++; end.duplicate {
				result.Duplicates++
			}
			continue
		}
		if isPermanent(err) {
			entry := s.logFor(req, w.Channel).WithField("messageId", messages[i].ID)
			entry.WithError(err).Error("a message cannot be published and goes to the dead letters")
			result.Failed++
			if err = s.deadLetter(ctx, req, w.Channel, received, &messages[i], err); isPermanent(err) {
				entry.WithError(err).Error("not even the dead letters take it: it is lost")
				continue // sending it again would end here again
			}
		}
		if err != nil {
			transient = err
		} else {
			settled[i] = true // as a dead letter
		}
	}
	if err := b.claimed.settle(context.WithoutCancel(ctx), settled); err != nil {
		s.logFor(req, w.Channel).WithError(err).Warn("it could not be kept that messages were published; repeated, they may be published again")
	}
	if transient != nil {
		s.logFor(req, w.Channel).WithError(transient).Warn("the messages of a webhook could not be stored")
		// The platform sends the webhook again; what is stored already is recognised by its message id.
		return nil, action.Retryable(http.StatusServiceUnavailable, "EVENTS_UNAVAILABLE",
			"%d of %d messages could not be stored; send the webhook again", len(messages)-result.Messages, len(messages)).Because(transient)
	}
	if s.log.Logger.IsLevelEnabled(debugLevel) {
		s.logFor(req, w.Channel).WithField("messages", result.Messages).Debug("webhook received")
	}
	return result, nil
}
