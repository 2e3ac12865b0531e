package slack

import (
	"encoding/json"

	"github.com/hiliosai/switchboard/integration"
)

// interaction is any of the payloads of "Interaction payloads".
type interaction struct {
	Type         string            `json:"type"`
	APIAppID     string            `json:"api_app_id"`
	Team         *ref              `json:"team"` // null for an app of the whole organization
	Enterprise   *ref              `json:"enterprise"`
	User         actor             `json:"user"`
	Channel      ref               `json:"channel"`
	TriggerID    string            `json:"trigger_id"`
	ResponseURL  string            `json:"response_url"`
	ResponseURLs []responseURL     `json:"response_urls"`
	CallbackID   string            `json:"callback_id"`
	ActionTS     string            `json:"action_ts"`
	MessageTS    string            `json:"message_ts"`
	Message      *message          `json:"message"`
	Container    container         `json:"container"`
	Actions      []json.RawMessage `json:"actions"` // each an element
	State        *state            `json:"state"`
	View         *view             `json:"view"`
	IsCleared    bool              `json:"is_cleared"`

	// Submission has the values of a dialog, the predecessor of modals.
	Submission map[string]json.RawMessage `json:"submission"`
}

type actor struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Username string `json:"username"`
	TeamID   string `json:"team_id"`
}

type responseURL struct {
	ChannelID   string `json:"channel_id"`
	ResponseURL string `json:"response_url"`
}

type container struct {
	Type        string `json:"type"`
	MessageTS   string `json:"message_ts"`
	ThreadTS    string `json:"thread_ts"`
	ChannelID   string `json:"channel_id"`
	IsEphemeral bool   `json:"is_ephemeral"`
}

type view struct {
	ID              string    `json:"id"`
	Type            string    `json:"type"`
	CallbackID      string    `json:"callback_id"`
	PrivateMetadata string    `json:"private_metadata"`
	ExternalID      string    `json:"external_id"`
	Hash            string    `json:"hash"`
	Title           plainText `json:"title"`
	State           state     `json:"state"`
}

// state has the values of the elements of a message or a view, by block_id and action_id. A dialog has a text in its
// place, which is ignored.
type state struct {
	Values map[string]map[string]element
}

// UnmarshalJSON reads an object and leaves anything else.
func (s *state) UnmarshalJSON(data []byte) error {
	if len(data) == 0 || data[0] != '{' {
		return nil
	}
	var o struct {
		Values map[string]map[string]element `json:"values"`
	}
	err := json.Unmarshal(data, &o)
	s.Values = o.Values
	return err
}

type plainText struct {
	Text string `json:"text"`
}

// element is an interactive element that a user has used, or its value in a state: "Block Kit", block elements.
// Elements of the older attachments have a name and selected options.
type element struct {
	Type     string `json:"type"`
	ActionID string `json:"action_id"`
	BlockID  string `json:"block_id"`
	ActionTS string `json:"action_ts"`
	Name     string `json:"name"`

	Text                  plainText       `json:"text"`
	Value                 *integration.ID `json:"value"` // of an input it may be null
	SelectedOption        *option         `json:"selected_option"`
	SelectedOptions       []option        `json:"selected_options"`
	SelectedUser          string          `json:"selected_user"`
	SelectedUsers         []string        `json:"selected_users"`
	SelectedChannel       string          `json:"selected_channel"`
	SelectedChannels      []string        `json:"selected_channels"`
	SelectedConversation  string          `json:"selected_conversation"`
	SelectedConversations []string        `json:"selected_conversations"`
	SelectedDate          string          `json:"selected_date"`
	SelectedTime          string          `json:"selected_time"`
	SelectedDateTime      integration.ID  `json:"selected_date_time"` // seconds since 1970
	RichTextValue         json.RawMessage `json:"rich_text_value"`
	Files                 []file          `json:"files"`
}

type option struct {
	Text        plainText  `json:"text"`
	Value       string     `json:"value"`
	Description *plainText `json:"description"`
}
