package integration

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// ContentType is one of the Type constants; consumers treat others as [TypeUnsupported].
type ContentType string

// The types of content. docs/content-model.md tells which platform has which.
const (
	TypeText        ContentType = "TEXT"
	TypeImage       ContentType = "IMAGE"
	TypeVideo       ContentType = "VIDEO"
	TypeAudio       ContentType = "AUDIO"
	TypeVoice       ContentType = "VOICE" // recorded in the chat, as against an audio file
	TypeFile        ContentType = "FILE"
	TypeSticker     ContentType = "STICKER"
	TypeLocation    ContentType = "LOCATION"
	TypeContact     ContentType = "CONTACT"
	TypeReaction    ContentType = "REACTION"
	TypeButton      ContentType = "BUTTON"      // a pressed button
	TypeInteractive ContentType = "INTERACTIVE" // buttons, a list, a form, or the reply to one of the latter two
	TypeCommand     ContentType = "COMMAND"
	TypeTemplate    ContentType = "TEMPLATE" // outbound only
	TypeOrder       ContentType = "ORDER"
	TypePoll        ContentType = "POLL"
	TypeDelete      ContentType = "DELETE"
	TypeStatus      ContentType = "STATUS"
	TypeSystem      ContentType = "SYSTEM"
	TypeUnsupported ContentType = "UNSUPPORTED" // metadata.raw holds what came
)

// Content is the body of a message. Text is the body, a caption, or a button's visible title.
type Content struct {
	Type ContentType `json:"type"`
	Text string      `json:"text,omitempty"`
	// Format says how Text is marked up: empty for not at all, "markdown", "html" or "mrkdwn" where the
	// platform has that markup. Inbound texts have none; entities mark their parts.
	Format      string       `json:"format,omitempty"`
	Entities    []Entity     `json:"entities,omitempty"`
	Media       *Media       `json:"media,omitempty"`       // the only attachment, or the first
	Attachments []Media      `json:"attachments,omitempty"` // all of them, where there are several
	Sticker     *Sticker     `json:"sticker,omitempty"`     // beside Media
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

// MediaList lists the attachments of a content. A sticker may be given by its id alone.
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

// TypeOfMedia returns the type of content that an attachment of a MIME type makes by itself.
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

// Media refers to an attachment. Where a platform gives an id instead of a public link, ID and URL
// both hold that id, as the SDK's handbook has it; action i_getMedia fetches the bytes by it. A link that
// contains a credential is never put here.
//
// On the way out one of ID, Data, Datasource and URL says where the bytes are, the first of these that is there.
type Media struct {
	URL        string `json:"url"`
	MimeType   string `json:"mimeType,omitempty"`
	ID         string `json:"id,omitempty"`
	Size       int64  `json:"size,omitempty"`   // bytes
	SHA256     string `json:"sha256,omitempty"` // as the platform writes it
	Filename   string `json:"filename,omitempty"`
	Caption    string `json:"caption,omitempty"` // of one of several attachments; that of the message is its text
	DurationMs int64  `json:"durationMs,omitempty"`
	Width      int    `json:"width,omitempty"`     // pixels
	Height     int    `json:"height,omitempty"`    // pixels
	ExpiresAt  int64  `json:"expiresAt,omitempty"` // ms since 1970; i_getMedia still finds it by its id

	// Data is the content itself, base64 in JSON and in none of the events; a call may bring it as a Buffer of Node.js
	// after JSON as well. Datasource is the name of a [MediaSource] among the service's datasources, asked for URL.
	// Outbound only.
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

// Sticker is what is known of a sticker beside its picture.
type Sticker struct {
	ID        ID     `json:"id,omitempty"` // to send it by
	PackageID ID     `json:"packageId,omitempty"`
	Emoji     string `json:"emoji,omitempty"`
	Animated  bool   `json:"animated,omitempty"`
}

// Location is a point in degrees, with what is known of the place.
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

// Contact is an address book's entry.
type Contact struct {
	Name   ContactName    `json:"name"`
	Phones []ContactPhone `json:"phones,omitempty"`
	Emails []string       `json:"emails,omitempty"`
	Org    string         `json:"org,omitempty"`
	VCard  string         `json:"vcard,omitempty"`
	UserID ID             `json:"userId,omitempty"` // at the platform

	// Inbound only, of platforms that tell them apart.
	Department string           `json:"department,omitempty"`
	Title      string           `json:"title,omitempty"` // in the organization
	Addresses  []ContactAddress `json:"addresses,omitempty"`
	URLs       []string         `json:"urls,omitempty"`
	Birthday   string           `json:"birthday,omitempty"` // such as 1999-01-23
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

// Reaction is an emoji, or a platform's name for one, put on a message or taken away.
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

// Interactive is what a message offers to choose from, on the way out, and what was chosen, on the way in.
type Interactive struct {
	Kind        string            `json:"kind,omitempty"` // one of the Interactive constants; empty goes by what is there
	Header      string            `json:"header,omitempty"`
	Body        string            `json:"body,omitempty"`
	Footer      string            `json:"footer,omitempty"`
	ButtonLabel string            `json:"buttonLabel,omitempty"` // opens the list
	Buttons     []Button          `json:"buttons,omitempty"`
	Sections    []Section         `json:"sections,omitempty"` // of a list
	Reply       *InteractiveReply `json:"reply,omitempty"`
}

// Values of [Interactive.Kind].
const (
	InteractiveButtons = "buttons"
	InteractiveList    = "list"
	InteractiveForm    = "form" // a modal, a flow; inbound its reply
)

// Button is one button.
type Button struct {
	ID    string `json:"id,omitempty"` // comes back when the button is pressed; empty means its title
	Title string `json:"title"`
	Type  string `json:"type,omitempty"` // one of the Button constants; empty means ButtonReply
	URL   string `json:"url,omitempty"`
	Style string `json:"style,omitempty"` // "primary" or "danger", where the platform has such
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
	Values          []string       `json:"values,omitempty"`     // where several may be chosen
	FormValues      map[string]any `json:"formValues,omitempty"` // a form's fields by their names
	ActionID        string         `json:"actionId,omitempty"`
	BlockID         string         `json:"blockId,omitempty"`
	SourceMessageID ID             `json:"sourceMessageId,omitempty"`
}

// Command is a bot command such as "/start ref42": name "start", args "ref42".
type Command struct {
	Name     string         `json:"name"`
	Args     string         `json:"args,omitempty"`
	Options  map[string]any `json:"options,omitempty"`  // of platforms whose commands have typed options
	TargetID ID             `json:"targetId,omitempty"` // the user or message that the command was called on
}

// Template is a text that the platform has approved, with the values to fill in.
type Template struct {
	Name       string            `json:"name"`
	Language   string            `json:"language"`             // such as "en_US"
	Components []json.RawMessage `json:"components,omitempty"` // in the platform's own form
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
	Multiple bool     `json:"multiple,omitempty"` // several options may be chosen
	// Chosen are the indexes of the options in an answer to a poll, from 0.
	Chosen []int `json:"chosen,omitempty"`
	Closed bool  `json:"closed,omitempty"`
}

// Status tells what became of a message that the channel sent.
type Status struct {
	MessageID ID     `json:"messageId,omitempty"`
	Status    string `json:"status"`              // one of the Status constants below
	Watermark int64  `json:"watermark,omitempty"` // ms since 1970: of all messages up to then
	// Late says that a later status of the message was told before: it does not go back to this one.
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
	Members []Party `json:"members,omitempty"` // whom it is about
	OldID   ID      `json:"oldId,omitempty"`   // of a user or chat whose id changes
	NewID   ID      `json:"newId,omitempty"`
}

// SystemContent returns the content of an event of the chat or of the account. members are whom it is about.
func SystemContent(event string, members ...Party) Content {
	return Content{Type: TypeSystem, System: &System{Event: event, Members: members}}
}

// Unsupported names what the platform sent and this version does not model.
type Unsupported struct {
	PlatformType string `json:"platformType"`
	Reason       string `json:"reason,omitempty"`
}
