package discord

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
)

// readEvent reads a webhook event of any type, "Event Types".
func (d *delivery) readEvent(w *integration.Webhook, damaged bool) *integration.Message {
	m := &integration.Message{DedupKey: bodyKey(w), Timestamp: parseTime(d.Event.Timestamp), Metadata: map[string]any{}}
	integration.PutText(m.Metadata, "eventType", d.Event.Type)
	var known bool
	var typeErr error
	subject, what := cutLast(d.Event.Type)
	switch subject {
	case "GAME_DIRECT_MESSAGE", "LOBBY_MESSAGE":
		known, typeErr = d.readMessageEvent(m, what, w)
	case "APPLICATION":
		known, typeErr = d.readAuthorization(m, what)
	case "ENTITLEMENT":
		known, typeErr = d.readEntitlement(m, what)
	}
	switch {
	case damaged || typeErr != nil:
		unsupported(m, w, d.Event.Type, "a field has an unexpected type")
	case !known:
		unsupported(m, w, d.Event.Type, "")
	}
	return m
}

// cutLast cuts the last word off an event's type.
func cutLast(name string) (subject, what string) {
	i := max(strings.LastIndex(name, "_"), 0)
	return name[:i], strings.TrimPrefix(name[i:], "_")
}

// readMessageEvent reads a message of a lobby or of a game's direct messages that was written, edited or deleted,
// "Social SDK Message Objects".
func (d *delivery) readMessageEvent(m *integration.Message, what string, w *integration.Webhook) (bool, error) {
	var msg message
	err := payload.Unmarshal(d.Event.Data, &msg)
	at := m.Timestamp
	known := readMessage(m, &msg, w)
	m.Timestamp = cmp.Or(m.Timestamp, at)
	switch what {
	case "CREATE":
	case "UPDATE":
		m.Kind = integration.KindEdit
		m.EditedAt = cmp.Or(parseTime(msg.EditedTimestamp), at)
	case "DELETE":
		m.Kind, m.ReplyTo, m.EditedAt = integration.KindDelete, nil, 0
		m.Timestamp = cmp.Or(at, m.Timestamp) // the time of the deletion, not of the message
		m.Content = integration.Content{Type: integration.TypeDelete}
		known = true
	default:
		known = false
	}
	return known && msg.ID != "", err
}

// readAuthorization reads that a user added the app to a server or to their account, or removed it.
func (d *delivery) readAuthorization(m *integration.Message, what string) (bool, error) {
	var data struct {
		IntegrationType *int     `json:"integration_type"`
		User            user     `json:"user"`
		Scopes          []string `json:"scopes"`
		Guild           struct {
			ID   snowflake `json:"id"`
			Name string    `json:"name"`
		} `json:"guild"`
	}
	err := payload.Unmarshal(d.Event.Data, &data)
	events := map[string]string{"AUTHORIZED": "app_authorized", "DEAUTHORIZED": "app_deauthorized"}
	m.Kind = integration.KindMembership
	readUser(m, &data.User)
	m.ConversationID = directMessages(data.User.ID)
	m.Content = integration.SystemContent(events[what], members(data.User)...)
	if data.IntegrationType != nil {
		m.Metadata["integrationType"] = *data.IntegrationType
	}
	if data.Scopes != nil {
		m.Metadata["scopes"] = data.Scopes
	}
	integration.PutText(m.Metadata, "guildId", string(data.Guild.ID))
	integration.PutText(m.Metadata, "guildName", data.Guild.Name)
	return events[what] != "", err
}

func members(users ...user) []integration.Party {
	var list []integration.Party
	for i := range users {
		if users[i].ID != "" {
			list = append(list, users[i].party())
		}
	}
	return list
}

// readEntitlement reads that a user or a server bought something of the app, or no longer has it. It comes as a webhook
// event and over the Gateway: the key is of what both say.
func (d *delivery) readEntitlement(m *integration.Message, what string) (bool, error) {
	var data struct {
		ID      snowflake `json:"id"`
		SKUID   snowflake `json:"sku_id"`
		UserID  snowflake `json:"user_id"`
		GuildID snowflake `json:"guild_id"`

		StartsAt string `json:"starts_at"`
		EndsAt   string `json:"ends_at"`
		Consumed bool   `json:"consumed"`
		Deleted  bool   `json:"deleted"`
	}
	err := payload.Unmarshal(d.Event.Data, &data)
	if data.ID != "" {
		m.DedupKey = strings.ToLower(d.Event.Type) + ":" + string(data.ID)
		if what == "UPDATE" { // there may be several
			m.DedupKey += fmt.Sprintf(
				":%d:%d:%t:%t", parseTime(data.StartsAt), parseTime(data.EndsAt), data.Consumed, data.Deleted,
			)
		}
	}
	events := map[string]string{
		"CREATE": "entitlement_created", "UPDATE": "entitlement_updated", "DELETE": "entitlement_deleted",
	}
	m.Kind = integration.KindSystem
	m.From.ID = data.UserID.id()
	m.ConversationID = directMessages(data.UserID)
	m.Content = integration.SystemContent(events[what], members(user{ID: data.UserID})...)
	integration.PutText(m.Metadata, "entitlementId", string(data.ID))
	integration.PutText(m.Metadata, "skuId", string(data.SKUID))
	integration.PutText(m.Metadata, "guildId", string(data.GuildID))
	m.Metadata["entitlement"] = d.Event.Data
	return events[what] != "" && data.ID != "", err
}
