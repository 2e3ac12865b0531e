package discord_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func normalize(t *testing.T, w *integration.Webhook) []integration.Message {
	t.Helper()
	messages, err := newPlatform(t).Normalize(t.Context(), w)
	require.NoError(t, err)
	return messages
}

func only(t *testing.T, body string) integration.Message {
	t.Helper()
	messages := normalize(t, webhook(body))
	require.Len(t, messages, 1)
	return messages[0]
}

// interaction is a delivery of that type with this data.
func interaction(kind int, data string) string {
	return fmt.Sprintf(`{"id":"1","type":%d,"token":"t","data":%s}`, kind, data)
}

// lobbyMessage is the event of a message that was written in a lobby.
func lobbyMessage(data string) string {
	return `{"type":1,"event":{"type":"LOBBY_MESSAGE_CREATE","data":` + data + `}}`
}

func TestNormalizeRefusesOtherPayloads(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":                       ``,
		"no JSON":                       `{"type":1`,
		"null":                          `null`,
		"a list":                        `[{"type":1}]`,
		"an empty object":               `{}`,
		"an interaction without an id":  `{"type":2,"token":"t"}`,
		"an interaction without a key":  `{"type":2,"id":"1"}`,
		"a ping of no app":              `{"type":0}`,
		"an id of another type":         `{"type":2,"id":{},"token":"t"}`,
		"an event that is null":         `{"type":1.5,"event":null}`,
		"JSON nested too deep":          interaction(2, strings.Repeat("[", 20000)+strings.Repeat("]", 20000)),
		"a type that no interaction is": `{"application_id":"1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newPlatform(t).Normalize(t.Context(), webhook(body))
			requireError(t, err, integration.FaultInvalid, "WEBHOOK_INVALID")
		})
	}
}

func TestPingDoesNotBecomeAMessage(t *testing.T) {
	for _, body := range []string{`{"id":"1","type":1,"token":"t"}`, `{"version":1,"application_id":"1","type":0}`} {
		require.Empty(t, normalize(t, webhook(body)))
	}
}

func TestHostileDeliveryBecomesOneMessage(t *testing.T) {
	deep := func(open, end string) string { return strings.Repeat(open, 2000) + "{}" + strings.Repeat(end, 2000) }
	for name, body := range map[string]string{
		"a command without data":         `{"id":"1","type":2,"token":"t"}`,
		"a command of null":              interaction(2, `null`),
		"options of objects":             interaction(2, `{"name":"a","options":[{"name":"b","value":{"c":[1]}}]}`),
		"a number that no float holds":   interaction(2, `{"name":"a","options":[{"name":"b","type":10,"value":1e999}]}`),
		"an attachment that is not told": interaction(2, `{"name":"a","options":[{"name":"b","type":11,"value":"9"}]}`),
		"subcommands without end": interaction(
			2, `{"name":"a","options":[`+deep(`{"type":1,"name":"x","options":[`, `]}`)+`]}`,
		),
		"a button without a message":    interaction(3, `{"custom_id":"a","component_type":2}`),
		"a menu without values":         interaction(3, `{"custom_id":"a","component_type":3}`),
		"a form of labels without end":  interaction(5, `{"custom_id":"a","components":[`+deep(`{"component":`, `}`)+`]}`),
		"a form of rows without end":    interaction(5, `{"custom_id":"a","components":[`+deep(`{"components":[`, `]}`)+`]}`),
		"an event without a type":       `{"type":1,"event":{}}`,
		"an event of one word":          `{"type":1,"event":{"type":"MESSAGE","data":{}}}`,
		"an event without data":         `{"type":1,"event":{"type":"GAME_DIRECT_MESSAGE_CREATE"}}`,
		"a message of null":             `{"type":1,"event":{"type":"GAME_DIRECT_MESSAGE_CREATE","data":null}}`,
		"a message without an id":       lobbyMessage(`{"content":"x"}`),
		"what became of it is not told": `{"type":1,"event":{"type":"LOBBY_MESSAGE_PIN","data":{"id":"1","content":"x"}}}`,
		"an attachment without a link":  lobbyMessage(`{"id":"1","attachments":[{}]}`),
		"a duration beyond all time":    lobbyMessage(`{"id":"1","attachments":[{"url":"x","duration_secs":1e300}]}`),
		"embeds that are no list":       lobbyMessage(`{"id":"1","embeds":{}}`),
		"embeds of another shape":       lobbyMessage(`{"id":"1","embeds":[[[]]]}`),
	} {
		t.Run(name, func(t *testing.T) {
			m := only(t, body)
			require.NotEmpty(t, m.ID)
			require.NotEmpty(t, m.DedupKey)
			require.NotEmpty(t, m.Content.Type)
			require.Positive(t, m.Timestamp)
			if m.Content.Type == integration.TypeUnsupported {
				require.NotNil(t, m.Content.Unsupported)
				require.Contains(t, m.Metadata, "raw")
			}
		})
	}
}

func TestMentionsOfALongTextAreRead(t *testing.T) {
	m := only(t, lobbyMessage(`{"id":"1","content":"`+strings.Repeat("👍<@1>", 100_000)+`"}`))
	require.Len(t, m.Content.Entities, 100_000)
	require.Equal(
		t, integration.Entity{Type: "mention", Offset: 6*99_999 + 2, Length: 4, UserID: "1"}, m.Content.Entities[99_999],
	)
}

func TestInteractionTellsHowToAnswerIt(t *testing.T) {
	for name, test := range map[string]struct {
		kind      string
		ephemeral string
		want      map[string]any
	}{
		"a command": {"2", "", map[string]any{"interactionType": "command", "interactionEphemeral": nil}},
		"a button":  {"3", "false", map[string]any{"interactionType": "component", "interactionEphemeral": nil}},
		"a form, for one user's eyes": {
			"5", "true", map[string]any{"interactionType": "modal", "interactionEphemeral": true},
		},
		"one of a later version": {"9", "", map[string]any{"interactionType": "interaction", "interactionToken": "t"}},
		"what is being typed, for good": {
			"4", "", map[string]any{"interactionType": "autocomplete", "interactionToken": nil, "interactionExpiresAt": nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := webhook(`{"id":"1450000000000000000","application_id":"2","type":` + test.kind + `,"token":"t","data":{}}`)
			w.Channel.Settings["ephemeral"] = test.ephemeral
			m := normalize(t, w)[0]
			if _, none := test.want["interactionToken"]; !none {
				test.want["interactionToken"], test.want["applicationId"] = "t", "2"
				test.want["interactionId"] = interactionID
				test.want["interactionExpiresAt"] = receivedAt.UnixMilli() + 15*60*1000
			}
			for key, value := range test.want {
				require.Equal(t, value, m.Metadata[key], key)
			}
			context, err := url.ParseQuery(m.ReplyContext)
			require.NoError(t, err)
			for name, key := range map[string]string{
				"id": "interactionId", "token": "interactionToken", "application": "applicationId",
				"expires": "interactionExpiresAt", "ephemeral": "interactionEphemeral",
			} {
				require.Equal(t, textOf(m.Metadata[key]), context.Get(name), name)
			}
			require.Equal(t, integration.ID("2"), m.To.ID)
			require.Equal(t, int64(1_765_777_339_697), m.Timestamp, "when Discord made its id")
		})
	}
}

// textOf is a value of the metadata as replyContext has it.
func textOf(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

func TestReplyContextIsBounded(t *testing.T) {
	for length, kept := range map[int]bool{200: true, 3900: true, 4096: false} {
		m := only(t, `{"id":"1","type":2,"token":"`+strings.Repeat("t", length)+`","data":{"name":"a"}}`)
		require.Equal(t, kept, m.ReplyContext != "", length)
		require.LessOrEqual(t, len(m.ReplyContext), 4<<10)
	}
}

func TestEchoIsWhatTheAppOrABotWrote(t *testing.T) {
	for name, test := range map[string]struct {
		data string
		echo bool
	}{
		"a user":                      {`"author":{"id":"5","username":"a"}`, false},
		"a user in a game of the app": {`"author":{"id":"5","username":"a"},"application_id":"` + applicationID + `"`, false},
		"a bot":                       {`"author":{"id":"5","username":"a","bot":true}`, true},
		"the app itself":              {`"author":{"id":"` + applicationID + `","username":"a"}`, true},
		"a webhook":                   {`"author":{"id":"5","username":"a"},"webhook_id":"5"`, true},
		"nobody":                      {`"author":{}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := only(t, lobbyMessage(`{"id":"1","content":"x",`+test.data+`}`))
			require.Equal(t, test.echo, m.Direction == integration.DirectionEcho)
		})
	}
}

func TestDedupKeyIsThatOfTheEvent(t *testing.T) {
	const body = `{"type":1,"event":{"type":"APPLICATION_DEAUTHORIZED","timestamp":"2024-10-18T14:42:53.064834",` +
		`"data":{"user":{"id":"5"}}}}`
	first := only(t, body)
	require.Equal(t, first, only(t, body))
	require.NotEqual(t, first.DedupKey, only(t, strings.Replace(body, "064834", "064835", 1)).DedupKey)
	require.NotContains(t, first.DedupKey, ":")
}

func TestNumberKeepsItsDigits(t *testing.T) {
	m := only(t, `{"id":9007199254740993,"type":2,"token":"t","channel_id":9007199254740995,`+
		`"data":{"name":"a","options":[{"name":"n","type":4,"value":9007199254740993}]}}`)
	require.Equal(t, integration.ID("9007199254740993"), m.ID)
	require.Equal(t, integration.ID("9007199254740995"), m.ConversationID)
	require.EqualValues(t, "9007199254740993", m.Content.Command.Options["n"])
}

func BenchmarkNormalize(b *testing.B) {
	platform := newPlatform(b)
	for name, body := range map[string]string{
		"command": `{"id":"1450000000000000000","application_id":"2","type":2,"token":"t","channel_id":"5",` +
			`"member":{"user":{"id":"7","username":"ada"}},` +
			`"data":{"name":"a","type":1,"options":[{"name":"n","type":3,"value":"x"}]}}`,
		"event": `{"version":1,"application_id":"2","type":1,"event":{"type":"LOBBY_MESSAGE_CREATE",` +
			`"timestamp":"2025-08-14T18:09:38.063234","data":{"id":"1450000000000000000","content":"hello",` +
			`"channel_id":"5","author":{"id":"7","username":"ada"}}}}`,
	} {
		w := webhook(body)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := platform.Normalize(b.Context(), w); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Everybody can answer the interaction with the token. Only replyContext, and metadata.interactionToken, have it.
func TestRawDeliveryIsKeptWithoutItsToken(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		more string // what else holds the token
	}{
		"an autocomplete":              {`{"id":"1","application_id":"2","type":4,"token":"CANARY","data":{"name":"x"}}`, ""},
		"an interaction of a new type": {`{"id":"1","application_id":"2","type":9,"token":"CANARY"}`, "interactionToken"},
		"one with an odd field": {
			`{"id":"1","application_id":"2","type":2,"token":"CANARY","guild_id":{}}`, "interactionToken",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := only(t, test.body)
			require.Contains(t, m.Metadata, "raw")
			require.Equal(t, test.more != "", strings.Contains(m.ReplyContext, "CANARY"))
			delete(m.Metadata, test.more)
			m.ReplyContext = ""
			said, err := json.Marshal(m)
			require.NoError(t, err)
			require.NotContains(t, string(said), "CANARY")
		})
	}
}

func TestFilenameIsTheTitle(t *testing.T) {
	for name, test := range map[string]struct{ attachment, want string }{
		"a title":                         {`"filename":"unknown.pdf","title":"测试文件"`, "测试文件.pdf"},
		"no title":                        {`"filename":"report.pdf"`, "report.pdf"},
		"a title with its extension":      {`"filename":"unknown.PDF","title":"такой же.pdf"`, "такой же.pdf"},
		"a title with a full stop":        {`"filename":"report_v2.pdf","title":"report v1.2"`, "report v1.2.pdf"},
		"a filename without an extension": {`"filename":"unknown","title":"файл"`, "файл"},
		"a title with a path":             {`"filename":"a.txt","title":"../../etc/passwd"`, "passwd.txt"},
	} {
		t.Run(name, func(t *testing.T) {
			m := only(t, lobbyMessage(`{"id":"1","attachments":[{"url":"https://cdn.discordapp.com/a",`+test.attachment+`}]}`))
			require.Equal(t, test.want, m.Content.Media.Filename)
		})
	}
	m := only(t, interaction(2, `{"id":"3","type":1,"name":"show","options":[{"name":"file","type":11,"value":"9"}],`+
		`"resolved":{"attachments":{"9":{"id":"9","url":"https://cdn.discordapp.com/a","filename":"image.png",`+
		`"title":"такой же"}}}}`))
	require.Equal(t, "такой же.png", m.Content.Media.Filename)
	require.Equal(t, "/show такой же.png", m.Content.Text)
}
