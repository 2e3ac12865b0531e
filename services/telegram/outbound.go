package telegram

import (
	"context"
	"fmt"
	"net/http"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// request is a call that sends a message.
type request struct {
	method   string
	chatID   any
	params   any
	files    []httpapi.Part // uploads
	degraded integration.Losses
}

// Send sends a message by the method for its content.
func (p *platform) Send(
	ctx context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	if _, err := m.ReplyValues(); err != nil {
		return nil, err
	}
	a := p.api(ch.Credentials, ch.Settings)
	if id := contextOf(m, metaGuestQuery); id != "" {
		return answerGuest(ctx, a, id, m)
	}
	r, err := p.compose(ctx, m)
	if err != nil {
		return nil, err
	}
	result, err := r.send(ctx, a)
	if err != nil {
		return nil, err
	}
	answerCallback(ctx, a, m, result)
	return result, nil
}

// compose checks a message and makes its request. Attachments are read last, because all other checks cost nothing.
func (p *platform) compose(ctx context.Context, m *integration.Message) (*request, error) {
	d, degraded, err := newDelivery(m)
	if err != nil {
		return nil, err
	}
	r, err := p.composeContent(ctx, m, d)
	if err != nil {
		return nil, err
	}
	r.chatID, r.degraded = d.ChatID, append(degraded, r.degraded...)
	return r, nil
}

func (p *platform) composeContent(ctx context.Context, m *integration.Message, d *delivery) (*request, error) {
	c := &m.Content
	switch c.Type {
	case integration.TypeText, "":
		return composeText(c, d)
	case integration.TypeInteractive:
		if d.ReplyMarkup == nil {
			return nil, integration.Invalid("an interactive message needs content.interactive.buttons or sections")
		}
		if len(c.MediaList()) > 0 { // the buttons are below a file
			return p.composeMedia(ctx, m, d)
		}
		return composeText(c, d)
	case integration.TypeImage, integration.TypeVideo, integration.TypeAudio, integration.TypeVoice, integration.TypeFile,
		integration.TypeSticker:
		return p.composeMedia(ctx, m, d)
	case integration.TypeLocation:
		return composeLocation(c, d)
	case integration.TypeContact:
		return composeContact(c, d)
	case integration.TypePoll:
		return composePoll(m, d)
	default:
		return nil, integration.UnsupportedContent("content of type %s cannot be sent through Telegram", c.Type)
	}
}

func composeText(c *integration.Content, d *delivery) (*request, error) {
	text, degraded, err := newText(c, maxText)
	if err != nil {
		return nil, err
	}
	if blank(text.Text) {
		return nil, integration.Invalid("content.text is empty; Telegram sends nothing that is only white space")
	}
	return &request{method: "sendMessage", params: &sendMessageParams{*d, *text}, degraded: degraded}, nil
}

// methodAlbum answers with a list of messages. All other methods that send answer with one.
const methodAlbum = "sendMediaGroup"

// send makes the call and reads the ids of the new messages.
func (r *request) send(ctx context.Context, a api) (*integration.SendResult, error) {
	var sent []sentMessage
	var err error
	if r.method == methodAlbum {
		sent, err = call[[]sentMessage](ctx, a, r.method, r.params, r.files...)
	} else {
		sent = make([]sentMessage, 1)
		sent[0], err = call[sentMessage](ctx, a, r.method, r.params, r.files...)
	}
	if err != nil {
		return nil, err
	}
	if len(sent) == 0 {
		return nil, httpapi.Unreadable("telegram "+r.method, http.StatusOK, nil)
	}
	ids := make([]integration.ID, len(sent))
	var chatID string
	for i, s := range sent {
		if s.MessageID == nil {
			return nil, httpapi.Unreadable("telegram "+r.method, http.StatusOK, nil)
		}
		// The answer has the number of "@channelname". An answer without a chat means the chat of the request.
		if chatID = fmt.Sprint(r.chatID); s.Chat.ID != 0 {
			chatID = decimal(s.Chat.ID)
		}
		if *s.MessageID != 0 {
			ids[i] = integration.ID(chatID + ":" + decimal(*s.MessageID))
		}
	}
	result := &integration.SendResult{Success: true, MessageID: ids[0], Metadata: map[string]any{"chatId": chatID}}
	if len(ids) > 1 {
		result.MessageIDs = ids
	}
	result.Degraded = r.degraded
	integration.PutText(result.Metadata, "pollId", sent[0].Poll.ID)
	return result, nil
}
