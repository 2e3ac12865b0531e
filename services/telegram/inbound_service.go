package telegram

import (
	"encoding/json"
	"math"
	"slices"

	"github.com/hiliosai/switchboard/integration"
)

// readService fills in a message that Telegram itself wrote into a chat, and says whether it is known.
func readService(m *integration.Message, msg *message, payload json.RawMessage) bool {
	system := &integration.System{}
	kind := integration.KindSystem
	switch {
	case len(msg.NewChatMembers) > 0:
		kind, system.Event = integration.KindMembership, memberJoined
		for i := range msg.NewChatMembers {
			system.Members = append(system.Members, msg.NewChatMembers[i].party())
		}
	case msg.LeftChatMember != nil:
		kind, system.Event = integration.KindMembership, memberLeft
		if msg.From != nil && msg.From.ID != msg.LeftChatMember.ID {
			system.Event = memberRemoved
		}
		system.Members = []integration.Party{msg.LeftChatMember.party()}
	case msg.MigrateToChatID != 0:
		// Messages can no longer be sent to the old chat.
		system.Event, system.OldID, system.NewID = "chat_migrated", decimalID(msg.Chat.ID), decimalID(msg.MigrateToChatID)
	case msg.MigrateFromChatID != 0: // the same event, in the new chat
		system.Event, system.OldID, system.NewID = "chat_migrated", decimalID(msg.MigrateFromChatID), decimalID(msg.Chat.ID)
	case msg.PinnedMessage != nil:
		system.Event = "message_pinned"
		if system.Body = msg.PinnedMessage.Text; system.Body == "" {
			system.Body = msg.PinnedMessage.Caption
		}
		integration.PutText(m.Metadata, "pinnedMessageId", string(messageID(msg.Chat.ID, msg.PinnedMessage.MessageID)))
	case msg.NewChatTitle != "":
		system.Event, system.Body = "chat_title_changed", msg.NewChatTitle
	case msg.RefundedPayment != nil:
		system.Event = "payment_refunded"
		m.Metadata["payment"] = msg.RefundedPayment.details()
	case msg.SuccessfulPayment != nil:
		m.Metadata["payment"] = msg.SuccessfulPayment.details()
		m.Content = integration.Content{Type: integration.TypeOrder, Order: msg.SuccessfulPayment.order()}
		return true
	case msg.WebAppData != nil:
		readWebAppData(m, msg.WebAppData)
		return true
	default:
		if system.Event = serviceField(payload); system.Event == "" {
			return false
		}
		m.Metadata["raw"] = payload
	}
	m.Kind = kind
	m.Content = integration.Content{Type: integration.TypeSystem, System: system}
	return true
}

// serviceField returns the name of the field by which an update's message is a service message, or "". The event has
// the same name.
func serviceField(payload json.RawMessage) string {
	_, body := firstOf(payload, isUpdateID)
	if name, _ := firstOf(body, isMessageField); slices.Contains(serviceFields, name) {
		return name
	}
	return ""
}

// serviceFields are the fields of "Message" for service messages that readService does not read.
var serviceFields = []string{
	"chat_owner_left", "chat_owner_changed", "new_chat_photo", "delete_chat_photo", "group_chat_created",
	"supergroup_chat_created", "channel_chat_created", "message_auto_delete_timer_changed", "users_shared", "chat_shared",
	"gift", "unique_gift", "gift_upgrade_sent", "connected_website", "write_access_allowed", "proximity_alert_triggered",
	"boost_added", "chat_background_set", "checklist_tasks_done", "checklist_tasks_added", "community_chat_added",
	"community_chat_joined", "community_chat_removed", "direct_message_price_changed", "forum_topic_created",
	"forum_topic_edited", "forum_topic_closed", "forum_topic_reopened", "general_forum_topic_hidden",
	"general_forum_topic_unhidden", "giveaway_created", "giveaway_completed", "managed_bot_created",
	"paid_message_price_changed", "poll_option_added", "poll_option_deleted", "suggested_post_approved",
	"suggested_post_approval_failed", "suggested_post_declined", "suggested_post_paid", "suggested_post_refunded",
	"video_chat_scheduled", "video_chat_started", "video_chat_ended", "video_chat_participants_invited",
}

// order returns what was paid for, as one item with the bot's invoice_payload as its id. The price is in the main unit
// of the currency.
func (p *payment) order() *integration.Order {
	return &integration.Order{Items: []integration.OrderItem{{
		ProductID: integration.ID(p.InvoicePayload), Quantity: 1, Currency: p.Currency,
		Price: float64(p.TotalAmount) / math.Pow10(decimals(p.Currency)),
	}}}
}

// decimals returns the number of decimal places of a currency, "SuccessfulPayment". "XTR" are stars.
func decimals(currency string) int {
	switch currency {
	case "XTR", "CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND":
		return 0
	default:
		return 2
	}
}

// details returns what is needed for a refund, with the exact amount.
func (p *payment) details() map[string]any {
	details := map[string]any{"currency": p.Currency, "totalAmount": p.TotalAmount}
	integration.PutText(details, "invoicePayload", p.InvoicePayload)
	integration.PutText(details, "telegramPaymentChargeId", p.TelegramPaymentChargeID)
	integration.PutText(details, "providerPaymentChargeId", p.ProviderPaymentChargeID)
	return details
}
