package whatsapp

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/meta"
)

// readStatus adds the status of a message that was sent. It is from the recipient of that message.
func (b *batch) readStatus(item *meta.Item[status], index int) {
	s := &item.Value
	if s.Status == "deleted" {
		return // the recipient deleted their own copy
	}
	m := b.start(s.Timestamp)
	u := user{waID: s.RecipientID, userID: s.RecipientUserID}
	group := s.RecipientType == "group"
	if group {
		u = user{waID: s.ParticipantID, userID: s.ParticipantUserID}
	}
	// A status of the group itself has no user, even if there is only one contact.
	if u != (user{}) || !group {
		b.complete(&u, index)
	}
	u.put(m.Metadata)
	m.From, m.To, m.ConversationID = u.party(), b.number(), u.id()
	if group {
		m.ConversationID = integration.ID(s.RecipientID)
		integration.PutText(m.Metadata, "groupId", s.RecipientID)
		m.From.ID = cmp.Or(m.From.ID, m.ConversationID)
	}
	integration.PutText(m.Metadata, "callbackData", s.CallbackData)

	if slices.Contains(statuses, s.Status) && s.ID != "" && !item.Malformed {
		s.read(&m)
		m.DedupKey = s.ID + ":" + s.Status
		if who := cmp.Or(s.ParticipantUserID, s.ParticipantID); who != "" {
			m.DedupKey += ":" + who
		}
		m.ID = integration.ID(m.DedupKey)
	} else {
		unsupported(&m, "status", cmp.Or(malformed(item.Malformed), reason(s.Errors)), item.Raw(b.payload))
		b.name(&m, "status", item.Raw(b.payload))
	}
	b.messages = append(b.messages, m)
}

// billing is the part of a status about prices, as it came.
type billing struct {
	Conversation json.RawMessage `json:"conversation,omitempty"`
	Pricing      json.RawMessage `json:"pricing,omitempty"`
}

var statuses = []string{
	integration.DeliverySent, integration.DeliveryDelivered, integration.DeliveryRead, integration.DeliveryPlayed,
	integration.DeliveryFailed,
}

func (s *status) read(m *integration.Message) {
	out := &integration.Status{MessageID: integration.ID(s.ID), Status: s.Status}
	var others []integration.StatusError
	for i := range s.Errors {
		e := &s.Errors[i]
		failed := integration.StatusError{Code: string(e.Code), Title: cmp.Or(e.Title, e.Message), Detail: e.Data.Details}
		if i == 0 {
			out.Error = &failed
		} else {
			others = append(others, failed)
		}
	}
	if others != nil {
		m.Metadata["furtherErrors"] = others
	}
	if known(s.Conversation) || known(s.Pricing) {
		m.Metadata["status"] = billing{s.Conversation, s.Pricing}
	}
	m.Kind = integration.KindStatus
	m.Content = integration.Content{Type: integration.TypeStatus, Status: out}
}

// readError adds an error of the account or the platform, "Errors webhook reference". It belongs to no message.
func (b *batch) readError(item *meta.Item[failure]) {
	m := b.start(b.entry.Time)
	b.addEvent(&m, "error", item.Value.text(), item.Malformed, item.Raw(b.payload))
	integration.PutText(last(b.messages).Metadata, "errorCode", string(item.Value.Code))
}

// readPreference adds a user's choice to get marketing messages or to stop them.
func (b *batch) readPreference(item *meta.Item[preference], index int) {
	p := &item.Value
	m := b.start(p.Timestamp)
	u := user{waID: p.WaID, userID: p.UserID, parentUserID: p.ParentUserID}
	b.complete(&u, index)
	u.put(m.Metadata)
	m.From, m.To, m.ConversationID = u.party(), b.number(), u.id()
	integration.PutText(m.Metadata, "category", p.Category)
	integration.PutText(m.Metadata, "value", p.Value)
	b.addEvent(&m, "user_preferences", p.Detail, item.Malformed, item.Raw(b.payload))
}

// accountFields are the fields about the account, its numbers and its templates, and about features that have no
// content type here, such as calls. Each has a page below "Webhooks".
var accountFields = []string{
	"account_alerts", "account_offboarded", "account_reconnected", "account_review_update", "account_settings_update",
	"account_update",
	"automatic_events", "business_capability_update", "business_status_update", "calls", "flows", "history",
	"message_template_components_update",
	"message_template_quality_update", "message_template_status_update", "messaging_handovers", "partner_solutions",
	"payment_configuration_update", "phone_number_name_update", "phone_number_quality_update", "security",
	"smb_app_state_sync",
	"template_category_update", "template_correct_category_detection", "tracking_events", "user_id_update",
}

// readAccount adds an event of the account. Its conversation is the account.
func (b *batch) readAccount(item *meta.Item[change]) {
	c := &item.Value
	raw := c.Value.Raw(b.payload)
	if item.Malformed || !slices.Contains(accountFields, c.Field) {
		b.addUnsupported(c.Field, malformed(item.Malformed), item.Raw(b.payload))
		return
	}
	m := b.start(b.entry.Time)
	b.addEvent(&m, c.Field, c.Value.Value.Event.Value, false, raw)
}

// readGroup adds what happened to a group.
func (b *batch) readGroup(item *meta.Item[group], field string) {
	g := &item.Value
	m := b.start(g.Timestamp)
	m.ConversationID = integration.ID(g.ID)
	integration.PutText(m.Metadata, "groupId", g.ID)
	integration.PutText(m.Metadata, "groupSubject", g.Subject)
	integration.PutText(m.Metadata, "reason", g.Reason)
	integration.PutText(m.Metadata, "initiatedBy", g.InitiatedBy)
	integration.PutText(m.Metadata, "joinRequestId", g.JoinRequestID)

	members := slices.Concat(g.Added, g.Removed)
	event := g.Type
	switch {
	case g.Type == "group_participants_add":
		event = "member_joined"
	case g.Type == "group_participants_remove" && g.InitiatedBy == "business":
		event = "member_removed"
	case g.Type == "group_participants_remove":
		event = "member_left"
	case g.Type == "group_join_request_created":
		event, members = "join_requested", append(members, g.participant)
	case g.Type == "group_join_request_revoked":
		event, members = "join_request_revoked", append(members, g.participant)
	}
	b.addEvent(&m, cmp.Or(event, field), "", item.Malformed || g.ID == "", item.Raw(b.payload))
	if added := last(b.messages); field == "group_participants_update" && added.Content.System != nil {
		added.Kind = integration.KindMembership
		for _, p := range members {
			added.Content.System.Members = append(added.Content.System.Members, p.party())
		}
		if len(added.Content.System.Members) == 1 && g.InitiatedBy != "business" {
			added.From = added.Content.System.Members[0]
		}
	}
}

func (p *participant) party() integration.Party {
	return integration.Party{
		ID: integration.ID(cmp.Or(p.UserID, p.WaID, p.Input)), Name: strings.TrimPrefix(p.Username, "@"),
	}
}

// addEvent completes a message of the kind system and adds it. metadata.raw has the item as it came.
func (b *batch) addEvent(m *integration.Message, event, body string, isMalformed bool, raw json.RawMessage) {
	account := integration.ID(b.entry.ID)
	m.ConversationID = cmp.Or(m.ConversationID, account)
	m.From.ID, m.To.ID = cmp.Or(m.From.ID, account), cmp.Or(integration.ID(b.phone.ID), account)
	if isMalformed {
		unsupported(m, event, malformed(true), raw)
	} else {
		m.Kind = integration.KindSystem
		m.Content = integration.Content{Type: integration.TypeSystem, System: &integration.System{Event: event, Body: body}}
	}
	m.Metadata["raw"] = raw
	b.name(m, event, raw)
	b.messages = append(b.messages, *m)
}

func last(list []integration.Message) *integration.Message { return &list[len(list)-1] }
