package telegram

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"github.com/hiliosai/switchboard/integration"
)

// unsupported makes the message for an update that is not known or cannot be read. It has Telegram's name for the
// content and the whole update.
func (u *update) unsupported(m integration.Message, payload json.RawMessage, reason string) []integration.Message {
	kind, body := firstOf(payload, isUpdateID)
	switch msg, edited := u.message(); {
	case msg != nil:
		readEnvelope(&m, msg, edited)
		if msg.isEcho() {
			m.Direction = integration.DirectionEcho
		}
		if content, _ := firstOf(body, isMessageField); content != "" {
			kind = content
		}
	case u.CallbackQuery != nil:
		readCallbackQuery(&m, u.CallbackQuery)
	default:
		readOther(&m, body)
	}
	m.Content = integration.Content{
		Type:        integration.TypeUnsupported,
		Unsupported: &integration.Unsupported{PlatformType: cmp.Or(kind, "update"), Reason: reason},
	}
	m.Metadata["raw"] = payload
	return []integration.Message{m}
}

// readOther fills in what updates of all kinds have in common. Its id is the update's own, and not that of a message
// that the update is about.
func readOther(m *integration.Message, body json.RawMessage) {
	var o otherUpdate
	_ = json.Unmarshal(body, &o) // a field of another type stays empty
	_ = json.Unmarshal(o.ID, &m.ID)
	readChat(m, &message{Chat: o.Chat})
	if from := cmp.Or(o.From, o.User); from != nil {
		readSender(m, from)
	}
	if o.Date != 0 {
		m.Timestamp = o.Date * 1000
	}
}

// firstOf returns the alphabetically first member of an object, without those to skip.
func firstOf(object json.RawMessage, skip func(key string) bool) (string, json.RawMessage) {
	var members map[string]json.RawMessage
	_ = json.Unmarshal(object, &members) // anything but an object has no members
	maps.DeleteFunc(members, func(key string, _ json.RawMessage) bool { return skip(key) })
	if len(members) == 0 {
		return "", nil
	}
	key := slices.Min(slices.Collect(maps.Keys(members)))
	return key, members[key]
}

func isUpdateID(key string) bool { return key == "update_id" }

// isMessageField says whether a field of "Message" is beside the content. All other fields are contents, also those of
// later versions of the Bot API.
func isMessageField(key string) bool {
	switch key {
	case "message_id", "message_thread_id", "direct_messages_topic", "is_topic_message", "from", "sender_chat",
		"sender_boost_count", "sender_business_bot", "sender_tag", "receiver_user", "ephemeral_message_id", "date",
		"guest_query_id", "guest_bot_caller_user", "guest_bot_caller_chat", "business_connection_id", "chat",
		"forward_origin", "forward_from", "forward_from_chat", "forward_from_message_id", "forward_signature",
		"forward_sender_name", "forward_date", "is_automatic_forward", "reply_to_message", "external_reply", "quote",
		"reply_to_story", "reply_to_checklist_task_id", "reply_to_poll_option_id", "via_bot", "edit_date",
		"has_protected_content", "is_from_offline", "is_paid_post", "media_group_id", "author_signature",
		"paid_star_count", "entities", "link_preview_options", "suggested_post_info", "effect_id", "caption",
		"caption_entities", "show_caption_above_media", "has_media_spoiler", "reply_markup",
		// Former names of new_chat_members and left_chat_member, which are still sent beside them.
		"new_chat_participant", "new_chat_member", "left_chat_participant":
		return true
	default:
		return false
	}
}
