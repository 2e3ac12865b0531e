package whatsapp

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
	"github.com/hiliosai/switchboard/services/meta"
)

// object is that of this platform's webhooks, whatever the product that an app sends them for.
const object = "whatsapp_business_account"

// Normalize makes a message of each item of a webhook. Where a field of one has an unexpected type, or an item is
// of a kind that is not modelled, the message is of TypeUnsupported and tells what could be read.
func (*platform) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	var hook webhook
	_ = payload.UnmarshalParts(w.Payload, &hook) // what is outside of all items is looked at here
	if hook.Object != object || hook.Entry == nil {
		return nil, &integration.Error{
			Kind: integration.FaultInvalid, Code: codes.WebhookInvalid,
			Message: fmt.Sprintf("the payload is not one of WhatsApp: an object with object %q and a list entry; Meta's "+
				"other products need channels of their own", object),
		}
	}
	b := batch{
		webhook: w, payload: w.Payload, receivedAt: w.Timestamp.UnixMilli(),
		messages: make([]integration.Message, 0, hook.items()),
	}
	for _, item := range hook.Entry {
		b.readEntry(item)
	}
	return b.messages, nil
}

// Accounts names the phone numbers that a webhook is for. One that names none is for the channel of the URL's query.
func (*platform) Accounts(_ context.Context, w *integration.Webhook) ([]string, error) {
	var hook webhook
	_ = payload.UnmarshalParts(w.Payload, &hook) // Normalize refuses what is none
	var numbers []string
	for _, e := range hook.Entry {
		for _, c := range e.Value.Changes {
			numbers = append(numbers, c.Value.Value.Value.Metadata.ID)
		}
	}
	return numbers, nil
}

// items counts what messages are likely to be made of.
func (h *webhook) items() int {
	n := 0
	for _, e := range h.Entry {
		for _, c := range e.Value.Changes {
			v := &c.Value.Value.Value
			n += max(1, len(v.Messages)+len(v.Statuses)+len(v.Errors)+len(v.Echoes)+len(v.Preferences)+len(v.Groups))
		}
	}
	return n
}

// batch collects the messages of a webhook, and knows where in it the reading is.
type batch struct {
	webhook    *integration.Webhook
	payload    []byte
	receivedAt int64 // ms since 1970
	messages   []integration.Message

	entry    *entry
	contacts meta.Items[contact]
	phone    phone
	// As metadata holds them, so that not every message boxes them anew.
	wabaID, phoneNumberID, displayPhoneNumber any
}

func (b *batch) readEntry(item *meta.Item[entry]) {
	e := &item.Value
	b.entry, b.wabaID = e, string(e.ID)
	for _, item := range e.Changes {
		b.readChange(item)
	}
	if item.Malformed || len(e.Changes) == 0 {
		b.phone, b.phoneNumberID, b.displayPhoneNumber = phone{}, "", ""
		b.addUnsupported("entry", malformed(item.Malformed), item.Raw(b.payload))
	}
}

// foreign says whose a change is that names another number than the channel's or, where it names none, another account
// than the channel declares. An app's webhooks for all numbers come to one URL, unless each has one of its own.
func (b *batch) foreign(phoneNumberID string) string {
	ch := b.webhook.Channel
	number, account := ch.Credentials[fieldPhoneNumberID], ch.Settings[fieldWABAID]
	switch {
	case phoneNumberID != "" && number != "":
		if phoneNumberID != number {
			return "phone number id " + phoneNumberID
		}
	case account != "" && b.entry.ID != "" && string(b.entry.ID) != account:
		return "account " + string(b.entry.ID)
	}
	return ""
}

func (b *batch) readChange(item *meta.Item[change]) {
	c := &item.Value
	v := &c.Value.Value
	if whose := b.foreign(v.Metadata.ID); whose != "" {
		b.webhook.Foreign(whose)
		return
	}
	b.phone, b.contacts = v.Metadata, v.Contacts
	b.phoneNumberID, b.displayPhoneNumber = v.Metadata.ID, v.Metadata.Display
	before := len(b.messages)
	switch c.Field {
	case "messages":
		for i, item := range v.Messages {
			b.readMessage(item, i, false)
		}
		for i, item := range v.Statuses {
			b.readStatus(item, i)
		}
		for _, item := range v.Errors {
			b.readError(item)
		}
	case "smb_message_echoes", "message_echoes":
		for i, item := range v.Echoes {
			b.readMessage(item, i, true)
		}
	case "user_preferences":
		for i, item := range v.Preferences {
			b.readPreference(item, i)
		}
	case "group_participants_update", "group_lifecycle_update", "group_settings_update", "group_status_update":
		for _, item := range v.Groups {
			b.readGroup(item, c.Field)
		}
	default:
		b.readAccount(item)
		return
	}
	ignored := len(v.Statuses) > 0 // some of them are left out on purpose
	if item.Malformed || c.Value.Malformed || len(b.messages) == before && !ignored {
		b.addUnsupported(c.Field, malformed(item.Malformed || c.Value.Malformed), item.Raw(b.payload))
	}
}

// start makes a message that has what all of them have.
func (b *batch) start(at meta.Seconds) integration.Message {
	m := integration.Message{Timestamp: b.receivedAt, Metadata: make(map[string]any, 8)}
	if at != 0 {
		m.Timestamp = at.Milli()
	}
	m.Metadata["wabaId"] = b.wabaID
	if b.phone.ID != "" {
		m.Metadata["phoneNumberId"] = b.phoneNumberID
	}
	if b.phone.Display != "" {
		m.Metadata["displayPhoneNumber"] = b.displayPhoneNumber
	}
	return m
}

// number is the party that the business is in its conversations.
func (b *batch) number() integration.Party { return integration.Party{ID: integration.ID(b.phone.ID)} }

// addUnsupported passes on what is of no known form.
func (b *batch) addUnsupported(platformType, reason string, raw json.RawMessage) {
	m := b.start(b.entry.Time)
	m.To = b.number()
	unsupported(&m, platformType, reason, raw)
	b.name(&m, platformType, raw)
	b.messages = append(b.messages, m)
}

// unsupported replaces the content by what WhatsApp calls it and keeps it as it came.
func unsupported(m *integration.Message, platformType, reason string, raw json.RawMessage) {
	m.Kind = ""
	m.Content = integration.Content{
		Type:        integration.TypeUnsupported,
		Unsupported: &integration.Unsupported{PlatformType: cmp.Or(platformType, "message"), Reason: reason},
	}
	m.Metadata["raw"] = raw
}

// name gives an id to what has none of its own: one that it has again when it is sent again.
func (b *batch) name(m *integration.Message, kind string, raw json.RawMessage) {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s %d ", b.entry.ID, b.phone.ID, b.entry.Time)
	h.Write(raw)
	m.DedupKey = kind + ":" + hex.EncodeToString(h.Sum(nil)[:16])
	m.ID = integration.ID(m.DedupKey)
}

func malformed(isMalformed bool) string {
	if isMalformed {
		return "a field has an unexpected type"
	}
	return ""
}

// user is who a message or a status is about.
type user struct {
	waID, userID, parentUserID, name, username string
}

// sort keeps a phone number apart from a business-scoped user id that stands in its place.
func (u *user) sort() {
	if strings.Contains(u.waID, ".") && userIDPattern.MatchString(u.waID) {
		u.userID, u.waID = cmp.Or(u.userID, u.waID), ""
	}
}

// id prefers the business-scoped user id, which every user has and which stays when the phone number is hidden.
func (u *user) id() integration.ID {
	return integration.ID(cmp.Or(u.userID, u.waID))
}

func (u *user) party() integration.Party { return integration.Party{ID: u.id(), Name: u.name} }

// put tells the user's other ids, by which earlier messages may have known them.
func (u *user) put(metadata map[string]any) {
	putText(metadata, "waId", u.waID)
	putText(metadata, "userId", u.userID)
	putText(metadata, "parentUserId", u.parentUserID)
	putText(metadata, "username", u.username)
}

// complete adds what the contacts of the change tell about a user, who is mostly the contact of the same index.
func (b *batch) complete(u *user, index int) {
	defer u.sort()
	same := func(c *contact) bool {
		return u.userID != "" && c.UserID == u.userID || u.waID != "" && c.WaID == u.waID
	}
	var c *contact
	if index < len(b.contacts) && same(&b.contacts[index].Value) {
		c = &b.contacts[index].Value
	}
	for i := 0; c == nil && i < len(b.contacts); i++ {
		if same(&b.contacts[i].Value) {
			c = &b.contacts[i].Value
		}
	}
	if c == nil {
		if len(b.contacts) != 1 {
			return
		}
		c = &b.contacts[0].Value
	}
	u.waID, u.userID = cmp.Or(u.waID, c.WaID), cmp.Or(u.userID, c.UserID)
	u.parentUserID, u.username = cmp.Or(u.parentUserID, c.ParentUserID), c.Profile.Username
	u.name = cmp.Or(c.Profile.Name, strings.TrimPrefix(c.Profile.Username, "@"))
}

func putText(metadata map[string]any, key, value string) {
	if value != "" {
		metadata[key] = value
	}
}
