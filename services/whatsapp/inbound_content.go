package whatsapp

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// read sets the content and the kind of a message. It returns false if the content is unknown or malformed.
func (c *content) read(m *integration.Message) bool {
	switch c.Type {
	case "text":
		return c.readText(m)
	case "image":
		return c.Image.read(m, integration.TypeImage)
	case "video":
		return c.Video.read(m, integration.TypeVideo)
	case "document":
		return c.Document.read(m, integration.TypeFile)
	case "audio":
		if c.Audio != nil && c.Audio.Voice {
			return c.Audio.read(m, integration.TypeVoice)
		}
		return c.Audio.read(m, integration.TypeAudio)
	case "sticker":
		if !c.Sticker.read(m, integration.TypeSticker) {
			return false
		}
		m.Content.Sticker = &integration.Sticker{Animated: c.Sticker.Animated}
		return true
	case "location":
		if c.Location == nil {
			return false
		}
		l := integration.Location{
			Latitude: c.Location.Latitude, Longitude: c.Location.Longitude,
			Name: c.Location.Name, Address: c.Location.Address, URL: c.Location.URL,
		}
		m.Content = integration.Content{Type: integration.TypeLocation, Location: &l}
		return true
	case "contacts":
		m.Content = integration.Content{Type: integration.TypeContact, Contacts: contacts(c.Contacts)}
		return len(c.Contacts) > 0
	case "reaction":
		return c.Reaction.read(m)
	case "button":
		return c.Button.read(m)
	case "interactive":
		return c.Interactive.read(m)
	case "order":
		return c.Order.read(m)
	default:
		return false
	}
}

func (c *content) readText(m *integration.Message) bool {
	m.Content = integration.Content{Type: integration.TypeText, Text: c.Text.Body}
	if strings.HasPrefix(c.Text.Body, "/") {
		if parts := commandPattern.FindStringSubmatch(c.Text.Body); parts != nil {
			m.Kind, m.Content.Type = integration.KindCommand, integration.TypeCommand
			m.Content.Command = &integration.Command{Name: parts[1], Args: strings.TrimSpace(parts[2])}
		}
	}
	return c.Text.Body != ""
}

// commandPattern matches a command of "Conversational components": the app offers the commands of a number to users who
// type "/", and sends the chosen one as a text.
var commandPattern = regexp.MustCompile(`(?s)^/([\pL\pN_-]+)(\s.*)?$`)

func (a *media) read(m *integration.Message, t integration.ContentType) bool {
	if a == nil || a.ID == "" {
		return false
	}
	m.Content = integration.Content{
		Type: t, Text: a.Caption,
		// Newer webhooks have a link, too. It is left out: it needs the channel's token and lasts for five minutes.
		Media: &integration.Media{
			ID: a.ID, URL: a.ID, MimeType: a.MimeType, SHA256: a.SHA256, Filename: httpapi.Filename(a.Filename),
		},
	}
	return true
}

func contacts(cards []card) []integration.Contact {
	list := make([]integration.Contact, len(cards))
	for i := range cards {
		c := &cards[i]
		out := &list[i]
		out.Name = integration.ContactName{
			Formatted: c.Name.Formatted, First: c.Name.First, Last: c.Name.Last, Middle: c.Name.Middle, Prefix: c.Name.Prefix,
			Suffix: c.Name.Suffix,
		}
		for _, p := range c.Phones {
			out.Phones = append(out.Phones, integration.ContactPhone{Phone: p.Phone, Type: p.Type, WaID: integration.ID(p.WaID)})
			out.UserID = cmp.Or(out.UserID, integration.ID(p.UserID), integration.ID(p.WaID))
		}
		for _, e := range c.Emails {
			out.Emails = append(out.Emails, e.Email)
		}
		for _, a := range c.Addresses {
			out.Addresses = append(out.Addresses, integration.ContactAddress(a))
		}
		for _, u := range c.URLs {
			out.URLs = append(out.URLs, u.URL)
		}
		out.Org, out.Department, out.Title = c.Org.Company, c.Org.Department, c.Org.Title
		out.Birthday, out.VCard = c.Birthday, c.VCard
	}
	return list
}

func (r *reaction) read(m *integration.Message) bool {
	if r == nil || r.MessageID == "" {
		return false
	}
	out := &integration.Reaction{MessageID: integration.ID(r.MessageID), Emoji: r.Emoji, Action: integration.ReactionAdd}
	if r.Emoji == "" {
		out.Action = integration.ReactionRemove
	}
	m.Kind = integration.KindReaction
	m.Content = integration.Content{Type: integration.TypeReaction, Reaction: out}
	return true
}

// replied sets the content of a message that answers the interactive message which it refers to.
func replied(m *integration.Message, t integration.ContentType, kind string, reply *integration.InteractiveReply) {
	if m.ReplyTo != nil {
		reply.SourceMessageID = m.ReplyTo.MessageID
	}
	m.Kind = integration.KindInteraction
	m.Content = integration.Content{
		Type: t, Text: reply.Title, Interactive: &integration.Interactive{Kind: kind, Reply: reply},
	}
}

func (b *button) read(m *integration.Message) bool {
	if b == nil {
		return false
	}
	replied(m, integration.TypeButton, "", &integration.InteractiveReply{ID: cmp.Or(b.Payload, b.Text), Title: b.Text})
	return true
}

func (i *interactive) read(m *integration.Message) bool {
	switch {
	case i == nil:
		return false
	case i.ButtonReply != nil:
		replied(m, integration.TypeButton, integration.InteractiveButtons, i.ButtonReply.reply())
	case i.ListReply != nil:
		replied(m, integration.TypeInteractive, integration.InteractiveList, i.ListReply.reply())
	case i.FlowReply != nil:
		i.FlowReply.read(m)
	case known(i.CallPermissionReply):
		values := formValues(i.CallPermissionReply)
		answer, _ := values["response"].(string)
		replied(
			m, integration.TypeInteractive, "", &integration.InteractiveReply{ID: answer, ActionID: i.Type, FormValues: values},
		)
	default:
		return false
	}
	return true
}

func (c *choice) reply() *integration.InteractiveReply {
	return &integration.InteractiveReply{ID: c.ID, Title: c.Title, Description: c.Description}
}

// read sets the content to an answered form. Its fields are JSON in a string, "Receiving Flow response", and may be
// malformed.
func (f *flowReply) read(m *integration.Message) {
	values := formValues([]byte(f.ResponseJSON))
	if values == nil {
		integration.PutText(m.Metadata, "responseJson", f.ResponseJSON)
	}
	token, _ := values["flow_token"].(string)
	replied(m, integration.TypeInteractive, integration.InteractiveForm,
		&integration.InteractiveReply{ID: token, ActionID: f.Name, FormValues: values})
	m.Content.Text = f.Body
}

// formValues decodes a JSON object and keeps all digits of numbers. It returns nil if text is no JSON object.
func formValues(text []byte) map[string]any {
	var values map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.UseNumber()
	if decoder.Decode(&values) != nil || decoder.More() {
		return nil
	}
	return values
}

func (o *order) read(m *integration.Message) bool {
	if o == nil {
		return false
	}
	out := &integration.Order{CatalogID: integration.ID(o.CatalogID), Items: make([]integration.OrderItem, len(o.Items))}
	for i, item := range o.Items {
		quantity, err := strconv.Atoi(string(item.Quantity))
		price, err2 := strconv.ParseFloat(string(cmp.Or(item.ItemPrice, "0")), 64)
		if err != nil || err2 != nil {
			return false
		}
		out.Items[i] = integration.OrderItem{
			ProductID: integration.ID(item.ProductRetailerID), Quantity: quantity, Price: price, Currency: item.Currency,
		}
	}
	m.Content = integration.Content{Type: integration.TypeOrder, Text: o.Text, Order: out}
	return true
}
