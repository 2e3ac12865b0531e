package slack

import (
	"cmp"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/hiliosai/switchboard/integration"
)

// readInteraction makes a message of each action of an interaction, and one of an interaction without actions.
func readInteraction(w *integration.Webhook, payload json.RawMessage) ([]integration.Message, error) {
	var i interaction
	typeErr, err := decodeJSON(payload, &i)
	if err != nil {
		return nil, err
	}
	if isForeign(w, i.teams()...) {
		return nil, nil
	}
	if len(i.Actions) < 2 {
		return []integration.Message{readOne(w, payload, &i, typeErr, 0)}, nil
	}
	messages := make([]integration.Message, len(i.Actions))
	for n := range i.Actions {
		messages[n] = readOne(w, payload, &i, typeErr, n)
	}
	return messages, nil
}

// teams are the workspace and the organization that an interaction took place in.
func (i *interaction) teams() []string {
	team := cmp.Or(i.Team, &ref{}).ID
	enterprise := cmp.Or(i.Enterprise, &ref{}).ID
	if team == "" && enterprise == "" {
		team = i.User.TeamID
	}
	return []string{team, enterprise}
}

// readOne reads an interaction with its action n.
func readOne(w *integration.Webhook, payload json.RawMessage, i *interaction, typeErr bool, n int) integration.Message {
	r := reader{w: w, raw: payload, typeErr: typeErr, m: newInteraction(w, payload, i)}
	if n > 0 {
		r.m.DedupKey += ":" + strconv.Itoa(n+1)
		r.m.ID = integration.ID(r.m.DedupKey)
	}
	r.readConversation(i)
	known := r.readInteraction(i, n)
	switch {
	case r.typeErr:
		r.unsupported(i.Type, "a field has an unexpected type")
	case !known:
		r.unsupported(i.Type, "")
	}
	return *r.m
}

// newInteraction fills in what every interaction has.
func newInteraction(w *integration.Webhook, payload json.RawMessage, i *interaction) *integration.Message {
	key := i.TriggerID
	if i.Type == "view_closed" && i.View != nil && key == "" {
		key = i.Type + ":" + i.View.ID + ":" + i.View.Hash
	}
	key = cmp.Or(key, digest(payload))
	m := &integration.Message{
		ID: integration.ID(key), DedupKey: key, Kind: integration.KindInteraction,
		From:      integration.Party{ID: integration.ID(i.User.ID), Name: cmp.Or(i.User.Name, i.User.Username)},
		Timestamp: cmp.Or(milliseconds(i.ActionTS), w.Timestamp.UnixMilli()),
		Metadata:  map[string]any{},
	}
	r := reader{w: w, m: m}
	team := cmp.Or(i.Team, &ref{ID: i.User.TeamID}).ID
	m.To.ID = integration.ID(cmp.Or(team, i.APIAppID))
	r.note("teamId", team)
	r.note("enterpriseId", cmp.Or(i.Enterprise, &ref{}).ID)
	r.note("apiAppId", i.APIAppID)
	r.note("interactionType", i.Type)
	r.note("callbackId", i.CallbackID)
	r.note("channelName", i.Channel.Name)
	r.putTrigger(i.TriggerID)
	link := i.ResponseURL
	if len(i.ResponseURLs) > 0 { // of a modal that asked for a channel
		link = cmp.Or(i.ResponseURLs[0].ResponseURL, link)
	}
	r.putResponseURL(link)
	if i.Container.IsEphemeral {
		m.Metadata["ephemeral"] = true
	}
	return m
}

// readConversation finds where an interaction took place. One without a channel, such as of a modal, is answered to its
// user.
func (r *reader) readConversation(i *interaction) {
	msg := orEmpty(i.Message)
	channel := cmp.Or(i.Channel.ID, i.Container.ChannelID)
	if len(i.ResponseURLs) > 0 {
		channel = cmp.Or(channel, i.ResponseURLs[0].ChannelID)
	}
	r.setConversation(channel, cmp.Or(i.Container.ThreadTS, msg.ThreadTS), i.sourceTS())
	r.m.ConversationID = cmp.Or(r.m.ConversationID, r.m.From.ID, r.m.To.ID)
}

// sourceTS is the ts of the message that an interaction is on.
func (i *interaction) sourceTS() string {
	return cmp.Or(i.Container.MessageTS, i.MessageTS, orEmpty(i.Message).TS)
}

func (i *interaction) source() integration.ID {
	return messageID(cmp.Or(i.Channel.ID, i.Container.ChannelID), i.sourceTS())
}

// readInteraction fills in what the user did, and says whether that type of interaction is known here.
func (r *reader) readInteraction(i *interaction, n int) bool {
	switch i.Type {
	case "block_actions", "interactive_message":
		return r.readAction(i, n)
	case "view_submission":
		return r.readView(i)
	case "view_closed":
		r.system("view_closed", integration.KindSystem, "")
		r.noteView(i.View)
		r.m.Metadata["cleared"] = i.IsCleared
		return i.View != nil
	case "dialog_submission":
		values := make(map[string]any, len(i.Submission))
		for name, value := range i.Submission {
			values[name] = value
		}
		r.form(i.CallbackID, "", values)
		return true
	case "dialog_cancellation":
		r.system("dialog_cancellation", integration.KindSystem, "")
		return true
	case "shortcut", "message_action":
		r.m.Kind = integration.KindCommand
		r.m.Content = integration.Content{
			Type: integration.TypeCommand, Command: &integration.Command{Name: i.CallbackID, TargetID: i.source()},
		}
		if i.Message != nil {
			text, _ := decode(i.Message.Text)
			r.note("targetText", text)
			r.note("targetUserId", cmp.Or(i.Message.User.ID, i.Message.BotID))
		}
		return i.CallbackID != ""
	default: // such as block_suggestion, which Respond answers
		return false
	}
}

// readAction fills in what the user did with an interactive element.
func (r *reader) readAction(i *interaction, n int) bool {
	if n >= len(i.Actions) {
		return false
	}
	var e element
	typeErr, err := decodeJSON(i.Actions[n], &e)
	r.typeErr = r.typeErr || typeErr || err != nil
	r.m.Timestamp = cmp.Or(milliseconds(e.ActionTS), r.m.Timestamp)
	r.noteView(i.View)
	reply := e.reply()
	reply.SourceMessageID = i.source()
	if s := i.State; s != nil && len(s.Values) > 0 {
		reply.FormValues = s.formValues()
	}
	c := integration.Content{
		Type: integration.TypeInteractive, Text: reply.Title, Interactive: &integration.Interactive{Reply: reply},
	}
	switch {
	case e.isButton():
		c.Type, c.Interactive.Kind = integration.TypeButton, integration.InteractiveButtons
	case e.isChoice():
		c.Interactive.Kind = integration.InteractiveList
	}
	r.m.Content = c
	return e.Type != ""
}

// readView fills in a modal that the user submitted.
func (r *reader) readView(i *interaction) bool {
	if i.View == nil {
		return false
	}
	r.noteView(i.View)
	r.form(i.View.CallbackID, unescape(i.View.Title.Text), i.View.State.formValues())
	return true
}

func (r *reader) form(id, title string, values map[string]any) {
	r.m.Content = integration.Content{
		Type: integration.TypeInteractive, Text: title,
		Interactive: &integration.Interactive{
			Kind:  integration.InteractiveForm,
			Reply: &integration.InteractiveReply{ID: id, Title: title, FormValues: values},
		},
	}
}

func (r *reader) noteView(v *view) {
	if v == nil {
		return
	}
	r.note("viewId", v.ID)
	r.note("viewType", v.Type)
	r.note("viewHash", v.Hash)
	r.note("callbackId", v.CallbackID)
	r.note("privateMetadata", v.PrivateMetadata)
	r.note("externalId", v.ExternalID)
}

// readCommand reads a slash command, "Implementing slash commands".
func readCommand(w *integration.Webhook, form url.Values) integration.Message {
	key := cmp.Or(form.Get("trigger_id"), digest([]byte(form.Encode())))
	args, entities := decode(form.Get("text"))
	name := form.Get("command")
	m := integration.Message{
		ID: integration.ID(key), DedupKey: key, Kind: integration.KindCommand,
		From:      integration.Party{ID: integration.ID(form.Get("user_id")), Name: form.Get("user_name")},
		To:        integration.Party{ID: integration.ID(cmp.Or(form.Get("team_id"), form.Get("api_app_id")))},
		Timestamp: w.Timestamp.UnixMilli(),
		Metadata:  map[string]any{},
		Content: integration.Content{
			Type: integration.TypeCommand, Text: strings.TrimSpace(name + " " + args),
			Command: &integration.Command{Name: strings.TrimPrefix(name, "/"), Args: strings.TrimSpace(args)},
		},
	}
	for _, e := range entities {
		e.Offset += len(name) + 1 // a command has ASCII letters only
		m.Content.Entities = append(m.Content.Entities, e)
	}
	r := reader{w: w, m: &m}
	if args != form.Get("text") {
		r.note("rawText", form.Get("text"))
	}
	for field, key := range map[string]string{
		"team_id": "teamId", "enterprise_id": "enterpriseId", "api_app_id": "apiAppId", "channel_name": "channelName",
	} {
		r.note(key, form.Get(field))
	}
	r.putTrigger(form.Get("trigger_id"))
	r.putResponseURL(form.Get("response_url"))
	r.setConversation(form.Get("channel_id"), form.Get("thread_ts"), "")
	m.ConversationID = cmp.Or(m.ConversationID, m.From.ID, m.To.ID)
	return m
}
