package telegram

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// newDelivery reads a message's recipient, the message that it answers, and its buttons.
func newDelivery(m *integration.Message) (*delivery, []integration.Degradation, error) {
	d := &delivery{BusinessConnectionID: contextOf(m, metaBusinessConnection)}
	var err error
	if d.ChatID, d.MessageThreadID, err = recipient(m.Recipient(), m.ThreadID); err != nil {
		return nil, nil, err
	}
	if topic := contextOf(m, metaDirectTopic); topic != "" {
		if d.DirectMessagesTopicID, err = strconv.ParseInt(topic, 10, 64); err != nil {
			return nil, nil, integration.Invalid("%s, in replyContext or metadata, is not a number", metaDirectTopic)
		}
	}
	if m.ReplyTo != nil && m.ReplyTo.MessageID != "" {
		if d.ReplyParameters, err = replyTo(m.ReplyTo, d.ChatID); err != nil {
			return nil, nil, err
		}
	}
	var degraded []integration.Degradation
	d.ReplyMarkup, degraded, err = keyboard(m.Content.Interactive)
	return d, degraded, err
}

// recipient reads the chat and the forum topic, 0 for none. A conversation is "chat" or "chat:topic", as in inbound
// messages.
func recipient(conversation, thread integration.ID) (chatID any, threadID int64, err error) {
	address, topic, _ := strings.Cut(string(conversation), ":")
	if chatID, err = parseChatID(address); err != nil {
		return nil, 0, err
	}
	if topic = cmp.Or(topic, string(thread)); topic != "" {
		if threadID, err = strconv.ParseInt(topic, 10, 64); err != nil {
			return nil, 0, integration.Invalid("the topic %q is not a message_thread_id", topic)
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
	return nil, integration.Invalid("to.id or conversationId must be a chat's id or @channelname, not %q", s)
}

// replyTo makes the parameters for an answer to a message, which may be in another chat.
func replyTo(r *integration.ReplyTo, target any) (*replyParameters, error) {
	p := &replyParameters{Quote: r.Quote, AllowSendingWithoutReply: true}
	chatID, message, err := parseMessageID(r.MessageID, target)
	if err != nil {
		return nil, err
	}
	if p.MessageID = message; chatID != target {
		p.ChatID = chatID // a message_id is unique in its chat only
	}
	if n := textlimit.UTF16(r.Quote); n > maxQuote {
		return nil, integration.Invalid("replyTo.quote has a length of %d; Telegram takes %d", n, maxQuote)
	}
	return p, nil
}

// parseMessageID reads "chat:message", as in inbound messages, or "message", which is in the given chat.
func parseMessageID(id integration.ID, chat any) (chatID any, messageID int64, err error) {
	chatID = chat
	address, message, ok := strings.Cut(string(id), ":")
	if !ok {
		message = address
	} else if chatID, err = parseChatID(address); err != nil {
		return nil, 0, err
	}
	if messageID, err = strconv.ParseInt(message, 10, 64); err != nil {
		return nil, 0, integration.Invalid("the message's id ends in %q, which is not a message_id", message)
	}
	return chatID, messageID, nil
}

// newMessageRef reads the message that an action is about.
func newMessageRef(t integration.Target) (*messageRef, error) {
	var chat any
	if t.ConversationID != "" {
		var err error
		if chat, _, err = recipient(t.ConversationID, ""); err != nil {
			return nil, err
		}
	}
	chatID, message, err := parseMessageID(t.MessageID, chat)
	if err != nil {
		return nil, err
	}
	if chatID == nil {
		return nil, integration.Invalid(
			"messageId must be chat:message, as in messages and results, or conversationId must name the chat",
		)
	}
	return &messageRef{ChatID: chatID, MessageID: message}, nil
}
