package telegram

import (
	"context"
	"net/http"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// callbackTimeout bounds "answerCallbackQuery". The result of a send does not depend on it.
const callbackTimeout = 3 * time.Second

// answerCallback stops the spinner on the button whose press this message answers, "CallbackQuery". It takes the
// query's id from replyContext. It is called after the message was sent, so its errors do not fail the send.
// metadata.callbackAnswered says whether it worked.
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

const (
	maxArticleTitle = 64  // bytes; clients show the title nowhere
	articleID       = "1" // unique among the results of one answer
)

// answerGuest answers a guest_message, which calls the bot into a chat that it is not a member of. The only way to
// write there is "answerGuestQuery", once for each query. The message has no id that other methods of the Bot API
// take.
func answerGuest(ctx context.Context, a api, queryID string, m *integration.Message) (*integration.SendResult, error) {
	c := &m.Content
	switch c.Type {
	case integration.TypeText, integration.TypeInteractive, "":
	default:
		return nil, integration.UnsupportedContent(
			"content of type %s cannot answer a guest_message; TEXT and INTERACTIVE can", c.Type,
		)
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
