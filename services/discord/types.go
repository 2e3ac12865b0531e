package discord

import (
	"encoding/json"

	"github.com/hiliosai/switchboard/integration/payload"
)

// The objects of Discord's API have only the fields that are read. A field that is not declared cannot have the wrong
// type.

// snowflake is an id, "Snowflakes". It is a string in JSON. A number is read too, with all its digits.
type snowflake string

// UnmarshalJSON never fails. An id of another type is read as none.
func (s *snowflake) UnmarshalJSON(data []byte) error {
	switch c := data[0]; {
	case c == '"':
		*s = snowflake(payload.Text(data))
	case c >= '0' && c <= '9':
		*s = snowflake(data)
	}
	return nil
}

// delivery is the body of a webhook: an interaction, "Interaction Structure", or a webhook event, "Payload Structure".
// Only the latter has Event. Both have a type, whose numbers overlap.
type delivery struct {
	Type          *int      `json:"type"`
	ApplicationID snowflake `json:"application_id"`
	Event         *event    `json:"event"`

	Dispatch     string          `json:"t"` // of the Gateway, whose payloads have the three
	Seq          int64           `json:"s"`
	DispatchData json.RawMessage `json:"d"`

	ID                  snowflake       `json:"id"`
	Token               string          `json:"token"`
	Data                interactionData `json:"data"`
	GuildID             snowflake       `json:"guild_id"`
	ChannelID           snowflake       `json:"channel_id"`
	Channel             channel         `json:"channel"`
	Member              *member         `json:"member"` // in a server
	User                *user           `json:"user"`   // in direct messages
	Message             *message        `json:"message"`
	Locale              string          `json:"locale"`
	GuildLocale         string          `json:"guild_locale"`
	AttachmentSizeLimit int64           `json:"attachment_size_limit"` // bytes
}

// interactionData is the "Application Command Data Structure", the "Message Component Data Structure" and the "Modal
// Submit Data Structure".
type interactionData struct {
	ID            snowflake       `json:"id"`
	Name          string          `json:"name"`
	Type          int             `json:"type"`
	Options       []commandOption `json:"options"`
	TargetID      snowflake       `json:"target_id"`
	CustomID      string          `json:"custom_id"`
	ComponentType int             `json:"component_type"`
	Values        []string        `json:"values"`
	Components    []component     `json:"components"`
	Resolved      resolved        `json:"resolved"`
}

// commandOption is a parameter, which has a value, or a subcommand or a group of these, which has options.
type commandOption struct {
	Name    string          `json:"name"`
	Type    int             `json:"type"`
	Value   json.RawMessage `json:"value"`
	Options []commandOption `json:"options"`
}

// resolved is the "Resolved Data Structure": the objects that the ids of an interaction's values stand for.
type resolved struct {
	Users       map[snowflake]user       `json:"users"`
	Roles       map[snowflake]named      `json:"roles"`
	Channels    map[snowflake]named      `json:"channels"`
	Attachments map[snowflake]attachment `json:"attachments"`
}

type named struct {
	Name string `json:"name"`
}

type event struct {
	Type      string          `json:"type"`
	Timestamp string          `json:"timestamp"`
	Data      json.RawMessage `json:"data"`
}

type user struct {
	ID         snowflake `json:"id"`
	Username   string    `json:"username"`
	GlobalName string    `json:"global_name"`
	Bot        bool      `json:"bot"`
}

type member struct {
	User user   `json:"user"`
	Nick string `json:"nick"`
}

type channel struct {
	ID       snowflake `json:"id"`
	Type     *int      `json:"type"`
	Name     string    `json:"name"`
	ParentID snowflake `json:"parent_id"`
}

// message is the "Message Object", with the fields that only "Social SDK Message Objects" have.
type message struct {
	ID                snowflake        `json:"id"`
	ChannelID         snowflake        `json:"channel_id"`
	GuildID           snowflake        `json:"guild_id"`
	LobbyID           snowflake        `json:"lobby_id"`
	RecipientID       snowflake        `json:"recipient_id"`
	ApplicationID     snowflake        `json:"application_id"`
	WebhookID         snowflake        `json:"webhook_id"`
	Author            user             `json:"author"`
	Content           string           `json:"content"`
	Timestamp         string           `json:"timestamp"`
	EditedTimestamp   string           `json:"edited_timestamp"`
	Type              int              `json:"type"`
	Flags             int64            `json:"flags"`
	Attachments       []attachment     `json:"attachments"`
	Embeds            json.RawMessage  `json:"embeds"`
	StickerItems      []stickerItem    `json:"sticker_items"`
	Components        []component      `json:"components"`
	Poll              *poll            `json:"poll"`
	MessageReference  messageReference `json:"message_reference"`
	ReferencedMessage *message         `json:"referenced_message"`
	MessageSnapshots  []snapshot       `json:"message_snapshots"`
	Metadata          json.RawMessage  `json:"metadata"` // of a lobby's message

	// What comes over the Gateway only, "Message Create Extra Fields".
	ChannelType *int    `json:"channel_type"`
	Member      *member `json:"member"`
	Mentions    []user  `json:"mentions"`
}

type messageReference struct {
	Type      int       `json:"type"`
	MessageID snowflake `json:"message_id"`
	ChannelID snowflake `json:"channel_id"`
}

type snapshot struct {
	Message message `json:"message"`
}

type attachment struct {
	ID           snowflake `json:"id"`
	Filename     string    `json:"filename"`
	Title        string    `json:"title"`
	Description  string    `json:"description"`
	ContentType  string    `json:"content_type"`
	Size         int64     `json:"size"`
	URL          string    `json:"url"`
	Width        int       `json:"width"`
	Height       int       `json:"height"`
	DurationSecs float64   `json:"duration_secs"`
}

type stickerItem struct {
	ID         snowflake `json:"id"`
	Name       string    `json:"name"`
	FormatType int       `json:"format_type"`
}

// component is any of the "Component Reference", on a message or in a form that was filled in.
type component struct {
	Type       int             `json:"type"`
	CustomID   string          `json:"custom_id"`
	Label      string          `json:"label"`
	Content    string          `json:"content"` // of a text display
	Value      json.RawMessage `json:"value"`
	Values     []string        `json:"values"`
	MaxValues  int             `json:"max_values"`
	Options    []selectOption  `json:"options"`
	Components []component     `json:"components"` // of rows, containers and sections
	Component  *component      `json:"component"`  // of a label
	Accessory  *component      `json:"accessory"`  // of a section
}

type selectOption struct {
	Label       string `json:"label"`
	Value       string `json:"value"`
	Description string `json:"description"`
}

// poll is the "Poll Object".
type poll struct {
	Question         pollMedia    `json:"question"`
	Answers          []pollAnswer `json:"answers"`
	AllowMultiselect bool         `json:"allow_multiselect"`
	Results          struct {
		IsFinalized bool `json:"is_finalized"`
	} `json:"results"`
}

type pollMedia struct {
	Text string `json:"text"`
}

type pollAnswer struct {
	PollMedia pollMedia `json:"poll_media"`
}
