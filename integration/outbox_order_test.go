package integration_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func TestOnlyTheSameConversationWaitsBehindWhatIsKept(t *testing.T) {
	b, s := withShelf(t)
	b.def.SendsOnce, b.events.fail = true, nil
	s.waits = "received\x00c1\x0042"
	_, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.Equal(t, []string{"received\x00c1\x0042 hios.processing.message.received parrot:c1:1"}, s.ids)
	require.Len(t, b.events.events, 1, "the other conversation goes on")

	b.platform.sending = func(context.Context, int, *integration.Message) (*integration.SendResult, error) {
		return &integration.SendResult{Success: true, MessageID: "1"}, nil
	}
	_, err = b.send()
	require.NoError(t, err)
	require.Contains(t, s.asked, "sent\x00c1\x0042", "a send's outcome waits for those of its recipient only")
	require.Len(t, s.ids, 1)
}
