package telegram

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
)

var _ integration.Platform = (*platform)(nil)

// Normalize makes messages of an update: several for several reactions or deletions, else one. The message is of
// TypeUnsupported if a field has an unexpected type or if the update is of an unknown kind. It then has what could be
// read.
func (*platform) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	// A field of an unexpected type is left out. All others are read.
	var u update
	typeErr := payload.Unmarshal(w.Payload, &u)
	id, err := updateID(u.UpdateID)
	if err != nil {
		return nil, err
	}
	newMessage := func() integration.Message {
		metadata := make(map[string]any, 8) // hardly any message has more
		metadata["updateId"] = id
		return integration.Message{
			To:        integration.Party{ID: botID(w.Channel.Credentials[fieldToken])},
			Timestamp: w.Timestamp.UnixMilli(),
			DedupKey:  decimal(id),
			Metadata:  metadata,
		}
	}
	var messages []integration.Message
	switch {
	case typeErr != nil:
		messages = u.unsupported(newMessage(), w.Payload, "a field has an unexpected type")
	default:
		if messages = u.normalize(newMessage(), w.Payload); len(messages) == 0 {
			messages = u.unsupported(newMessage(), w.Payload, "")
		}
	}
	numberMessages(messages)
	return messages, nil
}

// normalize reads the known kinds of updates. It returns nil for other kinds.
func (u *update) normalize(m integration.Message, payload json.RawMessage) []integration.Message {
	known := true
	switch msg, edited := u.message(); {
	case msg != nil:
		known = readMessage(&m, msg, edited, payload)
	case u.CallbackQuery != nil:
		known = readCallbackQuery(&m, u.CallbackQuery)
	case u.MessageReaction != nil:
		return readReactions(m, u.MessageReaction)
	case u.MessageReactionCount != nil:
		readReactionCounts(&m, u.MessageReactionCount)
	case u.DeletedBusinessMessages != nil:
		return readDeletions(m, u.DeletedBusinessMessages)
	case u.BusinessConnection != nil:
		readBusinessConnection(&m, u.BusinessConnection)
	case u.Poll != nil:
		readPollState(&m, u.Poll)
	case u.PollAnswer != nil:
		known = readPollAnswer(&m, u.PollAnswer)
	case u.MyChatMember != nil:
		readMemberUpdate(&m, u.MyChatMember)
	case u.ChatMember != nil:
		readMemberUpdate(&m, u.ChatMember)
	case u.ChatJoinRequest != nil:
		readJoinRequest(&m, u.ChatJoinRequest)
	default:
		known = false
	}
	if !known {
		return nil
	}
	return []integration.Message{m}
}

// message returns the update's message, if it has one, and whether it replaces an earlier one.
func (u *update) message() (msg *message, edited bool) {
	if msg = cmp.Or(u.Message, u.ChannelPost, u.BusinessMessage, u.GuestMessage); msg != nil {
		return msg, false
	}
	return cmp.Or(u.EditedMessage, u.EditedChannelPost, u.EditedBusinessMessage), true
}

// numberMessages makes the dedup keys of one update's messages different. A message without an id gets its dedup key
// as id.
func numberMessages(messages []integration.Message) {
	for i := range messages {
		m := &messages[i]
		if i > 0 {
			m.DedupKey += ":" + decimal(int64(i+1))
		}
		m.ID = cmp.Or(m.ID, integration.ID(m.DedupKey))
	}
}

// botID returns the part of a token that is not secret.
func botID(token string) integration.ID {
	if id, _, ok := strings.Cut(token, ":"); ok {
		return integration.ID(id)
	}
	return ""
}

// readMessage fills in a message and says whether its content is known.
func readMessage(m *integration.Message, msg *message, edited bool, payload json.RawMessage) bool {
	readEnvelope(m, msg, edited)
	if content, known := msg.content(); known {
		m.Content = content
		if content.Command != nil && m.Kind == "" {
			m.Kind = integration.KindCommand
		}
		if msg.Dice != nil {
			m.Metadata["dice"] = map[string]any{"emoji": msg.Dice.Emoji, "value": msg.Dice.Value}
		}
		if flag := msg.flag(); flag != "" {
			m.Metadata[flag] = true
		}
		if msg.isEcho() {
			m.Direction = integration.DirectionEcho
		}
		return true
	}
	return readService(m, msg, payload)
}

// readEnvelope fills in what a message has beside its content.
func readEnvelope(m *integration.Message, msg *message, edited bool) {
	readChat(m, msg)
	m.ID = messageID(msg.Chat.ID, msg.MessageID)
	if msg.Date != 0 {
		m.Timestamp = msg.Date * 1000
	}
	if edited {
		m.Kind = integration.KindEdit
		m.EditedAt = msg.EditDate * 1000
	}
	switch {
	case msg.SenderChat != nil:
		// The author is a channel or an anonymous admin. "from" is then absent or a made-up bot.
		m.From = msg.SenderChat.party()
		integration.PutText(m.Metadata, "username", msg.SenderChat.Username)
	case msg.From != nil:
		readSender(m, msg.From)
	}
	integration.PutText(m.Metadata, "mediaGroupId", msg.MediaGroupID)
	putContext(m, metaGuestQuery, msg.GuestQueryID)
	if msg.ForwardOrigin != nil || msg.ForwardDate != 0 {
		m.Metadata["forwarded"] = true
		readOrigin(m, msg.ForwardOrigin)
	}
	m.ReplyTo = msg.replyTo()
}

// readOrigin fills in the author of a forwarded message: the id, or the name if Telegram does not tell the id.
func readOrigin(m *integration.Message, from *messageOrigin) {
	switch {
	case from == nil:
	case from.SenderUser != nil:
		integration.PutText(m.Metadata, "forwardedFrom", decimal(from.SenderUser.ID))
	case cmp.Or(from.SenderChat, from.Chat) != nil:
		integration.PutText(m.Metadata, "forwardedFrom", decimal(cmp.Or(from.SenderChat, from.Chat).ID))
	default:
		integration.PutText(m.Metadata, "forwardedFromName", from.SenderUserName)
	}
}

// isEcho says whether a message was written by a bot or by the connected business account. Telegram does not send bots
// their own messages.
func (msg *message) isEcho() bool {
	switch {
	case msg.SenderBusinessBot != nil:
		return true
	case msg.SenderChat != nil || msg.From == nil:
		return false
	case msg.BusinessConnectionID != "":
		// The chats of a connected account are private, so the chat's id is that of the other user.
		return msg.From.IsBot || msg.From.ID != msg.Chat.ID
	default:
		return msg.From.IsBot
	}
}

// readChat fills in the conversation and the thread of a message.
func readChat(m *integration.Message, msg *message) {
	m.ConversationID = decimalID(msg.Chat.ID)
	// Outside forums message_thread_id is a thread of replies. Messages cannot be sent to it.
	if msg.IsTopicMessage && msg.Chat.ID != 0 && msg.MessageThreadID != 0 {
		m.ThreadID = decimalID(msg.MessageThreadID)
		m.ConversationID += ":" + m.ThreadID
	}
	integration.PutText(m.Metadata, "chatType", msg.Chat.Type)
	integration.PutText(m.Metadata, "chatTitle", msg.Chat.Title)
	putContext(m, metaBusinessConnection, msg.BusinessConnectionID)
	putContext(m, metaDirectTopic, string(decimalID(msg.DirectMessagesTopic.TopicID)))
}

func readSender(m *integration.Message, from *user) {
	m.From = from.party()
	integration.PutText(m.Metadata, "username", from.Username)
	integration.PutText(m.Metadata, "languageCode", from.LanguageCode)
	if from.IsBot {
		m.Metadata["isBot"] = true
	}
}

func (msg *message) replyTo() *integration.ReplyTo {
	r := msg.ReplyToMessage
	if r == nil {
		// The answered message is in another chat. Telegram does not always tell the chat's id.
		if r = msg.ExternalReply; r == nil || r.Chat.ID == 0 || r.MessageID == 0 {
			return nil
		}
	}
	// In a forum topic, a message that answers none has the service message that opened the topic here.
	if msg.IsTopicMessage && r == msg.ReplyToMessage && r.MessageID == msg.MessageThreadID {
		return nil
	}
	reply := &integration.ReplyTo{MessageID: messageID(cmp.Or(r.Chat.ID, msg.Chat.ID), r.MessageID)}
	switch {
	case r.SenderChat != nil:
		reply.ParticipantID = decimalID(r.SenderChat.ID)
	case r.From != nil:
		reply.ParticipantID = decimalID(r.From.ID)
	}
	if msg.Quote != nil {
		reply.Quote = msg.Quote.Text
	}
	return reply
}

func (u *user) party() integration.Party {
	return integration.Party{ID: decimalID(u.ID), Name: fullName(u.FirstName, u.LastName, u.Username)}
}

func (c *chat) party() integration.Party {
	return integration.Party{ID: decimalID(c.ID), Name: cmp.Or(c.Title, fullName(c.FirstName, c.LastName, c.Username))}
}

func fullName(first, last, username string) string {
	return cmp.Or(strings.TrimSpace(first+" "+last), username)
}
