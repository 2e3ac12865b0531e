package telegram

import (
	"context"
	"net/http"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// callbackTimeout bounds the wait for what nothing depends on.
const callbackTimeout = 3 * time.Second

// answerCallback stops the spinner on the button whose press this message answers: "CallbackQuery" wants
// answerCallbackQuery, whatever else is done. It needs the id that came with the press, in replyContext, and it is done
// after what was to be done: the message is there, so whatever becomes of this is no failure. metadata.callbackAnswered
// tells.
func answerCallback(ctx context.Context, a api, m *integration.Message, result *integration.SendResult) {
	id := contextOf(m, metaCallbackQuery)
	if id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callbackTimeout)
	defer cancel()
	_, err := call[bool](ctx, a, "answerCallbackQuery", answerCallbackParams{id})
	result.Metadata["callbackAnswered"] = err == nil
}

// maxArticleTitle bounds what clients show nowhere, in bytes, and articleID is unique among one answer's results.
const (
	maxArticleTitle = 64
	articleID       = "1"
)

// answerGuest answers who called the bot into a chat that it is not a member of: "answerGuestQuery" is the only
// way to write there, once for each call. The message has no id that the Bot API's other methods take.
func answerGuest(ctx context.Context, a api, queryID string, m *integration.Message) (*integration.SendResult, error) {
	c := &m.Content
	switch c.Type {
	case integration.TypeText, integration.TypeInteractive, "":
	default:
		return nil, integration.UnsupportedContent("content of type %s cannot answer a guest_message; TEXT and INTERACTIVE can", c.Type)
	}
	markup, degraded, err := keyboard(c.Interactive)
	if err != nil {
		return nil, err
	}
	text, lost, err := newText(c, maxText)
	if err != nil {
		return nil, err
	}
	if blank(text.Text) {
		return nil, integration.Invalid("content.text is empty; Telegram sends nothing that is only white space")
	}
	sent, err := call[sentGuestMessage](ctx, a, "answerGuestQuery", answerGuestParams{queryID, articleResult{
		Type: "article", ID: articleID, Title: textlimit.Shorten(text.Text, maxArticleTitle, textlimit.Bytes),
		InputMessageContent: inputTextContent{MessageText: text.Text, ParseMode: text.ParseMode, Entities: text.Entities},
		ReplyMarkup:         markup,
	}})
	if err != nil {
		return nil, err
	}
	if sent.InlineMessageID == "" {
		return nil, httpapi.Unreadable("telegram answerGuestQuery", http.StatusOK, nil)
	}
	return &integration.SendResult{
		Success: true, Degraded: append(degraded, lost...), Metadata: map[string]any{"inlineMessageId": sent.InlineMessageID},
	}, nil
}
