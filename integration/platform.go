package integration

import (
	"context"
	"encoding/json"
	"io"
	"net/url"
	"time"
)

// Platform is what every platform must bring. Methods are called from many goroutines.
//
// A platform that can do more implements further interfaces of this file; [Define] finds them.
type Platform interface {
	// Normalize turns a webhook, already checked, into messages: none, one or many. One item that
	// cannot be understood becomes a [TypeUnsupported] message, not an error. Each message carries a
	// DedupKey that is the same whenever the platform sends that item again and differs from those
	// of all other items of the channel. It must not call the platform.
	Normalize(ctx context.Context, webhook *Webhook) ([]Message, error)

	// Send delivers one message, with one attempt: the factory repeats it where [Error.Retryable]
	// says so. Every error is an *Error. It changes neither the message nor the channel.
	Send(ctx context.Context, message *Message, channel *Channel) (*SendResult, error)
}

// WebhookValidator checks a webhook's structure before its signature is checked.
type WebhookValidator interface {
	ValidateWebhook(webhook *Webhook) error
}

// SignatureValidator checks that a webhook comes from the platform. It refuses when the channel has
// no secret to check with, and compares in constant time ([EqualSecrets]).
type SignatureValidator interface {
	ValidateSignature(webhook *Webhook) error
}

// WebhookVerifier answers a subscription handshake: the challenge, or an error.
type WebhookVerifier interface {
	VerifyWebhook(v Verification, channel *Channel) (challenge string, err error)
}

// HealthChecker asks the platform whether a channel can work.
type HealthChecker interface {
	CheckHealth(ctx context.Context, channel *Channel) (*Health, error)
}

// CredentialsValidator asks the platform whether credentials are good. settings may point at
// another API root. The error is for questions without an answer, such as an unreachable platform; one of
// kind auth is taken for a no.
type CredentialsValidator interface {
	ValidateCredentials(ctx context.Context, credentials, settings map[string]string) (bool, error)
}

// Responder answers webhooks in their HTTP response, for platforms that read it: a challenge, an
// acknowledgement of a certain form, what to do about a pressed button. It is asked after the webhook's
// messages are durable; nil leaves the usual answer.
type Responder interface {
	Respond(ctx context.Context, webhook *Webhook) (*Response, error)
}

// Response is what a platform reads as the answer to its webhook.
type Response struct {
	Status      int    // zero is 200
	ContentType string // such as "application/json"; empty with an empty body
	Body        string
}

// Target names the message, or with an empty MessageID the conversation, that an action is about.
type Target struct {
	ConversationID ID
	ThreadID       ID
	MessageID      ID
}

// Editor replaces the content of a message that the channel sent: i_editMessage. message has an empty ID.
type Editor interface {
	EditMessage(ctx context.Context, target Target, message *Message, channel *Channel) (*SendResult, error)
}

// Deleter removes a message that the channel sent: i_deleteMessage.
type Deleter interface {
	DeleteMessage(ctx context.Context, target Target, channel *Channel) error
}

// Reactor puts an emoji on a message: i_react, and i_sendMessage of a [TypeReaction]. An empty emoji takes
// the channel's reaction away.
type Reactor interface {
	React(ctx context.Context, target Target, emoji string, channel *Channel) error
}

// Typer shows for some seconds that an answer is being written: i_typing.
type Typer interface {
	ShowTyping(ctx context.Context, target Target, channel *Channel) error
}

// ReadMarker shows a message's writer that it was read: i_markRead.
type ReadMarker interface {
	MarkRead(ctx context.Context, target Target, channel *Channel) error
}

// MediaFetcher reads an attachment by the id that [Media] carries.
type MediaFetcher interface {
	FetchMedia(ctx context.Context, id string, channel *Channel) (*MediaFile, error)
}

// Webhook is one delivery of a platform.
type Webhook struct {
	TenantID  string
	ChannelID string
	Platform  string
	// URL is the public URL that the platform called, query included; empty where it is not known.
	URL string
	// ContentType is the header content-type as it came, parameters included.
	ContentType string
	// Payload is the body as JSON, which is valid: the very bytes that were signed where the gateway sent them.
	Payload json.RawMessage
	// RawBody is the body as the platform sent it, nil when the gateway did not keep it.
	RawBody   []byte
	Headers   Headers
	Timestamp time.Time // when the gateway took it in
	Channel   *Channel

	foreign []string // whose the parts are that are not the channel's
}

// Foreign says that a part of the webhook is for another account than the channel's, such as "phone number 123", and that
// Normalize has left it out. It is counted among what was ignored, and logged. For use in Normalize.
func (w *Webhook) Foreign(whose string) { w.foreign = append(w.foreign, whose) }

// SignedBody is the body to check a signature over. Without one the webhook is refused, with the
// words that lead to the cause: JSON that was parsed and written again has other bytes.
func (w *Webhook) SignedBody() ([]byte, error) {
	if w.RawBody == nil {
		return nil, &Error{Kind: ErrInvalid, Code: "RAW_BODY_MISSING", Message: "the signature covers the raw body, and none came: " +
			"let the gateway keep it and pass it as rawBody (see examples/gateway)"}
	}
	return w.RawBody, nil
}

// SignedURL gives the URL to check a signature over. Without one the webhook is refused: the error says what to set.
func (w *Webhook) SignedURL() (string, error) {
	if w.URL == "" {
		return "", &Error{Kind: ErrInvalid, Code: "PUBLIC_URL_MISSING", Message: "the signature covers the URL that the platform called, " +
			"and it is not known: set the channel's publicUrl"}
	}
	return w.URL, nil
}

// Form gives the fields of a form.
func (w *Webhook) Form() (url.Values, error) { return url.ParseQuery(string(w.RawBody)) }

// Verification is a subscription handshake's question.
type Verification struct {
	Mode, Token, Challenge string
}

// Health is the answer of i_healthCheck.
type Health struct {
	Status  string         `json:"status"` // one of the Health constants
	Message string         `json:"message,omitempty"`
	Details map[string]any `json:"details,omitempty"`
}

// Values of [Health.Status].
const (
	Healthy   = "healthy"
	Unhealthy = "unhealthy"
	Degraded  = "degraded"
)

// SendResult is the answer of i_sendMessage. A message that the platform refuses for good is an
// answer with Success false, as in the SDK; trouble that may pass is an error.
type SendResult struct {
	Success   bool           `json:"success"`
	MessageID ID             `json:"messageId,omitempty"`
	Error     *SendError     `json:"error,omitempty"`
	Metadata  map[string]any `json:"metadata,omitempty"`
}

// SendError is an [Error] as a SendResult carries it.
type SendError struct {
	Message      string    `json:"message"`
	Code         string    `json:"code"`
	Class        ErrorKind `json:"class"`
	Retryable    bool      `json:"retryable"`
	RetryAfterMs int64     `json:"retryAfterMs,omitempty"`
	PlatformCode string    `json:"platformCode,omitempty"`
	HTTPStatus   int       `json:"httpStatus,omitempty"`
}

// MediaSource is a datasource that has attachments to send, see [Media].
type MediaSource interface {
	// OpenMedia opens the attachment of that name. Errors are *Error.
	OpenMedia(ctx context.Context, name string) (*MediaFile, error)
}

// MediaFile is an attachment's content. The caller closes Body.
type MediaFile struct {
	Body     io.ReadCloser
	MimeType string
	Filename string
	Size     int64 // bytes; -1 when the platform does not say
}
