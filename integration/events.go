package integration

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/events/order"
	"github.com/hiliosai/switchboard/internal/oneline"
)

// Publisher stores reliable events. Safe for concurrent use.
type Publisher interface {
	// Publish hands an event over and does not wait. Events are stored in the order of the calls. The publisher may send
	// an event several times under its MsgID. onAck gets an error if the event is not durable when ctx ends. An error
	// with a method Permanent() bool that returns true means that this event will never be accepted. Neither side
	// changes the event's header or payload from then on.
	Publish(ctx context.Context, e order.Event, onAck AckFunc)

	// Subject returns the subject that events of a name are published to.
	Subject(name string) string
}

// Reliable events are named <namespace>.processing.message.<outcome>.
const (
	received = "received"
	sent     = "sent"
	failed   = "failed"
)

// DeadLetters is the default dead letter queue of @moleculer/channels.
const DeadLetters = "FAILED_MESSAGES"

// EventNames lists the reliable events that integrations publish in a namespace.
func EventNames(namespace string) []string {
	return []string{
		MessageReceivedEvent(namespace), MessageSentEvent(namespace), MessageFailedEvent(namespace), DeadLetters,
	}
}

// MessageReceivedEvent names the reliable event of a message that came in. Its payload is a [MessageReceivedPayload].
func MessageReceivedEvent(namespace string) string { return eventName(namespace, received) }

// MessageSentEvent names the reliable event of a message that a platform took. Its payload is a [MessageSentPayload].
func MessageSentEvent(namespace string) string { return eventName(namespace, sent) }

// MessageFailedEvent names the reliable event of a message that could not be sent, or whose outcome is unknown. Its
// payload is a [MessageFailedPayload].
func MessageFailedEvent(namespace string) string { return eventName(namespace, failed) }

// RegisteredEvent names the reliable event of a channel that was created or changed.
func RegisteredEvent(namespace string) string {
	return namespace + ".processing.integration.registered"
}

// UnregisteredEvent names the reliable event of a channel that was removed.
func UnregisteredEvent(namespace string) string {
	return namespace + ".processing.integration.unregistered"
}

func eventName(namespace, outcome string) string { return namespace + ".processing.message." + outcome }

// MessageReceivedPayload is what [MessageReceivedEvent] carries.
type MessageReceivedPayload struct {
	TenantID  string   `json:"tenantId"`
	ChannelID string   `json:"channelId"`
	Platform  string   `json:"platform"`
	Message   *Message `json:"message"`
	Timestamp int64    `json:"timestamp"` // ms
}

// MessageSentPayload is what [MessageSentEvent] carries.
type MessageSentPayload struct {
	TenantID  string         `json:"tenantId"`
	ChannelID string         `json:"channelId"`
	Platform  string         `json:"platform"`
	MessageID ID             `json:"messageId,omitempty"`
	Metadata  map[string]any `json:"metadata,omitempty"`
	Timestamp int64          `json:"timestamp"` // ms
}

// MessageFailedPayload is the payload of [MessageFailedEvent], and of dead letters of messages that no stream can take.
// Message is the message as the caller gave it, without the data of its media.
type MessageFailedPayload struct {
	TenantID   string          `json:"tenantId"`
	ChannelID  string          `json:"channelId"`
	Platform   string          `json:"platform"`
	Error      string          `json:"error"`
	Message    json.RawMessage `json:"message,omitempty"`
	Timestamp  int64           `json:"timestamp"` // ms
	RetryCount int             `json:"retryCount,omitempty"`
	Metadata   map[string]any  `json:"metadata,omitempty"`
}

// AckFunc is called once: when an event is stored (duplicate says that it was stored before), or when it is given up
// (err says why). It may be called from any goroutine, also before Publish returns. It must not block.
type AckFunc = func(duplicate bool, err error)

// messageEvent is a reliable event about a message.
type messageEvent struct {
	outcome      string
	conversation ID     // events of a conversation stay in order
	key          string // makes the event's id, unique within the channel
	header       map[string][]string
	payload      []byte
	fence        func() bool // see order.Event
}

// keyOf is the key under which events of a conversation stay in order. Each outcome has a stream of its own.
func keyOf(outcome string, ch *Channel, conversation ID) string {
	return outcome + "\x00" + ch.ID + "\x00" + string(conversation)
}

// publish hands an event over, to the stream or to this machine's disk, without waiting.
func (s *platformService) publish(
	ctx context.Context, req *action.Request, ch *Channel, e messageEvent, onAck AckFunc,
) {
	if s.runtime.PlainEvents {
		onAck = s.thenEmitPlain(ctx, req, ch, e, onAck)
	}
	event := order.Event{
		Name: eventName(s.runtime.Namespace, e.outcome), MsgID: s.def.Name + ":" + ch.ID + ":" + e.key,
		Header: e.header, Payload: e.payload, Fence: e.fence,
	}
	spooled := s.usesSpool(ch, e.outcome)
	if spooled || e.fence != nil { // a connection delivers again what is given up, in order
		event.Key = keyOf(e.outcome, ch, e.conversation)
	}
	if spooled {
		s.publishOrSpool(ctx, req, ch, event, onAck)
		return
	}
	s.runtime.Events.Publish(ctx, event, onAck)
}

// waitForAck waits until an event is stored or refused. That happens at the latest when the event's context ends; the
// disk may take a little longer.
func waitForAck(publish func(AckFunc)) error {
	done := make(chan error, 1)
	publish(func(_ bool, err error) { done <- err })
	return <-done
}

// plainEvent is the prefix of the event names of SDK 0.1.4.
const plainEvent = "integration.message."

// thenEmitPlain returns an AckFunc that also emits a stored event as SDK 0.1.4 did. That one is not acknowledged and
// may get lost.
func (s *platformService) thenEmitPlain(
	ctx context.Context, req *action.Request, ch *Channel, e messageEvent, onAck AckFunc,
) AckFunc {
	return func(duplicate bool, err error) {
		if err == nil && !duplicate {
			name := plainEvent + e.outcome
			if err := req.Emit(ctx, name, json.RawMessage(e.payload)); err != nil {
				s.logFor(req, ch).WithError(err).WithField("event", name).Warn("a plain event could not be sent")
			}
		}
		onAck(duplicate, err)
	}
}

// eventHeader carries the trace as @moleculer/channels does (docs/design/moleculer-wire.md §8). Of ctx.meta it takes
// ids only: the rest may hold request headers with the webhook's secret.
func (s *Service) eventHeader(req *action.Request, tenantID, channelID string) map[string][]string {
	var buffer [256]byte // enough for most
	meta := append(buffer[:0], '{')
	for _, id := range [...]struct{ name, value string }{
		{`"channelId":`, channelID},
		{`"requestId":`, idOf(req, "requestId")},
		{`"tenantId":`, tenantID},
		{`"userId":`, idOf(req, "userId")},
	} {
		if len(meta) > 1 && id.value != "" {
			meta = append(meta, ',')
		}
		meta = appendTextIfAny(meta, id.name, cut(id.value, maxHeader))
	}
	meta = append(meta, '}')
	tracing := "null"
	if req.Tracing != nil {
		tracing = strconv.FormatBool(*req.Tracing)
	}
	v := [...]string{
		headerValue(req.RequestID), headerValue(req.ID), tracing, strconv.Itoa(req.Level), s.fullName,
		base64.StdEncoding.EncodeToString(meta),
	}
	return map[string][]string{
		"$requestID": v[0:1:1], "$parentID": v[1:2:2], "$tracing": v[2:3:3], "$level": v[3:4:4], "$caller": v[4:5:5],
		"$meta": v[5:6:6],
	}
}

// sendToChannel stores an event of the service's author.
func (s *Service) sendToChannel(c *Context, name string, payload any, o SendOptions) error {
	data, err := json.Marshal(payload)
	if err != nil {
		return action.Client(http.StatusBadRequest, codes.EventInvalid, "the payload of %s cannot be encoded", name).
			Because(err)
	}
	header := s.eventHeader(c.Request, c.TenantID(), c.ChannelID())
	if d := c.Delivery(); d != nil {
		header["$parentChannelName"] = []string{d.Subject}
	}
	for k, v := range o.Header {
		header[k] = []string{oneline.Of(v)}
	}
	e := order.Event{Name: name, MsgID: cmp.Or(o.MessageID, uuid.NewString()), Header: header, Payload: data}
	err = waitForAck(func(onAck AckFunc) { s.runtime.Events.Publish(c, e, onAck) })
	switch {
	case isPermanent(err):
		return action.Client(
			http.StatusRequestEntityTooLarge, codes.EventRejected, "the event %s cannot be stored as it is", name,
		).Because(err)
	case err != nil:
		return action.Retryable(
			http.StatusServiceUnavailable, codes.EventsUnavailable, "the event %s could not be stored", name,
		).Because(err)
	}
	return nil
}

// maxHeader bounds, in bytes, a header whose value comes from outside, so that it cannot make an event too large.
const maxHeader = 256

// headerValue makes a text from outside fit into a header: on one line, and at most maxHeader long.
func headerValue(text string) string { return cut(oneline.Of(text), maxHeader) }

// deadLetter keeps a record of a received message whose event can never be stored as it is, without its content.
func (s *platformService) deadLetter(r *webhookRun, m *Message, cause error) error {
	ch := r.channel
	record := MessageFailedPayload{
		TenantID: ch.TenantID, ChannelID: ch.ID, Platform: s.def.Name, Timestamp: s.now().UnixMilli(),
		Error:    s.cleaner(nil).text(cause.Error()),
		Metadata: map[string]any{"messageId": m.ID, "conversationId": m.ConversationID, "dedupKey": m.DedupKey},
	}
	payload, err := json.Marshal(record)
	if err != nil {
		return err
	}
	header := s.eventHeader(r.req, ch.TenantID, ch.ID)
	header["x-original-channel"] = []string{s.runtime.Events.Subject(eventName(s.runtime.Namespace, received))}
	header["x-error-message"] = []string{headerValue(record.Error)}
	msgID := "dead:" + s.def.Name + ":" + ch.ID + ":" + dedupKey(m)
	e := order.Event{Name: DeadLetters, MsgID: msgID, Header: header, Payload: payload}
	return waitForAck(func(onAck AckFunc) { s.runtime.Events.Publish(r.ctx, e, onAck) })
}

// unencodable is the error of an event that cannot be encoded.
func unencodable(outcome string, err error) error {
	return permanent{fmt.Errorf("encode the %s event: %w", outcome, err)}
}

// permanent marks an event that no repetition will make acceptable.
type permanent struct{ error }

func (permanent) Permanent() bool { return true }

func isPermanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}
