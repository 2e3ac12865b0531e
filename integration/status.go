package integration

import (
	"context"
	"slices"
	"time"
)

// statusMemory is how long a message's status is remembered: WhatsApp repeats for a week.
const statusMemory = 7 * 24 * time.Hour

// statusOrder is the order in which a message's statuses come about; a failure ends it.
var statusOrder = []string{DeliverySent, DeliveryDelivered, DeliveryRead, DeliveryPlayed, DeliveryFailed}

func isStatus(m Message) bool { return m.Content.Status != nil && m.Content.Status.MessageID != "" }

// markLate marks statuses that come after a later one of their message. What is known of a message is in the
// service's cache: all nodes know it where they share a Redis, else each knows what it has seen.
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
