package whatsapp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// Send delivers a message: mostly as one of WhatsApp's, and as several where it holds what WhatsApp cannot put
// into one. All of it is checked, and uploaded, before the first is sent.
func (p *platform) Send(ctx context.Context, m *integration.Message, ch *integration.Channel) (*integration.SendResult, error) {
	a := p.api(ch.Credentials, ch.Settings)
	d, err := compose(m, ch)
	if err != nil {
		return nil, err
	}
	for _, u := range d.uploads {
		if err := a.upload(ctx, u); err != nil {
			return nil, err
		}
	}
	result := &integration.SendResult{Success: true, Metadata: map[string]any{"accepted": true}}
	var ids []integration.ID
	for i := range d.requests {
		sent, err := a.send(ctx, &d.requests[i])
		if err != nil {
			return nil, partly(err, ids, len(d.requests))
		}
		if ids = append(ids, integration.ID(sent.Messages[0].ID)); i == 0 {
			sent.tell(result)
		}
	}
	if result.MessageID = ids[0]; len(ids) > 1 {
		result.Metadata["messageIds"], result.Metadata["parts"] = ids, len(ids)
	}
	if len(d.degraded) > 0 {
		result.Metadata["degraded"] = d.degraded
	}
	return result, nil
}

// send makes a call of "Message API". It has no key by which a repeated one would be known.
func (a api) send(ctx context.Context, r *request) (*accepted, error) {
	body, err := httpapi.JSON("whatsapp messages", r)
	if err != nil {
		return nil, err
	}
	var answer accepted
	if err := a.Post(ctx, "messages", a.phoneNumberID+"/messages", body, &answer); err != nil {
		return nil, err
	}
	if len(answer.Messages) == 0 || answer.Messages[0].ID == "" {
		return nil, httpapi.Unreadable("whatsapp messages", http.StatusOK, nil)
	}
	return &answer, nil
}

// tell puts into the result what the answer says beside the id.
func (a *accepted) tell(result *integration.SendResult) {
	putText(result.Metadata, "messageStatus", a.Messages[0].Status)
	if len(a.Contacts) > 0 {
		putText(result.Metadata, "waId", a.Contacts[0].WaID)
		putText(result.Metadata, "userId", a.Contacts[0].UserID)
	}
}

// partly is the failure of a later part: to send the whole message again would double those before, whose ids it
// tells.
func partly(err error, sent []integration.ID, parts int) error {
	e, ok := errors.AsType[*integration.Error](err)
	if len(sent) == 0 || !ok {
		return err
	}
	part := *e
	part.Delivered = sent
	part.Message = fmt.Sprintf("%d of %d messages were sent %v, then: %s", len(sent), parts, sent, e.Message)
	if e.Kind != integration.ErrUnknown {
		part.Kind, part.Code = integration.ErrPermanent, "PARTLY_SENT"
	}
	return &part
}

// draft is what a message becomes.
type draft struct {
	address  request // what all requests have in common
	requests []request
	uploads  []upload
	degraded []string
}

// add appends a request. Only the first one answers what the message answers.
func (d *draft) add(r request) {
	base := d.address
	r.Product, r.RecipientType, r.To, r.Recipient = base.Product, base.RecipientType, base.To, base.Recipient
	if r.CallbackData = base.CallbackData; len(d.requests) == 0 {
		r.Context = base.Context
	}
	d.requests = append(d.requests, r)
}

func compose(m *integration.Message, ch *integration.Channel) (*draft, error) {
	d := &draft{}
	var err error
	if d.address, err = address(cmp.Or(m.To.ID, m.ConversationID)); err != nil {
		return nil, err
	}
	if m.ReplyTo != nil && m.ReplyTo.MessageID != "" {
		d.address.Context = &outContext{string(m.ReplyTo.MessageID)}
	}
	if utf8.RuneCountInString(string(m.ID)) <= maxCallbackData {
		d.address.CallbackData = string(m.ID)
	}
	if m.Content.Format != "" {
		d.degraded = append(d.degraded, m.Content.Format+"→text")
	}
	previews := ch.Settings[fieldLinkPreviews] == on
	if wanted, ok := m.Metadata["previewUrl"].(bool); ok {
		previews = wanted
	}
	if err := d.addContent(m, previews); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *draft) addContent(m *integration.Message, previews bool) error {
	c := &m.Content
	if c.Interactive != nil {
		return d.addChoice(c)
	}
	var err error
	switch c.Type {
	case integration.TypeText, "":
		if len(c.Attachments) > 0 || c.Media != nil {
			return invalid("a text with attachments is of type IMAGE, VIDEO, AUDIO or FILE")
		}
		return d.addText(c.Text, previews)
	case integration.TypeImage, integration.TypeVideo, integration.TypeFile:
		return d.addMedia(c, c.Text)
	case integration.TypeAudio, integration.TypeVoice, integration.TypeSticker:
		err = d.addMedia(c, "")
	case integration.TypeLocation:
		err = d.addLocation(c.Location)
	case integration.TypeContact:
		err = d.addContacts(c.Contacts)
	case integration.TypeTemplate:
		return d.addTemplate(c.Template) // a text beside it is the sender's own note of what it says
	case integration.TypeInteractive:
		return invalid("an interactive message needs content.interactive")
	case integration.TypeReaction:
		return invalid("a reaction needs content.reaction")
	default:
		return unsupportedContent("content of type %s cannot be sent through WhatsApp", c.Type)
	}
	if err != nil || strings.TrimSpace(c.Text) == "" {
		return err
	}
	// WhatsApp shows no text with these: it becomes a message of its own.
	kind := strings.ToLower(string(c.Type))
	d.degraded = append(d.degraded, kind+"→"+kind+" and text")
	return d.addText(c.Text, previews)
}

func (d *draft) addText(text string, previews bool) error {
	if strings.TrimSpace(text) == "" {
		return invalid("content.text is empty")
	}
	if err := within("the text", text, maxText); err != nil {
		return err
	}
	d.add(request{Type: "text", Text: &outText{Body: text, PreviewURL: previews}})
	return nil
}

// Who a message can go to, by the form of the id.
var (
	phonePattern = regexp.MustCompile(`^\+?\d{5,15}$`)
	// "Business-scoped user IDs": a country, for parent ids ENT, and up to 128 letters and digits.
	userIDPattern = regexp.MustCompile(`^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$`)
	// Groups have an id in base64, "Groups API".
	groupPattern = regexp.MustCompile(`^[A-Za-z0-9+/_=-]{16,256}$`)
)

// address finds the field for a recipient: a user's id, phone number, or a group's id, all as in conversationId.
func address(id integration.ID) (request, error) {
	r := request{Product: product, RecipientType: "individual"}
	switch to := string(id); {
	case phonePattern.MatchString(to):
		r.To = strings.TrimPrefix(to, "+")
	case userIDPattern.MatchString(to):
		r.Recipient = to
	case groupPattern.MatchString(to) && strings.Trim(to, "0123456789") != "":
		r.RecipientType, r.To = "group", to
	default:
		return r, invalid("to.id or conversationId must be a phone number in digits with its country's code, a business-scoped user id or a group's id, not %q", to)
	}
	return r, nil
}

// within checks the length of a text.
func within(what, text string, limit int) error {
	if n := utf8.RuneCountInString(text); n > limit {
		return invalid("%s has %d characters; WhatsApp takes %d", what, n, limit)
	}
	return nil
}
