package whatsapp

import (
	"encoding/json"

	"github.com/hiliosai/switchboard/services/meta"
)

// The objects of "Webhooks" have only the fields that are used: a field that is not declared cannot be malformed.

type webhook struct {
	Object string            `json:"object"`
	Entry  meta.Items[entry] `json:"entry"`
}

// entry is what happened to one WhatsApp Business Account.
type entry struct {
	ID      meta.ID            `json:"id"`
	Time    meta.Seconds       `json:"time"` // only in events of the account itself
	Changes meta.Items[change] `json:"changes"`
}

type change struct {
	Field string           `json:"field"`
	Value meta.Item[value] `json:"value"`
}

// value is the value of all fields that are used. Each field has some of these members.
type value struct {
	Metadata    phone                  `json:"metadata"`
	Contacts    meta.Items[contact]    `json:"contacts"`
	Messages    meta.Items[message]    `json:"messages"`
	Statuses    meta.Items[status]     `json:"statuses"`
	Errors      meta.Items[failure]    `json:"errors"`
	Echoes      meta.Items[message]    `json:"message_echoes"`
	Preferences meta.Items[preference] `json:"user_preferences"`
	Groups      meta.Items[group]      `json:"groups"`
	Event       meta.Item[string]      `json:"event"`
}

// phone is a business phone number.
type phone struct {
	ID      string `json:"phone_number_id"`
	Display string `json:"display_phone_number"`
}

// contact is the sender of a message or the user of a status, "Business-scoped user IDs".
type contact struct {
	Profile      profile `json:"profile"`
	WaID         string  `json:"wa_id"`
	UserID       string  `json:"user_id"`
	ParentUserID string  `json:"parent_user_id"`
}

type profile struct {
	Name     string `json:"name"`
	Username string `json:"username"`
}

// message is a message of a user, or an echo of one that was sent from the WhatsApp Business app.
type message struct {
	ID               string          `json:"id"`
	Timestamp        meta.Seconds    `json:"timestamp"`
	From             string          `json:"from"`
	FromUserID       string          `json:"from_user_id"`
	FromParentUserID string          `json:"from_parent_user_id"`
	To               string          `json:"to"` // this and the next two are in echoes only
	ToUserID         string          `json:"to_user_id"`
	ToParentUserID   string          `json:"to_parent_user_id"`
	GroupID          string          `json:"group_id"`
	Context          *reference      `json:"context"`
	Referral         json.RawMessage `json:"referral"`
	Errors           []failure       `json:"errors"`

	content
	Edit        *edit           `json:"edit"`
	Revoke      *revoke         `json:"revoke"`
	System      *system         `json:"system"`
	Identity    json.RawMessage `json:"identity"`
	Unsupported struct {
		Type string `json:"type"`
	} `json:"unsupported"`
}

// content is the content of a message. It is in the member that has the name of the type.
type content struct {
	Type     string `json:"type"`
	Image    *media `json:"image"`
	Video    *media `json:"video"`
	Audio    *media `json:"audio"`
	Document *media `json:"document"`
	Contacts []card `json:"contacts"`
	Sticker  *media `json:"sticker"`
	Text     struct {
		Body string `json:"body"`
	} `json:"text"`
	Location    *location    `json:"location"`
	Reaction    *reaction    `json:"reaction"`
	Button      *button      `json:"button"`
	Interactive *interactive `json:"interactive"`
	Order       *order       `json:"order"`
}

// reference has the message that is answered, and says whether this one was forwarded.
type reference struct {
	From                string `json:"from"`
	ID                  string `json:"id"`
	Forwarded           bool   `json:"forwarded"`
	FrequentlyForwarded bool   `json:"frequently_forwarded"`
	ReferredProduct     *struct {
		CatalogID         meta.ID `json:"catalog_id"`
		ProductRetailerID meta.ID `json:"product_retailer_id"`
	} `json:"referred_product"`
}

type media struct {
	ID       string `json:"id"`
	MimeType string `json:"mime_type"`
	SHA256   string `json:"sha256"` // base64
	Caption  string `json:"caption"`
	Filename string `json:"filename"`
	Voice    bool   `json:"voice"`
	Animated bool   `json:"animated"`
}

type location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name"`
	Address   string  `json:"address"`
	URL       string  `json:"url"`
}

// card is an entry of an address book.
type card struct {
	Name struct {
		Formatted string `json:"formatted_name"`
		First     string `json:"first_name"`
		Middle    string `json:"middle_name"`
		Last      string `json:"last_name"`
		Prefix    string `json:"prefix"`
		Suffix    string `json:"suffix"`
	} `json:"name"`
	Birthday  string `json:"birthday"` // such as 1999-01-23
	Addresses []struct {
		Street      string `json:"street"`
		City        string `json:"city"`
		State       string `json:"state"`
		Zip         string `json:"zip"`
		Country     string `json:"country"`
		CountryCode string `json:"country_code"`
		Type        string `json:"type"`
	} `json:"addresses"`
	URLs []struct {
		URL string `json:"url"`
	} `json:"urls"`
	Phones []struct {
		Phone  string `json:"phone"`
		Type   string `json:"type"`
		WaID   string `json:"wa_id"`
		UserID string `json:"user_id"`
	} `json:"phones"`
	Emails []struct {
		Email string `json:"email"`
	} `json:"emails"`
	Org struct {
		Company    string `json:"company"`
		Department string `json:"department"`
		Title      string `json:"title"`
	} `json:"org"`
	VCard string `json:"vcard"`
}

type reaction struct {
	MessageID string `json:"message_id"`
	Emoji     string `json:"emoji"` // empty or absent if the reaction was removed
}

// button is the pressed quick reply of a template.
type button struct {
	Text    string `json:"text"`
	Payload string `json:"payload"`
}

type interactive struct {
	Type                string          `json:"type"`
	ButtonReply         *choice         `json:"button_reply"`
	ListReply           *choice         `json:"list_reply"`
	FlowReply           *flowReply      `json:"nfm_reply"`
	CallPermissionReply json.RawMessage `json:"call_permission_reply"`
}

type choice struct {
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

// flowReply is an answered form.
type flowReply struct {
	Name         string `json:"name"`
	Body         string `json:"body"`
	ResponseJSON string `json:"response_json"`
}

type order struct {
	CatalogID meta.ID `json:"catalog_id"`
	Text      string  `json:"text"`
	Items     []struct {
		ProductRetailerID meta.ID `json:"product_retailer_id"`
		Quantity          meta.ID `json:"quantity"` // a number or a string
		ItemPrice         meta.ID `json:"item_price"`
		Currency          string  `json:"currency"`
	} `json:"product_items"`
}

// edit is the new content of a message, "Edit messages webhook reference".
type edit struct {
	OriginalMessageID string `json:"original_message_id"`
	Message           struct {
		Context *reference `json:"context"`
		content
	} `json:"message"`
}

type revoke struct {
	OriginalMessageID string `json:"original_message_id"`
}

// system says that a user's ids have changed, "System messages webhook reference".
type system struct {
	Type           string `json:"type"`
	Body           string `json:"body"`
	WaID           string `json:"wa_id"`
	NewWaID        string `json:"new_wa_id"` // of older versions
	UserID         string `json:"user_id"`
	ParentUserID   string `json:"parent_user_id"`
	PreviousUserID string `json:"previous_user_id"`
}

// status is the status of a message that was sent, "Status messages webhook reference".
type status struct {
	ID                string          `json:"id"`
	Status            string          `json:"status"`
	Timestamp         meta.Seconds    `json:"timestamp"`
	RecipientID       string          `json:"recipient_id"` // a group's id if the type says so
	RecipientUserID   string          `json:"recipient_user_id"`
	RecipientType     string          `json:"recipient_type"`
	ParticipantID     string          `json:"recipient_participant_id"`
	ParticipantUserID string          `json:"recipient_participant_user_id"`
	CallbackData      string          `json:"biz_opaque_callback_data"`
	Conversation      json.RawMessage `json:"conversation"`
	Pricing           json.RawMessage `json:"pricing"`
	Errors            []failure       `json:"errors"`
}

// failure is an error in a webhook, "Error codes".
type failure struct {
	Code    meta.ID `json:"code"`
	Title   string  `json:"title"`
	Message string  `json:"message"`
	Data    struct {
		Details string `json:"details"`
	} `json:"error_data"`
}

// preference is a user's choice about marketing messages, "user_preferences webhook reference".
type preference struct {
	WaID         string       `json:"wa_id"`
	UserID       string       `json:"user_id"`
	ParentUserID string       `json:"parent_user_id"`
	Detail       string       `json:"detail"`
	Category     string       `json:"category"`
	Value        string       `json:"value"`
	Timestamp    meta.Seconds `json:"timestamp"`
}

// group is an event of a group, "Webhooks for Groups API".
type group struct {
	ID            string        `json:"group_id"`
	Type          string        `json:"type"`
	Timestamp     meta.Seconds  `json:"timestamp"`
	Subject       string        `json:"subject"`
	Reason        string        `json:"reason"`
	InitiatedBy   string        `json:"initiated_by"`
	JoinRequestID string        `json:"join_request_id"`
	Added         []participant `json:"added_participants"`
	Removed       []participant `json:"removed_participants"`
	participant                 // the user who asks to join
}

type participant struct {
	WaID     string `json:"wa_id"`
	UserID   string `json:"user_id"`
	Input    string `json:"input"` // the removed user, as the business named them
	Username string `json:"username"`
}
