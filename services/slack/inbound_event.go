package slack

import (
	"cmp"
	"strings"

	"github.com/hiliosai/switchboard/integration"
)

// readEvent reads any event. known says whether its type is known here, news whether it says anything new.
func (r *reader) readEvent(e *event) (known, news bool) {
	switch e.Type {
	case "message":
		return r.readMessage(e)
	case "app_mention":
		known := r.readPosted(&e.message, e.Channel.ID)
		r.m.Metadata["mentionsBot"] = true
		return known, true
	case "reaction_added", "reaction_removed":
		return r.readReaction(e), true
	case "member_joined_channel", "member_left_channel", "team_join":
		r.readMembership(e)
		return true, true
	default:
		return r.readOther(e), true
	}
}

// readReaction reads "reaction_added" and "reaction_removed". It knows reactions to messages only.
func (r *reader) readReaction(e *event) bool {
	r.m.Kind = integration.KindReaction
	r.m.From = e.User.party()
	if r.isOwn(e.User.ID) {
		r.m.Direction = integration.DirectionEcho
	}
	if e.Item == nil || e.Item.Type != "message" {
		return false
	}
	on := &integration.Reaction{
		MessageID: messageID(e.Item.Channel, e.Item.TS), Emoji: e.Reaction, Action: integration.ReactionAdd,
	}
	if e.Type == "reaction_removed" {
		on.Action = integration.ReactionRemove
	}
	r.m.Content = integration.Content{Type: integration.TypeReaction, Reaction: on}
	r.setConversation(e.Item.Channel, "", e.Item.TS)
	r.note("itemUserId", e.ItemUser)
	r.note("emoji", emojiOf(e.Reaction))
	return on.MessageID != "" && on.Emoji != ""
}

func (r *reader) readMembership(e *event) {
	name := "member_joined"
	switch e.Type {
	case "member_left_channel":
		name = "member_left"
	case "team_join":
		name = "team_join"
	}
	r.system(name, integration.KindMembership, "")
	r.m.From = e.User.party()
	r.m.Content.System.Members = []integration.Party{e.User.party()}
	r.setConversation(e.Channel.ID, "", "")
	r.note("inviterId", e.Inviter)
}

// otherEvents are the events about the workspace, the app or a channel, "Events", with the kinds of their messages. An
// empty kind is KindSystem.
var otherEvents = map[string]integration.Kind{
	"app_uninstalled": integration.KindMembership, "app_uninstalled_team": integration.KindMembership,
	"app_installed": integration.KindMembership, "channel_left": integration.KindMembership,
	"group_left": integration.KindMembership,

	"tokens_revoked": "", "app_home_opened": "", "app_requested": "", "app_deleted": "", "app_context_changed": "",
	"assistant_thread_started": "", "assistant_thread_context_changed": "", "link_shared": "", "channel_archive": "",
	"channel_created": "", "channel_deleted": "", "channel_history_changed": "", "channel_id_changed": "",
	"channel_rename": "", "channel_shared": "", "channel_unarchive": "", "channel_unshared": "", "group_archive": "",
	"group_close": "", "group_deleted": "", "group_history_changed": "", "group_open": "", "group_rename": "",
	"group_unarchive": "", "im_close": "", "im_created": "", "im_history_changed": "", "im_open": "",
	"file_change": "", "file_created": "", "file_deleted": "", "file_public": "", "file_shared": "",
	"file_unshared": "", "pin_added": "", "pin_removed": "", "star_added": "", "star_removed": "",
	"emoji_changed": "", "user_change": "", "user_profile_changed": "", "user_status_changed": "",
	"user_huddle_changed": "", "dnd_updated": "", "dnd_updated_user": "", "team_rename": "",
	"team_domain_changed": "", "team_access_granted": "", "team_access_revoked": "", "email_domain_changed": "",
	"grid_migration_started": "", "grid_migration_finished": "", "call_rejected": "",
}

// readOther reads an event about the workspace, the app or a channel.
func (r *reader) readOther(e *event) bool {
	kind, known := otherEvents[e.Type]
	a := e.AssistantThread
	r.m.From = e.User.party()
	r.m.From.ID = cmp.Or(r.m.From.ID, integration.ID(e.UserID), integration.ID(a.UserID))
	channel, thread := cmp.Or(e.Channel.ID, e.ChannelID, a.ChannelID), cmp.Or(e.ThreadTS, a.ThreadTS)
	r.setConversation(channel, thread, e.MessageTS)
	r.note("channelName", e.Channel.Name)
	r.note("fileId", e.FileID)
	if id := messageID(channel, e.MessageTS); id != "" {
		r.note("messageId", string(id))
	}
	if !known {
		return false
	}
	urls := make([]string, len(e.Links))
	for i, l := range e.Links {
		urls[i] = l.URL
	}
	r.system(e.Type, cmp.Or(kind, integration.KindSystem), strings.Join(urls, "\n"))
	r.keep() // with the details, such as whose profile changed
	s := r.m.Content.System
	s.OldID, s.NewID = integration.ID(e.OldChannelID), integration.ID(e.NewChannelID)
	if kind == integration.KindMembership && r.m.From.ID != "" {
		s.Members = []integration.Party{r.m.From}
	}
	return true
}
