package discord

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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

// readers make messages of dispatches, "Receive Events". All others only move the cursor. Together with an error of
// type *integration.Error there are no messages; with any other error a field of theirs has an unexpected type.
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
// unexpected type becomes one of TypeUnsupported, which has what could be read.
func readDispatch(w *integration.Webhook, d *delivery) ([]integration.Message, error) {
	read := readers[d.Dispatch]
	if read == nil {
		return nil, nil
	}
	if len(d.DispatchData) == 0 || d.DispatchData[0] != '{' {
		return nil, malformed("the data of the dispatch is no object")
	}
	x := &dispatch{w: w, name: d.Dispatch, seq: d.Seq, data: d.DispatchData}
	messages, err := read(x)
	if e, ok := errors.AsType[*integration.Error](err); ok {
		return nil, e
	}
	for i := range messages {
		m := &messages[i]
		if err != nil {
			unsupported(m, w, x.name, "a field has an unexpected type")
		}
		m.To.ID = cmp.Or(m.To.ID, integration.ID(w.Channel.Credentials[fieldApplicationID]))
		m.Timestamp = cmp.Or(m.Timestamp, w.Timestamp.UnixMilli())
		m.ID = cmp.Or(m.ID, integration.ID(m.DedupKey))
	}
	return messages, nil
}

func malformed(message string) error {
	return &integration.Error{Kind: integration.FaultInvalid, Code: codes.WebhookInvalid, Message: message}
}

// lacks is the error of a dispatch without what its messages are told by.
func (x *dispatch) lacks(names string) error { return malformed(x.name + " has no " + names) }

// message begins a message whose key is made of the event's name, and of ids and times that tell it from all others of
// that name.
func (x *dispatch) message(parts ...string) *integration.Message {
	key := strings.ToLower(x.name) + ":" + strings.Join(parts, ":")
	return &integration.Message{DedupKey: key, Metadata: map[string]any{"eventType": x.name}}
}

// headerSession is the header of a dispatch that says which of Discord's sessions it came in.
const headerSession = "x-discord-session"

// inSession makes the headers of the dispatches of a session. They have a digest: with the id itself and the bot's
// token the session can be resumed.
func inSession(id string) (h integration.Headers) {
	sum := sha256.Sum256([]byte(id))
	h.Set(headerSession, hex.EncodeToString(sum[:6]))
	return h
}

// count tells an event from another one with the same ids, such as a reaction that is put, taken away and put once
// more. Sequence numbers begin anew with each session.
func (x *dispatch) count() string {
	return x.w.Headers.Get(headerSession) + ":" + strconv.FormatInt(x.seq, 10)
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

// read reads the message of MESSAGE_CREATE and MESSAGE_UPDATE. inPart says that an update does not tell all of the
// content.
func (x *dispatch) read(inPart bool) (*message, *integration.Message, error) {
	var in message
	err := payload.Unmarshal(x.data, &in)
	if in.ID == "" || in.ChannelID == "" {
		return nil, nil, x.lacks("id or no channel_id")
	}
	m := &integration.Message{DedupKey: string(in.ID), Metadata: map[string]any{}}
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
	case inPart:
		unsupported(m, x.w, "message", "Discord tells only a part of the message")
	case in.Flags&flagLoading != 0:
		unsupported(m, x.w, "message", "an app is thinking")
	case in.isHidden(m, x.w.Channel):
		m.Metadata["contentMissing"] = true
		unsupported(m, x.w, "message", "the app may not read it: switch the Message Content Intent on, and name it in "+
			"intents")
	default:
		unsupported(m, x.w, "message", "")
	}
	return &in, m, nil
}

// isHidden says whether Discord has left the content out, "Message Content Intent": it does not do so in direct
// messages, for the bot's own messages and for those that mention it.
func (in *message) isHidden(m *integration.Message, ch *integration.Channel) bool {
	holder := in
	if len(in.MessageSnapshots) > 0 { // of a forward, which has no content of its own
		holder = &in.MessageSnapshots[0].Message
	}
	return in.GuildID != "" && ordinary[in.Type] && holder.isEmpty() && m.Metadata["mentionsBot"] == nil &&
		!isOwn(ch, in.Author.ID)
}

func (in *message) isEmpty() bool {
	return in.Content == "" && len(in.Attachments) == 0 && !isList(in.Embeds) && len(in.Components) == 0 &&
		in.Poll == nil && len(in.StickerItems) == 0
}

func (x *dispatch) created() ([]integration.Message, error) {
	_, m, err := x.read(false)
	if err != nil {
		return nil, err
	}
	return []integration.Message{*m}, nil
}

// editWindow is how long after an edit an update may tell of it.
const editWindow = time.Hour

// updated reads an edit. Discord also tells of a message that it is pinned, that a poll is closed, that links have
// previews now, and gives no reason. Such an update is told from an edit by its edited_timestamp: it has none, or that
// of an edit before. Updates of one edit have one key, which has the timestamp, so that the edit is stored once. When
// the edit is older than any event that Discord would still repeat, its key may be forgotten, and the update is none.
func (x *dispatch) updated() ([]integration.Message, error) {
	var has struct {
		Content     json.RawMessage `json:"content"`
		Attachments json.RawMessage `json:"attachments"`
		Embeds      json.RawMessage `json:"embeds"`
		Type        json.RawMessage `json:"type"`
	}
	_ = payload.Unmarshal(x.data, &has) // read says what is wrong
	in, m, err := x.read(has.Content == nil || has.Attachments == nil)
	if err != nil {
		return nil, err
	}
	if has.Content == nil && has.Attachments == nil || m.EditedAt < x.w.Timestamp.Add(-editWindow).UnixMilli() {
		return nil, nil
	}
	m.Kind = integration.KindEdit
	m.DedupKey += ":edit:" + strconv.FormatInt(m.EditedAt, 10)
	var unchanged []string
	for _, part := range []struct {
		name string
		told bool
	}{
		{"text", has.Content != nil},
		{"attachments", has.Attachments != nil},
		{"embeds", has.Embeds != nil},
		{"replyTo", has.Type != nil || m.ReplyTo != nil},
	} {
		if !part.told {
			unchanged = append(unchanged, part.name)
		}
	}
	if unchanged != nil {
		m.Metadata["unchanged"] = unchanged
	}
	// Of the bot's own messages, answers to interactions have the app's id. In lobbies those of users have it, too.
	own := x.w.Channel.Credentials[fieldApplicationID]
	if in.Author.ID == "" && in.LobbyID == "" && in.ApplicationID != "" && string(in.ApplicationID) == own {
		m.Direction = integration.DirectionEcho
	}
	return []integration.Message{*m}, nil
}

func (x *dispatch) deleted() ([]integration.Message, error) {
	var in struct {
		place
		ID snowflake `json:"id"`
	}
	err := payload.Unmarshal(x.data, &in)
	if in.ID == "" || in.ChannelID == "" {
		return nil, x.lacks("id or no channel_id")
	}
	return []integration.Message{deletion(in.ID, &in.place)}, err
}

// maxBulk is how many messages "Bulk Delete Messages" removes at most.
const maxBulk = 100

func (x *dispatch) deletedInBulk() ([]integration.Message, error) {
	var in struct {
		place
		IDs []snowflake `json:"ids"`
	}
	err := payload.Unmarshal(x.data, &in)
	if in.ChannelID == "" || len(in.IDs) == 0 || slices.Contains(in.IDs, "") {
		return nil, x.lacks("ids or no channel_id")
	}
	var messages []integration.Message
	seen := map[snowflake]bool{}
	for _, id := range in.IDs {
		if seen[id] {
			continue
		}
		seen[id] = true
		if len(seen) > maxBulk {
			return nil, malformed(fmt.Sprintf("%s has more than %d ids", x.name, maxBulk))
		}
		messages = append(messages, deletion(id, &in.place))
	}
	return messages, err
}

func deletion(id snowflake, at *place) integration.Message {
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

// onMessage reads an event about a message. Its key has the message, the user, and the emoji or answer.
func (x *dispatch) onMessage() (*onMessage, *integration.Message, error) {
	var in onMessage
	err := payload.Unmarshal(x.data, &in)
	if in.MessageID == "" || in.ChannelID == "" {
		return nil, nil, x.lacks("message_id or no channel_id")
	}
	what := in.Emoji.text()
	if in.AnswerID != 0 {
		what = strconv.Itoa(in.AnswerID)
	}
	m := x.message(string(in.MessageID), string(in.UserID), what, x.count())
	in.putUser(m, x.w.Channel)
	return &in, m, err
}

// putUser fills in who did it, and where.
func (in *onMessage) putUser(m *integration.Message, ch *integration.Channel) {
	m.From.ID = in.UserID.id()
	if in.Member != nil {
		readUser(m, &in.Member.User)
		m.From.ID = cmp.Or(m.From.ID, in.UserID.id())
	}
	in.putInto(m)
	if isOwn(ch, in.UserID) || in.Member != nil && in.Member.User.Bot {
		m.Direction = integration.DirectionEcho
	}
}

func (x *dispatch) reacted() ([]integration.Message, error) {
	in, m, err := x.onMessage()
	if in == nil {
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
	return []integration.Message{*m}, err
}

// reactionsCleared reads that all reactions of a message, or all with one emoji, were taken away.
func (x *dispatch) reactionsCleared() ([]integration.Message, error) {
	in, m, err := x.onMessage()
	if in == nil {
		return nil, err
	}
	m.Kind, m.Content = integration.KindSystem, integration.SystemContent("reactions_cleared")
	m.ReplyTo = &integration.ReplyTo{MessageID: in.MessageID.id()}
	integration.PutText(m.Metadata, "emoji", in.Emoji.text())
	return []integration.Message{*m}, err
}

// voted reads one vote in a poll, or that it was taken back: then nothing is chosen, and metadata.answerId says what
// was. Answers are counted from 1.
func (x *dispatch) voted() ([]integration.Message, error) {
	in, m, err := x.onMessage()
	if in == nil {
		return nil, err
	}
	poll := &integration.Poll{ID: in.MessageID.id()}
	if x.name == "MESSAGE_POLL_VOTE_ADD" && in.AnswerID > 0 {
		poll.Chosen = []int{in.AnswerID - 1}
	}
	m.Kind, m.Content = integration.KindInteraction, integration.Content{Type: integration.TypePoll, Poll: poll}
	m.Metadata["answerId"] = in.AnswerID
	return []integration.Message{*m}, err
}

// unarchivedWithin is how long after a thread was taken out of the archive an update of it tells of that.
const unarchivedWithin = time.Minute

// thread is the "Channel Object" of a thread.
type thread struct {
	channel
	GuildID  snowflake `json:"guild_id"`
	OwnerID  snowflake `json:"owner_id"`
	New      bool      `json:"newly_created"`
	Metadata struct {
		Archived   *bool  `json:"archived"`
		Locked     bool   `json:"locked"`
		ArchivedAt string `json:"archive_timestamp"` // when archived changed, or the thread was made
		CreatedAt  string `json:"create_timestamp"`
	} `json:"thread_metadata"`
}

// changed is the event of an update, which does not say what was changed.
func (t *thread) changed(at time.Time) string {
	since := parseTime(t.Metadata.ArchivedAt)
	switch {
	case t.Metadata.Archived == nil:
		return "thread_updated"
	case *t.Metadata.Archived:
		return "thread_archived"
	case since != 0 && since != parseTime(t.Metadata.CreatedAt) && since >= at.Add(-unarchivedWithin).UnixMilli():
		return "thread_unarchived"
	default:
		return "thread_updated"
	}
}

// threadChanged reads what becomes of a thread, those of forums too, whose first message comes as one of its own.
// THREAD_CREATE also tells that the bot was added to a thread that has been there.
func (x *dispatch) threadChanged() ([]integration.Message, error) {
	var in thread
	err := payload.Unmarshal(x.data, &in)
	if in.ID == "" {
		return nil, x.lacks("id")
	}
	event, key := "", []string{string(in.ID)}
	switch {
	case x.name == "THREAD_CREATE" && !in.New:
		return nil, nil
	case x.name == "THREAD_CREATE":
		event = "thread_created"
	case x.name == "THREAD_DELETE":
		event = "thread_deleted"
	default:
		event, key = in.changed(x.w.Timestamp), append(key, x.count())
	}
	m := x.message(key...)
	(&place{GuildID: in.GuildID, ChannelID: in.ID, ChannelType: in.Type}).putInto(m)
	if event == "thread_created" { // who changed or deleted it is not told
		m.From.ID = in.OwnerID.id()
		if isOwn(x.w.Channel, in.OwnerID) {
			m.Direction = integration.DirectionEcho
		}
	}
	m.Kind, m.Content = integration.KindSystem, integration.SystemContent(event)
	m.Content.System.Body = in.Name
	integration.PutText(m.Metadata, "parentChannelId", string(in.ParentID))
	integration.PutText(m.Metadata, "ownerId", string(in.OwnerID))
	if in.Metadata.Archived != nil {
		m.Metadata["archived"] = *in.Metadata.Archived
	}
	if in.Metadata.Locked {
		m.Metadata["locked"] = true
	}
	return []integration.Message{*m}, err
}

// memberChanged reads who joined or left a server. There is no channel: the conversation is the user's.
func (x *dispatch) memberChanged() ([]integration.Message, error) {
	var in struct {
		member
		GuildID  snowflake `json:"guild_id"`
		JoinedAt string    `json:"joined_at"`
	}
	err := payload.Unmarshal(x.data, &in)
	if in.GuildID == "" || in.User.ID == "" {
		return nil, x.lacks("guild_id or no user.id")
	}
	event, at := "member_joined", parseTime(in.JoinedAt)
	if x.name == "GUILD_MEMBER_REMOVE" {
		event, at = "member_left", 0
	}
	m := x.message(string(in.GuildID), string(in.User.ID), x.countOr(at))
	m.Timestamp = at
	readUser(m, &in.User)
	m.From.Name = cmp.Or(in.Nick, m.From.Name)
	m.Kind, m.Content = integration.KindMembership, integration.SystemContent(event, members(in.User)...)
	m.ConversationID = directMessages(in.User.ID)
	integration.PutText(m.Metadata, "guildId", string(in.GuildID))
	return []integration.Message{*m}, err
}

// countOr is the time of an event, in ms since 1970, as a part of its key. Without one it is the event's count.
func (x *dispatch) countOr(at int64) string {
	if at == 0 {
		return x.count()
	}
	return strconv.FormatInt(at, 10)
}

func (x *dispatch) typing() ([]integration.Message, error) {
	var in struct {
		onMessage
		Timestamp int64 `json:"timestamp"` // s
	}
	err := payload.Unmarshal(x.data, &in)
	if in.ChannelID == "" || in.UserID == "" {
		return nil, x.lacks("channel_id or no user_id")
	}
	at := min(max(in.Timestamp, 0), 1<<40) * 1000
	m := x.message(string(in.ChannelID), string(in.UserID), x.countOr(at))
	m.Timestamp = at
	in.putUser(m, x.w.Channel)
	m.Kind, m.Content = integration.KindSystem, integration.SystemContent("typing", integration.Party{ID: in.UserID.id()})
	return []integration.Message{*m}, err
}

// entitlement reads what comes as a webhook event, too.
func (x *dispatch) entitlement() ([]integration.Message, error) {
	m := &integration.Message{Metadata: map[string]any{"eventType": x.name}}
	_, what := cutLast(x.name)
	known, err := (&delivery{Event: &event{Type: x.name, Data: x.data}}).readEntitlement(m, what)
	if !known {
		return nil, x.lacks("id")
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
