package integration

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// ID is a platform's identifier. Platforms number some of their objects and Node callers pass such
// numbers on, so it decodes from a JSON string or number; it always encodes as a string.
type ID string

// UnmarshalJSON accepts a string or a number.
func (id *ID) UnmarshalJSON(data []byte) error {
	switch {
	case bytes.Equal(data, []byte("null")):
		return nil
	case len(data) > 0 && data[0] == '"':
		return json.Unmarshal(data, (*string)(id))
	}
	var n json.Number
	if json.Unmarshal(data, &n) != nil {
		// The type of error to which encoding/json adds the field's name.
		return &json.UnmarshalTypeError{Value: "value", Type: reflect.TypeFor[ID]()}
	}
	*id = ID(n)
	return nil
}

// Message is the SDK's NormalizedMessage: one message of any platform, in either direction. Fields
// beyond the SDK's are optional, so that existing consumers read it as before.
type Message struct {
	ID             ID             `json:"id"`
	ConversationID ID             `json:"conversationId"`
	From           Party          `json:"from"`
	To             Party          `json:"to"`
	Content        Content        `json:"content"`
	ReplyTo        *ReplyTo       `json:"replyTo,omitempty"`
	ThreadID       ID             `json:"threadId,omitempty"`
	Kind           Kind           `json:"kind,omitempty"`     // empty means KindMessage
	Timestamp      int64          `json:"timestamp"`          // ms since 1970, by the platform's clock
	EditedAt       int64          `json:"editedAt,omitempty"` // ms since 1970
	Platform       string         `json:"platform,omitempty"` // set by the factory on the way in
	DedupKey       string         `json:"dedupKey,omitempty"` // unique per channel; see [Platform.Normalize]
	Metadata       map[string]any `json:"metadata,omitempty"`
}

// Party is a user, a bot or a chat.
type Party struct {
	ID   ID     `json:"id"`
	Name string `json:"name,omitempty"`
}

// Kind says what happened; the content says what it is about.
type Kind string

// The kinds of messages.
const (
	KindMessage     Kind = "message"
	KindEdit        Kind = "edit"
	KindInteraction Kind = "interaction" // a button was pressed
	KindCommand     Kind = "command"
)

// ContentType is one of the Type constants; consumers treat others as [TypeUnsupported].
type ContentType string

// The content types in use so far.
const (
	TypeText        ContentType = "TEXT"
	TypeImage       ContentType = "IMAGE"
	TypeVideo       ContentType = "VIDEO"
	TypeAudio       ContentType = "AUDIO"
	TypeVoice       ContentType = "VOICE"
	TypeFile        ContentType = "FILE"
	TypeLocation    ContentType = "LOCATION"
	TypeButton      ContentType = "BUTTON" // a pressed button
	TypeInteractive ContentType = "INTERACTIVE"
	TypeCommand     ContentType = "COMMAND"
	TypeUnsupported ContentType = "UNSUPPORTED" // metadata.raw holds what came
)

// Content is the body of a message. Text is the body, a caption, or a button's visible title.
type Content struct {
	Type        ContentType  `json:"type"`
	Text        string       `json:"text,omitempty"`
	Media       *Media       `json:"media,omitempty"`
	Entities    []Entity     `json:"entities,omitempty"`
	Location    *Location    `json:"location,omitempty"`
	Interactive *Interactive `json:"interactive,omitempty"`
	Command     *Command     `json:"command,omitempty"`
	Unsupported *Unsupported `json:"unsupported,omitempty"`
}

// Media refers to an attachment. Where a platform gives an id instead of a public link, ID and URL
// both hold that id, as the SDK's handbook has it; action i_getMedia fetches the bytes by it. A link that
// contains a credential is never put here.
type Media struct {
	URL        string `json:"url"`
	MimeType   string `json:"mimeType,omitempty"`
	ID         string `json:"id,omitempty"`
	Size       int64  `json:"size,omitempty"` // bytes
	Filename   string `json:"filename,omitempty"`
	DurationMs int64  `json:"durationMs,omitempty"`
	Width      int    `json:"width,omitempty"`  // pixels
	Height     int    `json:"height,omitempty"` // pixels
}

// Entity marks a part of the text; offset and length count UTF-16 code units.
type Entity struct {
	Type   string `json:"type"`
	Offset int    `json:"offset"`
	Length int    `json:"length"`
	URL    string `json:"url,omitempty"`
	UserID ID     `json:"userId,omitempty"`
}

// Location is a point in degrees, with what is known of the place.
type Location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
	Live      bool    `json:"live,omitempty"`
}

// Interactive is a message's buttons on the way out and the reply to one on the way in.
type Interactive struct {
	Kind    string            `json:"kind,omitempty"` // "buttons"
	Body    string            `json:"body,omitempty"`
	Buttons []Button          `json:"buttons,omitempty"`
	Reply   *InteractiveReply `json:"reply,omitempty"`
}

// Button is one button. Type "reply" (the default) sends ID back when pressed, "url" opens URL.
type Button struct {
	ID    string `json:"id,omitempty"`
	Title string `json:"title"`
	Type  string `json:"type,omitempty"`
	URL   string `json:"url,omitempty"`
}

// InteractiveReply says which button was pressed, and on which message.
type InteractiveReply struct {
	ID              string `json:"id"`
	Title           string `json:"title,omitempty"`
	SourceMessageID ID     `json:"sourceMessageId,omitempty"`
}

// Command is a bot command such as "/start ref42": name "start", args "ref42".
type Command struct {
	Name string `json:"name"`
	Args string `json:"args,omitempty"`
}

// Unsupported names what the platform sent and this version does not model.
type Unsupported struct {
	PlatformType string `json:"platformType"`
	Reason       string `json:"reason,omitempty"`
}

// ReplyTo names the message that this one answers.
type ReplyTo struct {
	MessageID ID     `json:"messageId"`
	Quote     string `json:"quote,omitempty"`
}
