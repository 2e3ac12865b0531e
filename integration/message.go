package integration

import (
	"bytes"
	"cmp"
	"encoding/json"
	"reflect"

	"github.com/google/uuid"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

// ID is a platform's identifier. It decodes from a JSON string or number, because platforms number some of their
// objects and Node callers pass such numbers on. It always encodes as a string.
type ID string

// UnmarshalJSON accepts a string or a number.
func (id *ID) UnmarshalJSON(data []byte) error {
	switch {
	case bytes.Equal(data, []byte("null")):
		return nil
	case len(data) > 0 && data[0] == '"':
		*id = ID(rawjson.Text(data))
		return nil
	}
	var n json.Number
	if json.Unmarshal(data, &n) != nil {
		// The type of error to which encoding/json adds the field's name.
		return &json.UnmarshalTypeError{Value: "value", Type: reflect.TypeFor[ID]()}
	}
	*id = ID(n)
	return nil
}

// Message is the SDK's NormalizedMessage: one message of any platform, in either direction. Fields that the SDK does
// not have are optional, so that existing consumers can still read it.
type Message struct {
	ID             ID       `json:"id"`
	ConversationID ID       `json:"conversationId"`
	From           Party    `json:"from"`
	To             Party    `json:"to"`
	Content        Content  `json:"content"`
	ReplyTo        *ReplyTo `json:"replyTo,omitempty"`
	ThreadID       ID       `json:"threadId,omitempty"`
	Kind           Kind     `json:"kind,omitempty"` // empty means KindMessage
	// empty: a user wrote it to the channel, or the channel to a user
	Direction Direction `json:"direction,omitempty"`
	Timestamp int64     `json:"timestamp"`          // ms since 1970, by the platform's clock
	EditedAt  int64     `json:"editedAt,omitempty"` // ms since 1970
	Platform  string    `json:"platform,omitempty"` // set by the factory on the way in
	DedupKey  string    `json:"dedupKey,omitempty"` // unique per channel; see [Platform.Normalize]
	// ReplyContext is what the platform needs to answer this message, such as a reply token. It is the platform's own,
	// of 4 KB at most. An answer hands it back unchanged.
	ReplyContext string         `json:"replyContext,omitempty"`
	Metadata     map[string]any `json:"metadata,omitempty"`
}

// Recipient returns where a message goes to: To, or else the conversation.
func (m *Message) Recipient() ID { return cmp.Or(m.To.ID, m.ConversationID) }

// IdempotencyKey returns a UUID that is the same whenever the same message goes to the same recipient of the channel,
// for platforms that carry out calls with one key once. It is empty for a message without an ID, which its caller
// cannot repeat as the same.
func (m *Message) IdempotencyKey(ch *Channel) string {
	if m.ID == "" {
		return ""
	}
	name := ch.ID + "\x00" + string(m.Recipient()) + "\x00" + string(m.ID)
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)).String()
}

// Press makes the message that of a pressed button. reply says which one.
func (m *Message) Press(reply InteractiveReply) {
	m.Kind = KindInteraction
	m.Content = Content{Type: TypeButton, Text: reply.Title, Interactive: &Interactive{Reply: &reply}}
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
	KindEdit        Kind = "edit"        // the message with this ID has this content now
	KindDelete      Kind = "delete"      // the message with this ID was removed
	KindReaction    Kind = "reaction"    // content.reaction
	KindStatus      Kind = "status"      // content.status: what became of a message that was sent
	KindInteraction Kind = "interaction" // a button was pressed, an entry chosen, a form sent
	KindCommand     Kind = "command"     // content.command
	KindMembership  Kind = "membership"  // content.system: who joined, left, blocked or installed
	KindSystem      Kind = "system"      // content.system: anything else that no user wrote
)

// Direction marks messages that no user wrote.
type Direction string

// DirectionEcho marks a message that the channel's own account or another bot wrote. An answer to it may make a loop.
// The channel's setting ownMessages says whether such messages are dropped (the default) or passed on.
const DirectionEcho Direction = "echo"

// ReplyTo names the message that this one answers.
type ReplyTo struct {
	MessageID     ID     `json:"messageId"`
	Quote         string `json:"quote,omitempty"`         // the part of it that is quoted
	ParticipantID ID     `json:"participantId,omitempty"` // who wrote it
}
