package telegram

import (
	"cmp"
	"maps"
	"slices"

	"github.com/hiliosai/switchboard/integration"
)

// A custom emoji has the name "custom_emoji:" and its id. Stars have the name "paid".
const (
	customEmojiPrefix = "custom_emoji:"
	typeEmoji         = "emoji"
	typeCustomEmoji   = "custom_emoji"
)

func (r reactionType) name() string {
	switch r.Type {
	case typeEmoji:
		return r.Emoji
	case typeCustomEmoji:
		return customEmojiPrefix + r.CustomEmojiID
	default:
		return r.Type
	}
}

// readReactions makes a message for each reaction that was removed or added. "MessageReactionUpdated" has the user's
// reactions before and after. Its message_id is that of the message that has the reactions.
func readReactions(m integration.Message, r *messageReaction) []integration.Message {
	readReactionChat(&m, r.Chat, r.Date)
	switch {
	case r.User != nil:
		readSender(&m, r.User)
	case r.ActorChat != nil:
		m.From = r.ActorChat.party()
		integration.PutText(m.Metadata, "username", r.ActorChat.Username)
	}
	var messages []integration.Message
	add := func(action string, these, others []reactionType) {
		for _, reaction := range these {
			if reaction.name() == "" || slices.Contains(others, reaction) {
				continue
			}
			one := m
			one.Metadata = maps.Clone(m.Metadata)
			one.Content = integration.Content{Type: integration.TypeReaction, Reaction: &integration.Reaction{
				MessageID: messageID(r.Chat.ID, r.MessageID), Emoji: reaction.name(), Action: action,
			}}
			messages = append(messages, one)
		}
	}
	add(integration.ReactionRemove, r.OldReaction, r.NewReaction)
	add(integration.ReactionAdd, r.NewReaction, r.OldReaction)
	return messages
}

// readReactionCounts fills in how many anonymous reactions a message has, "MessageReactionCountUpdated". Telegram
// tells neither who reacted nor which reactions are new.
func readReactionCounts(m *integration.Message, r *reactionCounts) {
	readReactionChat(m, r.Chat, r.Date)
	m.Kind = integration.KindSystem
	m.Content = integration.SystemContent("reactions_counted")
	counts := make([]map[string]any, len(r.Reactions))
	for i, reaction := range r.Reactions {
		counts[i] = map[string]any{"emoji": reaction.Type.name(), "count": reaction.TotalCount}
	}
	m.Metadata["messageId"], m.Metadata["reactions"] = messageID(r.Chat.ID, r.MessageID), counts
}

func readReactionChat(m *integration.Message, c chat, date int64) {
	readChat(m, &message{Chat: c})
	m.Kind = integration.KindReaction
	m.Timestamp = cmp.Or(date*1000, m.Timestamp)
}
