package line

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

type (
	object = map[string]any
	id     = integration.ID
)

var (
	// types are those of the messages that users send: the content model's, in lower case.
	types = []string{"text", "image", "video", "audio", "file", "location", "sticker"}
	// memberships and systems are the events that no user wrote. The latter keep LINE's names, in snake case.
	memberships = map[string]string{
		"follow": "bot_followed", "unfollow": "bot_blocked", "join": "member_joined", "leave": "member_left",
		"memberJoined": "member_joined", "memberLeft": "member_left", "membership": "plan_",
	}
	systems = []string{
		"videoPlayComplete", "beacon", "accountLink", "module", "delivery", "activated", "deactivated", "botSuspended", "botResumed",
	}
	capital = regexp.MustCompile(`[A-Z]`)
)

// delivery is the body of a webhook.
type delivery struct {
	Destination id // the bot
	Events      []json.RawMessage
}

// Accounts names the bot that a delivery is for.
func (*platform) Accounts(_ context.Context, w *integration.Webhook) ([]string, error) {
	var d delivery
	err := json.Unmarshal(w.Payload, &d)
	return []string{string(d.Destination)}, err
}

// Normalize makes a message of each event, "Webhook event objects". A probe from LINE's console has none.
func (*platform) Normalize(_ context.Context, w *integration.Webhook) (messages []integration.Message, err error) {
	var d delivery
	err = json.Unmarshal(w.Payload, &d)
	if own := w.Channel.Settings["botUserId"]; own != "" && own != string(d.Destination) && len(d.Events) > 0 {
		w.Foreign("bot " + string(d.Destination))
		return nil, err
	}
	for _, raw := range d.Events {
		var e payload.Tree
		if json.Unmarshal(raw, &e) != nil || e.Text("webhookEventId") == "" { // the other events must not suffer
			e = payload.Tree{"webhookEventId": fmt.Sprintf("%x", sha256.Sum256(raw))}
		}
		chat := cmp.Or(e.Text("source.groupId"), e.Text("source.roomId"), e.Text("source.userId"), string(d.Destination))
		m := integration.Message{
			ID: id(e.Text("webhookEventId")), DedupKey: e.Text("webhookEventId"), Metadata: object{},
			ConversationID: id(chat), To: integration.Party{ID: d.Destination},
			From:      integration.Party{ID: id(cmp.Or(e.Text("source.userId"), chat))},
			Timestamp: cmp.Or(e.Int("timestamp"), w.Timestamp.UnixMilli()),
		}
		if e.Text("mode") == "standby" { // another module of the account answers this chat
			m.Metadata["mode"] = "standby"
		}
		about, err := json.Marshal(object{
			"to": chat, "token": e.Text("replyToken"), "until": e.Int("timestamp") + 60_000, // one minute
			"messageId": e.Text("message.id"), "quoteToken": e.Text("message.quoteToken"),
		})
		if err == nil && e.Text("replyToken")+e.Text("message.quoteToken") != "" {
			m.ReplyContext = string(about)
		}
		fill(&m, e, raw)
		messages = append(messages, m)
	}
	return messages, err
}

func fill(m *integration.Message, e payload.Tree, raw json.RawMessage) {
	c, kind := &m.Content, e.Text("type")
	switch {
	case (kind == "message" || kind == "messageEdited") && slices.Contains(types, e.Text("message.type")):
		if fillMessage(m, e["message"].(object)); kind != "message" {
			m.Kind, m.EditedAt = integration.KindEdit, m.Timestamp
		}
	case kind == "unsend" && e.Text("unsend.messageId") != "":
		m.ID, m.Kind, c.Type = id(e.Text("unsend.messageId")), integration.KindDelete, integration.TypeDelete
	case kind == "postback":
		m.Kind, c.Type = integration.KindInteraction, integration.TypeButton
		c.Interactive = &integration.Interactive{Reply: &integration.InteractiveReply{ID: e.Text("postback.data")}}
		c.Interactive.Reply.FormValues, _ = e.At("postback.params").(object) // of a date, a time or a rich menu
	case memberships[kind] != "":
		m.Kind, c.Type = integration.KindMembership, integration.TypeSystem
		c.System = &integration.System{Event: memberships[kind] + e.Text("membership.type")}
		if e.Bool("follow.isUnblocked") {
			c.System.Event = "bot_unblocked"
		} else if kind == "join" || kind == "leave" {
			c.System.Members = []integration.Party{m.To}
		}
		for _, who := range append(e.List("joined.members"), e.List("left.members")...) {
			c.System.Members = append(c.System.Members, integration.Party{ID: id(who.Text("userId"))})
		}
	case slices.Contains(systems, kind):
		m.Kind, c.Type, m.Metadata["raw"] = integration.KindSystem, integration.TypeSystem, raw
		c.System = &integration.System{Event: strings.ToLower(capital.ReplaceAllString(kind, "_$0"))}
	default:
		c.Type, m.Metadata["raw"] = integration.TypeUnsupported, raw
		c.Unsupported = &integration.Unsupported{PlatformType: cmp.Or(kind, "event")}
	}
}

func fillMessage(m *integration.Message, in payload.Tree) {
	own, c := in.Text("id"), &m.Content
	m.ID, c.Type, c.Text = cmp.Or(id(own), m.ID), integration.ContentType(strings.ToUpper(in.Text("type"))), in.Text("text")
	if quoted := in.Text("quotedMessageId"); quoted != "" {
		m.ReplyTo = &integration.ReplyTo{MessageID: id(quoted)}
	}
	for _, name := range []string{"quoteToken", "markAsReadToken", "emojis", "imageSet"} {
		if in[name] != nil {
			m.Metadata[name] = in[name]
		}
	}
	for _, who := range in.List("mention.mentionees") {
		c.Entities = append(c.Entities, integration.Entity{
			Type: "mention", Offset: int(who.Int("index")), Length: int(who.Int("length")), UserID: id(who.Text("userId")),
		})
	}
	switch in.Text("type") {
	case "text":
	case "location":
		c.Location = &integration.Location{
			Latitude: in.Float("latitude"), Longitude: in.Float("longitude"), Name: in.Text("title"), Address: in.Text("address"),
		}
	case "sticker":
		c.Sticker = &integration.Sticker{ID: id(in.Text("stickerId")), PackageID: id(in.Text("packageId"))}
		c.Sticker.Animated = regexp.MustCompile("ANIMATION|POPUP").MatchString(in.Text("stickerResourceType"))
	default:
		c.Media = &integration.Media{ID: own, URL: own, Filename: in.Text("fileName"), Size: in.Int("fileSize"), DurationMs: in.Int("duration")}
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
	quoted   bool
}

func (d *draft) add(kind string, message object) {
	if message["type"] = kind; d.quote != "" && (kind == "text" || kind == "sticker") {
		message["quoteToken"], d.quote, d.quoted = d.quote, "", true
	}
	d.messages = append(d.messages, message)
}

func (d *draft) lose(f integration.Feature, became string) {
	d.degraded = append(d.degraded, integration.Degradation{Feature: f, Became: became})
}

// Split makes a message of each attachment where one call does not take them all.
func (*platform) Split(_ context.Context, m *integration.Message, _ *integration.Channel) ([]*integration.Message, error) {
	if len(m.Content.Attachments) > 4 { // a text beside them is the fifth
		return m.Separate(func(integration.ContentType) bool { return true }), nil
	}
	return []*integration.Message{m}, nil
}

// Send replies while the event's reply token lives, which is free, and pushes otherwise.
func (p *platform) Send(ctx context.Context, m *integration.Message, ch *integration.Channel) (*integration.SendResult, error) {
	var about payload.Tree
	_ = json.Unmarshal([]byte(m.ReplyContext), &about) // what is none of ours is pushed
	d, api, to := compose(m, about), p.api(ch), string(cmp.Or(m.To.ID, m.ConversationID))
	if token := about.Text("token"); token != "" && about.Text("to") == to && time.Now().UnixMilli() < about.Int("until") {
		result, err := d.send(ctx, api, httpapi.Call{Name: "reply", JSON: object{"replyToken": token, "messages": d.messages}})
		if e, ok := errors.AsType[*integration.Error](err); !ok || e.Code != codes.InteractionExpired {
			return result, err
		}
	}
	call := httpapi.Call{Name: "push", JSON: object{"to": to, "messages": d.messages}}
	if m.ID != "" { // LINE carries out the calls of one key once, "Retry failed API requests"
		key := uuid.NewSHA1(uuid.NameSpaceURL, []byte(ch.ID+"\x00"+to+"\x00"+string(m.ID)))
		api, call.Again = api.With(http.Header{"X-Line-Retry-Key": {key.String()}}), httpapi.Idempotent
	}
	return d.send(ctx, api, call)
}

func (d *draft) send(ctx context.Context, api *httpapi.API, call httpapi.Call) (*integration.SendResult, error) {
	var sent payload.Tree
	call.Path = "/v2/bot/message/" + call.Name
	answer, err := api.Do(ctx, call, &sent)
	if err != nil && (answer == nil || answer.Header.Get("X-Line-Accepted-Request-Id") == "") {
		return nil, err
	} else if err != nil { // a call with this retry key was carried out before
		_ = json.Unmarshal(answer.Body, &sent) // which tells what it sent, or nothing
	}
	quotes, result := []string{}, &integration.SendResult{Success: true, Degraded: d.degraded, Metadata: object{}}
	for _, m := range sent.List("sentMessages") {
		result.MessageIDs, quotes = append(result.MessageIDs, id(m.Text("id"))), append(quotes, m.Text("quoteToken"))
		result.MessageID, result.Metadata["quoteTokens"] = result.MessageIDs[0], quotes
	}
	return result, nil
}

func compose(m *integration.Message, about payload.Tree) *draft {
	d, c, i, attachments := &draft{}, &m.Content, m.Content.Interactive, m.Content.MediaList()
	if d.quote, _ = m.Metadata["quoteToken"].(string); m.ReplyTo == nil {
		d.quote = ""
	} else if string(m.ReplyTo.MessageID) == about.Text("messageId") {
		d.quote = cmp.Or(d.quote, about.Text("quoteToken"))
	}
	switch {
	case c.Type == integration.TypeSticker && c.Sticker != nil:
		d.add("sticker", object{"packageId": c.Sticker.PackageID, "stickerId": c.Sticker.ID})
	case c.Type == integration.TypeLocation && c.Location != nil:
		l, point := c.Location, fmt.Sprintf("%v, %v", c.Location.Latitude, c.Location.Longitude)
		title, address := cmp.Or(l.Name, l.Address, point), cmp.Or(l.Address, l.Name, point)
		d.add("location", object{"title": title, "address": address, "latitude": l.Latitude, "longitude": l.Longitude})
	default:
		for n := range attachments {
			d.attach(m, &attachments[n])
		}
	}
	if i != nil && c.Type == integration.TypeInteractive {
		d.choice(i, strings.TrimSpace(i.Header+"\n"+strings.TrimSpace(cmp.Or(i.Body, c.Text)+"\n"+i.Footer)))
	} else if c.Text != "" {
		d.add("text", object{"text": c.Text})
	}
	if i != nil && c.Type != integration.TypeInteractive && len(d.messages) > 0 {
		var items []object
		for _, action := range d.actions(i.Buttons, 20) {
			items = append(items, object{"type": "action", "action": action})
		}
		d.messages[len(d.messages)-1]["quickReply"] = object{"items": items}
	}
	if m.ReplyTo != nil && !d.quoted {
		d.lose(integration.FeatureReply, "none")
	}
	return d
}

// attach adds an attachment, which LINE fetches by its link. Pictures and videos come with a preview.
func (d *draft) attach(m *integration.Message, media *integration.Media) {
	kind := m.Content.Type
	if n := len(m.Content.Attachments); n > 1 && len(d.messages) == 0 {
		d.lose(integration.FeatureAlbum, "messages")
	}
	if media.MimeType != "" && len(m.Content.Attachments) > 1 { // they may differ
		kind = integration.TypeOfMedia(media.MimeType)
	}
	name := strings.ToLower(string(kind))
	preview, _ := m.Metadata["previewImageUrl"].(string)
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

// choice adds buttons or a list, in the first of LINE's forms that has room for it, "Template messages".
func (d *draft) choice(i *integration.Interactive, text string) {
	buttons, columns := slices.Clone(i.Buttons), []object{}
	for _, section := range i.Sections {
		for _, row := range section.Rows {
			buttons = append(buttons, integration.Button{ID: cmp.Or(row.ID, row.Title), Title: row.Title})
			about := short(strings.TrimSpace(row.Title+"\n"+cmp.Or(row.Description, section.Title)), 120)
			columns = append(columns, object{"text": about, "actions": d.actions(buttons[len(buttons)-1:], 20)})
		}
	}
	message, size := object{"altText": short(text, 400)}, textlimit.UTF16(text)
	long := slices.ContainsFunc(buttons, func(b integration.Button) bool { return textlimit.UTF16(b.Title) > 20 })
	switch {
	case len(columns) > 0 && len(columns) <= 10:
		d.lose(integration.FeatureList, "carousel")
		d.add("text", object{"text": text})
		message["template"] = object{"type": "carousel", "columns": columns}
	case len(columns) > 0:
		d.lose(integration.FeatureList, "buttons")
	case !long && len(buttons) == 2 && size <= 240:
		message["template"] = object{"type": "confirm", "text": text, "actions": d.actions(buttons, 20)}
	case !long && len(buttons) <= 4 && size <= 160:
		message["template"] = object{"type": "buttons", "text": text, "actions": d.actions(buttons, 20)}
	}
	if message["template"] != nil {
		d.add("template", message)
		return
	}
	contents := []object{{"type": "text", "text": text, "wrap": true}}
	for _, action := range d.actions(buttons, 40) {
		contents = append(contents, object{"type": "button", "action": action, "height": "sm"})
	}
	body := object{"type": "box", "layout": "vertical", "contents": contents}
	message["contents"] = object{"type": "bubble", "body": body}
	d.add("flex", message)
}

// actions are what buttons do, "Action objects". A label that is too long is shortened.
func (d *draft) actions(buttons []integration.Button, limit int) (list []object) {
	for _, b := range buttons {
		action := object{"type": "postback", "data": cmp.Or(b.ID, b.Title), "displayText": b.Title}
		if b.Type == integration.ButtonURL {
			action = object{"type": "uri", "uri": b.URL}
		}
		if action["label"] = short(b.Title, limit); action["label"] != b.Title {
			d.lose(integration.FeatureButtons, "shortened")
		}
		list = append(list, action)
	}
	return list
}

func short(text string, limit int) string { return textlimit.Shorten(text, limit, textlimit.UTF16) }
