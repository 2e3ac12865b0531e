package telegram

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/hiliosai/switchboard/integration"
)

// Normalize makes one message of an update. Where a field has an unexpected type, or the update is
// of a kind that is not modelled, the message is of TypeUnsupported and tells what could be read.
func (*platform) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	var u update
	// An UnmarshalTypeError leaves out the field that it is about; all others are read.
	typeErr := json.Unmarshal(w.Payload, &u)
	id, err := updateID(u.UpdateID)
	if err != nil {
		return nil, err
	}
	m := integration.Message{
		To:        integration.Party{ID: botID(w.Channel.Credentials[fieldToken])},
		Timestamp: w.Timestamp.UnixMilli(),
		DedupKey:  decimal(id),
		Metadata:  map[string]any{"updateId": id},
	}
	var known bool
	switch msg, edited := u.message(); {
	case msg != nil:
		known = readMessage(&m, msg)
		if edited {
			m.Kind = integration.KindEdit
			m.EditedAt = msg.EditDate * 1000
		}
	case u.CallbackQuery != nil:
		known = readCallbackQuery(&m, u.CallbackQuery)
	}
	switch {
	case typeErr != nil:
		readUnsupported(&m, &u, w.Payload, "a field has an unexpected type")
	case !known:
		readUnsupported(&m, &u, w.Payload, "")
	case m.Content.Command != nil && m.Kind == "":
		m.Kind = integration.KindCommand
	}
	m.ID = cmp.Or(m.ID, integration.ID(m.DedupKey))
	return []integration.Message{m}, nil
}

// botID is the part of a token that is no secret.
func botID(token string) integration.ID {
	if id, _, ok := strings.Cut(token, ":"); ok {
		return integration.ID(id)
	}
	return ""
}

// message is the update's message, of whichever kind, and whether it replaces an earlier one.
func (u *update) message() (msg *message, edited bool) {
	if msg = cmp.Or(u.Message, u.ChannelPost); msg != nil {
		return msg, false
	}
	return cmp.Or(u.EditedMessage, u.EditedChannelPost), true
}

// readMessage fills in a message and says whether its content is modelled.
func readMessage(m *integration.Message, msg *message) bool {
	readPlace(m, msg)
	m.ID = messageID(msg.Chat.ID, msg.MessageID)
	if msg.Date != 0 {
		m.Timestamp = msg.Date * 1000
	}
	switch {
	case msg.SenderChat != nil:
		// Someone speaks as a channel or an anonymous admin: "from" then holds a made-up bot, if anything.
		m.From = msg.SenderChat.party()
		putText(m.Metadata, "username", msg.SenderChat.Username)
	case msg.From != nil:
		readSender(m, msg.From)
	}
	putText(m.Metadata, "mediaGroupId", msg.MediaGroupID)
	m.ReplyTo = msg.replyTo()

	var known bool
	m.Content, known = msg.content()
	return known
}

// readPlace fills in where a message is.
func readPlace(m *integration.Message, msg *message) {
	m.ConversationID = decimalID(msg.Chat.ID)
	// Outside forums message_thread_id names a thread of replies, which no message can be sent to.
	if msg.IsTopicMessage && msg.Chat.ID != 0 && msg.MessageThreadID != 0 {
		m.ThreadID = decimalID(msg.MessageThreadID)
		m.ConversationID += ":" + m.ThreadID
	}
	putText(m.Metadata, "chatType", msg.Chat.Type)
	putText(m.Metadata, "chatTitle", msg.Chat.Title)
}

func readSender(m *integration.Message, from *user) {
	m.From = from.party()
	putText(m.Metadata, "username", from.Username)
	putText(m.Metadata, "languageCode", from.LanguageCode)
	if from.IsBot {
		m.Metadata["isBot"] = true
	}
}

func (msg *message) replyTo() *integration.ReplyTo {
	r := msg.ReplyToMessage
	// In a forum topic, what answers nothing answers the service message that opened the topic.
	if r == nil || msg.IsTopicMessage && r.MessageID == msg.MessageThreadID {
		return nil
	}
	reply := &integration.ReplyTo{MessageID: messageID(cmp.Or(r.Chat.ID, msg.Chat.ID), r.MessageID)}
	if msg.Quote != nil {
		reply.Quote = msg.Quote.Text
	}
	return reply
}

func (msg *message) content() (integration.Content, bool) {
	switch {
	case msg.Text != "":
		c := integration.Content{Type: integration.TypeText, Text: msg.Text, Entities: entities(msg.Entities)}
		if command := msg.command(); command != nil {
			c.Type, c.Command = integration.TypeCommand, command
		}
		return c, true
	case len(msg.Photo) > 0:
		photo := msg.Photo[len(msg.Photo)-1]
		photo.MimeType = "image/jpeg" // "PhotoSize" does not say so; Telegram stores photos in no other format
		return msg.media(integration.TypeImage, &photo)
	case msg.Animation != nil: // before document, which repeats it
		return msg.media(integration.TypeVideo, msg.Animation)
	case msg.Document != nil:
		return msg.media(integration.TypeFile, msg.Document)
	case msg.Voice != nil:
		return msg.media(integration.TypeVoice, msg.Voice)
	case msg.Video != nil:
		return msg.media(integration.TypeVideo, msg.Video)
	case msg.Audio != nil:
		return msg.media(integration.TypeAudio, msg.Audio)
	case msg.VideoNote != nil:
		return msg.media(integration.TypeVideo, msg.VideoNote)
	case msg.Venue != nil: // before location, which repeats its point
		l := msg.Venue.Location.normalize()
		l.Name, l.Address = msg.Venue.Title, msg.Venue.Address
		return integration.Content{Type: integration.TypeLocation, Location: l}, true
	case msg.Location != nil:
		return integration.Content{Type: integration.TypeLocation, Location: msg.Location.normalize()}, true
	default:
		return integration.Content{}, false
	}
}

func (msg *message) media(t integration.ContentType, f *file) (integration.Content, bool) {
	return integration.Content{
		Type: t, Text: msg.Caption, Entities: entities(msg.CaptionEntities),
		Media: &integration.Media{
			ID: f.FileID, URL: f.FileID, MimeType: f.MimeType, Size: f.FileSize, Filename: f.FileName,
			DurationMs: f.Duration * 1000, Width: cmp.Or(f.Width, f.Length), Height: cmp.Or(f.Height, f.Length),
		},
	}, f.FileID != ""
}

func (l *location) normalize() *integration.Location {
	return &integration.Location{Latitude: l.Latitude, Longitude: l.Longitude, Live: l.LivePeriod > 0}
}

// command reads "/start@some_bot ref42", marked by an entity at the start of the text.
func (msg *message) command() *integration.Command {
	i := slices.IndexFunc(msg.Entities, func(e messageEntity) bool { return e.Type == "bot_command" && e.Offset == 0 })
	if i < 0 {
		return nil
	}
	head, args := cutUTF16(msg.Text, msg.Entities[i].Length)
	name, _, _ := strings.Cut(strings.TrimPrefix(head, "/"), "@")
	if name == "" {
		return nil
	}
	return &integration.Command{Name: name, Args: strings.TrimSpace(args)}
}

// cutUTF16 cuts s after n UTF-16 code units.
func cutUTF16(s string, n int) (before, after string) {
	for i, r := range s {
		if n <= 0 {
			return s[:i], s[i:]
		}
		n -= utf16.RuneLen(r)
	}
	return s, ""
}

func entities(in []messageEntity) []integration.Entity {
	if len(in) == 0 {
		return nil
	}
	out := make([]integration.Entity, len(in))
	for i, e := range in {
		out[i] = integration.Entity{Type: e.Type, Offset: e.Offset, Length: e.Length, URL: e.URL}
		if e.User != nil {
			out[i].UserID = decimalID(e.User.ID)
		}
	}
	return out
}

// readCallbackQuery fills in the press of a button and says whether it carries data, which the
// buttons of games do not.
func readCallbackQuery(m *integration.Message, q *callbackQuery) bool {
	m.ID = integration.ID(q.ID)
	m.Kind = integration.KindInteraction
	readSender(m, &q.From)
	putText(m.Metadata, "callbackQueryId", q.ID)
	putText(m.Metadata, "inlineMessageId", q.InlineMessageID)

	reply := &integration.InteractiveReply{ID: q.Data}
	if q.Message != nil {
		readPlace(m, q.Message)
		reply.Title = q.Message.ReplyMarkup.title(q.Data)
		reply.SourceMessageID = messageID(q.Message.Chat.ID, q.Message.MessageID)
	} else {
		// The button is on a message sent in inline mode and Telegram does not say in which chat. What
		// the bot shares with the user for sure is their private chat, and its id is the user's.
		m.ConversationID = m.From.ID
	}
	m.Content = integration.Content{
		Type: integration.TypeButton, Text: reply.Title, Interactive: &integration.Interactive{Reply: reply},
	}
	return q.Data != ""
}

// title is what the button with this callback_data says, or "".
func (k *inlineKeyboardMarkup) title(data string) string {
	if k == nil {
		return ""
	}
	for _, row := range k.InlineKeyboard {
		for _, b := range row {
			if b.CallbackData == data {
				return b.Text
			}
		}
	}
	return ""
}

// readUnsupported replaces the content by what Telegram calls it and keeps the update as it came.
func readUnsupported(m *integration.Message, u *update, payload json.RawMessage, reason string) {
	kind, body := firstOf(payload, func(key string) bool { return key == "update_id" })
	switch msg, _ := u.message(); {
	case msg != nil:
		if content, _ := firstOf(body, isMessageField); content != "" {
			kind = content
		}
	case u.CallbackQuery == nil:
		readOther(m, body)
	}
	m.Content = integration.Content{
		Type:        integration.TypeUnsupported,
		Unsupported: &integration.Unsupported{PlatformType: cmp.Or(kind, "update"), Reason: reason},
	}
	m.Metadata["raw"] = payload
}

// readOther fills in what can be told of an update of any kind. Its id is its own: a reaction has
// the message_id of the message that it is about.
func readOther(m *integration.Message, body json.RawMessage) {
	var o otherUpdate
	_ = json.Unmarshal(body, &o) // what has another type stays empty
	_ = json.Unmarshal(o.ID, &m.ID)
	readPlace(m, &message{Chat: o.Chat})
	if from := cmp.Or(o.From, o.User); from != nil {
		readSender(m, from)
	}
	if o.Date != 0 {
		m.Timestamp = o.Date * 1000
	}
}

// firstOf returns the alphabetically first member of an object that is not to be skipped.
func firstOf(object json.RawMessage, skip func(key string) bool) (string, json.RawMessage) {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(object, &members) // what is no object has no members
	maps.DeleteFunc(members, func(key string, _ json.RawMessage) bool { return skip(key) })
	if len(members) == 0 {
		return "", nil
	}
	key := slices.Min(slices.Collect(maps.Keys(members)))
	return key, members[key]
}

// isMessageField says whether a field of "Message" goes with any content. The others are contents,
// those of later versions of the Bot API included.
func isMessageField(key string) bool {
	switch key {
	case "message_id", "message_thread_id", "direct_messages_topic", "is_topic_message", "from", "sender_chat",
		"sender_boost_count", "sender_business_bot", "sender_tag", "date", "business_connection_id", "chat",
		"forward_origin", "forward_from", "forward_from_chat", "forward_from_message_id", "forward_signature",
		"forward_sender_name", "forward_date", "is_automatic_forward", "reply_to_message", "external_reply", "quote",
		"reply_to_story", "reply_to_checklist_task_id", "via_bot", "edit_date", "has_protected_content",
		"is_from_offline", "is_paid_post", "media_group_id", "author_signature", "paid_star_count", "entities",
		"link_preview_options", "suggested_post_info", "effect_id", "caption", "caption_entities",
		"show_caption_above_media", "has_media_spoiler", "reply_markup",
		// Predecessors of new_chat_members and left_chat_member that are still sent beside them.
		"new_chat_participant", "new_chat_member", "left_chat_participant":
		return true
	default:
		return false
	}
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

// messageID is unique among all chats of a bot, as message_id is in its own only.
func messageID(chatID, id int64) integration.ID {
	if chatID == 0 || id == 0 {
		return ""
	}
	return decimalID(chatID) + ":" + decimalID(id)
}

// decimalID is an identifier of the Bot API, where 0 stands for one that did not come.
func decimalID(n int64) integration.ID {
	if n == 0 {
		return ""
	}
	return integration.ID(decimal(n))
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func putText(metadata map[string]any, key, value string) {
	if value != "" {
		metadata[key] = value
	}
}
