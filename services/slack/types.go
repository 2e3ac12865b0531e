package slack

import (
	"cmp"
	"encoding/json"

	"github.com/hiliosai/switchboard/integration"
)

// The types of Slack's payloads have the fields that are read here and no others: a field that is not declared cannot
// have the wrong type. Interactions are in types_interaction.go.

// envelope is the outer object of an event, "Using the Events API".
type envelope struct {
	Type              string          `json:"type"`
	Challenge         string          `json:"challenge"`
	TeamID            string          `json:"team_id"`
	EnterpriseID      string          `json:"enterprise_id"`
	ContextTeamID     string          `json:"context_team_id"`
	ContextEnterprise string          `json:"context_enterprise_id"`
	APIAppID          string          `json:"api_app_id"`
	EventID           string          `json:"event_id"`
	EventTime         int64           `json:"event_time"` // seconds since 1970
	Event             event           `json:"event"`
	Authorizations    []authorization `json:"authorizations"`
	SharedChannel     bool            `json:"is_ext_shared_channel"`
	MinuteRateLimited int64           `json:"minute_rate_limited"` // of app_rate_limited: seconds since 1970
}

type authorization struct {
	TeamID       string `json:"team_id"`
	EnterpriseID string `json:"enterprise_id"`

	UserID string `json:"user_id"`
	IsBot  bool   `json:"is_bot"`
}

// event is any of the events, "Events".
type event struct {
	message

	Channel         ref       `json:"channel"`
	ChannelType     string    `json:"channel_type"`
	EventTS         string    `json:"event_ts"`
	DeletedTS       string    `json:"deleted_ts"`
	Message         *message  `json:"message"`
	PreviousMessage *message  `json:"previous_message"`
	Reaction        string    `json:"reaction"`
	Item            *item     `json:"item"`
	ItemUser        string    `json:"item_user"`
	Inviter         string    `json:"inviter"`
	ChannelID       string    `json:"channel_id"` // where others have channel
	UserID          string    `json:"user_id"`    // where others have user
	FileID          string    `json:"file_id"`
	MessageTS       string    `json:"message_ts"`
	OldChannelID    string    `json:"old_channel_id"`
	NewChannelID    string    `json:"new_channel_id"`
	Links           []link    `json:"links"`
	AssistantThread assistant `json:"assistant_thread"`
}

// message is a message of Slack's, as the event of a new one and events about it have it.
type message struct {
	Type         string          `json:"type"`
	Subtype      string          `json:"subtype"`
	User         ref             `json:"user"`
	Username     string          `json:"username"`
	BotID        string          `json:"bot_id"`
	BotProfile   *botProfile     `json:"bot_profile"`
	AppID        string          `json:"app_id"`
	UserProfile  *userProfile    `json:"user_profile"` // of those who are not of the workspace
	Text         string          `json:"text"`
	Blocks       json.RawMessage `json:"blocks"`
	Attachments  json.RawMessage `json:"attachments"`
	Files        []file          `json:"files"`
	TS           string          `json:"ts"`
	ThreadTS     string          `json:"thread_ts"`
	ParentUserID string          `json:"parent_user_id"`
	ClientMsgID  string          `json:"client_msg_id"`
	Edited       *edited         `json:"edited"`
}

type botProfile struct {
	Name string `json:"name"`
}

type userProfile struct {
	DisplayName string `json:"display_name"`
	RealName    string `json:"real_name"`
}

type edited struct {
	User string `json:"user"`
	TS   string `json:"ts"`
}

// item is what a reaction is on.
type item struct {
	Type    string `json:"type"`
	Channel string `json:"channel"`
	TS      string `json:"ts"`
}

type link struct {
	URL string `json:"url"`
}

type assistant struct {
	UserID    string `json:"user_id"`
	ChannelID string `json:"channel_id"`
	ThreadTS  string `json:"thread_ts"`
}

// file is "File object".
type file struct {
	ID                 string         `json:"id"`
	Name               string         `json:"name"`
	Title              string         `json:"title"`
	Mimetype           string         `json:"mimetype"`
	Size               int64          `json:"size"` // bytes
	Mode               string         `json:"mode"`
	Filetype           string         `json:"filetype"`
	Subject            string         `json:"subject"` // this and the next three of e-mails
	From               []address      `json:"from"`
	PlainText          string         `json:"plain_text"`
	PreviewPlainText   string         `json:"preview_plain_text"`
	Subtype            string         `json:"subtype"` // slack_audio or slack_video, of clips
	FileAccess         string         `json:"file_access"`
	IsExternal         bool           `json:"is_external"`
	URLPrivate         string         `json:"url_private"`
	URLPrivateDownload string         `json:"url_private_download"`
	Permalink          string         `json:"permalink"`
	OriginalW          int            `json:"original_w"`
	OriginalH          int            `json:"original_h"`
	DurationMs         int64          `json:"duration_ms"`
	Transcription      *transcription `json:"transcription"`
	Shares             shares         `json:"shares"`
}

// address is the sender of an e-mail.
type address struct {
	Address  string `json:"address"`
	Name     string `json:"name"`
	Original string `json:"original"`
}

type transcription struct {
	Preview struct {
		Content string `json:"content"`
	} `json:"preview"`
}

// shares are the messages that share a file, by channel.
type shares struct {
	Public  map[string][]share `json:"public"`
	Private map[string][]share `json:"private"`
}

type share struct {
	TS string `json:"ts"`
}

// ref is a user or a channel. Some payloads have its id, others an object.
type ref struct {
	ID   string
	Name string
}

// UnmarshalJSON accepts a string or an object.
func (r *ref) UnmarshalJSON(data []byte) error {
	if len(data) == 0 || data[0] != '{' {
		return json.Unmarshal(data, &r.ID)
	}
	var o struct {
		ID       string `json:"id"`
		Name     string `json:"name"`
		Username string `json:"username"`
		RealName string `json:"real_name"`
	}
	err := json.Unmarshal(data, &o)
	r.ID, r.Name = o.ID, cmp.Or(o.RealName, o.Name, o.Username)
	return err
}

func (r ref) party() integration.Party {
	return integration.Party{ID: integration.ID(r.ID), Name: r.Name}
}
