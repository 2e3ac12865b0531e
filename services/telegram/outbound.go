package telegram

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// Limits of "sendMessage" and "InlineKeyboardButton".
const (
	maxText         = 4096 // UTF-16 code units
	maxCallbackData = 64   // bytes
)

// Send delivers a text, with or without buttons.
func (p *platform) Send(ctx context.Context, m *integration.Message, ch *integration.Channel) (*integration.SendResult, error) {
	params, err := newSendMessage(m)
	if err != nil {
		return nil, err
	}
	sent, err := call[sentMessage](ctx, p.api(ch.Credentials, ch.Settings), "sendMessage", params)
	if err != nil {
		return nil, err
	}
	if sent.MessageID == 0 {
		return nil, httpapi.Unreadable("telegram sendMessage", http.StatusOK, nil)
	}
	// "@channelname" becomes a number here; a server that leaves the chat out means the one it was told.
	chatID := fmt.Sprint(params.ChatID)
	if sent.Chat.ID != 0 {
		chatID = decimal(sent.Chat.ID)
	}
	return &integration.SendResult{
		Success:   true,
		MessageID: integration.ID(chatID + ":" + decimal(sent.MessageID)),
		Metadata:  map[string]any{"chatId": chatID},
	}, nil
}

func newSendMessage(m *integration.Message) (*sendMessageParams, error) {
	text, buttons := m.Content.Text, []integration.Button(nil)
	if i := m.Content.Interactive; i != nil {
		text, buttons = cmp.Or(text, i.Body), i.Buttons
	}
	switch m.Content.Type {
	case integration.TypeText, "":
	case integration.TypeInteractive:
		if len(buttons) == 0 {
			return nil, invalid("an interactive message needs content.interactive.buttons")
		}
	default:
		return nil, unsupportedContent("content of type %s cannot be sent through Telegram yet; TEXT and INTERACTIVE can", m.Content.Type)
	}
	if err := checkText(text); err != nil {
		return nil, err
	}
	params := &sendMessageParams{Text: text}
	var err error
	if params.ChatID, params.MessageThreadID, err = recipient(m); err != nil {
		return nil, err
	}
	if params.ReplyMarkup, err = inlineKeyboard(buttons); err != nil {
		return nil, err
	}
	if m.ReplyTo != nil && m.ReplyTo.MessageID != "" {
		if params.ReplyParameters, err = replyTo(string(m.ReplyTo.MessageID), params.ChatID); err != nil {
			return nil, err
		}
	}
	return params, nil
}

func checkText(text string) error {
	if strings.TrimSpace(text) == "" {
		return invalid("content.text is empty; Telegram sends nothing that is only white space")
	}
	units := 0
	for _, r := range text {
		units += utf16.RuneLen(r)
	}
	if units > maxText {
		return &integration.Error{
			Kind: integration.ErrInvalid, Code: "MESSAGE_TOO_LONG",
			Message: fmt.Sprintf("the text has %d UTF-16 units; Telegram takes %d", units, maxText),
		}
	}
	return nil
}

// recipient finds the chat and, where the message belongs to one, the forum topic. Conversation ids
// of inbound messages are understood: "chat" and "chat:topic".
func recipient(m *integration.Message) (chatID any, threadID int64, err error) {
	address, topic, _ := strings.Cut(string(cmp.Or(m.To.ID, m.ConversationID)), ":")
	if chatID, err = parseChatID(address); err != nil {
		return nil, 0, err
	}
	if topic = cmp.Or(topic, string(m.ThreadID)); topic != "" {
		if threadID, err = strconv.ParseInt(topic, 10, 64); err != nil {
			return nil, 0, invalid("the topic %q is not a message_thread_id", topic)
		}
	}
	return chatID, threadID, nil
}

func parseChatID(s string) (any, error) {
	if id, err := strconv.ParseInt(s, 10, 64); err == nil {
		return id, nil
	}
	if name, ok := strings.CutPrefix(s, "@"); ok && name != "" {
		return s, nil
	}
	return nil, invalid("to.id or conversationId must be a chat's id or @channelname, not %q", s)
}

// replyTo accepts "message" and, as ids of inbound messages are, "chat:message".
func replyTo(id string, target any) (*replyParameters, error) {
	p := &replyParameters{AllowSendingWithoutReply: true}
	if address, message, ok := strings.Cut(id, ":"); ok {
		chatID, err := parseChatID(address)
		if err != nil {
			return nil, err
		}
		if id = message; chatID != target {
			p.ChatID = chatID // message ids are unique in their chat only
		}
	}
	var err error
	if p.MessageID, err = strconv.ParseInt(id, 10, 64); err != nil {
		return nil, invalid("replyTo.messageId ends in %q, which is not a message_id", id)
	}
	return p, nil
}

// inlineKeyboard puts each button on a row of its own: titles are cut off where they do not fit.
func inlineKeyboard(buttons []integration.Button) (*inlineKeyboardMarkup, error) {
	if len(buttons) == 0 {
		return nil, nil
	}
	rows := make([][]inlineKeyboardButton, len(buttons))
	for i, b := range buttons {
		button := inlineKeyboardButton{Text: b.Title}
		if strings.TrimSpace(b.Title) == "" {
			return nil, invalid("button %d has no title", i+1)
		}
		switch b.Type {
		case "reply", "":
			button.CallbackData = cmp.Or(b.ID, b.Title)
			if n := len(button.CallbackData); n > maxCallbackData {
				return nil, invalid("the id of button %d has %d bytes; Telegram takes %d", i+1, n, maxCallbackData)
			}
		case "url":
			button.URL = b.URL
			if !validURL(b.URL) {
				return nil, invalid("the url of button %d is not an http, https or tg URL", i+1)
			}
		default:
			return nil, unsupportedContent("button %d is of type %q; Telegram has reply and url", i+1, b.Type)
		}
		rows[i] = []inlineKeyboardButton{button}
	}
	return &inlineKeyboardMarkup{InlineKeyboard: rows}, nil
}

func validURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "tg")
}

func invalid(format string, args ...any) error {
	return &integration.Error{Kind: integration.ErrInvalid, Code: "MESSAGE_INVALID", Message: fmt.Sprintf(format, args...)}
}

func unsupportedContent(format string, args ...any) error {
	return &integration.Error{Kind: integration.ErrPermanent, Code: "UNSUPPORTED_CONTENT", Message: fmt.Sprintf(format, args...)}
}
