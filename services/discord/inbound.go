package discord

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
)

// Kinds of interactions, as messages call them.
const (
	kindCommand      = "command"
	kindComponent    = "component" // a button or a menu
	kindModal        = "modal"     // a form
	kindAutocomplete = "autocomplete"
	kindOther        = "interaction"
)

// Normalize makes one message of a delivery, none of a ping, and those of a dispatch that came over the Gateway. If a
// field has an unexpected type, or the content model has nothing for the kind of the delivery, the message is of
// TypeUnsupported and has what could be read.
func (*platform) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	var d delivery
	// After an UnmarshalTypeError one field is missing. All others are read.
	typeErr := payload.Unmarshal(w.Payload, &d)
	if w.Connection && d.Dispatch != "" {
		return readDispatch(w, &d)
	}
	var m *integration.Message
	switch {
	case d.Event != nil:
		m = d.readEvent(w, typeErr != nil)
	case d.Type != nil && (*d.Type == typePing || *d.Type == 0 && d.ApplicationID != ""):
		return nil, nil
	case d.ID != "" && d.Token != "":
		m = d.readInteraction(w, typeErr != nil)
	default:
		return nil, &integration.Error{
			Kind: integration.FaultInvalid, Code: codes.WebhookInvalid,
			Message: "the payload is neither an interaction, with its id and token, nor a webhook event",
		}
	}
	m.To.ID = cmp.Or(d.ApplicationID.id(), integration.ID(w.Channel.Credentials[fieldApplicationID]))
	m.Timestamp = cmp.Or(m.Timestamp, w.Timestamp.UnixMilli())
	m.ID = cmp.Or(m.ID, integration.ID(m.DedupKey))
	return []integration.Message{*m}, nil
}

// bodyKey is the key of a webhook event. An event has no id, but comes again with the same body.
func bodyKey(w *integration.Webhook) string {
	sum := sha256.Sum256(w.Payload)
	return hex.EncodeToString(sum[:16])
}

// readInteraction reads an interaction of any type.
func (d *delivery) readInteraction(w *integration.Webhook, damaged bool) *integration.Message {
	m := &integration.Message{
		ID: d.ID.id(), DedupKey: string(d.ID), Kind: integration.KindInteraction, Timestamp: d.ID.milliseconds(),
		Metadata: map[string]any{},
	}
	d.readPlace(m)
	d.readUser(m)
	kind := 0
	if d.Type != nil {
		kind = *d.Type
	}
	name, known := kindOther, false
	switch kind {
	case typeCommand:
		name, known = kindCommand, d.readCommand(m)
	case typeComponent:
		name, known = kindComponent, d.readComponent(m)
	case typeModal:
		name, known = kindModal, d.readModal(m)
	case typeAutocomplete:
		name = kindAutocomplete
	}
	m.Metadata[metaKind] = name
	if kind != typeAutocomplete { // it can only be answered by its response
		(&interaction{
			id: string(d.ID), token: d.Token, application: string(d.ApplicationID), kind: name,
			expires:   w.Timestamp.Add(tokenLifetime).UnixMilli(),
			ephemeral: w.Channel.Settings[fieldEphemeral] == yes,
		}).putInto(m)
	}
	switch {
	case damaged:
		unsupported(m, w, name, "a field has an unexpected type")
	case kind == typeAutocomplete:
		unsupported(m, w, name, "it needs an answer at once, and got no choices")
	case !known:
		unsupported(m, w, name, "")
	case bytes.Contains(w.Payload, []byte(`"resolved"`)):
		addResolved(m, w.Payload)
	}
	return m
}

// readPlace fills in the conversation of an interaction. Threads are channels with a parent.
func (d *delivery) readPlace(m *integration.Message) {
	m.ConversationID = cmp.Or(d.ChannelID, d.Channel.ID).id()
	if t := d.Channel.Type; t != nil {
		m.Metadata["channelType"] = *t
		if *t >= firstThreadType && *t <= lastThreadType {
			m.ThreadID = m.ConversationID
			integration.PutText(m.Metadata, "parentChannelId", string(d.Channel.ParentID))
		}
	}
	integration.PutText(m.Metadata, "channelName", d.Channel.Name)
	integration.PutText(m.Metadata, "guildId", string(d.GuildID))
	integration.PutText(m.Metadata, "locale", d.Locale)
	integration.PutText(m.Metadata, "guildLocale", d.GuildLocale)
	if d.AttachmentSizeLimit > 0 {
		m.Metadata["attachmentSizeLimit"] = d.AttachmentSizeLimit
	}
}

// The types of channels that are threads, "Channel Types".
const (
	firstThreadType = 10
	lastThreadType  = 12
)

func (d *delivery) readUser(m *integration.Message) {
	var from user
	nick := ""
	switch {
	case d.Member != nil:
		from, nick = d.Member.User, d.Member.Nick
	case d.User != nil:
		from = *d.User
	}
	readUser(m, &from)
	m.From.Name = cmp.Or(nick, m.From.Name)
	if m.ConversationID == "" { // in direct messages, where the channel can be left out
		m.ConversationID = directMessages(from.ID)
	}
}

func readUser(m *integration.Message, u *user) {
	m.From = u.party()
	integration.PutText(m.Metadata, "username", u.Username)
	if u.Bot {
		m.Metadata["isBot"] = true
	}
}

func (u *user) party() integration.Party {
	return integration.Party{ID: u.ID.id(), Name: cmp.Or(u.GlobalName, u.Username)}
}

// unsupported replaces the content by Discord's name for it and keeps the delivery, without the token with which
// everybody may answer it. The token is in replyContext if the interaction can be answered.
func unsupported(m *integration.Message, w *integration.Webhook, kind, reason string) {
	m.Content = integration.Content{
		Type:        integration.TypeUnsupported,
		Unsupported: &integration.Unsupported{PlatformType: cmp.Or(kind, "event"), Reason: reason},
	}
	m.Metadata["raw"] = integration.MaskRaw(w.Payload, "token")
}
