package line

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

const (
	tokenLife = 60_000 // ms in which a reply token can be used, "Send reply message"
	maxLabel  = 20     // UTF-16 units, "Action objects"; those of Flex messages take twice as many
)

type object = map[string]any

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
)

// Normalize makes a message of each event, "Webhook event objects". A probe from LINE's console has none.
func (*platform) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	return w.Items("events", readEvent)
}

func readEvent(m *integration.Message, e integration.Item) *integration.Unsupported {
	m.DedupKey, m.ID = e.Text("webhookEventId"), e.ID("webhookEventId")
	m.ConversationID = cmp.Or(e.ID("source.groupId"), e.ID("source.roomId"), e.ID("source.userId"), m.ConversationID)
	m.From.ID = cmp.Or(e.ID("source.userId"), m.ConversationID)
	m.Timestamp = cmp.Or(e.Int("timestamp"), m.Timestamp)
	if e.Text("mode") == "standby" { // another module of the account answers this chat
		m.Metadata["mode"] = "standby"
	}
	m.PutReplyValue("messageId", e.Text("message.id"))
	m.PutReplyValue("quoteToken", e.Text("message.quoteToken"))
	m.PutReplyToken(e.Text("replyToken"), e.Int("timestamp")+tokenLife)
	return readContent(m, e)
}

func readContent(m *integration.Message, e integration.Item) *integration.Unsupported {
	kind := e.Text("type")
	switch {
	case (kind == "message" || kind == "messageEdited") && slices.Contains(contentTypes, e.Text("message.type")):
		readMessage(m, integration.Item{Tree: e.Object("message")})
		if kind == "messageEdited" {
			m.Kind, m.EditedAt = integration.KindEdit, m.Timestamp
		}
	case kind == "unsend" && e.Text("unsend.messageId") != "":
		m.ID, m.Kind, m.Content.Type = e.ID("unsend.messageId"), integration.KindDelete, integration.TypeDelete
	case kind == "postback": // its params are a date, a time or a rich menu
		m.Press(integration.InteractiveReply{ID: e.Text("postback.data"), FormValues: e.Object("postback.params")})
	case memberships[kind] != "":
		readMembership(m, e, kind)
	case systems[kind] != "":
		m.Kind, m.Content = integration.KindSystem, integration.SystemContent(systems[kind])
		m.Metadata["raw"] = e.Raw
	default:
		return &integration.Unsupported{PlatformType: cmp.Or(kind, "event")}
	}
	return nil
}

func readMembership(m *integration.Message, e integration.Item, kind string) {
	event := memberships[kind] + e.Text("membership.type")
	if e.Bool("follow.isUnblocked") {
		event = "bot_unblocked"
	}
	var members []integration.Party
	if kind == "join" || kind == "leave" {
		members = []integration.Party{m.To}
	}
	for _, user := range append(e.List("joined.members"), e.List("left.members")...) {
		members = append(members, integration.Party{ID: integration.ID(user.Text("userId"))})
	}
	m.Kind, m.Content = integration.KindMembership, integration.SystemContent(event, members...)
}

func readMessage(m *integration.Message, in integration.Item) {
	own, c := in.ID("id"), &m.Content
	m.ID, c.Type, c.Text = cmp.Or(own, m.ID), integration.ContentType(strings.ToUpper(in.Text("type"))), in.Text("text")
	if quoted := in.ID("quotedMessageId"); quoted != "" {
		m.ReplyTo = &integration.ReplyTo{MessageID: quoted}
	}
	in.Copy(m.Metadata, "quoteToken", "markAsReadToken", "emojis", "imageSet")
	for _, user := range in.List("mention.mentionees") {
		e := integration.Entity{Type: "mention", UserID: integration.ID(user.Text("userId"))}
		e.Offset, e.Length = int(user.Int("index")), int(user.Int("length"))
		c.Entities = append(c.Entities, e)
	}
	switch c.Type {
	case integration.TypeText:
	case integration.TypeLocation:
		c.Location = &integration.Location{Name: in.Text("title"), Address: in.Text("address")}
		c.Location.Latitude, c.Location.Longitude = in.Float("latitude"), in.Float("longitude")
	case integration.TypeSticker:
		kind := in.Text("stickerResourceType")
		c.Sticker = &integration.Sticker{ID: in.ID("stickerId"), PackageID: in.ID("packageId")}
		c.Sticker.Animated = strings.Contains(kind, "ANIMATION") || strings.Contains(kind, "POPUP")
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
	lost     integration.Losses
	quote    string // token of the message that this one answers, until a message has it
	quotes   bool   // a message has it
}

func (d *draft) add(kind string, message object) {
	message["type"] = kind
	if d.quote != "" && (kind == "text" || kind == "sticker") {
		message["quoteToken"], d.quote, d.quotes = d.quote, "", true
	}
	d.messages = append(d.messages, message)
}

// Send replies while the event's reply token lives, which is free, and pushes otherwise.
func (p *platform) Send(
	ctx context.Context, m *integration.Message, ch *integration.Channel,
) (*integration.SendResult, error) {
	about, err := m.ReplyValues()
	if err != nil {
		return nil, err
	}
	d, api := compose(m, about), p.api(ch)
	if token := m.ReplyToken(ctx); token != "" {
		in := object{"replyToken": token, "messages": d.messages}
		result, err := d.send(ctx, api, httpapi.Call{Name: "reply", Path: "message/reply", JSON: in})
		if !integration.HasCode(err, codes.InteractionExpired) {
			return result, err
		}
	}
	in := object{"to": m.Recipient(), "messages": d.messages}
	return d.send(ctx, api, httpapi.Call{Name: "push", Path: "message/push", JSON: in, Key: m.IdempotencyKey(ch)})
}

func (d *draft) send(ctx context.Context, api *httpapi.API, call httpapi.Call) (*integration.SendResult, error) {
	var sent payload.Tree
	if _, err := api.Do(ctx, call, &sent); err != nil {
		return nil, err
	}
	result := &integration.SendResult{Success: true, Degraded: d.lost, Metadata: object{}}
	for _, m := range sent.List("sentMessages") {
		result.MessageIDs = append(result.MessageIDs, integration.ID(m.Text("id")))
		result.Metadata["quoteTokens"] = sent.Texts("sentMessages", "quoteToken")
	}
	return result, nil
}

func compose(m *integration.Message, about url.Values) *draft {
	d, c, i, l := &draft{}, &m.Content, m.Content.Interactive, m.Content.Location
	if m.ReplyTo != nil {
		d.quote = integration.TextIn(m.Metadata, "quoteToken")
		if string(m.ReplyTo.MessageID) == about.Get("messageId") {
			d.quote = cmp.Or(d.quote, about.Get("quoteToken"))
		}
	}
	switch {
	case c.Type == integration.TypeSticker && c.Sticker != nil:
		d.add("sticker", object{"packageId": c.Sticker.PackageID, "stickerId": c.Sticker.ID})
	case c.Type == integration.TypeLocation && l != nil:
		title, address := l.Place()
		d.add("location", object{"title": title, "address": address, "latitude": l.Latitude, "longitude": l.Longitude})
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
		for _, action := range d.actions(i.Choices(), maxLabel) {
			items = append(items, object{"type": "action", "action": action})
		}
		d.messages[len(d.messages)-1]["quickReply"] = object{"items": items}
	}
	if m.ReplyTo != nil && !d.quotes {
		d.lost.Add(integration.FeatureReply, "none")
	}
	return d
}

// addAttachments adds attachments, which LINE fetches by their links. Pictures and videos come with a preview.
func (d *draft) addAttachments(m *integration.Message) {
	list, preview := m.Content.MediaList(), integration.TextIn(m.Metadata, "previewImageUrl")
	if len(list) > 1 {
		d.lost.Add(integration.FeatureAlbum, "messages")
	}
	for _, media := range list {
		kind := m.Content.TypeOf(&media)
		name := strings.ToLower(string(kind))
		switch {
		case kind == integration.TypeImage || kind == integration.TypeVideo && preview != "":
			d.add(name, object{"originalContentUrl": media.URL, "previewImageUrl": cmp.Or(preview, media.URL)})
		case kind == integration.TypeAudio || kind == integration.TypeVoice:
			if kind == integration.TypeVoice || media.DurationMs == 0 {
				d.lost.Add(integration.Feature(name), "audio")
			}
			d.add("audio", object{"originalContentUrl": media.URL, "duration": cmp.Or(media.DurationMs, 1000)})
		default:
			d.lost.Add(integration.Feature(name), "link")
			d.add("text", object{"text": media.URL})
		}
	}
}

// addChoices adds buttons or a list, in the first of LINE's forms that has room for it, "Template messages".
func (d *draft) addChoices(i *integration.Interactive, text string) {
	choices, size, isList := i.Choices(), textlimit.UTF16(text), len(i.Sections) > 0
	isShort := !isList && choices.LongestTitle(textlimit.UTF16) <= maxLabel
	var template object
	switch n := len(choices); {
	case isList && n <= 10:
		d.lost.Add(integration.FeatureList, "carousel")
		d.add("text", object{"text": text})
		template = object{"type": "carousel", "columns": d.columns(choices)}
	case isShort && n == 2 && size <= 240:
		template = object{"type": "confirm", "text": text, "actions": d.actions(choices, maxLabel)}
	case isShort && n <= 4 && size <= 160:
		template = object{"type": "buttons", "text": text, "actions": d.actions(choices, maxLabel)}
	default:
		if isList {
			d.lost.Add(integration.FeatureList, "buttons")
		}
		d.addBubble(choices, text)
		return
	}
	d.add("template", object{"altText": short(text, 400), "template": template})
}

// columns are those of a carousel: one for each choice.
func (d *draft) columns(choices integration.Choices) (list []object) {
	for n, action := range d.actions(choices, maxLabel) {
		text := strings.TrimSpace(choices[n].Title + "\n" + choices[n].Description)
		list = append(list, object{"text": short(text, 120), "actions": []object{action}})
	}
	return list
}

// addBubble adds a text with buttons below it, "Flex messages".
func (d *draft) addBubble(choices integration.Choices, text string) {
	contents := []object{{"type": "text", "text": text, "wrap": true}}
	for _, action := range d.actions(choices, 2*maxLabel) {
		contents = append(contents, object{"type": "button", "action": action, "height": "sm"})
	}
	body := object{"type": "box", "layout": "vertical", "contents": contents}
	d.add("flex", object{"altText": short(text, 400), "contents": object{"type": "bubble", "body": body}})
}

// actions are what buttons and rows do, "Action objects". A label of more than limit UTF-16 units is shortened.
func (d *draft) actions(choices integration.Choices, limit int) (list []object) {
	if choices.LongestTitle(textlimit.UTF16) > limit {
		d.lost.Add(integration.FeatureButtons, "shortened")
	}
	for _, c := range choices {
		action := object{"type": "postback", "label": short(c.Title, limit), "data": c.ID, "displayText": c.Title}
		if c.URL != "" {
			action = object{"type": "uri", "label": short(c.Title, limit), "uri": c.URL}
		}
		list = append(list, action)
	}
	return list
}

func short(text string, limit int) string { return textlimit.Shorten(text, limit, textlimit.UTF16) }
