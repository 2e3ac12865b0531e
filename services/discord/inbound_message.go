package discord

import (
	"cmp"
	"encoding/json"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// readMessage fills in a message and says whether the content model has its content.
func readMessage(m *integration.Message, msg *message, w *integration.Webhook) bool {
	m.ID = msg.ID.id()
	m.ConversationID = cmp.Or(msg.ChannelID, msg.LobbyID).id()
	m.Timestamp = cmp.Or(parseTime(msg.Timestamp), msg.ID.milliseconds())
	m.EditedAt = parseTime(msg.EditedTimestamp)
	readUser(m, &msg.Author)
	// The application_id says nothing: messages that users write in a game of the app have it, too.
	if isOwn(w.Channel, msg.Author.ID) || msg.Author.Bot || msg.WebhookID != "" {
		m.Direction = integration.DirectionEcho
	}
	integration.PutText(m.Metadata, "guildId", string(msg.GuildID))
	integration.PutText(m.Metadata, "lobbyId", string(msg.LobbyID))
	integration.PutText(m.Metadata, "recipientId", string(msg.RecipientID))
	integration.PutText(m.Metadata, "webhookId", string(msg.WebhookID))
	putEmbeds(m, msg.Embeds)
	if len(msg.Metadata) > 0 && msg.Metadata[0] == '{' {
		m.Metadata["lobbyMetadata"] = msg.Metadata
	}
	msg.putReference(m)
	if s, ok := systemMessages[msg.Type]; ok {
		m.Kind = s.kind
		m.Content = integration.Content{
			Type:   integration.TypeSystem,
			System: &integration.System{Event: s.event, Body: msg.Content, Members: members(msg.Author)},
		}
		return true
	}
	if !ordinary[msg.Type] {
		m.Metadata["messageType"] = msg.Type
		return false
	}
	if len(msg.MessageSnapshots) > 0 {
		msg = &msg.MessageSnapshots[0].Message // of a forward: it has no content of its own
		putEmbeds(m, msg.Embeds)
	}
	var known bool
	m.Content, known = msg.content()
	return known
}

// putReference says which message this one refers to, "Message Reference Types": what a reply answers, what was pinned,
// the poll that has ended, the message that a thread was made of. Copies from a followed channel answer nothing.
func (msg *message) putReference(m *integration.Message) {
	reference := &msg.MessageReference
	switch {
	case reference.Type == referenceForward:
		m.Metadata["forwarded"] = true
		integration.PutText(m.Metadata, "forwardedFrom", string(reference.ChannelID))
		return
	case reference.MessageID != "" && msg.Flags&flagCrosspost == 0:
		m.ReplyTo = &integration.ReplyTo{MessageID: reference.MessageID.id()}
		if msg.ReferencedMessage != nil {
			m.ReplyTo.ParticipantID = msg.ReferencedMessage.Author.ID.id()
		}
	}
	if reference.ChannelID != msg.ChannelID {
		integration.PutText(m.Metadata, "referencedChannelId", string(reference.ChannelID))
	}
}

// putEmbeds keeps the embeds, for whose layout the content has no place. Those beyond the bounds are only counted.
func putEmbeds(m *integration.Message, raw json.RawMessage) {
	if !isList(raw) {
		return
	}
	var list []json.RawMessage
	if payload.Unmarshal(raw, &list) != nil {
		return
	}
	kept, size := 0, 0
	for kept < min(len(list), maxEmbeds) && size+len(list[kept]) <= maxEmbedBytes {
		size += len(list[kept])
		kept++
	}
	if kept > 0 {
		m.Metadata["embeds"] = list[:kept]
	}
	if left := len(list) - kept; left > 0 {
		m.Metadata["embedsLeftOut"] = left
	}
}

func isList(raw json.RawMessage) bool { return len(raw) > 2 && raw[0] == '[' }

const (
	referenceForward = 1  // "Message Reference Types"
	messageReply     = 19 // "Message Types"

	// "Message Flags".
	flagCrosspost    = 1 << 1
	flagVoiceMessage = 1 << 13
)

// ordinary are the types of messages that a user or an app wrote, "Message Types": by hand, as a reply, with a command.
var ordinary = map[int]bool{0: true, messageReply: true, 20: true, 23: true}

// systemMessages are the other types of messages.
var systemMessages = map[int]struct {
	event string
	kind  integration.Kind
}{
	1:  {"recipient_added", integration.KindMembership},
	2:  {"recipient_removed", integration.KindMembership},
	3:  {"call", integration.KindSystem},
	4:  {"channel_renamed", integration.KindSystem},
	5:  {"channel_icon_changed", integration.KindSystem},
	6:  {"message_pinned", integration.KindSystem},
	7:  {"member_joined", integration.KindMembership},
	8:  {"server_boosted", integration.KindSystem},
	9:  {"server_boosted", integration.KindSystem},
	10: {"server_boosted", integration.KindSystem},
	11: {"server_boosted", integration.KindSystem},
	12: {"channel_followed", integration.KindSystem},
	14: {"discovery_disqualified", integration.KindSystem},
	15: {"discovery_requalified", integration.KindSystem},
	16: {"discovery_first_warning", integration.KindSystem},
	17: {"discovery_final_warning", integration.KindSystem},
	18: {"thread_created", integration.KindSystem},
	21: {"thread_started", integration.KindSystem},
	22: {"invite_reminder", integration.KindSystem},
	24: {"automod_action", integration.KindSystem},
	25: {"role_subscription_purchased", integration.KindSystem},
	26: {"app_premium_offered", integration.KindSystem},
	27: {"stage_started", integration.KindSystem},
	28: {"stage_ended", integration.KindSystem},
	29: {"stage_speaker", integration.KindSystem},
	31: {"stage_topic_changed", integration.KindSystem},
	32: {"app_premium_subscribed", integration.KindSystem},
	36: {"incident_alert_enabled", integration.KindSystem},
	37: {"incident_alert_disabled", integration.KindSystem},
	38: {"raid_reported", integration.KindSystem},
	39: {"false_alarm_reported", integration.KindSystem},
	44: {"purchased", integration.KindSystem},
	46: {"poll_ended", integration.KindSystem},
}

// content reads what a message holds and says whether the content model has it.
func (msg *message) content() (integration.Content, bool) {
	text := msg.Content
	if text == "" {
		text = cmp.Or(componentText(msg.Components), embedText(msg.Embeds))
	}
	c := integration.Content{Text: text, Entities: mentions(text)}
	if len(msg.StickerItems) > 0 {
		s := &msg.StickerItems[0]
		c.Sticker = &integration.Sticker{ID: s.ID.id(), Animated: s.FormatType > stickerPNG}
	}
	switch {
	case len(msg.Attachments) > 0:
		c.Type = msg.Attachments[0].contentType(msg.Flags)
		addFiles(&c, msg.Attachments)
		return c, c.Media.ID != ""
	case c.Sticker != nil:
		c.Type = integration.TypeSticker
		for i := range msg.StickerItems {
			addMedia(&c, msg.StickerItems[i].media())
		}
		return c, c.Sticker.ID != ""
	case msg.Poll != nil:
		c.Type, c.Poll = integration.TypePoll, msg.Poll.normalize(msg.ID)
		return c, c.Poll.Question != ""
	default:
		c.Type = integration.TypeText
		return c, text != ""
	}
}

// componentText is the text of the text displays, those within sections and containers too: with "IS_COMPONENTS_V2"
// they take the place of the content.
func componentText(list []component) string {
	if len(list) == 0 {
		return ""
	}
	return textlimit.Shorten(strings.Join(appendTexts(nil, list), "\n"), maxComponentText, textlimit.Characters)
}

func appendTexts(lines []string, list []component) []string {
	for i := range list {
		if c := &list[i]; c.Type == componentTextDisplay && c.Content != "" {
			lines = append(lines, c.Content)
		}
		lines = appendTexts(lines, list[i].Components)
	}
	return lines
}

// embedText is the text of the embeds, for a message without a text of its own.
func embedText(raw json.RawMessage) string {
	var embeds []struct {
		Title       string `json:"title"`
		Description string `json:"description"`
		Fields      []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"fields"`
	}
	if !isList(raw) || payload.Unmarshal(raw, &embeds) != nil {
		return ""
	}
	var lines []string
	for _, e := range embeds[:min(len(embeds), maxEmbeds)] {
		for _, line := range []string{e.Title, e.Description} {
			if line != "" {
				lines = append(lines, line)
			}
		}
		for _, f := range e.Fields {
			lines = append(lines, f.Name+": "+f.Value)
		}
	}
	return textlimit.Shorten(strings.Join(lines, "\n"), maxEmbedText, textlimit.Characters)
}

func (a *attachment) contentType(flags int64) integration.ContentType {
	kind, _, _ := strings.Cut(a.ContentType, "/")
	switch kind {
	case "image":
		return integration.TypeImage
	case "video":
		return integration.TypeVideo
	case "audio":
		if flags&flagVoiceMessage != 0 {
			return integration.TypeVoice
		}
		return integration.TypeAudio
	default:
		return integration.TypeFile
	}
}

// addFiles puts attachments into a content: one as its media, several as its media and its list of attachments.
func addFiles(c *integration.Content, files []attachment) {
	for i := range files {
		addMedia(c, files[i].media())
	}
}

func addMedia(c *integration.Content, media integration.Media) {
	if c.Media == nil {
		c.Media = &media
		return
	}
	if len(c.Attachments) == 0 {
		c.Attachments = append(c.Attachments, *c.Media)
	}
	c.Attachments = append(c.Attachments, media)
}

// media describes an attachment. Its id is its link, since it can be fetched again with that alone.
func (a *attachment) media() integration.Media {
	return integration.Media{
		ID: a.URL, URL: a.URL, MimeType: a.ContentType, Size: a.Size, Filename: a.name(), Caption: a.Description,
		DurationMs: int64(min(max(a.DurationSecs, 0), 1e9) * 1000), Width: a.Width, Height: a.Height,
		ExpiresAt: expiry(a.URL),
	}
}

// name is the file's own name, "Attachment Object". Discord gives the name as a title, without the extension, if it has
// characters that the filename cannot have.
func (a *attachment) name() string {
	name := cmp.Or(a.Title, a.Filename)
	if ext := path.Ext(a.Filename); !strings.EqualFold(path.Ext(name), ext) {
		name += ext
	}
	return httpapi.Filename(name)
}

// expiry is the time in ms since 1970 at which a link of Discord's CDN ends, "Signed Attachment CDN URLs". It is zero
// for a link without an end.
func expiry(link string) int64 {
	u, err := url.Parse(link)
	if err != nil {
		return 0
	}
	seconds, err := strconv.ParseInt(u.Query().Get("ex"), 16, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return 0
	}
	return seconds * 1000
}

// The formats of stickers, "Sticker Format Types".
const (
	stickerPNG    = 1
	stickerLottie = 3
	stickerGIF    = 4
)

// media is a sticker's picture, "CDN Endpoints".
func (s *stickerItem) media() integration.Media {
	link, mimeType := cdnBase+"stickers/"+string(s.ID)+".png", "image/png"
	switch s.FormatType {
	case stickerLottie:
		link, mimeType = cdnBase+"stickers/"+string(s.ID)+".json", "application/json"
	case stickerGIF:
		link, mimeType = mediaBase+"stickers/"+string(s.ID)+".gif", "image/gif"
	}
	return integration.Media{ID: link, URL: link, MimeType: mimeType, Filename: s.Name}
}

func (p *poll) normalize(id snowflake) *integration.Poll {
	out := &integration.Poll{
		ID: id.id(), Question: p.Question.Text, Multiple: p.AllowMultiselect, Closed: p.Results.IsFinalized,
	}
	for _, a := range p.Answers {
		out.Options = append(out.Options, a.PollMedia.Text)
	}
	return out
}

// mention is "<@USER_ID>", "Message Formatting"; the exclamation mark is of older clients.
var mention = regexp.MustCompile(`<@!?(\d{1,20})>`)

// mentions are the users that a text mentions.
func mentions(text string) []integration.Entity {
	if !strings.Contains(text, "<@") {
		return nil
	}
	var list []integration.Entity
	units, read := 0, 0
	for _, at := range mention.FindAllStringSubmatchIndex(text, -1) {
		units += textlimit.UTF16(text[read:at[0]])
		length := at[1] - at[0] // each of its characters is one unit and one byte
		user := integration.ID(text[at[2]:at[3]])
		list = append(list, integration.Entity{Type: "mention", Offset: units, Length: length, UserID: user})
		units, read = units+length, at[1]
	}
	return list
}
