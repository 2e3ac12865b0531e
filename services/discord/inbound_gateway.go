package discord

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
)

// dispatch is what came over the Gateway: "Gateway Event Payload Structure" with opcode 0.
type dispatch struct {
	w    *integration.Webhook
	name string
	seq  int64 // counts within a session of Discord's; the same event has the same one when it comes again
	data json.RawMessage
}

// readers make messages of dispatches, "Receive Events". All others only move the cursor.
var readers = map[string]func(*dispatch) ([]integration.Message, error){
	"MESSAGE_CREATE":                (*dispatch).created,
	"MESSAGE_UPDATE":                (*dispatch).updated,
	"MESSAGE_DELETE":                (*dispatch).deleted,
	"MESSAGE_DELETE_BULK":           (*dispatch).deletedInBulk,
	"MESSAGE_REACTION_ADD":          (*dispatch).reacted,
	"MESSAGE_REACTION_REMOVE":       (*dispatch).reacted,
	"MESSAGE_REACTION_REMOVE_ALL":   (*dispatch).reactionsCleared,
	"MESSAGE_REACTION_REMOVE_EMOJI": (*dispatch).reactionsCleared,
	"MESSAGE_POLL_VOTE_ADD":         (*dispatch).voted,
	"MESSAGE_POLL_VOTE_REMOVE":      (*dispatch).voted,
	"THREAD_CREATE":                 (*dispatch).threadChanged,
	"THREAD_UPDATE":                 (*dispatch).threadChanged,
	"THREAD_DELETE":                 (*dispatch).threadChanged,
	"GUILD_MEMBER_ADD":              (*dispatch).memberChanged,
	"GUILD_MEMBER_REMOVE":           (*dispatch).memberChanged,
	"TYPING_START":                  (*dispatch).typing,
	"ENTITLEMENT_CREATE":            (*dispatch).entitlement,
	"ENTITLEMENT_UPDATE":            (*dispatch).entitlement,
	"ENTITLEMENT_DELETE":            (*dispatch).entitlement,
}

// readDispatch makes messages of a dispatch: none of one that says nothing to anybody. What has a field of an
// unexpected type becomes one of TypeUnsupported.
func readDispatch(w *integration.Webhook, d *delivery) ([]integration.Message, error) {
	read := readers[d.Dispatch]
	if read == nil {
		return nil, nil
	}
	if len(d.DispatchData) == 0 || d.DispatchData[0] != '{' {
		return nil, &integration.Error{
			Kind: integration.FaultInvalid, Code: codes.WebhookInvalid, Message: "the data of the dispatch is no object",
		}
	}
	x := &dispatch{w: w, name: d.Dispatch, seq: d.Seq, data: d.DispatchData}
	messages, err := read(x)
	if err != nil {
		m := x.message(x.name)
		unsupported(m, w, x.name, "a field has an unexpected type")
		messages = []integration.Message{*m}
	}
	for i := range messages {
		m := &messages[i]
		m.To.ID = cmp.Or(m.To.ID, integration.ID(w.Channel.Credentials[fieldApplicationID]))
		m.Timestamp = cmp.Or(m.Timestamp, w.Timestamp.UnixMilli())
		m.ID = cmp.Or(m.ID, integration.ID(m.DedupKey))
	}
	return messages, nil
}

// message begins a message whose key is made of ids and of the sequence number: the same event may happen again, such
// as a reaction that is put, taken away and put once more.
func (x *dispatch) message(ids ...string) *integration.Message {
	key := strings.ToLower(x.name) + ":" + strings.Join(ids, ":") + ":" + strconv.FormatInt(x.seq, 10)
	return &integration.Message{DedupKey: key, Metadata: map[string]any{"eventType": x.name}}
}

// place is where an event took place.
type place struct {
	GuildID     snowflake `json:"guild_id"`
	ChannelID   snowflake `json:"channel_id"`
	ChannelType *int      `json:"channel_type"`
	Member      *member   `json:"member"`
}

// putInto fills in the conversation, which is the same as that of interactions: the channel, a thread too.
func (p *place) putInto(m *integration.Message) {
	m.ConversationID = p.ChannelID.id()
	integration.PutText(m.Metadata, "guildId", string(p.GuildID))
	if t := p.ChannelType; t != nil {
		m.Metadata["channelType"] = *t
		if *t >= firstThreadType && *t <= lastThreadType {
			m.ThreadID = m.ConversationID
		}
	}
	if p.Member != nil {
		m.From.Name = cmp.Or(p.Member.Nick, m.From.Name)
	}
}

// read reads the message of MESSAGE_CREATE and MESSAGE_UPDATE.
func (x *dispatch) read() (*message, *integration.Message) {
	var in message
	err := payload.Unmarshal(x.data, &in)
	m := x.message(string(in.ID))
	delete(m.Metadata, "eventType")
	known := readMessage(m, &in, x.w)
	(&place{in.GuildID, in.ChannelID, in.ChannelType, in.Member}).putInto(m)
	for i := range in.Mentions {
		if isOwn(x.w.Channel, in.Mentions[i].ID) {
			m.Metadata["mentionsBot"] = true
		}
	}
	switch {
	case err != nil:
		unsupported(m, x.w, "message", "a field has an unexpected type")
	case known:
	case in.isHidden(m):
		m.Metadata["contentMissing"] = true
		unsupported(m, x.w, "message", "the app may not read it: switch the Message Content Intent on, and name it in "+
			"intents")
	default:
		unsupported(m, x.w, "message", "")
	}
	return &in, m
}

// isHidden says whether Discord has left the content out, "Message Content Intent": it does not do so in direct
// messages, for the bot's own messages and for those that mention it.
func (in *message) isHidden(m *integration.Message) bool {
	return in.GuildID != "" && ordinary[in.Type] && in.Content == "" && len(in.Attachments) == 0 &&
		!isList(in.Embeds) && len(in.Components) == 0 && in.Poll == nil && len(in.StickerItems) == 0 &&
		len(in.MessageSnapshots) == 0 && m.Metadata["mentionsBot"] == nil
}

func (x *dispatch) created() ([]integration.Message, error) {
	in, m := x.read()
	m.DedupKey = cmp.Or(string(in.ID), m.DedupKey)
	return []integration.Message{*m}, nil
}

// updated reads an edit. Updates that only add embeds, close a poll or pin a message are none: they have no
// edited_timestamp, or nothing of the content.
func (x *dispatch) updated() ([]integration.Message, error) {
	var parts struct {
		Content     json.RawMessage `json:"content"`
		Attachments json.RawMessage `json:"attachments"`
	}
	in, m := x.read()
	if err := payload.Unmarshal(x.data, &parts); err != nil {
		return nil, err
	}
	if m.EditedAt == 0 || parts.Content == nil && parts.Attachments == nil {
		return nil, nil
	}
	m.Kind = integration.KindEdit
	m.DedupKey = string(in.ID) + ":edit:" + strconv.FormatInt(m.EditedAt, 10)
	return []integration.Message{*m}, nil
}

func (x *dispatch) deleted() ([]integration.Message, error) {
	var in struct {
		place
		ID snowflake `json:"id"`
	}
	if err := payload.Unmarshal(x.data, &in); err != nil {
		return nil, err
	}
	return []integration.Message{x.deletion(in.ID, &in.place)}, nil
}

// maxBulk is how many messages "Bulk Delete Messages" removes at most.
const maxBulk = 100

func (x *dispatch) deletedInBulk() ([]integration.Message, error) {
	var in struct {
		place
		IDs []snowflake `json:"ids"`
	}
	if err := payload.Unmarshal(x.data, &in); err != nil {
		return nil, err
	}
	var messages []integration.Message
	for _, id := range in.IDs[:min(len(in.IDs), maxBulk)] {
		messages = append(messages, x.deletion(id, &in.place))
	}
	return messages, nil
}

func (x *dispatch) deletion(id snowflake, at *place) integration.Message {
	m := integration.Message{
		ID: id.id(), DedupKey: string(id) + ":delete", Kind: integration.KindDelete,
		Content: integration.Content{Type: integration.TypeDelete}, Metadata: map[string]any{},
	}
	at.putInto(&m)
	return m
}

// emoji is the "Emoji Object".
type emoji struct {
	ID       snowflake `json:"id"`
	Name     string    `json:"name"`
	Animated bool      `json:"animated"`
}

// text is the emoji as it is written in a reaction that is sent: name:id for an emoji of a server.
func (e *emoji) text() string {
	if e.ID == "" {
		return e.Name
	}
	return e.Name + ":" + string(e.ID)
}

// onMessage is an event about a message that exists.
type onMessage struct {
	place
	UserID          snowflake `json:"user_id"`
	MessageID       snowflake `json:"message_id"`
	MessageAuthorID snowflake `json:"message_author_id"`
	Emoji           emoji     `json:"emoji"`
	Burst           bool      `json:"burst"`
	AnswerID        int       `json:"answer_id"`
}

func (x *dispatch) onMessage() (*onMessage, *integration.Message, error) {
	var in onMessage
	if err := payload.Unmarshal(x.data, &in); err != nil {
		return nil, nil, err
	}
	m := x.message(string(in.MessageID), string(in.UserID), in.Emoji.text())
	m.From.ID = in.UserID.id()
	if in.Member != nil {
		readUser(m, &in.Member.User)
		m.From.ID = cmp.Or(m.From.ID, in.UserID.id())
	}
	in.putInto(m)
	if isOwn(x.w.Channel, in.UserID) || in.Member != nil && in.Member.User.Bot {
		m.Direction = integration.DirectionEcho
	}
	return &in, m, nil
}

func (x *dispatch) reacted() ([]integration.Message, error) {
	in, m, err := x.onMessage()
	if err != nil {
		return nil, err
	}
	action := integration.ReactionAdd
	if x.name == "MESSAGE_REACTION_REMOVE" {
		action = integration.ReactionRemove
	}
	m.Kind = integration.KindReaction
	m.Content = integration.Content{Type: integration.TypeReaction, Reaction: &integration.Reaction{
		MessageID: in.MessageID.id(), Emoji: in.Emoji.text(), Action: action,
	}}
	integration.PutText(m.Metadata, "messageAuthorId", string(in.MessageAuthorID))
	if in.Burst {
		m.Metadata["burst"] = true
	}
	return []integration.Message{*m}, nil
}

// reactionsCleared reads that all reactions of a message, or all with one emoji, were taken away.
func (x *dispatch) reactionsCleared() ([]integration.Message, error) {
	in, m, err := x.onMessage()
	if err != nil {
		return nil, err
	}
	m.Kind, m.Content = integration.KindSystem, integration.SystemContent("reactions_cleared")
	m.ReplyTo = &integration.ReplyTo{MessageID: in.MessageID.id()}
	integration.PutText(m.Metadata, "emoji", in.Emoji.text())
	return []integration.Message{*m}, nil
}

// voted reads one vote in a poll, or that it was taken back: then nothing is chosen, and metadata.answerId says what
// was. Answers are counted from 1.
func (x *dispatch) voted() ([]integration.Message, error) {
	in, m, err := x.onMessage()
	if err != nil {
		return nil, err
	}
	poll := &integration.Poll{ID: in.MessageID.id()}
	if x.name == "MESSAGE_POLL_VOTE_ADD" && in.AnswerID > 0 {
		poll.Chosen = []int{in.AnswerID - 1}
	}
	m.DedupKey += ":" + strconv.Itoa(in.AnswerID)
	m.Kind, m.Content = integration.KindInteraction, integration.Content{Type: integration.TypePoll, Poll: poll}
	m.Metadata["answerId"] = in.AnswerID
	return []integration.Message{*m}, nil
}

// threadChanged reads what becomes of a thread, those of forums too, whose first message comes as one of its own.
// THREAD_CREATE also tells that the bot was added to a thread that has been there.
func (x *dispatch) threadChanged() ([]integration.Message, error) {
	var in struct {
		channel
		GuildID  snowflake `json:"guild_id"`
		OwnerID  snowflake `json:"owner_id"`
		New      bool      `json:"newly_created"`
		Metadata struct {
			Archived bool `json:"archived"`
			Locked   bool `json:"locked"`
		} `json:"thread_metadata"`
	}
	if err := payload.Unmarshal(x.data, &in); err != nil {
		return nil, err
	}
	event := "thread_updated"
	switch {
	case x.name == "THREAD_CREATE" && !in.New:
		return nil, nil
	case x.name == "THREAD_CREATE":
		event = "thread_created"
	case x.name == "THREAD_DELETE":
		event = "thread_deleted"
	case in.Metadata.Archived:
		event = "thread_archived"
	}
	m := x.message(string(in.ID))
	(&place{GuildID: in.GuildID, ChannelID: in.ID, ChannelType: in.Type}).putInto(m)
	if isOwn(x.w.Channel, in.OwnerID) && event == "thread_created" {
		m.Direction = integration.DirectionEcho
	}
	m.Kind, m.Content = integration.KindSystem, integration.SystemContent(event)
	m.Content.System.Body = in.Name
	m.From.ID = in.OwnerID.id()
	integration.PutText(m.Metadata, "parentChannelId", string(in.ParentID))
	if in.Metadata.Locked {
		m.Metadata["locked"] = true
	}
	return []integration.Message{*m}, nil
}

// memberChanged reads who joined or left a server. There is no channel: the conversation is the user's.
func (x *dispatch) memberChanged() ([]integration.Message, error) {
	var in struct {
		member
		GuildID snowflake `json:"guild_id"`
	}
	if err := payload.Unmarshal(x.data, &in); err != nil {
		return nil, err
	}
	event := "member_joined"
	if x.name == "GUILD_MEMBER_REMOVE" {
		event = "member_left"
	}
	m := x.message(string(in.GuildID), string(in.User.ID))
	readUser(m, &in.User)
	m.From.Name = cmp.Or(in.Nick, m.From.Name)
	m.Kind, m.Content = integration.KindMembership, integration.SystemContent(event, members(in.User)...)
	m.ConversationID = directMessages(in.User.ID)
	integration.PutText(m.Metadata, "guildId", string(in.GuildID))
	return []integration.Message{*m}, nil
}

func (x *dispatch) typing() ([]integration.Message, error) {
	in, m, err := x.onMessage()
	if err != nil {
		return nil, err
	}
	m.Kind, m.Content = integration.KindSystem, integration.SystemContent("typing", integration.Party{ID: in.UserID.id()})
	return []integration.Message{*m}, nil
}

// entitlement reads what comes as a webhook event, too.
func (x *dispatch) entitlement() ([]integration.Message, error) {
	var in struct {
		ID snowflake `json:"id"`
	}
	if err := payload.Unmarshal(x.data, &in); err != nil {
		return nil, err
	}
	m := x.message(string(in.ID))
	_, what := cutLast(x.name)
	known, err := (&delivery{Event: &event{Type: x.name, Data: x.data}}).readEntitlement(m, what)
	if err == nil && !known {
		unsupported(m, x.w, x.name, "")
	}
	return []integration.Message{*m}, err
}

// isOwn says whether a user is the channel's bot. The id of its user is the first part of its token, and for newer apps
// that of the app.
func isOwn(ch *integration.Channel, id snowflake) bool {
	return id != "" && (string(id) == ch.Credentials[fieldApplicationID] || string(id) == botUserID(ch))
}

func botUserID(ch *integration.Channel) string {
	first, _, _ := strings.Cut(ch.Credentials[fieldBotToken], ".")
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(first, "="))
	if err != nil || !isSnowflake(string(decoded)) {
		return ""
	}
	return string(decoded)
}
