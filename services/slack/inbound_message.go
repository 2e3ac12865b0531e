package slack

import (
	"bytes"
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// slackbot is the user id of Slackbot in every workspace.
const slackbot = "USLACKBOT"

// readMessage reads the event "message". known says whether its subtype is known here, news whether it says anything
// new.
func (r *reader) readMessage(e *event) (known, news bool) {
	switch e.Subtype {
	case "message_changed":
		return r.readEdit(e)
	case "message_deleted":
		r.readDelete(e, orEmpty(e.PreviousMessage), e.DeletedTS)
		return e.DeletedTS != "", true
	case "", "file_share", "thread_broadcast", "me_message", "bot_message":
		// message_replied comes without its subtype, "message_replied".
		if e.Subtype == "" && e.Message != nil && e.Text == "" && e.User.ID == "" {
			return r.readReplied(e), true
		}
		return r.readPosted(&e.message, e.Channel.ID), true
	case "message_replied":
		return r.readReplied(e), true
	default:
		return r.readNotice(e), true
	}
}

// readPosted fills in what somebody posted. A message that mentions the app comes twice, as "message" and as
// "app_mention": both have the same dedup key.
func (r *reader) readPosted(msg *message, channel string) bool {
	known := r.readBody(msg, channel, msg.TS)
	switch {
	case msg.Edited != nil: // the event of an edited mention is that of a new one
		r.readEdited(msg)
	case r.m.ID != "":
		r.m.DedupKey = string(r.m.ID)
	}
	return known
}

// readEdited makes the message an edit. All events about one edit have the same dedup key.
func (r *reader) readEdited(msg *message) {
	r.m.Kind = integration.KindEdit
	r.m.EditedAt = cmp.Or(milliseconds(msg.Edited.TS), r.m.EditedAt)
	if r.m.ID != "" && msg.Edited.TS != "" {
		r.m.DedupKey = string(r.m.ID) + ":edited:" + msg.Edited.TS
	}
}

// readBody fills in the message of that ts.
func (r *reader) readBody(msg *message, channel, ts string) bool {
	r.m.ID = messageID(channel, ts)
	r.m.Timestamp = milliseconds(ts)
	r.setConversation(channel, msg.ThreadTS, ts)
	r.readSender(msg)
	if msg.ThreadTS != "" && msg.ThreadTS != ts {
		r.m.ReplyTo = &integration.ReplyTo{
			MessageID: messageID(channel, msg.ThreadTS), ParticipantID: integration.ID(msg.ParentUserID),
		}
	}
	r.note("subtype", msg.Subtype)
	r.note("clientMsgId", msg.ClientMsgID)
	var known bool
	r.m.Content, known = r.content(msg)
	return known
}

// readSender fills in who wrote a message, and whether that was an app.
func (r *reader) readSender(msg *message) {
	r.m.From = msg.User.party()
	r.m.From.ID = cmp.Or(r.m.From.ID, integration.ID(msg.BotID))
	r.m.From.Name = cmp.Or(r.m.From.Name, msg.Username)
	if msg.BotProfile != nil {
		r.m.From.Name = cmp.Or(r.m.From.Name, msg.BotProfile.Name)
	}
	if p := msg.UserProfile; p != nil {
		r.m.From.Name = cmp.Or(r.m.From.Name, p.DisplayName, p.RealName)
	}
	r.note("botId", msg.BotID)
	r.note("appId", msg.AppID)
	mail := msg.mail()
	if mail != nil && !r.isOwn(msg.User.ID) { // a person wrote it; Slack's app for e-mail only posts it
		r.m.From.Name = cmp.Or(mail.sender(), r.m.From.Name)
		return
	}
	if msg.BotID != "" || msg.Subtype == "bot_message" || r.isOwn(msg.User.ID) || msg.User.ID == slackbot {
		r.m.Direction = integration.DirectionEcho
	}
}

// mail is the e-mail of a message that Slack made of one, nil for all others.
func (msg *message) mail() *file {
	for i := range msg.Files {
		if f := &msg.Files[i]; f.Mode == "email" || f.Filetype == "email" {
			return f
		}
	}
	return nil
}

// sender is who wrote an e-mail.
func (f *file) sender() string {
	if len(f.From) == 0 {
		return ""
	}
	return cmp.Or(f.From[0].Name, f.From[0].Address, f.From[0].Original)
}

// isOwn says whether a user is the app's own bot.
func (r *reader) isOwn(user string) bool { return user != "" && user == r.bot }

// content reads the content of a message, and says whether there is any that is known here.
func (r *reader) content(msg *message) (integration.Content, bool) {
	text, entities := decode(msg.Text)
	c := integration.Content{Type: integration.TypeText, Text: text, Entities: entities}
	if text != msg.Text {
		r.m.Metadata["rawText"] = msg.Text
	}
	if r.bot != "" && strings.Contains(msg.Text, "<@"+r.bot) {
		r.m.Metadata["mentionsBot"] = true
	}
	if len(msg.Attachments) > 2 { // for what the text does not have
		r.m.Metadata["attachments"] = msg.Attachments
	}
	files := msg.Files
	attached := msg.attachments()
	for i := range attached {
		files = append(files[:len(files):len(files)], attached[i].Files...)
	}
	media, t := r.media(files)
	if len(media) > 0 {
		c.Type, c.Media = t, &media[0]
		if len(media) > 1 {
			c.Attachments = media
		}
	}
	if mail := msg.mail(); mail != nil {
		r.addText(&c, cmp.Or(mail.Subject, mail.Title), cmp.Or(mail.PlainText, mail.PreviewPlainText))
		r.note("emailSubject", mail.Subject)
		if len(mail.From) > 0 {
			r.note("emailFrom", cmp.Or(mail.From[0].Address, mail.From[0].Original))
		}
	}
	if len(msg.Blocks) > 2 && c.Text == "" {
		r.m.Metadata["blocks"] = msg.Blocks
		c.Text, c.Entities = decode(blockText(msg.Blocks))
	}
	r.addAttachments(&c, attached)
	return c, c.Text != "" || len(media) > 0
}

// addAttachments puts the texts of attachments below the text: what somebody forwarded, or what an app reports. The
// preview of a link counts only where the message has nothing else.
func (r *reader) addAttachments(c *integration.Content, attached []attachment) {
	own := c.Text
	for i := range attached {
		a := &attached[i]
		if a.IsShare {
			r.m.Metadata["forwarded"] = true
			r.note("forwardedFrom", a.ChannelID)
			r.note("forwardedAuthorId", a.AuthorID)
		}
		if a.isPreview() && (own != "" || c.Media != nil) {
			continue
		}
		text, entities := decode(a.shown())
		if text == "" || strings.Contains(own, text) {
			continue
		}
		if c.Text == "" {
			c.Text, c.Entities = text, entities
			continue
		}
		c.Text += "\n\n" + text
	}
}

// addText puts texts without markup below the text.
func (*reader) addText(c *integration.Content, texts ...string) {
	for _, text := range texts {
		if text = strings.TrimSpace(text); text != "" && !strings.Contains(c.Text, text) {
			c.Text = strings.TrimLeft(c.Text+"\n\n"+text, "\n")
		}
	}
}

// media lists a message's files, and the type of the first. Those that are gone are left out.
func (r *reader) media(files []file) (list []integration.Media, first integration.ContentType) {
	for i := range files {
		f := &files[i]
		if f.ID == "" || f.Mode == "tombstone" {
			continue
		}
		if len(list) == 0 {
			first = f.contentType()
		}
		if f.Transcription != nil {
			r.note("transcription", f.Transcription.Preview.Content)
		}
		list = append(list, f.media())
	}
	return list, first
}

// contentType is the type of a file's content. Slack does not tell the type of a file in a channel that is shared with
// another workspace, "File object".
func (f *file) contentType() integration.ContentType {
	kind, _, _ := strings.Cut(f.Mimetype, "/")
	switch {
	case f.Subtype == "slack_audio":
		return integration.TypeVoice
	case f.Subtype == "slack_video" || kind == "video":
		return integration.TypeVideo
	case kind == "image":
		return integration.TypeImage
	case kind == "audio":
		return integration.TypeAudio
	default:
		return integration.TypeFile
	}
}

// media refers to a file by its id, since its links need the channel's token. A file that is kept elsewhere has a link
// that does not.
func (f *file) media() integration.Media {
	m := integration.Media{
		ID: f.ID, URL: f.ID, MimeType: f.Mimetype, Size: f.Size, Filename: httpapi.Filename(f.Name),
		DurationMs: f.DurationMs, Width: f.OriginalW, Height: f.OriginalH,
	}
	if f.isExternal() && f.URLPrivate != "" {
		m.ID, m.URL = "", f.URLPrivate
	}
	return m
}

func (f *file) isExternal() bool { return f.IsExternal || f.Mode == "external" }

// readEdit fills in a message that has changed. Slack sends this event also when it has added a preview, or when a
// thread has grown. The text is the same then: such an event is no news.
func (r *reader) readEdit(e *event) (known, news bool) {
	now, before := orEmpty(e.Message), orEmpty(e.PreviousMessage)
	if now.Subtype == "tombstone" { // a message with replies that was deleted
		r.readDelete(e, before, cmp.Or(now.TS, before.TS))
		return true, true
	}
	if e.Message != nil &&
		(e.PreviousMessage != nil && sameText(now, before) || e.PreviousMessage == nil && now.onlyPreviews()) {
		return true, false
	}
	known = r.readBody(now, e.Channel.ID, cmp.Or(now.TS, before.TS))
	r.m.Kind = integration.KindEdit
	r.m.EditedAt = milliseconds(e.TS)
	if now.Edited != nil {
		r.m.EditedAt = cmp.Or(milliseconds(now.Edited.TS), r.m.EditedAt)
		if e.PreviousMessage != nil && now.editedAt() != before.editedAt() {
			r.readEdited(now)
		}
	}
	return known && e.Message != nil, true
}

// sameText says whether two states of a message have the same text, files and blocks. An app may change the blocks
// alone.
func sameText(a, b *message) bool {
	return a.Text == b.Text && a.editedAt() == b.editedAt() && sameBlocks(a.Blocks, b.Blocks) &&
		slices.EqualFunc(a.Files, b.Files, func(a, b file) bool { return a.ID == b.ID && a.Mode == b.Mode })
}

// editedAt is the ts of the last edit, "" for none.
func (msg *message) editedAt() string {
	if msg.Edited == nil {
		return ""
	}
	return msg.Edited.TS
}

// onlyPreviews says whether previews of links are all that is new in a message. It is for events that do not tell the
// earlier state.
func (msg *message) onlyPreviews() bool {
	list := msg.attachments()
	return len(list) > 0 && msg.Edited == nil &&
		!slices.ContainsFunc(list, func(a attachment) bool { return !a.isPreview() })
}

// sameBlocks compares blocks without their ids, which Slack makes anew.
func sameBlocks(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var one, other any
	if len(a) < 3 || len(b) < 3 || json.Unmarshal(a, &one) != nil || json.Unmarshal(b, &other) != nil {
		return false
	}
	return reflect.DeepEqual(withoutBlockIDs(one), withoutBlockIDs(other))
}

func withoutBlockIDs(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = withoutBlockIDs(v[i])
		}
	case map[string]any:
		delete(v, "block_id")
		for name := range v {
			v[name] = withoutBlockIDs(v[name])
		}
	}
	return v
}

// readDelete fills in that a message was deleted. Slack does not tell by whom.
func (r *reader) readDelete(e *event, gone *message, ts string) {
	r.m.ID = messageID(e.Channel.ID, ts)
	r.m.Kind = integration.KindDelete
	r.m.Timestamp = milliseconds(cmp.Or(e.EventTS, e.TS))
	r.m.Content = integration.Content{Type: integration.TypeDelete}
	r.readSender(gone)
	r.setConversation(e.Channel.ID, gone.ThreadTS, ts)
}

// readReplied fills in that a thread has grown. The reply comes in an event of its own.
func (r *reader) readReplied(e *event) bool {
	root := orEmpty(e.Message)
	r.system("message_replied", integration.KindSystem, "")
	r.setConversation(e.Channel.ID, cmp.Or(root.ThreadTS, e.ThreadTS), root.TS)
	return e.Message != nil
}

// notices are the subtypes of messages that Slack writes itself, "message", and what kinds they are.
var notices = map[string]struct {
	event string
	kind  integration.Kind
}{
	"channel_join":  {"member_joined", integration.KindMembership},
	"group_join":    {"member_joined", integration.KindMembership},
	"channel_leave": {"member_left", integration.KindMembership},
	"group_leave":   {"member_left", integration.KindMembership},
	"bot_add":       {"bot_add", integration.KindMembership},
	"bot_remove":    {"bot_remove", integration.KindMembership},

	"channel_topic": {}, "channel_purpose": {}, "channel_name": {}, "channel_archive": {}, "channel_unarchive": {},
	"channel_convert_to_private": {}, "channel_convert_to_public": {}, "channel_posting_permissions": {},
	"channel_canvas_updated": {}, "group_topic": {}, "group_purpose": {}, "group_name": {}, "group_archive": {},
	"group_unarchive": {}, "pinned_item": {}, "unpinned_item": {}, "reminder_add": {}, "reply_broadcast": {},
	"file_comment": {}, "file_mention": {}, "ekm_access_denied": {}, "huddle_thread": {}, "sh_room_created": {},
	"sh_room_shared": {}, "assistant_app_thread": {}, "document_mention": {}, "joiner_notification": {},
	"joiner_notification_for_inviter": {},
}

// readNotice fills in a message that Slack wrote about the channel.
func (r *reader) readNotice(e *event) bool {
	n, known := notices[e.Subtype]
	text, _ := decode(e.Text)
	r.system(cmp.Or(n.event, e.Subtype), cmp.Or(n.kind, integration.KindSystem), text)
	r.m.ID = messageID(e.Channel.ID, e.TS)
	r.m.Timestamp = milliseconds(e.TS)
	r.m.From = e.User.party()
	if n.kind == integration.KindMembership && e.User.ID != "" {
		r.m.Content.System.Members = []integration.Party{e.User.party()}
	}
	r.setConversation(e.Channel.ID, e.ThreadTS, e.TS)
	r.note("subtype", e.Subtype)
	r.note("inviterId", e.Inviter)
	if !known {
		r.m.Kind, r.m.Content.Text = "", text
	}
	return known
}

// system makes the message a SYSTEM one, which no user wrote.
func (r *reader) system(event string, kind integration.Kind, body string) {
	r.m.Kind = kind
	r.m.Content = integration.Content{Type: integration.TypeSystem, System: &integration.System{Event: event, Body: body}}
}

// orEmpty returns the message, or an empty one for nil.
func orEmpty(msg *message) *message { return cmp.Or(msg, &message{}) }
