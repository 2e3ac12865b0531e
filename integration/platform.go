package integration

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
)

// Platform is what every platform implements. Methods are called from many goroutines.
//
// A platform that can do more implements more interfaces of this file. [Define] finds them.
type Platform interface {
	// Normalize turns a webhook, which was checked, into messages: none, one or many. An item that it does not understand
	// becomes a [TypeUnsupported] message, not an error. Each message has a DedupKey. It is the same whenever the platform
	// sends that item again, and differs from the keys of all other items of the channel. Normalize must not call the
	// platform.
	Normalize(ctx context.Context, webhook *Webhook) ([]Message, error)

	// Send delivers one message, with one attempt. The factory repeats it if [Error.Retryable] says so. Every error is an
	// *Error. Send changes neither the message nor the channel.
	Send(ctx context.Context, message *Message, channel *Channel) (*SendResult, error)
}

// Splitter divides a message that the platform cannot send as one, such as a message with several attachments. It
// refuses everything that can be refused without calling the platform, before the first part is sent. Long texts do not
// need it: the factory splits them by [Definition.Text].
//
// The factory sends the parts in order. Each has its own pace and retries, and an id: the first that of the message,
// the others "id:2" and so on.
type Splitter interface {
	// Split returns the parts in order, or a list with only the message. It changes neither the message nor the channel.
	// See [Message.Separate]. Errors are *Error.
	Split(ctx context.Context, message *Message, channel *Channel) ([]*Message, error)
}

// WebhookValidator checks a webhook's structure before its signature is checked.
type WebhookValidator interface {
	ValidateWebhook(ctx context.Context, webhook *Webhook) error
}

// SignatureValidator checks that a webhook comes from the platform. It returns an error if the channel has no secret,
// and compares in constant time ([EqualSecrets]).
type SignatureValidator interface {
	ValidateSignature(ctx context.Context, webhook *Webhook) error
}

// WebhookVerifier answers a subscription handshake: the challenge, or an error.
type WebhookVerifier interface {
	VerifyWebhook(ctx context.Context, v Verification, channel *Channel) (challenge string, err error)
}

// Accounts says which accounts a webhook is for. It is for platforms that send all webhooks of an app to one URL: POST
// /<service> without a channel. The factory finds the channels by their field with [Field.Account], and each channel
// checks the webhook with its own secret. Nothing has been checked before, so anybody may have sent the ids. If the
// list is empty, the URL's query names the channel as channelId. webhook has no channel. If webhooks name one account,
// use [Definition.AccountPath] instead.
type Accounts interface {
	Accounts(ctx context.Context, webhook *Webhook) ([]string, error)
}

// HealthChecker asks the platform whether a channel can work.
type HealthChecker interface {
	CheckHealth(ctx context.Context, channel *Channel) (*Health, error)
}

// CredentialsValidator asks the platform whether credentials are valid. Without it the factory asks the
// [HealthChecker], which suffices if that detects bad credentials. settings may name another API root. The error is for
// questions without an answer, such as an unreachable platform; an error of kind auth counts as a no.
type CredentialsValidator interface {
	ValidateCredentials(ctx context.Context, credentials, settings map[string]string) (bool, error)
}

// Responder makes the HTTP response to a webhook, for platforms that read it: a challenge, an acknowledgement in a
// certain form, the answer to a pressed button. It is called after the webhook's messages are durable. nil means the
// usual response.
type Responder interface {
	Respond(ctx context.Context, webhook *Webhook) (*Response, error)
}

// Response is the HTTP response to a webhook.
type Response struct {
	Status      int    // zero is 200
	ContentType string // such as "application/json"; empty with an empty body
	Body        string
}

// Target names the message that an action is about. With an empty MessageID it names the conversation.
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

// Typer shows for some seconds that somebody is writing: i_typing.
type Typer interface {
	ShowTyping(ctx context.Context, target Target, channel *Channel) error
}

// ReadMarker shows the writer of a message that it was read: i_markRead.
type ReadMarker interface {
	MarkRead(ctx context.Context, target Target, channel *Channel) error
}

// MediaFetcher reads an attachment by the id that [Media] carries.
type MediaFetcher interface {
	FetchMedia(ctx context.Context, id string, channel *Channel) (*MediaFile, error)
}

// Verification holds the params of a subscription handshake.
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

// SendResult is the answer of i_sendMessage. As in the SDK, a message that the platform refuses for good has an answer
// with Success false. Faults that may pass are errors.
//
// A platform fills in MessageID or MessageIDs, Degraded and Metadata. The factory adds the results of the parts up. It
// repeats messageIds, parts and degraded in the metadata, because the SDK's consumers read them there.
type SendResult struct {
	Success    bool           `json:"success"`
	MessageID  ID             `json:"messageId,omitempty"`  // of the message, or of the first if there are several
	MessageIDs []ID           `json:"messageIds,omitempty"` // of all messages in order, if there are several
	Parts      int            `json:"parts,omitempty"`      // number of parts, if there are several
	Degraded   []Degradation  `json:"degraded,omitempty"`   // features that were replaced or left out
	Error      *SendError     `json:"error,omitempty"`
	Metadata   map[string]any `json:"metadata,omitempty"`
}

// Degradation names a feature that a platform could not show as it was meant.
type Degradation struct {
	Feature Feature `json:"feature"`        // such as "location", or another name of what is lost
	Became  string  `json:"became"`         // such as "text"; "none" if it was left out
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

// MarshalJSON writes the kind also as class, its former name. The next release drops class.
func (e SendError) MarshalJSON() ([]byte, error) {
	type plain SendError
	return json.Marshal(struct {
		plain
		Class ErrorKind `json:"class"`
	}{plain(e), e.Kind})
}

// UnmarshalJSON reads class if kind is missing, as in an answer that an earlier node stored.
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

// MediaSource is a datasource that holds attachments to send, see [Media].
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
