package whatsapp

import "encoding/json"

// The request and the answer of "Message API", POST /PHONE_NUMBER_ID/messages.

const product = "whatsapp" // of every request

type request struct {
	Product       string          `json:"messaging_product"`
	RecipientType string          `json:"recipient_type,omitempty"` // "individual" or "group"
	To            string          `json:"to,omitempty"`             // a phone number, or a group's id
	Recipient     string          `json:"recipient,omitempty"`      // a business-scoped user id; to would win over it
	Context       *outContext     `json:"context,omitempty"`
	CallbackData  string          `json:"biz_opaque_callback_data,omitempty"` // comes back in each status
	Type          string          `json:"type,omitempty"`
	Text          *outText        `json:"text,omitempty"`
	Image         *outMedia       `json:"image,omitempty"`
	Video         *outMedia       `json:"video,omitempty"`
	Audio         *outMedia       `json:"audio,omitempty"`
	Document      *outMedia       `json:"document,omitempty"`
	Sticker       *outMedia       `json:"sticker,omitempty"`
	Location      *outLocation    `json:"location,omitempty"`
	Contacts      []outCard       `json:"contacts,omitempty"`
	Reaction      *outReaction    `json:"reaction,omitempty"`
	Interactive   *outInteractive `json:"interactive,omitempty"`
	Template      *outTemplate    `json:"template,omitempty"`
	Status        string          `json:"status,omitempty"` // "read", with the next two and without recipient
	MessageID     string          `json:"message_id,omitempty"`
	Typing        *typingRequest  `json:"typing_indicator,omitempty"`
}

type outContext struct {
	MessageID string `json:"message_id"`
}

type outText struct {
	Body       string `json:"body"`
	PreviewURL bool   `json:"preview_url,omitempty"`
}

// outMedia has an id, of what was uploaded or sent before, or a link.
type outMedia struct {
	ID       string `json:"id,omitempty"`
	Link     string `json:"link,omitempty"`
	Caption  string `json:"caption,omitempty"`
	Filename string `json:"filename,omitempty"` // of documents
	Voice    bool   `json:"voice,omitempty"`    // of audio
}

type outLocation struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
}

type outCard struct {
	Name   outName    `json:"name"`
	Phones []outPhone `json:"phones,omitempty"`
	Emails []outEmail `json:"emails,omitempty"`
	Org    *outOrg    `json:"org,omitempty"`
}

type outName struct {
	Formatted string `json:"formatted_name"`
	First     string `json:"first_name,omitempty"`
	Last      string `json:"last_name,omitempty"`
}

type outPhone struct {
	Phone string `json:"phone,omitempty"`
	Type  string `json:"type,omitempty"`
	WaID  string `json:"wa_id,omitempty"`
}

type outEmail struct {
	Email string `json:"email"`
}

type outOrg struct {
	Company string `json:"company"`
}

type outReaction struct {
	MessageID string `json:"message_id"`
	Emoji     string `json:"emoji"` // empty takes the reaction away
}

// outInteractive is an interactive message.
type outInteractive struct {
	Type   string      `json:"type"`
	Header *outHeader  `json:"header,omitempty"`
	Body   outBodyText `json:"body"`
	Footer *outFooter  `json:"footer,omitempty"`
	Action outAction   `json:"action"`
}

type outHeader struct {
	Type     string    `json:"type"`
	Text     string    `json:"text,omitempty"`
	Image    *outMedia `json:"image,omitempty"`
	Video    *outMedia `json:"video,omitempty"`
	Document *outMedia `json:"document,omitempty"`
}

type outBodyText struct {
	Text string `json:"text"`
}

type outFooter struct {
	Text string `json:"text"`
}

// outAction has buttons, or a button and sections, or a name and parameters.
type outAction struct {
	Buttons    []outButton    `json:"buttons,omitempty"`
	Button     string         `json:"button,omitempty"`
	Sections   []outSection   `json:"sections,omitempty"`
	Name       string         `json:"name,omitempty"`
	Parameters *outParameters `json:"parameters,omitempty"`
}

type outButton struct {
	Type  string   `json:"type"`
	Reply outReply `json:"reply"`
}

type outReply struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

type outSection struct {
	Title string   `json:"title,omitempty"`
	Rows  []outRow `json:"rows"`
}

type outRow struct {
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
}

// outParameters are those of cta_url, the first two, or of flow.
type outParameters struct {
	DisplayText string `json:"display_text,omitempty"`
	URL         string `json:"url,omitempty"`
	FlowVersion string `json:"flow_message_version,omitempty"`
	FlowID      string `json:"flow_id,omitempty"`
	FlowCTA     string `json:"flow_cta,omitempty"`
}

type outTemplate struct {
	Name       string            `json:"name"`
	Language   outLanguage       `json:"language"`
	Components []json.RawMessage `json:"components,omitempty"`
}

type outLanguage struct {
	Code string `json:"code"`
}

type typingRequest struct {
	Type string `json:"type"`
}

// accepted is the answer to a message, which may still fail: its statuses tell.
type accepted struct {
	Contacts []struct {
		WaID   string `json:"wa_id"`
		UserID string `json:"user_id"`
	} `json:"contacts"`
	Messages []struct {
		ID     string `json:"id"`
		Status string `json:"message_status"`
	} `json:"messages"`
}
