package telegram

import (
	"cmp"
	"maps"

	"github.com/hiliosai/switchboard/integration"
)

// Events of memberships.
const (
	memberJoined   = "member_joined"
	memberLeft     = "member_left"
	memberRemoved  = "member_removed" // by another member; may come back
	memberBanned   = "member_banned"
	memberUnbanned = "member_unbanned"
	memberChanged  = "member_changed" // rights, titles
	joinRequested  = "join_requested"
	botBlocked     = "bot_blocked" // by the user of a private chat
	botUnblocked   = "bot_unblocked"
)

// readMemberUpdate fills in the change of a member. "my_chat_member" is about the bot itself, "chat_member" about
// others. A change that a bot made is not an echo, because it is not a message.
func readMemberUpdate(m *integration.Message, u *memberUpdate) {
	readMembership(m, u.Chat, &u.From, u.Date)
	m.Content.System = &integration.System{Event: u.event(), Members: []integration.Party{u.NewChatMember.User.party()}}
	integration.PutText(m.Metadata, "oldStatus", u.OldChatMember.Status)
	integration.PutText(m.Metadata, "newStatus", u.NewChatMember.Status)
}

func (u *memberUpdate) event() string {
	was, is := u.OldChatMember.isIn(), u.NewChatMember.isIn()
	const banned = "kicked"
	switch {
	case u.Chat.Type == "private" && u.NewChatMember.Status == banned: // always about the bot
		return botBlocked
	case u.Chat.Type == "private" && u.OldChatMember.Status == banned:
		return botUnblocked
	case !was && is:
		return memberJoined
	case u.NewChatMember.Status == banned && u.OldChatMember.Status != banned:
		return memberBanned
	case u.OldChatMember.Status == banned && u.NewChatMember.Status != banned:
		return memberUnbanned
	case was && !is && u.From.ID != u.NewChatMember.User.ID:
		return memberRemoved
	case was && !is:
		return memberLeft
	default:
		return memberChanged
	}
}

// isIn says whether a user with this status is in the chat, "ChatMember".
func (c *chatMember) isIn() bool {
	switch c.Status {
	case "creator", "administrator", "member":
		return true
	case "restricted":
		return c.IsMember
	default:
		return false
	}
}

// readJoinRequest fills in a user's request to join, "ChatJoinRequest". The bot may write to userChatId for five
// minutes, even if the user has never written to it.
func readJoinRequest(m *integration.Message, r *joinRequest) {
	readMembership(m, r.Chat, &r.From, r.Date)
	m.Content.System = &integration.System{Event: joinRequested, Body: r.Bio, Members: []integration.Party{r.From.party()}}
	integration.PutText(m.Metadata, "userChatId", string(decimalID(r.UserChatID)))
}

// readBusinessConnection fills in that an account was connected with the bot, was disconnected, or changed the bot's
// rights, "BusinessConnection".
func readBusinessConnection(m *integration.Message, c *businessConnection) {
	event := "business_disconnected"
	if c.IsEnabled {
		event = "business_connected"
	}
	readMembership(m, chat{ID: c.UserChatID}, &c.User, c.Date)
	m.Content.System = &integration.System{Event: event, Members: []integration.Party{c.User.party()}}
	putContext(m, metaBusinessConnection, c.ID)
}

func readMembership(m *integration.Message, c chat, from *user, date int64) {
	readChat(m, &message{Chat: c})
	readSender(m, from)
	m.Kind = integration.KindMembership
	m.Timestamp = cmp.Or(date*1000, m.Timestamp)
	m.Content.Type = integration.TypeSystem
}

// readDeletions makes a message for each one that was deleted in a chat of a connected account,
// "BusinessMessagesDeleted". Telegram does not tell bots of other deletions.
func readDeletions(m integration.Message, d *deletedMessages) []integration.Message {
	readChat(&m, &message{Chat: d.Chat, BusinessConnectionID: d.BusinessConnectionID})
	m.Kind = integration.KindDelete
	m.Content.Type = integration.TypeDelete
	messages := make([]integration.Message, len(d.MessageIDs))
	for i, id := range d.MessageIDs {
		messages[i] = m
		messages[i].ID = messageID(d.Chat.ID, id)
		messages[i].Metadata = maps.Clone(m.Metadata)
	}
	return messages
}
