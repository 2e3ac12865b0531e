package integration

import (
	"context"
	"slices"
	"time"
)

// statusMemory is how long a message's status is remembered. WhatsApp repeats webhooks for a week.
const statusMemory = 7 * 24 * time.Hour

// statusOrder is the order of a message's statuses. A failure is the last one.
var statusOrder = []string{DeliverySent, DeliveryDelivered, DeliveryRead, DeliveryPlayed, DeliveryFailed}

func isStatus(m Message) bool { return m.Content.Status != nil && m.Content.Status.MessageID != "" }

// markLate marks statuses that come after a later one of the same message. The service's cache holds the last status of
// each message: nodes that share a Redis know it from each other, other nodes know only what they have seen.
func (s *platformService) markLate(ctx context.Context, ch *Channel, messages []Message) {
	for i := range messages {
		if !isStatus(messages[i]) {
			continue
		}
		status := *messages[i].Content.Status
		rank := slices.Index(statusOrder, status.Status) + 1
		key := "status:" + ch.ID + ":" + string(status.MessageID) + ":" + string(messages[i].From.ID)
		var last int
		if _, err := s.cache.Get(ctx, key, &last); err != nil {
			continue // not knowing is no reason to hold the message back
		}
		switch {
		case rank > last:
			_ = s.cache.Set(ctx, key, rank, statusMemory) // as above
		case rank < last:
			status.Late = true
			messages[i].Content.Status = &status
		}
	}
}
