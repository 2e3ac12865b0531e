package whatsapp

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

var _ integration.Splitter = (*platform)(nil)

// Split implements [integration.Splitter]. Each attachment becomes a part, and so does a text that WhatsApp shows with
// none of them.
func (*platform) Split(
	_ context.Context, m *integration.Message, ch *integration.Channel,
) ([]*integration.Message, error) {
	parts := m.Separate(hasCaption)
	if len(parts) == 1 {
		return parts, nil // Send checks it
	}
	for _, part := range parts {
		if _, err := compose(part, ch); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// hasCaption says whether WhatsApp shows a text with the content. The text of a template is a note of the sender and is
// not sent.
func hasCaption(t integration.ContentType) bool {
	switch t {
	case integration.TypeImage, integration.TypeVideo, integration.TypeFile, integration.TypeTemplate:
		return true
	default:
		return false
	}
}

// Send implements [integration.Platform]. It uploads the attachment first if there is one.
func (p *platform) Send(
	ctx context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	a := p.api(ch.Credentials, ch.Settings)
	d, err := compose(m, ch)
	if err != nil {
		return nil, err
	}
	if d.upload != nil {
		if err := a.upload(ctx, d.upload); err != nil {
			return nil, err
		}
	}
	sent, err := a.send(ctx, &d.request)
	if err != nil {
		return nil, err
	}
	result := &integration.SendResult{
		Success: true, MessageID: integration.ID(sent.Messages[0].ID), Degraded: d.degraded,
		Metadata: map[string]any{"accepted": true},
	}
	sent.tell(result)
	return result, nil
}

// send calls the "Message API", which has no idempotency key.
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

// tell adds the rest of the answer to the result.
func (a *accepted) tell(result *integration.SendResult) {
	integration.PutText(result.Metadata, "messageStatus", a.Messages[0].Status)
	if len(a.Contacts) > 0 {
		integration.PutText(result.Metadata, "waId", a.Contacts[0].WaID)
		integration.PutText(result.Metadata, "userId", a.Contacts[0].UserID)
	}
}

// draft is the request for a message.
type draft struct {
	request  request
	upload   *upload // of its attachment, nil if there is none
	degraded integration.Losses
}

func compose(m *integration.Message, ch *integration.Channel) (*draft, error) {
	d := &draft{}
	var err error
	if d.request, err = address(m.Recipient()); err != nil {
		return nil, err
	}
	if m.ReplyTo != nil && m.ReplyTo.MessageID != "" {
		d.request.Context = &outContext{string(m.ReplyTo.MessageID)}
	}
	if utf8.RuneCountInString(string(m.ID)) <= maxCallbackData {
		d.request.CallbackData = string(m.ID)
	}
	if m.Content.Format != "" {
		d.degraded.Add(integration.Feature(m.Content.Format), "text")
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
		return d.addInteractive(c)
	}
	switch c.Type {
	case integration.TypeText, "":
		if len(c.MediaList()) > 0 {
			return integration.Invalid("a text with attachments is of type IMAGE, VIDEO, AUDIO or FILE")
		}
		return d.addText(c.Text, previews)
	case integration.TypeImage, integration.TypeVideo, integration.TypeFile, integration.TypeAudio, integration.TypeVoice,
		integration.TypeSticker:
		return d.addMedia(c)
	case integration.TypeLocation:
		return d.addLocation(c.Location)
	case integration.TypeContact:
		return d.addContacts(c.Contacts)
	case integration.TypeTemplate:
		return d.addTemplate(c.Template)
	case integration.TypeInteractive:
		return integration.Invalid("an interactive message needs content.interactive")
	case integration.TypeReaction:
		return integration.Invalid("a reaction needs content.reaction")
	default:
		return integration.UnsupportedContent("content of type %s cannot be sent through WhatsApp", c.Type)
	}
}

func (d *draft) addText(text string, previews bool) error {
	if strings.TrimSpace(text) == "" {
		return integration.Invalid("content.text is empty")
	}
	if err := integration.Within(platformTitle, text, maxText, "the text"); err != nil {
		return err
	}
	d.request.Type, d.request.Text = "text", &outText{Body: text, PreviewURL: previews}
	return nil
}

// The forms of recipients' ids.
var (
	phonePattern = regexp.MustCompile(`^\+?\d{5,15}$`)
	// "Business-scoped user IDs": a country, ENT for parent ids, and up to 128 letters and digits.
	userIDPattern = regexp.MustCompile(`^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$`)
	// Groups have an id in base64, "Groups API".
	groupPattern = regexp.MustCompile(`^[A-Za-z0-9+/_=-]{16,256}$`)
)

// address returns a request to a recipient: a user's id, a phone number or a group's id, as in conversationId.
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
		return r, integration.Invalid("to.id or conversationId must be a phone number in digits with its country's code, "+
			"a business-scoped user id or a group's id, not %q", to)
	}
	return r, nil
}
