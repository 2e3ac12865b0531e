package discord_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

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
		RawBody: body, Timestamp: dispatchedAt, Headers: integration.NewHeaders(map[string]string{
			"x-discord-session": "c0ffee",
		}),
	}
}

// dispatchedAt is when the dispatches of testdata came.
var dispatchedAt = time.Date(2025, 11, 14, 18, 11, 0, 0, time.UTC)

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
		Channel: ch, Connection: true, Payload: body, RawBody: body, Timestamp: dispatchedAt,
	})
	require.NoError(t, err)
	require.Equal(t, integration.DirectionEcho, messages[0].Direction)
}

// The conversation of a message is that of an interaction and of a webhook event at the same place, so that an answer
// to any of them goes there.
func TestGatewayConversationsAgreeWithInteractionsAndWebhookEvents(t *testing.T) {
	const user, channelOfServer, dm, inThread = "700000000000000007", "290926798626999250", "500000000000000005",
		"290926798626999999"
	for name, test := range map[string]struct {
		place map[string]any // of the interaction
		event string         // of a message by webhook
	}{
		"message": {map[string]any{
			"guild_id": "290926798626357999", "channel_id": channelOfServer,
			"channel": map[string]any{"id": channelOfServer, "type": 0},
		}, "LOBBY_MESSAGE"}, // of a lobby that is linked to the channel
		"direct_message": {map[string]any{
			"channel_id": dm, "channel": map[string]any{"id": dm, "type": 1},
		}, "GAME_DIRECT_MESSAGE"},
		"message_in_a_thread": {map[string]any{
			"guild_id": "290926798626357999", "channel_id": inThread,
			"channel": map[string]any{"id": inThread, "type": 11, "parent_id": channelOfServer},
		}, "LOBBY_MESSAGE"},
	} {
		t.Run(name, func(t *testing.T) {
			interaction := map[string]any{
				"id": "1", "application_id": applicationID, "type": 2, "token": "t", "version": 1,
				"data": map[string]any{"id": "2", "name": "help", "type": 1},
				"user": map[string]any{"id": user, "username": "ada_b"},
			}
			maps.Copy(interaction, test.place)
			body, err := json.Marshal(interaction)
			require.NoError(t, err)
			commands, err := overGateway(t, body)
			require.NoError(t, err)
			written := fromGateway(t, name)[0]
			require.Equal(t, commands[0].ConversationID, written.ConversationID)
			require.Equal(t, commands[0].ThreadID, written.ThreadID)
			require.Equal(t, commands[0].From.ID, written.From.ID)
			require.Equal(t, only(t, string(body)).ConversationID, written.ConversationID, "by HTTP as over the Gateway")

			var frame struct {
				Data map[string]any `json:"d"`
			}
			require.NoError(t, json.Unmarshal(dispatchOf(t, name), &frame))
			for _, what := range []string{"_CREATE", "_UPDATE", "_DELETE"} {
				told := only(t, webhookEvent(t, test.event+what, frame.Data))
				require.Equal(t, written.ConversationID, told.ConversationID, what)
				require.Equal(t, written.ID, told.ID, what)
			}
		})
	}
	// Where there is no channel, the conversation is the user's.
	for _, over := range []integration.Message{
		fromGateway(t, "member_added")[0], fromGateway(t, "member_removed")[0], fromGateway(t, "entitlement_created")[0],
		only(t, webhookEvent(t, "APPLICATION_AUTHORIZED", map[string]any{"user": map[string]any{"id": user}})),
		only(t, webhookEvent(t, "ENTITLEMENT_CREATE", map[string]any{"id": "1", "user_id": user})),
		only(t, `{"id":"1","type":2,"token":"t","data":{"name":"help"},"user":{"id":"`+user+`","username":"ada_b"}}`),
	} {
		require.Equal(t, integration.ID("user:"+user), over.ConversationID)
	}
}

// webhookEvent is the body of a webhook event.
func webhookEvent(tb testing.TB, name string, data any) string {
	tb.Helper()
	body, err := json.Marshal(map[string]any{
		"version": 1, "application_id": applicationID, "type": 1,
		"event": map[string]any{"type": name, "timestamp": "2025-11-14T18:10:38.063234", "data": data},
	})
	require.NoError(tb, err)
	return string(body)
}

// changed is a dispatch of testdata with other data. A nil value takes a member away.
func changed(tb testing.TB, name string, data map[string]any) []byte {
	tb.Helper()
	var frame struct {
		Op   int            `json:"op"`
		Type string         `json:"t"`
		Seq  int            `json:"s"`
		Data map[string]any `json:"d"`
	}
	require.NoError(tb, json.Unmarshal(dispatchOf(tb, name), &frame))
	for member, value := range data {
		frame.Data[member] = value
		if value == nil {
			delete(frame.Data, member)
		}
	}
	body, err := json.Marshal(frame)
	require.NoError(tb, err)
	return body
}

// fromChanged normalizes a dispatch of testdata with other data.
func fromChanged(tb testing.TB, name string, data map[string]any) []integration.Message {
	tb.Helper()
	messages, err := overGateway(tb, changed(tb, name, data))
	require.NoError(tb, err)
	return messages
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

// An edit has one key, whatever else Discord tells of the message afterwards.
func TestGatewayEditIsStoredOnce(t *testing.T) {
	edit := fromGateway(t, "edit")[0].DedupKey
	for name, data := range map[string]map[string]any{
		"pinned":           {"pinned": true},
		"flags":            {"flags": 4},
		"preview of links": {"embeds": []any{map[string]any{"type": "link", "title": "Example"}}},
	} {
		messages := fromChanged(t, "edit", data)
		require.Len(t, messages, 1, name)
		require.Equal(t, edit, messages[0].DedupKey, name)
	}
	// Its key is forgotten one day. Then nothing but the age of the edit tells that this is none.
	require.Empty(t, fromGateway(t, "pinned_long_after_an_edit"))
	again := fromChanged(t, "edit", map[string]any{"edited_timestamp": "2025-11-14T18:10:39.000000+00:00"})
	require.NotEqual(t, edit, again[0].DedupKey)
}

func TestGatewayPartialUpdateBlanksNothing(t *testing.T) {
	for name, want := range map[string]struct {
		content integration.ContentType
		left    []string
	}{
		"edit":                         {integration.TypeText, nil},
		"edit_in_part":                 {integration.TypeText, []string{"attachments", "embeds", "replyTo"}},
		"attachments_edited_in_part":   {integration.TypeImage, []string{"text", "embeds", "replyTo"}},
		"attachments_taken_in_part":    {integration.TypeUnsupported, []string{"text", "embeds", "replyTo"}},
		"own_edit_in_part":             {integration.TypeText, []string{"attachments", "embeds", "replyTo"}},
		"edit_in_part_by_another_user": {integration.TypeText, []string{"attachments", "embeds", "replyTo"}},
	} {
		m := fromGateway(t, name)[0]
		require.Equal(t, want.content, m.Content.Type, name)
		left, _ := m.Metadata["unchanged"].([]string)
		require.Equal(t, want.left, left, name)
		require.NotContains(t, m.Metadata, "contentMissing", name)
		require.Equal(t, name == "own_edit_in_part", m.Direction == integration.DirectionEcho, name)
	}
}

func TestGatewayContentIsMissingOnlyWhereDiscordWithholdsIt(t *testing.T) {
	for name, missing := range map[string]bool{
		"content_missing": true, "forward_without_content": true,
		"own_thinking": false, "thinking": false, "own_message_without_text": false, "forward": false, "components": false,
	} {
		m := fromGateway(t, name)[0]
		require.Equal(t, missing, m.Metadata["contentMissing"] != nil, name)
	}
}

func TestGatewayTextOfComponentsIsBounded(t *testing.T) {
	m := fromGateway(t, "components")[0]
	require.Equal(t, "# News for <@700000000000000007>\nfirst\nsecond\nthird", m.Content.Text)
	require.Len(t, m.Content.Entities, 1)
	var list []any
	for range 50 {
		list = append(list, map[string]any{"type": 10, "content": strings.Repeat("é", 100)})
	}
	m = fromChanged(t, "components", map[string]any{"components": list})[0]
	require.LessOrEqual(t, utf8.RuneCountInString(m.Content.Text), 4000)
	require.Greater(t, utf8.RuneCountInString(m.Content.Text), 3800)
	nested := any(map[string]any{"type": 10, "content": "deep"})
	for range 1000 {
		nested = map[string]any{"type": 17, "components": []any{nested}}
	}
	m = fromChanged(t, "components", map[string]any{"components": []any{nested}})[0]
	require.Equal(t, "deep", m.Content.Text)
}

func TestGatewayEmbedsAreBounded(t *testing.T) {
	embeds := func(n, size int) map[string]any {
		var list []any
		for range n {
			list = append(list, map[string]any{"description": strings.Repeat("x", size)})
		}
		return map[string]any{"embeds": list, "content": ""}
	}
	for name, test := range map[string]struct{ count, size, kept int }{
		"few": {3, 10, 3}, "as many as there can be": {10, 600, 10}, "many": {1000, 10, 10}, "large": {5, 30 << 10, 2},
		"one that is too large": {1, 1 << 20, 0},
	} {
		for _, dispatch := range []string{"message", "forward"} {
			data := embeds(test.count, test.size)
			if dispatch == "forward" {
				data["type"], data["timestamp"] = 0, "2025-11-13T18:09:38.063000+00:00"
				data = map[string]any{"message_snapshots": []any{map[string]any{"message": data}}}
			}
			m := fromChanged(t, dispatch, data)[0]
			kept, _ := m.Metadata["embeds"].([]json.RawMessage)
			require.Len(t, kept, test.kept, name)
			left, _ := m.Metadata["embedsLeftOut"].(int)
			require.Equal(t, test.count-test.kept, left, name)
			require.LessOrEqual(t, utf8.RuneCountInString(m.Content.Text), 6000, name)
		}
	}
}

// Keys are of what Discord says of the event, and where it says too little, of the session and of the place in it.
func TestGatewayKeysTellEventsApart(t *testing.T) {
	for name, test := range map[string]struct {
		dispatch string
		data     map[string]any
	}{
		"typing in another channel":      {"typing", map[string]any{"channel_id": "5"}},
		"typing by another user":         {"typing", map[string]any{"user_id": "5"}},
		"typing later":                   {"typing", map[string]any{"timestamp": 1763143788}},
		"joining again":                  {"member_added", map[string]any{"joined_at": "2025-11-14T18:10:38.063000+00:00"}},
		"the vote for another answer":    {"vote", map[string]any{"answer_id": 1}},
		"an entitlement changed again":   {"entitlement_updated", map[string]any{"ends_at": "2027-11-14T18:10:38+00:00"}},
		"an entitlement that was used":   {"entitlement_updated", map[string]any{"consumed": true}},
		"another entitlement":            {"entitlement_created", map[string]any{"id": "5"}},
		"another thread":                 {"thread_created", map[string]any{"id": "5"}},
		"a reaction to another message":  {"reaction_added", map[string]any{"message_id": "5"}},
		"the reaction with another sign": {"reaction_added", map[string]any{"emoji": map[string]any{"name": "👎"}}},
	} {
		key := fromGateway(t, test.dispatch)[0].DedupKey
		require.NotEqual(t, key, fromChanged(t, test.dispatch, test.data)[0].DedupKey, name)
	}
	for name, counted := range map[string]bool{
		"reaction_added": true, "reaction_removed": true, "reactions_cleared": true, "vote": true, "vote_removed": true,
		"thread_archived": true, "member_removed": true,
		"typing": false, "thread_created": false, "thread_deleted": false, "member_added": false, "message": false,
		"edit": false, "deleted": false, "entitlement_created": false, "entitlement_updated": false,
	} {
		key := fromGateway(t, name)[0].DedupKey
		var frame map[string]any
		require.NoError(t, json.Unmarshal(dispatchOf(t, name), &frame))
		frame["s"] = 50
		body, err := json.Marshal(frame)
		require.NoError(t, err)
		later, inAnotherSession := dispatchWebhook(body), dispatchWebhook(dispatchOf(t, name))
		inAnotherSession.Headers.Set("x-discord-session", "another")
		for _, w := range []*integration.Webhook{later, inAnotherSession} {
			messages, err := discord.Definition(nil).Platform.Normalize(t.Context(), w)
			require.NoError(t, err)
			require.Equal(t, counted, messages[0].DedupKey != key, name)
		}
	}
}

// What is bought comes over the Gateway and as a webhook event, if the app has an endpoint for these.
func TestGatewayEntitlementHasTheKeyOfItsWebhook(t *testing.T) {
	for _, name := range []string{"entitlement_created", "entitlement_updated", "entitlement_deleted"} {
		var frame struct {
			Type string          `json:"t"`
			Data json.RawMessage `json:"d"`
		}
		require.NoError(t, json.Unmarshal(dispatchOf(t, name), &frame))
		byWebhook, over := only(t, webhookEvent(t, frame.Type, frame.Data)), fromGateway(t, name)[0]
		require.Equal(t, byWebhook.DedupKey, over.DedupKey)
		require.Equal(t, byWebhook.ID, over.ID)
		require.Equal(t, byWebhook.ConversationID, over.ConversationID)
		require.Equal(t, byWebhook.Content, over.Content)
	}
}

func TestGatewayThreadUpdateSaysWhatIsKnown(t *testing.T) {
	for name, event := range map[string]string{
		"thread_archived": "thread_archived", "thread_unarchived": "thread_unarchived", "thread_renamed": "thread_updated",
		"thread_renamed_before_its_first_archiving": "thread_updated",
	} {
		m := fromGateway(t, name)[0]
		require.Equal(t, event, m.Content.System.Event, name)
		require.Equal(t, event == "thread_archived", m.Metadata["archived"], name)
		require.Empty(t, m.From.ID, "who changed it is not told")
		require.NotEmpty(t, m.Metadata["ownerId"])
	}
	require.NotEmpty(t, fromGateway(t, "thread_created")[0].From.ID)
}

// A message with a field of an unexpected type has all that could be read.
func TestGatewayDamagedDispatchKeepsItsPlace(t *testing.T) {
	for name, data := range map[string]map[string]any{
		"reaction_added":    {"emoji": "👍"},
		"reactions_cleared": {"emoji": 5},
		"vote":              {"answer_id": "2"},
		"typing":            {"timestamp": "now"},
		"deleted":           {"channel_type": "text"},
		"deleted_in_bulk":   {"member": 5},
		"thread_created":    {"name": 5},
		"member_added":      {"nick": 5},
	} {
		whole, damaged := fromGateway(t, name), fromChanged(t, name, data)
		require.Len(t, damaged, len(whole), name)
		for i := range whole {
			require.Equal(t, integration.TypeUnsupported, damaged[i].Content.Type, name)
			require.Equal(t, whole[i].ConversationID, damaged[i].ConversationID, name)
			require.Equal(t, whole[i].ThreadID, damaged[i].ThreadID, name)
			require.Equal(t, whole[i].From.ID, damaged[i].From.ID, name)
			require.Equal(t, whole[i].Kind, damaged[i].Kind, name)
			require.Contains(t, damaged[i].Metadata, "raw", name)
		}
	}
}

func TestGatewayGarbageIsRefused(t *testing.T) {
	refused := func(t *testing.T, body []byte) {
		t.Helper()
		_, err := overGateway(t, body)
		requireError(t, err, integration.FaultInvalid, codes.WebhookInvalid)
	}
	for _, body := range []string{
		`{"t":"MESSAGE_CREATE","s":1,"op":0}`, `{"t":"MESSAGE_CREATE","s":1,"op":0,"d":[]}`,
		`{"t":"MESSAGE_DELETE","s":1,"op":0,"d":"x"}`,
	} {
		refused(t, []byte(body))
	}
	for name, members := range map[string][]string{
		"message": {"id", "channel_id"}, "edit": {"id", "channel_id"}, "deleted": {"id", "channel_id"},
		"deleted_in_bulk": {"ids", "channel_id"}, "reaction_added": {"message_id", "channel_id"},
		"reaction_removed": {"message_id"}, "reactions_cleared": {"message_id"},
		"reactions_of_an_emoji_cleared": {"message_id"}, "vote": {"message_id"}, "vote_removed": {"message_id"},
		"thread_created": {"id"}, "thread_archived": {"id"}, "thread_deleted": {"id"}, "typing": {"channel_id", "user_id"},
		"member_added": {"guild_id", "user"}, "member_removed": {"guild_id", "user"}, "entitlement_created": {"id"},
	} {
		for _, member := range members {
			t.Run(name+" without "+member, func(t *testing.T) {
				refused(t, changed(t, name, map[string]any{member: nil}))
				refused(t, changed(t, name, map[string]any{member: []any{}}))
			})
		}
	}
}

// The published form of a dispatch has empty data. It says too little for any event, and nothing for one that is not
// known.
func TestGatewayDispatchWithoutDataIsRefused(t *testing.T) {
	published := func(name string) []byte { return []byte(`{"op":0,"d":{},"s":42,"t":"` + name + `"}`) }
	messages, err := overGateway(t, published("GATEWAY_EVENT_NAME"))
	require.NoError(t, err)
	require.Empty(t, messages)
	for _, name := range []string{
		"MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK", "MESSAGE_REACTION_ADD",
		"MESSAGE_REACTION_REMOVE", "MESSAGE_REACTION_REMOVE_ALL", "MESSAGE_REACTION_REMOVE_EMOJI",
		"MESSAGE_POLL_VOTE_ADD", "MESSAGE_POLL_VOTE_REMOVE", "THREAD_CREATE", "THREAD_UPDATE", "THREAD_DELETE",
		"GUILD_MEMBER_ADD", "GUILD_MEMBER_REMOVE", "TYPING_START", "ENTITLEMENT_CREATE", "ENTITLEMENT_UPDATE",
		"ENTITLEMENT_DELETE",
	} {
		_, err := overGateway(t, published(name))
		require.Error(t, err, name)
		requireError(t, err, integration.FaultInvalid, codes.WebhookInvalid)
	}
}

func TestGatewayBulkDeletionTellsEachMessageOnce(t *testing.T) {
	ids := make([]string, 250)
	for i := range ids {
		ids[i] = strconv.Itoa(1000 + i%100)
	}
	messages := fromChanged(t, "deleted_in_bulk", map[string]any{"ids": ids})
	require.Len(t, messages, 100)
	for i := range messages {
		require.Equal(t, integration.ID(ids[i]), messages[i].ID)
	}
	for name, ids := range map[string][]string{
		"more than Discord deletes": append(ids, "5"), "one that is none": {"5", ""},
	} {
		_, err := overGateway(t, changed(t, "deleted_in_bulk", map[string]any{"ids": ids}))
		require.Error(t, err, name)
		requireError(t, err, integration.FaultInvalid, codes.WebhookInvalid)
	}
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
