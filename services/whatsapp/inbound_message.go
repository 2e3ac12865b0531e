package whatsapp

import (
	"bytes"
	"cmp"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/meta"
)

// readMessage adds a message of a user. With echo, the WhatsApp Business app sent it to the user.
func (b *batch) readMessage(item *meta.Item[message], index int, echo bool) {
	msg := &item.Value
	m := b.start(msg.Timestamp)
	m.ID, m.DedupKey = integration.ID(msg.ID), msg.ID
	u := user{waID: msg.From, userID: msg.FromUserID, parentUserID: msg.FromParentUserID}
	if echo {
		u = user{waID: msg.To, userID: msg.ToUserID, parentUserID: msg.ToParentUserID}
	}
	b.complete(&u, index)
	m.From, m.To, m.ConversationID = u.party(), b.number(), u.id()
	if echo {
		m.Direction = integration.DirectionEcho
		m.From, m.To = m.To, m.From
	}
	u.put(m.Metadata)
	if msg.GroupID != "" {
		m.ConversationID = integration.ID(msg.GroupID)
		m.Metadata["groupId"] = msg.GroupID
	}
	msg.Context.read(&m)
	if known(msg.Referral) {
		m.Metadata["referral"] = msg.Referral
	}
	known := msg.read(&m)
	nobody := known && u.id() == "" && m.Kind != integration.KindSystem // a system notice names its user itself
	if item.Malformed || !known || nobody {
		why := cmp.Or(malformed(item.Malformed), reason(msg.Errors))
		if nobody {
			why = cmp.Or(why, "nobody is named who sent it, or to whom")
		}
		unsupported(&m, cmp.Or(msg.Unsupported.Type, msg.Type), why, item.Raw(b.payload))
	}
	if m.DedupKey == "" {
		b.name(&m, cmp.Or(msg.Type, "message"), item.Raw(b.payload))
	}
	b.messages = append(b.messages, m)
}

// read sets the content and the kind of a message. It returns false if they are unknown or malformed.
func (msg *message) read(m *integration.Message) bool {
	if msg.ID == "" {
		return false
	}
	switch msg.Type {
	case "edit":
		return msg.Edit.read(m)
	case "revoke":
		if msg.Revoke == nil || msg.Revoke.OriginalMessageID == "" {
			return false
		}
		m.ID, m.Kind = integration.ID(msg.Revoke.OriginalMessageID), integration.KindDelete
		m.Content = integration.Content{Type: integration.TypeDelete}
		return true
	case "system":
		return msg.readSystem(m)
	default:
		return msg.content.read(m)
	}
}

// read sets the id of the edited message and its new content. The id of the edit itself stays the key for
// deduplication.
func (e *edit) read(m *integration.Message) bool {
	if e == nil || e.OriginalMessageID == "" || !e.Message.read(m) || m.Kind != "" && m.Kind != integration.KindCommand {
		return false
	}
	m.ID, m.Kind, m.EditedAt = integration.ID(e.OriginalMessageID), integration.KindEdit, m.Timestamp
	return true
}

// read sets the message that is answered, and whether this one was forwarded.
func (r *reference) read(m *integration.Message) {
	if r == nil {
		return
	}
	if r.ID != "" {
		m.ReplyTo = &integration.ReplyTo{MessageID: integration.ID(r.ID), ParticipantID: integration.ID(r.From)}
	}
	if r.Forwarded || r.FrequentlyForwarded {
		m.Metadata["forwarded"] = true
	}
	if r.FrequentlyForwarded {
		m.Metadata["frequentlyForwarded"] = true
	}
	if p := r.ReferredProduct; p != nil {
		m.Metadata["referredProduct"] = map[string]any{"catalogId": p.CatalogID, "productId": p.ProductRetailerID}
	}
}

// readSystem sets a system event: a user has new ids, or another phone.
func (msg *message) readSystem(m *integration.Message) bool {
	s := msg.System
	if s == nil || s.Type == "" {
		return false
	}
	m.Kind = integration.KindSystem
	event := &integration.System{Event: s.Type, Body: s.Body, Members: []integration.Party{m.From}}
	waID, oldUserID := cmp.Or(s.WaID, s.NewWaID), cmp.Or(s.PreviousUserID, msg.FromUserID)
	switch {
	case s.UserID != "" && oldUserID != "":
		event.OldID, event.NewID = integration.ID(oldUserID), integration.ID(s.UserID)
	case waID != "":
		event.OldID, event.NewID = integration.ID(msg.From), integration.ID(waID)
	default:
		event.NewID = integration.ID(s.UserID)
	}
	// A notice without a sender is about the user with the old id.
	if m.ConversationID == "" {
		m.ConversationID = cmp.Or(event.OldID, event.NewID)
		m.From.ID = m.ConversationID
		event.Members[0] = m.From
	}
	integration.PutText(m.Metadata, "newWaId", waID)
	integration.PutText(m.Metadata, "newUserId", s.UserID)
	integration.PutText(m.Metadata, "newParentUserId", s.ParentUserID)
	if known(msg.Identity) {
		m.Metadata["identity"] = msg.Identity
	}
	m.Content = integration.Content{Type: integration.TypeSystem, System: event}
	return true
}

func reason(errs []failure) string {
	if len(errs) == 0 {
		return ""
	}
	return errs[0].text()
}

// text returns the most detailed text of an error.
func (f *failure) text() string { return cmp.Or(f.Data.Details, f.Message, f.Title) }

// known says whether a raw JSON value is there and not null.
func known(raw []byte) bool { return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) }
