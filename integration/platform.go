package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
)

// Platform is what every platform must bring. Methods are called from many goroutines.
//
// A platform that can do more implements more interfaces of this file; [Define] finds them.
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

// Splitter makes several messages of one that the platform cannot put into one, such as one for each attachment. All
// that can be refused without asking the platform is refused here, before the first is sent. Long texts are no reason
// for one: the factory splits them by [Definition.Text].
//
// The factory sends each part in its turn, with a pace, retries and an id of its own: that of the message for the
// first, "id:2" and so on for those after it.
type Splitter interface {
	// Split returns the parts in their order, or a list of nothing but message. It changes neither the message nor the
	// channel. See [Message.Separate]. Errors are *Error.
	Split(ctx context.Context, message *Message, channel *Channel) ([]*Message, error)
}

// WebhookValidator checks a webhook's structure before its signature is checked.
type WebhookValidator interface {
	ValidateWebhook(ctx context.Context, webhook *Webhook) error
}

// SignatureValidator checks that a webhook comes from the platform. It refuses when the channel has
// no secret to check with, and compares in constant time ([EqualSecrets]).
type SignatureValidator interface {
	ValidateSignature(ctx context.Context, webhook *Webhook) error
}

// WebhookVerifier answers a subscription handshake: the challenge, or an error.
type WebhookVerifier interface {
	VerifyWebhook(ctx context.Context, v Verification, channel *Channel) (challenge string, err error)
}

// Accounts says which accounts a webhook is for, for platforms that send everything of an app to one URL: POST
// /<service> without a channel. The factory finds the channels by their field with [Field.Account], and each checks the
// webhook with its own secret. Nothing has been checked before, so that the ids may be anybody's. None leaves it to the
// channel that the URL's query names as channelId. webhook has no channel. Where a webhook names one account,
// [Definition.AccountPath] does the same without a method.
type Accounts interface {
	Accounts(ctx context.Context, webhook *Webhook) ([]string, error)
}

// HealthChecker asks the platform whether a channel can work.
type HealthChecker interface {
	CheckHealth(ctx context.Context, channel *Channel) (*Health, error)
}

// CredentialsValidator asks the platform whether credentials are good. A platform without one is asked for its health,
// which suffices where that tells of bad credentials. settings may point at
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
	HealthHealthy   = "healthy"
	HealthUnhealthy = "unhealthy"
	HealthDegraded  = "degraded"
)

// Healthy returns the health of a channel that works. message says whose account it is and what it can do.
func Healthy(message string, details map[string]any) *Health {
	return &Health{Status: HealthHealthy, Message: message, Details: details}
}

// Degrade lowers the health to degraded: a part of the channel works. message says what does not, and what to do.
func (h *Health) Degrade(message string) { h.Status, h.Message = HealthDegraded, message }

// Fail lowers the health to unhealthy: the channel does not work. message says why, and what to do.
func (h *Health) Fail(message string) { h.Status, h.Message = HealthUnhealthy, message }

// SendResult is the answer of i_sendMessage. A message that the platform refuses for good is an
// answer with Success false, as in the SDK; trouble that may pass is an error.
//
// A platform fills in MessageID or MessageIDs, Degraded and Metadata. The factory adds up the parts, and repeats
// messageIds, parts and degraded in the metadata, where the SDK's consumers look for them.
type SendResult struct {
	Success    bool           `json:"success"`
	MessageID  ID             `json:"messageId,omitempty"`  // of the message, or of the first where there are several
	MessageIDs []ID           `json:"messageIds,omitempty"` // of all of them, in their order, where there are several
	Parts      int            `json:"parts,omitempty"`      // how many parts the factory made, where there are several
	Degraded   []Degradation  `json:"degraded,omitempty"`   // what a reader does not get as it was meant
	Error      *SendError     `json:"error,omitempty"`
	Metadata   map[string]any `json:"metadata,omitempty"`
}

// Degradation says what a platform could not show as it was meant.
type Degradation struct {
	Feature Feature `json:"feature"`        // such as "location", or another name of what is lost
	Became  string  `json:"became"`         // such as "text"; "none" where it was left out
	Note    string  `json:"note,omitempty"` // for people
}

// String returns the form that metadata.degraded has, such as "location→text".
func (d Degradation) String() string { return string(d.Feature) + "→" + d.Became }

// Losses collects what a platform cannot show as it was meant, for [SendResult.Degraded].
type Losses []Degradation

// Add notes that a feature became something else, such as "text", or "none" where it was left out.
func (l *Losses) Add(feature Feature, became string) {
	*l = append(*l, Degradation{Feature: feature, Became: became})
}

// SendError is an [Error] as a SendResult carries it.
type SendError struct {
	Message      string    `json:"message"`
	Code         string    `json:"code"`
	Kind         ErrorKind `json:"kind"`
	Retryable    bool      `json:"retryable"`
	RetryAfterMs int64     `json:"retryAfterMs,omitempty"`
	PlatformCode string    `json:"platformCode,omitempty"`
	HTTPStatus   int       `json:"httpStatus,omitempty"`
}

// MarshalJSON writes the kind as class, too, its name before. That goes with the next release.
func (e SendError) MarshalJSON() ([]byte, error) {
	type plain SendError
	return json.Marshal(struct {
		plain
		Class ErrorKind `json:"class"`
	}{plain(e), e.Kind})
}

// UnmarshalJSON takes class where kind is missing, as in an answer that an earlier node kept.
func (e *SendError) UnmarshalJSON(data []byte) error {
	type plain SendError
	in := struct {
		*plain
		Class ErrorKind `json:"class"`
	}{plain: (*plain)(e)}
	err := json.Unmarshal(data, &in)
	e.Kind = cmp.Or(e.Kind, in.Class)
	return err
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
