package integration_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cache"
	"github.com/hiliosai/switchboard/integration"
)

func TestStatusThatComesAfterALaterOneIsMarked(t *testing.T) {
	b := newHarness(t)
	b.runtime.Cache = cache.New(cache.NewMemory(cache.MemoryOptions{}), cache.Options{Log: b.runtime.Log})
	t.Cleanup(func() { require.NoError(t, b.runtime.Cache.Close()) })
	status := func(message integration.ID, status string) {
		b.platform.messages = append(b.platform.messages, integration.Message{
			ID: message, DedupKey: string(message) + status, Kind: integration.KindStatus,
			Content: integration.Content{
				Type: integration.TypeStatus, Status: &integration.Status{MessageID: message, Status: status},
			},
		})
	}
	status("m1", integration.DeliverySent)
	status("m1", integration.DeliveryRead)
	status("m1", integration.DeliveryDelivered)
	status("m1", integration.DeliveryRead)
	status("m2", integration.DeliveryDelivered)
	status("m1", integration.DeliveryFailed)
	_, err := b.receive(webhookParams())
	require.NoError(t, err)
	var late []bool
	for _, e := range b.events.events {
		var event struct{ Message integration.Message }
		require.NoError(t, json.Unmarshal(e.Payload, &event))
		late = append(late, event.Message.Content.Status.Late)
	}
	require.Equal(t, []bool{false, false, true, false, false, false}, late)
	require.False(t, b.platform.messages[2].Content.Status.Late, "the platform's own message is left alone")
}
