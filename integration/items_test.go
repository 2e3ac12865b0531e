package integration_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

func readParrotItem(m *integration.Message, item integration.Item) *integration.Unsupported {
	m.ID = integration.ID(item.Text("id"))
	if item.Text("type") != "text" {
		return &integration.Unsupported{PlatformType: item.Text("type")}
	}
	m.Content = integration.Content{Type: integration.TypeText, Text: item.Text("text")}
	return nil
}

func TestItemsOfAWebhookBecomeMessages(t *testing.T) {
	w := &integration.Webhook{
		Account: "A", Timestamp: time.UnixMilli(5),
		Payload: []byte(
			`{"in":{"events":[{"id":"1","type":"text","text":"hi"},{"id":2,"type":"dance"},"what?",{"type":"text"}]}}`,
		),
	}
	messages, err := w.Items("in.events", readParrotItem)
	require.NoError(t, err)
	require.Len(t, messages, 4)
	for i := range messages {
		m := &messages[i]
		require.NotEmpty(t, m.ID, "an item without an id gets a digest")
		require.Len(t, m.DedupKey, 64)
		require.Equal(t, []integration.ID{"A", "A", "A"}, []integration.ID{m.To.ID, m.From.ID, m.ConversationID})
		require.EqualValues(t, 5, m.Timestamp)
	}
	require.Equal(t, "hi", messages[0].Content.Text)
	for i, raw := range map[int]string{1: `{"id":2,"type":"dance"}`, 2: `"what?"`} {
		require.Equal(t, integration.TypeUnsupported, messages[i].Content.Type)
		require.Equal(t, json.RawMessage(raw), messages[i].Metadata["raw"])
	}
	require.Equal(t, integration.ID("2"), messages[1].ID, "what was read before the item proved unknown is kept")

	again, err := w.Items("in.events", readParrotItem)
	require.NoError(t, err)
	require.Equal(t, messages, again, "an item has the same id whenever it comes")
}

func TestWebhookWithoutItemsHasNoMessages(t *testing.T) {
	for payload, fails := range map[string]bool{
		`{}`: false, `{"events":[]}`: false, `{"events":null}`: false, `{"events":7}`: true, `[]`: true, `"x"`: true,
	} {
		messages, err := (&integration.Webhook{Payload: []byte(payload)}).Items("events", readParrotItem)
		require.Equal(t, fails, err != nil, payload)
		require.Empty(t, messages, payload)
	}
}

func TestChoicesAreButtonsAndRowsInOneList(t *testing.T) {
	i := &integration.Interactive{
		Buttons: []integration.Button{
			{ID: "y", Title: "Yes"}, {Title: "More", Type: integration.ButtonURL, URL: "https://example.org"},
		},
		Sections: []integration.Section{{Title: "Fast", Rows: []integration.Row{
			{ID: "e", Title: "Express train", Description: "today"}, {Title: "Mail"},
		}}},
	}
	choices := i.Choices()
	require.Equal(t, integration.Choices{
		{ID: "y", Title: "Yes"},
		{ID: "More", Title: "More", URL: "https://example.org"},
		{ID: "e", Title: "Express train", Description: "today"},
		{ID: "Mail", Title: "Mail", Description: "Fast"},
	}, choices)
	require.Equal(t, len("Express train"), choices.LongestTitle(textlimit.UTF16))
	require.Zero(t, integration.Choices(nil).LongestTitle(textlimit.UTF16))
}

// onePerPath is a platform whose webhooks name one account each.
type onePerPath struct{ *platform }

func (onePerPath) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	return []integration.Message{{ID: integration.ID(w.Account), ConversationID: "c"}}, nil
}

func TestWebhooksFindTheirChannelsByAPathOfTheirPayload(t *testing.T) {
	b := accountHarness(t)
	b.def.Platform, b.def.AccountPath = onePerPath{b.platform}, "to.account"
	store := b.runtime.Channels.(accountStore)
	store["a"].Settings = map[string]string{"account": "A"}
	receive := func(channel, account string) (any, error) {
		params := webhookParams(
			object{"payload": object{"to": object{"account": account}}, "headers": object{"x-key": token}},
		)
		if params["channelId"] = channel; channel == "" {
			delete(params, "channelId")
		}
		return b.receive(params)
	}
	answer, err := receive("", "A")
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messages":1,"failed":0}`, toJSON(t, answer))
	require.Equal(t, "parrot:a:A", b.events.events[0].ID)

	answer, err = receive("a", "B")
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messages":0,"failed":0,"ignored":1}`, toJSON(t, answer))
	require.Contains(t, b.logs.String(), "FOREIGN_ACCOUNT")
	require.Len(t, b.events.events, 1)

	_, err = receive("b", "C")
	require.NoError(t, err)
	require.Len(t, b.events.events, 2, "a channel that does not say its account takes all")
}
