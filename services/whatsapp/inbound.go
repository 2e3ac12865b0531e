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

// object is in every webhook of WhatsApp; webhooks of Meta's other products have another one.
const object = "whatsapp_business_account"

var (
	_ integration.Platform = (*platform)(nil)
	_ integration.Accounts = (*platform)(nil)
)

// Normalize implements [integration.Platform]. Each item of a webhook becomes a message. An item with a field of an
// unexpected type, or of an unknown kind, becomes a message of TypeUnsupported with all that could be read.
func (*platform) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	var hook webhook
	_ = payload.UnmarshalParts(w.Payload, &hook) // the two fields outside of all items are checked here
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

// Accounts implements [integration.Accounts]. It returns the ids of the phone numbers that a webhook is for. A webhook
// without one is for the channel in the URL's query.
func (*platform) Accounts(_ context.Context, w *integration.Webhook) ([]string, error) {
	var hook webhook
	_ = payload.UnmarshalParts(w.Payload, &hook) // Normalize refuses a malformed webhook
	var numbers []string
	for _, e := range hook.Entry {
		for _, c := range e.Value.Changes {
			numbers = append(numbers, c.Value.Value.Value.Metadata.ID)
		}
	}
	return numbers, nil
}

// items estimates how many messages the webhook has.
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

// batch collects the messages of a webhook. It has the entry and the change that are being read.
type batch struct {
	webhook    *integration.Webhook
	payload    []byte
	receivedAt int64 // ms since 1970
	messages   []integration.Message

	entry    *entry
	contacts meta.Items[contact]
	phone    phone
	// Ids as values for metadata, converted once for all messages.
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

// foreign returns the owner of a change that is for another number than the channel's, or that has no number and is for
// another account than the channel's. It returns "" for a change of this channel. The webhooks of all numbers of an app
// come to one URL, unless each number has its own.
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
	ignored := len(v.Statuses) > 0 // readStatus leaves out some of them
	if item.Malformed || c.Value.Malformed || len(b.messages) == before && !ignored {
		b.addUnsupported(c.Field, malformed(item.Malformed || c.Value.Malformed), item.Raw(b.payload))
	}
}

// start returns a message with the fields that all messages have. Its timestamp is in ms since 1970.
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

// number returns the business as the party of a conversation.
func (b *batch) number() integration.Party { return integration.Party{ID: integration.ID(b.phone.ID)} }

// addUnsupported adds a message for an item of an unknown form.
func (b *batch) addUnsupported(platformType, reason string, raw json.RawMessage) {
	m := b.start(b.entry.Time)
	m.To = b.number()
	unsupported(&m, platformType, reason, raw)
	b.name(&m, platformType, raw)
	b.messages = append(b.messages, m)
}

// unsupported makes the content of a message unsupported and keeps the item as it came in metadata.raw.
func unsupported(m *integration.Message, platformType, reason string, raw json.RawMessage) {
	m.Kind = ""
	m.Content = integration.Content{
		Type:        integration.TypeUnsupported,
		Unsupported: &integration.Unsupported{PlatformType: cmp.Or(platformType, "message"), Reason: reason},
	}
	m.Metadata["raw"] = raw
}

// name gives an id to an item without one. A repeated webhook gets the same ids.
func (b *batch) name(m *integration.Message, kind string, raw json.RawMessage) {
	h := sha256.New()
	fmt.Fprintf(h, "%s %s %d ", b.entry.ID, b.phone.ID, b.entry.Time)
	h.Write(raw)
	m.DedupKey = kind + ":" + hex.EncodeToString(h.Sum(nil)[:16])
	m.ID = integration.ID(m.DedupKey)
}

// malformed returns the reason for an unsupported message, "" if isMalformed is false.
func malformed(isMalformed bool) string {
	if isMalformed {
		return "a field has an unexpected type"
	}
	return ""
}

// user is the user of a message or a status.
type user struct {
	waID, userID, parentUserID, name, username string
}

// sort moves a business-scoped user id out of the field of the phone number.
func (u *user) sort() {
	if strings.Contains(u.waID, ".") && userIDPattern.MatchString(u.waID) {
		u.userID, u.waID = cmp.Or(u.userID, u.waID), ""
	}
}

// id returns the business-scoped user id if there is one. Unlike the phone number it is never hidden.
func (u *user) id() integration.ID {
	return integration.ID(cmp.Or(u.userID, u.waID))
}

func (u *user) party() integration.Party { return integration.Party{ID: u.id(), Name: u.name} }

// put adds all ids of the user to the metadata. Earlier messages may have had another one of them.
func (u *user) put(metadata map[string]any) {
	integration.PutText(metadata, "waId", u.waID)
	integration.PutText(metadata, "userId", u.userID)
	integration.PutText(metadata, "parentUserId", u.parentUserID)
	integration.PutText(metadata, "username", u.username)
}

// complete adds data of the change's contacts to a user, who is usually the contact of the same index.
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
