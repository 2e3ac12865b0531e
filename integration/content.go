package integration

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// ContentType is one of the Type constants. Consumers treat any other value as [TypeUnsupported].
type ContentType string

// The types of content. docs/content-model.md tells which platform has which.
const (
	TypeText        ContentType = "TEXT"
	TypeImage       ContentType = "IMAGE"
	TypeVideo       ContentType = "VIDEO"
	TypeAudio       ContentType = "AUDIO"
	TypeVoice       ContentType = "VOICE" // recorded in the chat, unlike an audio file
	TypeFile        ContentType = "FILE"
	TypeSticker     ContentType = "STICKER"
	TypeLocation    ContentType = "LOCATION"
	TypeContact     ContentType = "CONTACT"
	TypeReaction    ContentType = "REACTION"
	TypeButton      ContentType = "BUTTON"      // a pressed button
	TypeInteractive ContentType = "INTERACTIVE" // buttons, a list, a form, or the reply to a list or a form
	TypeCommand     ContentType = "COMMAND"
	TypeTemplate    ContentType = "TEMPLATE" // outbound only
	TypeOrder       ContentType = "ORDER"
	TypePoll        ContentType = "POLL"
	TypeDelete      ContentType = "DELETE"
	TypeStatus      ContentType = "STATUS"
	TypeSystem      ContentType = "SYSTEM"
	TypeUnsupported ContentType = "UNSUPPORTED" // metadata.raw holds what the platform sent
)

// Content is the body of a message. Text is the text, the caption of the attachments, or the title of a pressed button.
type Content struct {
	Type ContentType `json:"type"`
	Text string      `json:"text,omitempty"`
	// Format is the markup of Text: "" for none, or "markdown", "html", "mrkdwn" if the platform has that markup. Inbound
	// texts have none; Entities mark their parts.
	Format      string       `json:"format,omitempty"`
	Entities    []Entity     `json:"entities,omitempty"`
	Media       *Media       `json:"media,omitempty"`       // the first attachment
	Attachments []Media      `json:"attachments,omitempty"` // all attachments if there are several
	Sticker     *Sticker     `json:"sticker,omitempty"`     // together with Media
	Location    *Location    `json:"location,omitempty"`
	Contacts    []Contact    `json:"contacts,omitempty"`
	Reaction    *Reaction    `json:"reaction,omitempty"`
	Interactive *Interactive `json:"interactive,omitempty"`
	Command     *Command     `json:"command,omitempty"`
	Template    *Template    `json:"template,omitempty"`
	Order       *Order       `json:"order,omitempty"`
	Poll        *Poll        `json:"poll,omitempty"`
	Status      *Status      `json:"status,omitempty"`
	System      *System      `json:"system,omitempty"`
	Unsupported *Unsupported `json:"unsupported,omitempty"`
}

// MediaList returns the attachments of a content. A sticker may have nothing but an id.
func (c *Content) MediaList() []Media {
	switch {
	case len(c.Attachments) > 0:
		return c.Attachments
	case c.Media != nil:
		return []Media{*c.Media}
	case c.Type == TypeSticker && c.Sticker != nil && c.Sticker.ID != "":
		return []Media{{ID: string(c.Sticker.ID)}}
	default:
		return nil
	}
}

// TypeOf returns the content type of one attachment: that of the content, unless there are several, which may differ. A
// content of files has files only.
func (c *Content) TypeOf(m *Media) ContentType {
	if len(c.Attachments) > 1 && m.MimeType != "" && c.Type != TypeFile {
		return TypeOfMedia(m.MimeType)
	}
	return c.Type
}

// TypeOfMedia returns the content type for an attachment of a MIME type.
func TypeOfMedia(mimeType string) ContentType {
	top, _, _ := strings.Cut(mimeType, "/")
	switch top {
	case "image":
		return TypeImage
	case "video":
		return TypeVideo
	case "audio":
		return TypeAudio
	default:
		return TypeFile
	}
}

// Media refers to an attachment. If a platform gives an id instead of a public link, ID and URL both hold that id, as
// the SDK's handbook says; action i_getMedia fetches the bytes by it. A link that contains a credential is never put
// here.
//
// In a message to be sent, the first of ID, Data, Datasource and URL that is not empty says where the bytes are.
type Media struct {
	URL        string `json:"url"`
	MimeType   string `json:"mimeType,omitempty"`
	ID         string `json:"id,omitempty"`
	Size       int64  `json:"size,omitempty"`   // bytes
	SHA256     string `json:"sha256,omitempty"` // in the platform's notation
	Filename   string `json:"filename,omitempty"`
	Caption    string `json:"caption,omitempty"` // of one of several attachments; the message's own caption is its text
	DurationMs int64  `json:"durationMs,omitempty"`
	Width      int    `json:"width,omitempty"`     // pixels
	Height     int    `json:"height,omitempty"`    // pixels
	ExpiresAt  int64  `json:"expiresAt,omitempty"` // of the link, ms since 1970; afterwards use i_getMedia

	// Outbound only. Data is the attachment itself, base64 in JSON; a call may also bring it as a Buffer of Node.js.
	// Events leave it out. Datasource is the name of a [MediaSource] among the service's datasources; it is asked for URL.
	Data       []byte `json:"data,omitempty"`
	Datasource string `json:"datasource,omitempty"`
}

// Entity marks a part of the text; offset and length count UTF-16 code units.
type Entity struct {
	Type   string `json:"type"`
	Offset int    `json:"offset"`
	Length int    `json:"length"`
	URL    string `json:"url,omitempty"`
	UserID ID     `json:"userId,omitempty"`
}

// Sticker describes a sticker. Its picture is in [Content.Media].
type Sticker struct {
	ID        ID     `json:"id,omitempty"` // with which it can be sent
	PackageID ID     `json:"packageId,omitempty"`
	Emoji     string `json:"emoji,omitempty"`
	Animated  bool   `json:"animated,omitempty"`
}

// Location is a point in degrees, and the name and address of the place if they are known.
type Location struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
	Name      string  `json:"name,omitempty"`
	Address   string  `json:"address,omitempty"`
	URL       string  `json:"url,omitempty"`
	Live      bool    `json:"live,omitempty"`
}

// Place returns the name and the address for a platform that needs both: where one is missing it is the other, or else
// the point as "latitude, longitude".
func (l *Location) Place() (name, address string) {
	point := fmt.Sprintf("%v, %v", l.Latitude, l.Longitude)
	return cmp.Or(l.Name, l.Address, point), cmp.Or(l.Address, l.Name, point)
}

// Contact is an entry of an address book.
type Contact struct {
	Name   ContactName    `json:"name"`
	Phones []ContactPhone `json:"phones,omitempty"`
	Emails []string       `json:"emails,omitempty"`
	Org    string         `json:"org,omitempty"`
	VCard  string         `json:"vcard,omitempty"`
	UserID ID             `json:"userId,omitempty"` // at the platform

	// Inbound only, from platforms that have these fields.
	Department string           `json:"department,omitempty"`
	Title      string           `json:"title,omitempty"` // in the organization
	Addresses  []ContactAddress `json:"addresses,omitempty"`
	URLs       []string         `json:"urls,omitempty"`
	Birthday   string           `json:"birthday,omitempty"` // such as "1999-01-23"
}

// ContactAddress is one of a contact's postal addresses.
type ContactAddress struct {
	Street      string `json:"street,omitempty"`
	City        string `json:"city,omitempty"`
	State       string `json:"state,omitempty"`
	Zip         string `json:"zip,omitempty"`
	Country     string `json:"country,omitempty"`
	CountryCode string `json:"countryCode,omitempty"` // such as "US"
	Type        string `json:"type,omitempty"`        // such as "HOME"
}

// ContactName is a contact's name, whole and in parts.
type ContactName struct {
	Formatted string `json:"formatted"`
	First     string `json:"first,omitempty"`
	Last      string `json:"last,omitempty"`
	Middle    string `json:"middle,omitempty"` // this and the next two inbound only
	Prefix    string `json:"prefix,omitempty"`
	Suffix    string `json:"suffix,omitempty"`
}

// ContactPhone is one of a contact's numbers.
type ContactPhone struct {
	Phone string `json:"phone"`
	Type  string `json:"type,omitempty"` // such as "CELL"
	WaID  ID     `json:"waId,omitempty"` // at WhatsApp
}

// Reaction is an emoji, or a platform's name for one, that was put on a message or taken away.
type Reaction struct {
	MessageID ID     `json:"messageId"`
	Emoji     string `json:"emoji,omitempty"`
	Action    string `json:"action"` // "add" or "remove"
}

// Values of [Reaction.Action].
const (
	ReactionAdd    = "add"
	ReactionRemove = "remove"
)

// Interactive is, outbound, what a message offers to choose from; inbound, what was chosen.
type Interactive struct {
	Kind        string            `json:"kind,omitempty"` // an Interactive constant; empty is derived
	Header      string            `json:"header,omitempty"`
	Body        string            `json:"body,omitempty"`
	Footer      string            `json:"footer,omitempty"`
	ButtonLabel string            `json:"buttonLabel,omitempty"` // of the button that opens the list
	Buttons     []Button          `json:"buttons,omitempty"`
	Sections    []Section         `json:"sections,omitempty"` // of a list
	Reply       *InteractiveReply `json:"reply,omitempty"`
}

// Values of [Interactive.Kind].
const (
	InteractiveButtons = "buttons"
	InteractiveList    = "list"
	InteractiveForm    = "form" // outbound a modal or a flow, inbound its reply
)

// Button is one button.
type Button struct {
	ID    string `json:"id,omitempty"` // comes back when the button is pressed; empty means its title
	Title string `json:"title"`
	Type  string `json:"type,omitempty"` // one of the Button constants; empty means ButtonReply
	URL   string `json:"url,omitempty"`
	Style string `json:"style,omitempty"` // "primary" or "danger", if the platform has styles
}

// Values of [Button.Type].
const (
	ButtonReply = "reply" // sends ID back
	ButtonURL   = "url"   // opens URL
)

// Section is a part of a list.
type Section struct {
	Title string `json:"title,omitempty"`
	Rows  []Row  `json:"rows"`
}

// Row is an entry of a list.
type Row struct {
	ID          string `json:"id,omitempty"` // comes back when the entry is chosen; empty means its title
	Title       string `json:"title"`
	Description string `json:"description,omitempty"`
}

// InteractiveReply says what was chosen or filled in, and on which message.
type InteractiveReply struct {
	ID              string         `json:"id"`
	Title           string         `json:"title,omitempty"`
	Description     string         `json:"description,omitempty"`
	Values          []string       `json:"values,omitempty"`     // if several may be chosen
	FormValues      map[string]any `json:"formValues,omitempty"` // the fields of a form by name
	ActionID        string         `json:"actionId,omitempty"`
	BlockID         string         `json:"blockId,omitempty"`
	SourceMessageID ID             `json:"sourceMessageId,omitempty"`
}

// Command is a bot command such as "/start ref42": name "start", args "ref42".
type Command struct {
	Name     string         `json:"name"`
	Args     string         `json:"args,omitempty"`
	Options  map[string]any `json:"options,omitempty"`  // from platforms whose commands have typed options
	TargetID ID             `json:"targetId,omitempty"` // the user or message that the command was called on
}

// Template is a text that the platform has approved, with the values to fill in.
type Template struct {
	Name       string            `json:"name"`
	Language   string            `json:"language"`             // such as "en_US"
	Components []json.RawMessage `json:"components,omitempty"` // in the platform's own JSON
}

// Order is what a user wants to buy from a catalogue.
type Order struct {
	CatalogID ID          `json:"catalogId,omitempty"`
	Items     []OrderItem `json:"items"`
}

// OrderItem is one kind of goods in an [Order].
type OrderItem struct {
	ProductID ID      `json:"productId"`
	Quantity  int     `json:"quantity"`
	Price     float64 `json:"price,omitempty"` // of one
	Currency  string  `json:"currency,omitempty"`
}

// Poll is a question with its options.
type Poll struct {
	ID       ID       `json:"id,omitempty"`
	Question string   `json:"question,omitempty"`
	Options  []string `json:"options,omitempty"`
	Multiple bool     `json:"multiple,omitempty"` // whether several options may be chosen
	// Chosen are the indexes, from 0, of the chosen options. They are in the answer to a poll.
	Chosen []int `json:"chosen,omitempty"`
	Closed bool  `json:"closed,omitempty"`
}

// Status is the delivery status of a message that the channel sent.
type Status struct {
	MessageID ID     `json:"messageId,omitempty"`
	Status    string `json:"status"`              // one of the Status constants below
	Watermark int64  `json:"watermark,omitempty"` // ms since 1970: the status holds for all messages up to then
	// Late says that a later status of the message was published before. The message's status does not go back to this
	// one.
	Late  bool         `json:"late,omitempty"`
	Error *StatusError `json:"error,omitempty"`
}

// Values of [Status.Status].
const (
	DeliverySent      = "sent"
	DeliveryDelivered = "delivered"
	DeliveryRead      = "read"
	DeliveryPlayed    = "played"
	DeliveryFailed    = "failed"
)

// StatusError is why a message was not delivered.
type StatusError struct {
	Code   string `json:"code"`
	Title  string `json:"title,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// System is an event of the chat or of the account.
type System struct {
	Event   string  `json:"event"` // snake case, such as "member_joined"
	Body    string  `json:"body,omitempty"`
	Members []Party `json:"members,omitempty"` // the users that the event is about
	OldID   ID      `json:"oldId,omitempty"`   // the former id of a user or chat
	NewID   ID      `json:"newId,omitempty"`
}

// SystemContent returns the content of an event of the chat or of the account. members are whom it is about.
func SystemContent(event string, members ...Party) Content {
	return Content{Type: TypeSystem, System: &System{Event: event, Members: members}}
}

// Unsupported says which part of a platform's message this version does not know.
type Unsupported struct {
	PlatformType string `json:"platformType"`
	Reason       string `json:"reason,omitempty"`
}
