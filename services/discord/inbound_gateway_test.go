package discord_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/discord"
)

// overGateway normalizes what came over the Gateway.
func overGateway(tb testing.TB, body []byte) ([]integration.Message, error) {
	tb.Helper()
	return discord.Definition(nil).Platform.Normalize(tb.Context(), dispatchWebhook(body))
}

// dispatchWebhook is a dispatch on its way to Normalize.
func dispatchWebhook(body []byte) *integration.Webhook {
	ch := channel()
	ch.Credentials["applicationId"] = "1111111111111111111"
	return &integration.Webhook{
		Platform: "discord", ChannelID: ch.ID, TenantID: ch.TenantID, Channel: ch, Connection: true, Payload: body,
		RawBody: body, Timestamp: receivedAt,
	}
}

func dispatchOf(tb testing.TB, name string) []byte {
	tb.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "gateway", name+".json")) // #nosec G304 -- of the test
	require.NoError(tb, err)
	return body
}

func fromGateway(tb testing.TB, name string) []integration.Message {
	tb.Helper()
	messages, err := overGateway(tb, dispatchOf(tb, name))
	require.NoError(tb, err)
	return messages
}

// Each dispatch of testdata/gateway becomes what testdata/golden/gateway says.
func TestGatewayDispatchesBecomeMessages(t *testing.T) {
	paths, err := filepath.Glob("testdata/gateway/*.json")
	require.NoError(t, err)
	require.Greater(t, len(paths), 30)
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			messages := fromGateway(t, name)
			seen := map[string]bool{}
			for _, m := range messages {
				require.NotEmpty(t, m.DedupKey)
				require.False(t, seen[m.DedupKey], "two messages of one dispatch have one key")
				seen[m.DedupKey] = true
				require.NotEmpty(t, m.ConversationID)
			}
			require.Equal(t, messages, fromGateway(t, name), "the same again")
			got, err := json.MarshalIndent(messages, "", " ")
			require.NoError(t, err)
			integrationtest.Golden(t, "testdata/golden/gateway/"+name+".json", append(got, '\n'))
		})
	}
}

func TestGatewayUpdatesThatAreNoEditsBecomeNothing(t *testing.T) {
	for _, name := range []string{"embeds_added", "embeds_added_in_part", "thread_joined", "server_became_available"} {
		require.Empty(t, fromGateway(t, name), name)
	}
	edits := fromGateway(t, "edit_in_part")
	require.Equal(t, integration.KindEdit, edits[0].Kind)
	require.Equal(t, "hello all", edits[0].Content.Text)
	require.Equal(t, fromGateway(t, "edit")[0].DedupKey, edits[0].DedupKey)
	require.NotEqual(t, fromGateway(t, "message")[0].DedupKey, edits[0].DedupKey)
}

func TestGatewayEchoesAreMarked(t *testing.T) {
	for name, echo := range map[string]bool{
		"own_message": true, "embed_of_a_webhook": true, "own_reaction": true, "message": false, "reaction_added": false,
		"direct_message": false,
	} {
		require.Equal(t, echo, fromGateway(t, name)[0].Direction == integration.DirectionEcho, name)
	}
	// The id of a bot's user is in its token, where that of an older app is another one.
	ch := channel()
	ch.Credentials["botToken"] = "NzAwMDAwMDAwMDAwMDAwMDA3.abc.def" // 700000000000000007
	body := dispatchOf(t, "message")
	messages, err := discord.Definition(nil).Platform.Normalize(t.Context(), &integration.Webhook{
		Channel: ch, Connection: true, Payload: body, RawBody: body, Timestamp: receivedAt,
	})
	require.NoError(t, err)
	require.Equal(t, integration.DirectionEcho, messages[0].Direction)
}

// The conversation of a message is that of an interaction at the same place, so that an answer to either goes there.
func TestGatewayConversationsAgreeWithInteractions(t *testing.T) {
	for name, place := range map[string]map[string]any{
		"message": {
			"guild_id": "290926798626357999", "channel_id": "290926798626999250",
			"channel": map[string]any{"id": "290926798626999250", "type": 0},
		},
		"direct_message": {
			"channel_id": "500000000000000005", "channel": map[string]any{"id": "500000000000000005", "type": 1},
		},
		"message_in_a_thread": {
			"guild_id": "290926798626357999", "channel_id": "290926798626999999",
			"channel": map[string]any{"id": "290926798626999999", "type": 11, "parent_id": "290926798626999250"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			interaction := map[string]any{
				"id": "1", "application_id": "1111111111111111111", "type": 2, "token": "t", "version": 1,
				"data": map[string]any{"id": "2", "name": "help", "type": 1},
				"user": map[string]any{"id": "700000000000000007", "username": "ada_b"},
			}
			for key, value := range place {
				interaction[key] = value
			}
			body, err := json.Marshal(interaction)
			require.NoError(t, err)
			commands, err := overGateway(t, body)
			require.NoError(t, err)
			written := fromGateway(t, name)[0]
			require.Equal(t, commands[0].ConversationID, written.ConversationID)
			require.Equal(t, commands[0].ThreadID, written.ThreadID)
			require.Equal(t, commands[0].From.ID, written.From.ID)
		})
	}
}

func TestGatewayReactionThatComesAgainIsAnotherOne(t *testing.T) {
	var frame map[string]any
	require.NoError(t, json.Unmarshal(dispatchOf(t, "reaction_added"), &frame))
	first := fromGateway(t, "reaction_added")[0].DedupKey
	frame["s"] = 50
	body, err := json.Marshal(frame)
	require.NoError(t, err)
	later, err := overGateway(t, body)
	require.NoError(t, err)
	require.NotEqual(t, first, later[0].DedupKey)
}

func TestGatewayGarbageIsRefused(t *testing.T) {
	for _, body := range []string{
		`{"t":"MESSAGE_CREATE","s":1,"op":0}`, `{"t":"MESSAGE_CREATE","s":1,"op":0,"d":[]}`,
		`{"t":"MESSAGE_DELETE","s":1,"op":0,"d":"x"}`,
	} {
		_, err := overGateway(t, []byte(body))
		var e *integration.Error
		require.ErrorAs(t, err, &e, body)
		require.Equal(t, codes.WebhookInvalid, e.Code)
	}
	bulk := `{"t":"MESSAGE_DELETE_BULK","s":1,"op":0,"d":{"channel_id":"1","ids":[` + strings.Repeat(`"1",`, 5000) +
		`"2"]}}`
	messages, err := overGateway(t, []byte(bulk))
	require.NoError(t, err)
	require.LessOrEqual(t, len(messages), 100)
}

// What comes by HTTP is signed, and has another form: a dispatch there is nobody's.
func TestGatewayDispatchByHTTPIsRefused(t *testing.T) {
	body := dispatchOf(t, "message")
	_, err := discord.Definition(nil).Platform.Normalize(t.Context(), &integration.Webhook{
		Channel: channel(), Payload: body, RawBody: body, Timestamp: receivedAt,
	})
	var e *integration.Error
	require.ErrorAs(t, err, &e)
}

func FuzzGatewayDispatch(f *testing.F) {
	paths, err := filepath.Glob("testdata/gateway/*.json")
	require.NoError(f, err)
	for _, path := range paths {
		body, err := os.ReadFile(path) // #nosec G304 -- of the test
		require.NoError(f, err)
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		messages, err := overGateway(t, body)
		if err != nil {
			var e *integration.Error
			require.ErrorAs(t, err, &e)
		}
		for _, m := range messages {
			require.NotEmpty(t, m.DedupKey)
		}
	})
}

func BenchmarkNormalizeGatewayMessage(b *testing.B) {
	platform, w := discord.Definition(nil).Platform, dispatchWebhook(dispatchOf(b, "message"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := platform.Normalize(b.Context(), w); err != nil {
			b.Fatal(err)
		}
	}
}
