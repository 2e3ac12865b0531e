package line

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// tokenLife is how long a reply token can be used, "Send reply message".
const tokenLife = time.Minute

type (
	object = map[string]any
	id     = integration.ID
)

// contentTypes are those of the messages that users send, in lower case.
var contentTypes = []string{"text", "image", "video", "audio", "file", "location", "sticker"}

// memberships and systems name the events that no user wrote.
var (
	memberships = map[string]string{
		"follow": "bot_followed", "unfollow": "bot_blocked", "join": "member_joined", "leave": "member_left",
		"memberJoined": "member_joined", "memberLeft": "member_left", "membership": "plan_", // the type follows
	}
	systems = map[string]string{
		"videoPlayComplete": "video_play_complete", "beacon": "beacon", "accountLink": "account_link",
		"module": "module", "delivery": "delivery", "activated": "activated", "deactivated": "deactivated",
		"botSuspended": "bot_suspended", "botResumed": "bot_resumed",
	}
	animated = regexp.MustCompile("ANIMATION|POPUP")
)

// Normalize makes a message of each event, "Webhook event objects". A probe from LINE's console has none.
func (*platform) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	return w.Items("events", readEvent)
}

func readEvent(m *integration.Message, e integration.Item) *integration.Unsupported {
	m.DedupKey = e.Text("webhookEventId")
	m.ID = id(m.DedupKey)
	chat := cmp.Or(e.Text("source.groupId"), e.Text("source.roomId"), e.Text("source.userId"))
	m.ConversationID = cmp.Or(id(chat), m.ConversationID)
	m.From.ID = cmp.Or(id(e.Text("source.userId")), m.ConversationID)
	m.Timestamp = cmp.Or(e.Int("timestamp"), m.Timestamp)
	if e.Text("mode") == "standby" { // another module of the account answers this chat
		m.Metadata["mode"] = "standby"
	}
	m.PutReplyValue("messageId", e.Text("message.id"))
	m.PutReplyValue("quoteToken", e.Text("message.quoteToken"))
	if token := e.Text("replyToken"); token != "" {
		m.PutReplyValue("to", string(m.ConversationID))
		m.PutReplyValue("replyToken", token)
		m.PutReplyValue("until", strconv.FormatInt(e.Int("timestamp")+tokenLife.Milliseconds(), 10))
	}
	return readContent(m, e)
}

func readContent(m *integration.Message, e integration.Item) *integration.Unsupported {
	c, kind := &m.Content, e.Text("type")
	message, _ := e.At("message").(object)
	switch {
	case (kind == "message" || kind == "messageEdited") && slices.Contains(contentTypes, e.Text("message.type")):
		readMessage(m, message)
		if kind == "messageEdited" {
			m.Kind, m.EditedAt = integration.KindEdit, m.Timestamp
		}
	case kind == "unsend" && e.Text("unsend.messageId") != "":
		m.ID, m.Kind, c.Type = id(e.Text("unsend.messageId")), integration.KindDelete, integration.TypeDelete
	case kind == "postback":
		values, _ := e.At("postback.params").(object) // a date, a time or a rich menu
		reply := &integration.InteractiveReply{ID: e.Text("postback.data"), FormValues: values}
		m.Kind, c.Type = integration.KindInteraction, integration.TypeButton
		c.Interactive = &integration.Interactive{Reply: reply}
	case memberships[kind] != "":
		readMembership(m, e)
	case systems[kind] != "":
		m.Kind, c.Type, m.Metadata["raw"] = integration.KindSystem, integration.TypeSystem, e.Raw
		c.System = &integration.System{Event: systems[kind]}
	default:
		return &integration.Unsupported{PlatformType: cmp.Or(kind, "event")}
	}
	return nil
}

func readMembership(m *integration.Message, e integration.Item) {
	kind := e.Text("type")
	system := &integration.System{Event: memberships[kind] + e.Text("membership.type")}
	m.Kind, m.Content.Type, m.Content.System = integration.KindMembership, integration.TypeSystem, system
	if e.Bool("follow.isUnblocked") {
		system.Event = "bot_unblocked"
	}
	if kind == "join" || kind == "leave" {
		system.Members = []integration.Party{m.To}
	}
	for _, user := range append(e.List("joined.members"), e.List("left.members")...) {
		system.Members = append(system.Members, integration.Party{ID: id(user.Text("userId"))})
	}
}

func readMessage(m *integration.Message, in payload.Tree) {
	own, c := id(in.Text("id")), &m.Content
	m.ID, c.Type, c.Text = cmp.Or(own, m.ID), integration.ContentType(strings.ToUpper(in.Text("type"))), in.Text("text")
	if quoted := in.Text("quotedMessageId"); quoted != "" {
		m.ReplyTo = &integration.ReplyTo{MessageID: id(quoted)}
	}
	for _, name := range []string{"quoteToken", "markAsReadToken", "emojis", "imageSet"} {
		if in[name] != nil {
			m.Metadata[name] = in[name]
		}
	}
	for _, user := range in.List("mention.mentionees") {
		c.Entities = append(c.Entities, integration.Entity{
			Type: "mention", UserID: id(user.Text("userId")),
			Offset: int(user.Int("index")), Length: int(user.Int("length")),
		})
	}
	switch c.Type {
	case integration.TypeText:
	case integration.TypeLocation:
		c.Location = &integration.Location{Name: in.Text("title"), Address: in.Text("address")}
		c.Location.Latitude, c.Location.Longitude = in.Float("latitude"), in.Float("longitude")
	case integration.TypeSticker:
		c.Sticker = &integration.Sticker{ID: id(in.Text("stickerId")), PackageID: id(in.Text("packageId"))}
		c.Sticker.Animated = animated.MatchString(in.Text("stickerResourceType"))
	default:
		c.Media = &integration.Media{ID: string(own), URL: string(own), Filename: in.Text("fileName")}
		c.Media.Size, c.Media.DurationMs = in.Int("fileSize"), in.Int("duration")
		if link := in.Text("contentProvider.originalContentUrl"); link != "" { // LINE does not keep it
			c.Media.ID, c.Media.URL = "", link
		}
	}
}

// draft is what becomes of a message: LINE's messages of one call, "Message objects".
type draft struct {
	messages []object
	degraded []integration.Degradation
	quote    string // token of the message that this one answers, until a message has it
}

func (d *draft) add(kind string, message object) {
	message["type"] = kind
	if d.quote != "" && (kind == "text" || kind == "sticker") {
		message["quoteToken"], d.quote = d.quote, ""
	}
	d.messages = append(d.messages, message)
}

func (d *draft) lose(f integration.Feature, became string) {
	d.degraded = append(d.degraded, integration.Degradation{Feature: f, Became: became})
}

// Send replies while the event's reply token lives, which is free, and pushes otherwise. A token is for one reply, so
// later parts of a message are pushed.
func (p *platform) Send(
	ctx context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	about, err := m.ReplyValues()
	if err != nil {
		return nil, err
	}
	d, api, to := compose(m, about), p.api(ch), cmp.Or(m.To.ID, m.ConversationID)
	until, _ := strconv.ParseInt(about.Get("until"), 10, 64)
	if about.Get("to") == string(to) && time.Now().UnixMilli() < until && !integration.IsLaterPart(ctx) {
		call := httpapi.Call{Name: "reply", JSON: object{"replyToken": about.Get("replyToken"), "messages": d.messages}}
		result, err := d.send(ctx, api, call)
		if e, ok := errors.AsType[*integration.Error](err); !ok || e.Code != codes.InteractionExpired {
			return result, err
		}
	}
	call := httpapi.Call{Name: "push", JSON: object{"to": to, "messages": d.messages}}
	if m.ID != "" { // LINE carries out the calls of one key once, "Retry failed API requests"
		key := uuid.NewSHA1(uuid.NameSpaceURL, []byte(ch.ID+"\x00"+string(to)+"\x00"+string(m.ID)))
		api, call.Again = api.With(http.Header{"X-Line-Retry-Key": {key.String()}}), httpapi.Idempotent
	}
	return d.send(ctx, api, call)
}

func (d *draft) send(ctx context.Context, api *httpapi.API, call httpapi.Call) (*integration.SendResult, error) {
	var sent payload.Tree
	call.Path = "/v2/bot/message/" + call.Name
	answer, err := api.Do(ctx, call, &sent)
	switch {
	case err == nil:
	case answer != nil && answer.Header.Get("X-Line-Accepted-Request-Id") != "":
		// A call with this retry key was carried out before. The refusal tells what it sent, or nothing.
		_ = json.Unmarshal(answer.Body, &sent)
	default:
		return nil, err
	}
	quotes, result := []string{}, &integration.SendResult{Success: true, Degraded: d.degraded, Metadata: object{}}
	for _, m := range sent.List("sentMessages") {
		result.MessageIDs, quotes = append(result.MessageIDs, id(m.Text("id"))), append(quotes, m.Text("quoteToken"))
		result.MessageID, result.Metadata["quoteTokens"] = result.MessageIDs[0], quotes
	}
	return result, nil
}

func compose(m *integration.Message, about url.Values) *draft {
	d, c, i := &draft{}, &m.Content, m.Content.Interactive
	if m.ReplyTo != nil {
		d.quote, _ = m.Metadata["quoteToken"].(string)
		if string(m.ReplyTo.MessageID) == about.Get("messageId") {
			d.quote = cmp.Or(d.quote, about.Get("quoteToken"))
		}
	}
	quotes := d.quote != ""
	switch {
	case c.Type == integration.TypeSticker && c.Sticker != nil:
		d.add("sticker", object{"packageId": c.Sticker.PackageID, "stickerId": c.Sticker.ID})
	case c.Type == integration.TypeLocation && c.Location != nil:
		d.addLocation(c.Location)
	default:
		d.addAttachments(m)
	}
	switch {
	case i != nil && c.Type == integration.TypeInteractive:
		d.addChoices(i, strings.TrimSpace(i.Header+"\n"+strings.TrimSpace(cmp.Or(i.Body, c.Text)+"\n"+i.Footer)))
	case c.Text != "":
		d.add("text", object{"text": c.Text})
	}
	if i != nil && c.Type != integration.TypeInteractive && len(d.messages) > 0 {
		var items []object
		for _, action := range d.actions(i, 20) {
			items = append(items, object{"type": "action", "action": action})
		}
		d.messages[len(d.messages)-1]["quickReply"] = object{"items": items}
	}
	if m.ReplyTo != nil && (!quotes || d.quote != "") {
		d.lose(integration.FeatureReply, "none")
	}
	return d
}

func (d *draft) addLocation(l *integration.Location) {
	point := fmt.Sprintf("%v, %v", l.Latitude, l.Longitude)
	d.add("location", object{
		"title": cmp.Or(l.Name, l.Address, point), "address": cmp.Or(l.Address, l.Name, point),
		"latitude": l.Latitude, "longitude": l.Longitude,
	})
}

// addAttachments adds attachments, which LINE fetches by their links. Pictures and videos come with a preview.
func (d *draft) addAttachments(m *integration.Message) {
	several := len(m.Content.Attachments) > 1
	if several {
		d.lose(integration.FeatureAlbum, "messages")
	}
	preview, _ := m.Metadata["previewImageUrl"].(string)
	for _, media := range m.Content.MediaList() {
		kind := m.Content.Type
		if several && media.MimeType != "" { // they may differ
			kind = integration.TypeOfMedia(media.MimeType)
		}
		name := strings.ToLower(string(kind))
		switch {
		case kind == integration.TypeImage || kind == integration.TypeVideo && preview != "":
			d.add(name, object{"originalContentUrl": media.URL, "previewImageUrl": cmp.Or(preview, media.URL)})
		case kind == integration.TypeAudio || kind == integration.TypeVoice:
			if kind == integration.TypeVoice || media.DurationMs == 0 {
				d.lose(integration.Feature(name), "audio")
			}
			d.add("audio", object{"originalContentUrl": media.URL, "duration": cmp.Or(media.DurationMs, 1000)})
		default:
			d.lose(integration.Feature(name), "link")
			d.add("text", object{"text": media.URL})
		}
	}
}

// addChoices adds buttons or a list, in the first of LINE's forms that has room for it, "Template messages".
func (d *draft) addChoices(i *integration.Interactive, text string) {
	choices, shortened := i.Choices(20, textlimit.UTF16)
	n, size, isList := len(choices), textlimit.UTF16(text), len(i.Sections) > 0
	template := object{"text": text}
	switch {
	case isList && n <= 10:
		d.lose(integration.FeatureList, "carousel")
		d.add("text", object{"text": text})
		template = object{"type": "carousel", "columns": d.columns(i)}
	case !isList && !shortened && n == 2 && size <= 240:
		template["type"], template["actions"] = "confirm", d.actions(i, 20)
	case !isList && !shortened && n <= 4 && size <= 160:
		template["type"], template["actions"] = "buttons", d.actions(i, 20)
	default:
		if isList {
			d.lose(integration.FeatureList, "buttons")
		}
		contents := []object{{"type": "text", "text": text, "wrap": true}}
		for _, action := range d.actions(i, 40) {
			contents = append(contents, object{"type": "button", "action": action, "height": "sm"})
		}
		body := object{"type": "box", "layout": "vertical", "contents": contents}
		d.add("flex", object{"altText": short(text, 400), "contents": object{"type": "bubble", "body": body}})
		return
	}
	d.add("template", object{"altText": short(text, 400), "template": template})
}

// columns are those of a carousel: one for each choice.
func (d *draft) columns(i *integration.Interactive) (list []object) {
	choices, _ := i.Choices(20, textlimit.UTF16)
	for n, action := range d.actions(i, 20) {
		text := strings.TrimSpace(choices[n].Title + "\n" + choices[n].Description)
		list = append(list, object{"text": short(text, 120), "actions": []object{action}})
	}
	return list
}

// actions are what buttons and rows do, "Action objects". A label of more than limit UTF-16 units is shortened.
func (d *draft) actions(i *integration.Interactive, limit int) (list []object) {
	choices, shortened := i.Choices(limit, textlimit.UTF16)
	if shortened {
		d.lose(integration.FeatureButtons, "shortened")
	}
	for _, c := range choices {
		action := object{"type": "postback", "label": c.Label, "data": c.ID, "displayText": c.Title}
		if c.URL != "" {
			action = object{"type": "uri", "label": c.Label, "uri": c.URL}
		}
		list = append(list, action)
	}
	return list
}

func short(text string, limit int) string { return textlimit.Shorten(text, limit, textlimit.UTF16) }
