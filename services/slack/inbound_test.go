package slack_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	slackgo "github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func normalize(t *testing.T, body []byte, settings map[string]string) []integration.Message {
	t.Helper()
	w := webhook(body)
	maps.Copy(w.Channel.Settings, settings)
	messages, err := newPlatform(t).Normalize(t.Context(), w)
	require.NoError(t, err)
	return messages
}

// one is the only message of an event.
func one(t *testing.T, event string) integration.Message {
	t.Helper()
	messages := normalize(t, eventBody("Ev1", event), nil)
	require.Len(t, messages, 1)
	return messages[0]
}

func eventBody(id, event string) []byte {
	return fmt.Appendf(nil, `{"type":"event_callback","team_id":"T1","event_id":%q,"event_time":1800000000,"event":%s,`+
		`"authorizations":[{"user_id":"U0PERSON","is_bot":false},{"user_id":"U0BOT","is_bot":true}]}`, id, event)
}

func TestMentionAndItsMessageAreOneMessage(t *testing.T) {
	const rest = `"user":"U1","text":"<@U0BOT> hi","ts":"1799999000.000100","channel":"C1",` +
		`"thread_ts":"1799998000.000100"}`
	first := normalize(t, eventBody("Ev1", `{"type":"message",`+rest), nil)[0]
	second := normalize(t, eventBody("Ev2", `{"type":"app_mention",`+rest), nil)[0]
	require.Equal(t, "C1:1799999000.000100", first.DedupKey)
	require.Equal(t, first.DedupKey, second.DedupKey)
	second.Metadata["eventId"] = "Ev1"
	require.Equal(t, first, second)
}

func TestEventThatIsSentAgainSaysSo(t *testing.T) {
	w := webhook(eventBody("Ev1", `{"type":"message","user":"U1","text":"hi","ts":"1799999000.000100","channel":"C1"}`))
	read := func() integration.Message {
		messages, err := newPlatform(t).Normalize(t.Context(), w)
		require.NoError(t, err)
		require.Len(t, messages, 1)
		return messages[0]
	}
	first := read()
	require.NotContains(t, first.Metadata, "retryNumber")
	w.Headers.Set("x-slack-retry-num", "2")
	w.Headers.Set("x-slack-retry-reason", "http_timeout")
	again := read()
	require.Equal(t, 2, again.Metadata["retryNumber"])
	require.Equal(t, "http_timeout", again.Metadata["retryReason"])
	require.Equal(t, first.DedupKey, again.DedupKey)
	for _, number := range []string{"0", "-1", "two", ""} {
		w.Headers.Set("x-slack-retry-num", number)
		require.Equal(t, first, read(), number)
	}
}

func TestEditIsTheSameInAllItsEvents(t *testing.T) {
	const was = `{"user":"U1","text":"<@U0BOT> hi","ts":"1799999000.000100"}`
	const now = `"user":"U1","text":"<@U0BOT> ho","ts":"1799999000.000100","edited":{"user":"U1","ts":"1799999005.000000"}`
	keys := map[string]string{}
	for name, event := range map[string]string{
		"the mention": `{"type":"app_mention","channel":"C1",` + now + `}`,
		"the message": `{"type":"message","channel":"C1",` + now + `}`,
		"a broadcast": `{"type":"message","subtype":"thread_broadcast","channel":"C1",` + now + `}`,
		"the change": `{"type":"message","subtype":"message_changed","channel":"C1","ts":"1799999006.000100",` +
			`"message":{` + now + `},"previous_message":` + was + `}`,
	} {
		m := normalize(t, eventBody("Ev"+name, event), nil)[0]
		require.Equal(t, integration.KindEdit, m.Kind, name)
		require.Equal(t, integration.ID("C1:1799999000.000100"), m.ID, name)
		require.Equal(t, int64(1799999005000), m.EditedAt, name)
		require.Equal(t, true, m.Metadata["mentionsBot"], name)
		keys[m.DedupKey] = name
	}
	require.Len(t, keys, 1, "%v", keys)
	later := normalize(t, eventBody("Ev9", `{"type":"message","subtype":"message_changed","channel":"C1",`+
		`"message":{`+now+`,"files":[{"id":"F1"}]},"previous_message":{`+now+`}}`), nil)[0]
	require.NotContains(t, keys, later.DedupKey, "what changes without an edit is not the edit before")
}

func TestAttachmentsAndForwardedMessagesAreRead(t *testing.T) {
	const shared = `{"is_share":true,"is_msg_unfurl":true,"channel_id":"C2","author_id":"U2","ts":"1799998000.000100",` +
		`"fallback":"[August 29th, 2024 2:26 PM] lee: a: b",`
	message := func(rest string) string {
		return `{"type":"message","user":"U1","channel":"C1","ts":"1799999000.000100",` + rest + `}`
	}
	for name, test := range map[string]struct {
		event     string
		typ       integration.ContentType
		text      string
		forwarded bool
		media     []string
	}{
		"a forwarded message": {
			message(`"text":"","attachments":[` + shared + `"text":"a: b"}]`), "TEXT", "a: b", true, nil,
		},
		"one with words of one's own": {
			message(`"text":"see","attachments":[` + shared + `"text":"a &amp; b"}]`), "TEXT", "see\n\na & b", true, nil,
		},
		"one whose text is in its parts": {message(`"text":"","attachments":[` + shared + `"message_blocks":[{"message":` +
			`{"blocks":[{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"a < "},` +
			`{"type":"user","user_id":"U3"}]}]}]}}]}]`), "TEXT", "a < @U3", true, nil},
		"one that has only the fallback": {
			message(`"text":"","attachments":[` + shared + `"text":""}]`), "TEXT", "a: b", true, nil,
		},
		"a forwarded file": {message(`"text":"","attachments":[` + shared + `"text":"","fallback":"","files":[{"id":"F1",` +
			`"mimetype":"image/png"},{"id":"F2"}]}]`), "IMAGE", "", true, []string{"F1", "F2"}},
		"one beside a file of one's own": {
			message(`"text":"see","files":[{"id":"F0"}],"attachments":[` + shared + `"text":"b","files":[{"id":"F1"}]}]`),
			"FILE", "see\n\nb", true,
			[]string{"F0", "F1"},
		},
		"two forwarded messages": {
			message(`"text":"","attachments":[` + shared + `"text":"a"},` + shared + `"text":"b"}]`),
			"TEXT", "a\n\nb", true, nil,
		},
		"a link to a message": {message(`"text":"see <https://x.slack.com/archives/C2/p1>",` +
			`"attachments":[{"is_msg_unfurl":true,"text":"no",` +
			`"from_url":"https://x.slack.com/archives/C2/p1"}]`), "TEXT", "see https://x.slack.com/archives/C2/p1", false, nil},
		"the preview of a link": {
			message(`"text":"see","attachments":[{"title":"no","text":"no","from_url":"https://example.org"}]`),
			"TEXT", "see", false, nil,
		},
		"an alert": {message(`"text":"","bot_id":"B1","attachments":[{"fallback":"no","pretext":"Alert",` +
			`"title":"Disk <https://e.org|full>","text":"db-1","fields":[{"title":"Use","value":"99 %"},{"value":"now"}],` +
			`"footer":"no"}]`), "TEXT", "Alert\nDisk full\ndb-1\nUse: 99 %\nnow", false, nil},
		"an alert below a text": {
			message(`"text":"Disk full","attachments":[{"title":"Disk full","text":"","fields":[]},{"text":"on db-1"}]`),
			"TEXT", "Disk full\n\non db-1", false, nil,
		},
		"an alert with only a fallback": {
			message(`"text":"","attachments":[{"fallback":"Disk full"}]`), "TEXT", "Disk full", false, nil,
		},
		"an alert in blocks": {message(`"text":"","attachments":[{"fallback":"[no preview available]",` +
			`"blocks":[{"type":"header","text":{"type":"plain_text","text":"a & b"}},{"type":"section",` +
			`"text":{"type":"mrkdwn","text":"*c* &amp; d"},"fields":[{"type":"mrkdwn","text":"e"}]},{"type":"context",` +
			`"elements":[{"type":"mrkdwn","text":"f"},{"type":"image"}]},{"type":"actions","elements":[{"type":"button",` +
			`"text":{"type":"plain_text","text":"no"}}]}]}]`), "TEXT", "a & b\n*c* & d\ne\nf", false, nil},
		"a message of blocks alone": {message(`"text":"","blocks":[{"type":"rich_text",` +
			`"elements":[{"type":"rich_text_list","elements":[{"type":"rich_text_section","elements":[{"type":"text",` +
			`"text":"one "},{"type":"link","url":"https://e.org","text":"two"}]},{"type":"rich_text_section",` +
			`"elements":[{"type":"emoji","name":"wave"},{"type":"channel","channel_id":"C9"},{"type":"broadcast",` +
			`"range":"here"},{"type":"usergroup","usergroup_id":"S1"}]}]}]},` +
			`{"type":"divider"}]`), "TEXT", "one two\n:wave:#C9@here@S1", false, nil},
		"attachments of odd types": {
			message(`"text":"see","attachments":[5,{"text":{},"title":"a"},null,{"fields":5,"blocks":"x","title":"b"}]`),
			"TEXT", "see\n\na\n\nb", false, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := one(t, test.event)
			require.Equal(t, test.typ, m.Content.Type)
			require.Equal(t, test.text, m.Content.Text)
			require.Empty(t, m.Kind)
			var media []string
			for _, a := range m.Content.Attachments {
				media = append(media, a.ID)
			}
			require.Equal(t, test.media, media)
			if !test.forwarded {
				require.NotContains(t, m.Metadata, "forwarded")
				return
			}
			require.Equal(t, true, m.Metadata["forwarded"])
			require.Equal(t, "C2", m.Metadata["forwardedFrom"])
			require.Equal(t, "U2", m.Metadata["forwardedAuthorId"])
		})
	}
}

func TestEMailThatSlackPostsIsNotAnEcho(t *testing.T) {
	const mail = `"files":[{"id":"F1","mode":"email","filetype":"email","mimetype":"text/html","subject":"Leak",` +
		`"from":[{"address":"ada@example.org","name":"Ada"}],"plain_text":"It drips.","preview_plain_text":"It"}]`
	for name, event := range map[string]string{
		"of Slackbot": `{"type":"message","subtype":"file_share","user":"USLACKBOT","text":"","channel":"C1",` +
			`"ts":"1799999000.000100",` + mail + `}`,
		"of its app": `{"type":"message","subtype":"bot_message","bot_id":"B1","text":"","channel":"C1",` +
			`"ts":"1799999000.000100",` + mail + `}`,
	} {
		m := one(t, event)
		require.Empty(t, m.Direction, name)
		require.Equal(t, "Ada", m.From.Name, name)
		require.Equal(t, integration.TypeFile, m.Content.Type, name)
		require.Equal(t, "F1", m.Content.Media.ID, name)
		require.Equal(t, "Leak\n\nIt drips.", m.Content.Text, name)
		require.Equal(t, "Leak", m.Metadata["emailSubject"], name)
		require.Equal(t, "ada@example.org", m.Metadata["emailFrom"], name)
	}
	own := one(
		t,
		`{"type":"message","subtype":"file_share","user":"U0BOT","text":"","channel":"C1","ts":"1799999000.000100",`+mail+`}`,
	)
	require.Equal(t, integration.DirectionEcho, own.Direction, "what the app itself shares is")
}

func TestDedupKeyDiffersPerEventOfAMessage(t *testing.T) {
	edit := func(text string) string {
		return `{"type":"message","subtype":"message_changed","channel":"C1","message":{"user":"U1",` +
			`"text":"` + text + `","ts":"1.2"},"previous_message":{"user":"U1","text":"a","ts":"1.2"}}`
	}
	keys := map[string]bool{}
	for i, event := range []string{
		`{"type":"message","user":"U1","text":"a","channel":"C1","ts":"1.2"}`, edit("b"), edit("c"),
		`{"type":"message","subtype":"message_deleted","channel":"C1","deleted_ts":"1.2"}`,
		`{"type":"reaction_added","user":"U1","reaction":"x","item":{"type":"message","channel":"C1","ts":"1.2"}}`,
	} {
		m := normalize(t, eventBody(fmt.Sprintf("Ev%d", i), event), nil)[0]
		keys[m.DedupKey] = true
	}
	require.Len(t, keys, 5)
}

func TestChangeOfNothingIsNotAMessage(t *testing.T) {
	changed := func(now, before string) []byte {
		return eventBody("Ev1", `{"type":"message","subtype":"message_changed","channel":"C1","ts":"1799999001.000100",`+
			`"message":`+now+`,"previous_message":`+before+`}`)
	}
	const before = `{"user":"U1","text":"a","ts":"1799999000.000100","files":[{"id":"F1"}]}`
	for name, test := range map[string]struct {
		now  string
		news bool
	}{
		"a preview": {`{"user":"U1","text":"a","ts":"1799999000.000100","files":[{"id":"F1"}],` +
			`"attachments":[{"from_url":"https://example.org"}]}`, false},
		"replies": {`{"user":"U1","text":"a","ts":"1799999000.000100","files":[{"id":"F1"}],` +
			`"reply_count":3,"is_locked":true}`, false},
		"another text":            {`{"user":"U1","text":"b","ts":"1799999000.000100","files":[{"id":"F1"}]}`, true},
		"a file that was removed": {`{"user":"U1","text":"a","ts":"1799999000.000100"}`, true},
		"a file that was deleted": {
			`{"user":"U1","text":"a","ts":"1799999000.000100","files":[{"id":"F1","mode":"tombstone"}]}`, true,
		},
		"blocks of an app": {
			`{"user":"U1","text":"a","ts":"1799999000.000100","files":[{"id":"F1"}],"blocks":[{"type":"divider"}]}`, true,
		},
		"an edit to the same text": {
			`{"user":"U1","text":"a","ts":"1799999000.000100","files":[{"id":"F1"}],"edited":{"ts":"1799999001.000000"}}`, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			messages := normalize(t, changed(test.now, before), nil)
			if !test.news {
				require.Empty(t, messages)
				return
			}
			require.Len(t, messages, 1)
			require.Equal(t, integration.KindEdit, messages[0].Kind)
			require.Equal(t, integration.ID("C1:1799999000.000100"), messages[0].ID)
			require.Equal(t, int64(1799999000000), messages[0].Timestamp)
			require.GreaterOrEqual(t, messages[0].EditedAt, int64(1799999001000))
		})
	}
}

func TestPreviewIsNotAnEdit(t *testing.T) {
	const blocks = `,"blocks":[{"type":"rich_text","block_id":"%s","elements":[{"type":"rich_text_section"}]}]`
	const edited = `,"edited":{"ts":"1799999000.000200"}`
	const preview = `,"attachments":[{"from_url":"https://example.org","title":"a"}]`
	const rest = `{"user":"U1","text":"<https://example.org>","ts":"1799999000.000100"`
	for name, event := range map[string]string{
		"with the earlier state": rest + fmt.Sprintf(blocks, "new") + preview + `},"previous_message":` + rest +
			fmt.Sprintf(blocks, "old") + `}`,
		"without it":          rest + preview + `}`,
		"of a forwarded edit": rest + edited + preview + `},"previous_message":` + rest + edited + `}`,
	} {
		body := eventBody("Ev1", `{"type":"message","subtype":"message_changed","hidden":true,"channel":"C1",`+
			`"ts":"1799999001.000100","message":`+event+`}`)
		require.Empty(t, normalize(t, body, nil), name)
	}
}

func TestEchoesAreTheAppsAndOtherBots(t *testing.T) {
	for name, test := range map[string]struct {
		event string
		echo  bool
	}{
		"a user": {`{"type":"message","user":"U1","text":"a","channel":"C1",` +
			`"ts":"1799999000.000100"}`, false},
		"the user who installed": {`{"type":"message","user":"U0PERSON","text":"a","channel":"C1",` +
			`"ts":"1799999000.000100"}`, false},
		"the bot itself": {`{"type":"message","user":"U0BOT","text":"a","channel":"C1",` +
			`"ts":"1799999000.000100"}`, true},
		"another app": {`{"type":"message","user":"U2","bot_id":"B2","text":"a","channel":"C1",` +
			`"ts":"1799999000.000100"}`, true},
		"a classic app": {`{"type":"message","subtype":"bot_message","text":"a","channel":"C1",` +
			`"ts":"1799999000.000100"}`, true},
		"Slackbot": {`{"type":"message","user":"USLACKBOT","text":"a","channel":"D1",` +
			`"ts":"1799999000.000100"}`, true},
		"a bot that mentions": {`{"type":"app_mention","bot_id":"B2","text":"a","channel":"C1",` +
			`"ts":"1799999000.000100"}`, true},
		"the bot's edit": {`{"type":"message","subtype":"message_changed","channel":"C1",` +
			`"message":{"bot_id":"B0","text":"b","ts":"1799999000.000100"}}`, true},
		"the bot's reaction": {`{"type":"reaction_added","user":"U0BOT","reaction":"x","item":{"type":"message",` +
			`"channel":"C1","ts":"1799999000.000100"}}`, true},
		"a reaction to the bot's": {`{"type":"reaction_added","user":"U1","item_user":"U0BOT","reaction":"x",` +
			`"item":{"type":"message","channel":"C1","ts":"1799999000.000100"}}`, false},
		"the bot's joining": {`{"type":"member_joined_channel","user":"U0BOT","channel":"C1"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := one(t, test.event)
			require.Equal(t, test.echo, m.Direction == integration.DirectionEcho)
		})
	}
}

func TestConversationIsAChannelOrAThread(t *testing.T) {
	type place struct{ conversation, thread integration.ID }
	message := func(rest string) []byte {
		return eventBody("Ev1", `{"type":"message","user":"U1","text":"a","channel":"C1","ts":"1799999000.000100"`+rest+`}`)
	}
	button := func(container string) []byte {
		return form(t, `{"type":"block_actions","user":{"id":"U1"},"channel":{"id":"C1"},`+
			`"container":`+container+`,"actions":[{"type":"button","value":"a"}]}`)
	}
	for name, test := range map[string]struct {
		body             []byte
		channel, threads place
	}{
		"a message": {message(""), place{"C1", ""}, place{"C1:1799999000.000100", "1799999000.000100"}},
		"the first of many": {message(`,"thread_ts":"1799999000.000100"`), place{"C1", "1799999000.000100"}, place{
			"C1:1799999000.000100", "1799999000.000100",
		}},
		"a reply": {message(`,"thread_ts":"1799998000.000100"`), place{"C1", "1799998000.000100"}, place{
			"C1:1799998000.000100", "1799998000.000100",
		}},
		"a button": {button(`{"message_ts":"1799999000.000100"}`), place{"C1", ""}, place{
			"C1:1799999000.000100", "1799999000.000100",
		}},
		"a button in a reply": {
			button(`{"message_ts":"1799999000.000100","thread_ts":"1799998000.000100"}`),
			place{"C1", "1799998000.000100"},
			place{"C1:1799998000.000100", "1799998000.000100"},
		},
		"a command": {[]byte("command=%2Fa&channel_id=C1&user_id=U1"), place{"C1", ""}, place{"C1", ""}},
		"a joining": {
			eventBody("Ev1", `{"type":"member_joined_channel","user":"U1","channel":"C1"}`), place{"C1", ""}, place{"C1", ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for setting, want := range map[string]place{"": test.channel, "channel": test.channel, "thread": test.threads} {
				m := normalize(t, test.body, map[string]string{"conversations": setting})[0]
				require.Equal(t, want, place{m.ConversationID, m.ThreadID}, setting)
			}
		})
	}
}

func TestTextIsDecoded(t *testing.T) {
	type entities = []integration.Entity
	for raw, test := range map[string]struct {
		text     string
		entities entities
	}{
		"plain":                        {"plain", nil},
		"a &amp; b &lt;c&gt; &amp;lt;": {"a & b <c> &lt;", nil},
		"&quot; is not Slack's":        {"&quot; is not Slack's", nil},
		"\U0001F44D <@U1>!": {"👍 @U1!", entities{
			{Type: "mention", Offset: 3, Length: 3, UserID: "U1"},
		}},
		"<@U1|ada>":     {"@ada", entities{{Type: "mention", Length: 4, UserID: "U1"}}},
		"<#C1|general>": {"#general", entities{{Type: "channel", Length: 8}}},
		"<#C1>":         {"#C1", entities{{Type: "channel", Length: 3}}},
		"<#C1|>":        {"#C1", entities{{Type: "channel", Length: 3}}},
		"<!here> <!channel|@channel>": {"@here @channel", entities{
			{Type: "broadcast", Length: 5}, {Type: "broadcast", Offset: 6, Length: 8},
		}},
		"<!subteam^S1|@ops>":                     {"@ops", entities{{Type: "usergroup", Length: 4}}},
		"<!subteam^S1>":                          {"@S1", entities{{Type: "usergroup", Length: 3}}},
		"<!date^1392734382^{date}|Feb 18, 2014>": {"Feb 18, 2014", nil},
		"<https://example.org/?a=1&amp;b=2>": {"https://example.org/?a=1&b=2", entities{
			{Type: "url", Length: 28, URL: "https://example.org/?a=1&b=2"},
		}},
		"<https://example.org|a &amp; b>": {"a & b", entities{
			{Type: "text_link", Length: 5, URL: "https://example.org"},
		}},
		"<https://example.org|https://example.org>": {
			"https://example.org", entities{{Type: "url", Length: 19, URL: "https://example.org"}},
		},
		"<mailto:a@example.org|a@example.org>": {"a@example.org", entities{
			{Type: "email", Length: 13, URL: "mailto:a@example.org"},
		}},
		"<mailto:a@example.org>": {"a@example.org", entities{
			{Type: "email", Length: 13, URL: "mailto:a@example.org"},
		}},
		"<tel:+1555|call>":               {"call", entities{{Type: "text_link", Length: 4, URL: "tel:+1555"}}},
		"no end <https://example.org":    {"no end <https://example.org", nil},
		"<> <@> <#> <!> <word> <|x>":     {"<> <@> <#> <!> <word> <|x>", nil},
		"*bold* _it_ ~no~ `code` :wave:": {"*bold* _it_ ~no~ `code` :wave:", nil},
		"<!something_new|fallback>":      {"fallback", nil},
		"nested <@U1 <@U2> >": {"nested @U1 <@U2 >", entities{
			{Type: "mention", Offset: 7, Length: 8, UserID: "U1 <@U2"},
		}},
		"&amp;&amp;&amp;<@U1>&amp;&lt;": {"&&&@U1&<", entities{
			{Type: "mention", Offset: 3, Length: 3, UserID: "U1"},
		}},
	} {
		t.Run(raw, func(t *testing.T) {
			encoded, err := json.Marshal(raw)
			require.NoError(t, err)
			m := one(t, `{"type":"message","user":"U1","channel":"C1","ts":"1799999000.000100","text":`+string(encoded)+`}`)
			require.Equal(t, test.text, m.Content.Text)
			require.Equal(t, test.entities, m.Content.Entities)
			if test.text == raw {
				require.NotContains(t, m.Metadata, "rawText")
			} else {
				require.Equal(t, raw, m.Metadata["rawText"])
			}
		})
	}
}

func TestTimestampIsInMilliseconds(t *testing.T) {
	for ts, want := range map[string]int64{
		"1595926230.009600": 1595926230009, "1595926230.9": 1595926230900, "1595926230": 1595926230000,
		"1595926230.":    1595926230000,
		"1595926230.-12": 1595926230000, "1595926230.x": 1595926230000, "": 1800000000000, "5": 1800000000000,
		"x":             1800000000000,
		"-1595926230.1": 1800000000000, "99999999999999999999.1": 1800000000000, "159592623000.1": 1800000000000,
	} {
		m := one(t, fmt.Sprintf(`{"type":"message","user":"U1","channel":"C1","text":"a","ts":%q}`, ts))
		require.Equal(t, want, m.Timestamp, ts)
	}
}

func TestHostilePayloadIsHarmless(t *testing.T) {
	for name, body := range map[string][]byte{
		"an empty event":          eventBody("", `{}`),
		"an event of null":        eventBody("", `null`),
		"an event that is a list": eventBody("", `[]`),
		"a message of null": eventBody(
			"", `{"type":"message","subtype":"message_changed","message":null,"previous_message":null}`,
		),
		"a message without a place": eventBody("", `{"type":"message","text":"a"}`),
		"a deletion of nothing":     eventBody("", `{"type":"message","subtype":"message_deleted"}`),
		"a user that is a number":   eventBody("", `{"type":"message","user":5,"text":"a","channel":"C1","ts":"1.2"}`),
		"a channel that is an object": eventBody(
			"", `{"type":"message","user":{"id":"U1"},"text":"a","channel":{"id":"C1"},"ts":"1.2"}`,
		),
		"files of null": eventBody("", `{"type":"message","user":"U1","files":[null,{}],"channel":"C1","ts":"1.2"}`),
		"attachments of another type": eventBody(
			"", `{"type":"message","user":"U1","attachments":"none","channel":"C1","ts":"1.2"}`,
		),
		"a reaction on nothing":     eventBody("", `{"type":"reaction_added","item":null}`),
		"an interaction of nothing": form(t, `{"type":"block_actions"}`),
		"actions of null":           form(t, `{"type":"block_actions","actions":[null,null]}`),
		"actions of another type":   form(t, `{"type":"block_actions","actions":{}}`),
		"a view of null":            form(t, `{"type":"view_submission","view":null,"user":null}`),
		"a view's state of null":    form(t, `{"type":"view_submission","view":{"state":null}}`),
		"a view's values of null": form(
			t, `{"type":"view_submission","view":{"state":{"values":{"b":null,"c":{"a":null}}}}}`,
		),
		"a view's state of another type": form(t, `{"type":"view_submission","view":{"state":{"values":[]}}}`),
		"a dialog of nothing":            form(t, `{"type":"dialog_submission"}`),
		"a shortcut without a name":      form(t, `{"type":"shortcut"}`),
		"a team of null":                 form(t, `{"type":"message_action","callback_id":"a","team":null,"message":null}`),
		"a command of nothing":           []byte("command=%2F"),
		"invalid UTF-8 in a command":     []byte("command=%2Fa&text=%ff%fe"),
		"half a surrogate": eventBody(
			"", `{"type":"message","user":"U1","text":"\ud83d <@U1>","channel":"C1","ts":"1.2"}`,
		),
	} {
		t.Run(name, func(t *testing.T) {
			for _, setting := range []string{"channel", "thread"} {
				messages := normalize(t, body, map[string]string{"conversations": setting})
				require.NotEmpty(t, messages)
				for i := range messages {
					requireSound(t, &messages[i])
				}
			}
		})
	}
}

func requireSound(t *testing.T, m *integration.Message) {
	t.Helper()
	require.NotEmpty(t, m.ID)
	require.NotEmpty(t, m.DedupKey)
	require.NotEmpty(t, m.Content.Type)
	require.Positive(t, m.Timestamp)
	if m.Content.Type == integration.TypeUnsupported {
		require.NotNil(t, m.Content.Unsupported)
		require.NotEmpty(t, m.Content.Unsupported.PlatformType)
		require.Contains(t, m.Metadata, "raw")
	}
	encoded, err := json.Marshal(m)
	require.NoError(t, err)
	require.NotContains(t, string(encoded), "canary")
}

// samples are payloads of testdata, and of the folder of published ones where that is there, by their names.
func samples(t *testing.T, folders ...string) map[string][]byte {
	t.Helper()
	list := map[string][]byte{}
	for _, folder := range folders {
		paths, err := filepath.Glob(folder + "/*.json")
		require.NoError(t, err)
		for _, path := range paths {
			list[filepath.Base(path)] = read(t, path)
		}
	}
	return list
}

// published are the folders in which the samples that others have published may lie, beside the repository.
var published = []string{"../../../shared/fixtures/slack", "../../../../shared/fixtures/slack"}

// TestNormalizeReadsTheSameAsSlackGo compares what two decoders make of the same payloads.
func TestNormalizeReadsTheSameAsSlackGo(t *testing.T) {
	for name, payload := range samples(t, append(published, "testdata/events")...) {
		if !bytes.Contains(payload, []byte("event_callback")) {
			continue
		}
		theirs, err := slackevents.ParseEvent(payload, slackevents.OptionNoVerifyToken())
		if err != nil {
			continue // it fails for what it does not know
		}
		messages := normalize(t, payload, nil)
		if len(messages) == 0 {
			continue
		}
		m := messages[0]
		switch e := theirs.InnerEvent.Data.(type) {
		case *slackevents.MessageEvent:
			if e.SubType != "" && e.SubType != "file_share" && e.SubType != "thread_broadcast" || m.Kind != "" {
				continue
			}
			require.Equal(t, e.Channel+":"+e.TimeStamp, string(m.ID), name)
			require.Equal(t, e.User, string(m.From.ID), name)
			require.Equal(t, e.ThreadTimeStamp, string(m.ThreadID), name)
			raw, differs := m.Metadata["rawText"]
			if !differs {
				raw = m.Content.Text
			}
			require.Equal(t, e.Text, raw, name)
		case *slackevents.AppMentionEvent:
			require.Equal(t, e.Channel+":"+e.TimeStamp, string(m.ID), name)
			require.Equal(t, e.User, string(m.From.ID), name)
		case *slackevents.ReactionAddedEvent:
			if m.Content.Reaction != nil {
				require.Equal(t, e.Reaction, m.Content.Reaction.Emoji, name)
				require.Equal(t, e.Item.Channel+":"+e.Item.Timestamp, string(m.Content.Reaction.MessageID), name)
			}
		case *slackevents.MemberJoinedChannelEvent:
			require.Equal(t, e.User, string(m.Content.System.Members[0].ID), name)
			require.Equal(t, e.Channel, string(m.ConversationID), name)
		}
	}
	for name, payload := range samples(t, "testdata/interactions") {
		var theirs slackgo.InteractionCallback
		if err := json.Unmarshal(payload, &theirs); err != nil {
			continue // such as where it wants another type for what comes with options
		}
		m := normalize(t, form(t, string(payload)), nil)[0]
		require.Equal(t, theirs.User.ID, string(m.From.ID), name)
		if a := theirs.ActionCallback.BlockActions; len(a) == 1 && a[0].Type == "button" && a[0].Value != "" {
			require.Equal(t, a[0].Value, m.Content.Interactive.Reply.ID, name)
			require.Equal(t, a[0].ActionID, m.Content.Interactive.Reply.ActionID, name)
		}
	}
}

// FuzzInteraction looks for interactions that do harm, which FuzzWebhook finds only after it has found their form.
func FuzzInteraction(f *testing.F) {
	paths, err := filepath.Glob("testdata/interactions/*.json")
	require.NoError(f, err)
	for _, path := range paths {
		f.Add(read(f, path))
	}
	platform := newPlatform(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		messages, err := platform.Normalize(t.Context(), webhook([]byte("payload="+escapeForm(payload))))
		if err != nil {
			requireError(t, err, integration.FaultInvalid, "WEBHOOK_INVALID")
			return
		}
		for i := range messages {
			requireSound(t, &messages[i])
		}
	})
}

func escapeForm(payload []byte) string {
	var b strings.Builder
	for _, c := range payload {
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return b.String()
}

func BenchmarkNormalize(b *testing.B) {
	platform := newPlatform(b)
	for _, w := range webhooks(b) {
		if !slices.Contains([]string{"text", "button_pressed", "picture_with_text", "slash_command"}, w.Name) {
			continue
		}
		hook := webhook(w.Body)
		b.Run(w.Name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(w.Body)))
			for b.Loop() {
				if _, err := platform.Normalize(b.Context(), hook); err != nil {
					b.Fatal(err)
				}
				if _, err := platform.(integration.Responder).Respond(b.Context(), hook); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The verification token proves who sent a webhook in Slack's older way, so no consumer gets it.
func TestRawPayloadHasNoSecret(t *testing.T) {
	form := func(payload string) []byte { return []byte(url.Values{"payload": {payload}}.Encode()) }
	for name, body := range map[string][]byte{
		"an event that is not known": []byte(`{"token":"CANARY1","team_id":"T1","type":"event_callback","event_id":"E1",` +
			`"event":{"type":"a_new_event","user":"U1"}}`),
		"an event about the app": []byte(`{"token":"CANARY1","team_id":"T1","type":"event_callback","event_id":"E1",` +
			`"event":{"type":"tokens_revoked","tokens":{"oauth":["U1"],"bot":[]}}}`),
		"a message without content": []byte(`{"token":"CANARY1","type":"event_callback","event_id":"E1",` +
			`"event":{"type":"message","channel":"C1","ts":"1800000000.000100","user":"U1","text":5}}`),
		"a step of a workflow": []byte(`{"token":"CANARY1","type":"event_callback","event_id":"E1",` +
			`"event":{"user":"U1","type":"function_executed","bot_access_token":"xwfp-CANARY2"}}`),
		"an interaction": form(
			`{"type":"a_new_interaction","token":"CANARY1","team":{"id":"T1"},"user":{"id":"U1"},"trigger_id":"t"}`,
		),
		"a menu that asks": form(
			`{"type":"block_suggestion","token":"CANARY1","team":{"id":"T1"},"user":{"id":"U1"},"container":{"type":"view"}}`,
		),
		"links to answer by": form(`{"type":"a_new_interaction","token":"CANARY1","user":{"id":"U1"},` +
			`"response_urls":[{"channel_id":"C1","response_url":"https://h/1"},{"channel_id":"C2",` +
			`"response_url":"https://h/CANARY2"}]}`),
	} {
		t.Run(name, func(t *testing.T) {
			messages := normalize(t, body, nil)
			require.Len(t, messages, 1)
			require.Contains(t, messages[0].Metadata, "raw")
			said, err := json.Marshal(messages[0])
			require.NoError(t, err)
			require.NotContains(t, string(said), "CANARY")
			require.Contains(t, string(said), "U1")
		})
	}
}

func TestForeignWorkspaceIsLeftOut(t *testing.T) {
	event := func(teams string) []byte {
		return []byte(`{"type":"event_callback","event_id":"E1",` + teams + `"event":{"type":"message","channel":"C1",` +
			`"ts":"1800000000.000100","user":"U1","text":"hi"}}`)
	}
	form := func(values url.Values) []byte { return []byte(values.Encode()) }
	interaction := func(teams string) []byte {
		return form(
			url.Values{
				"payload": {
					`{"type":"shortcut","callback_id":"x","trigger_id":"t","user":{"id":"U1","team_id":"T2"}` + teams + `}`,
				},
			},
		)
	}
	for name, test := range map[string]struct {
		body []byte
		own  string
		want int
	}{
		"an event of the workspace":       {event(`"team_id":"T1",`), "T1", 1},
		"an event of another":             {event(`"team_id":"T2",`), "T1", 0},
		"where the channel declares none": {event(`"team_id":"T2",`), "", 1},
		"an event that names none":        {event(``), "T1", 1},
		"in a channel that two share":     {event(`"team_id":"T2","context_team_id":"T1",`), "T1", 1},
		"in a channel that two share, the other": {
			event(`"team_id":"T1","context_team_id":"T3","authorizations":[{"team_id":"T3"}],`), "T2", 0,
		},
		"of an app that is authorized":       {event(`"team_id":"T2","authorizations":[{"team_id":"T1"}],`), "T1", 1},
		"an event of the organization":       {event(`"team_id":"T2","enterprise_id":"E1",`), "E1", 1},
		"an event of another organization":   {event(`"team_id":"T2","enterprise_id":"E2",`), "E1", 0},
		"an interaction":                     {interaction(`,"team":{"id":"T1"}`), "T1", 1},
		"an interaction of another":          {interaction(`,"team":{"id":"T3"}`), "T1", 0},
		"an interaction of the organization": {interaction(`,"team":null,"enterprise":{"id":"E1"}`), "E1", 1},
		"an interaction by its user":         {interaction(``), "T1", 0},
		"a command": {
			form(url.Values{"command": {"/x"}, "team_id": {"T1"}, "user_id": {"U1"}}), "T1", 1,
		},
		"a command of another": {
			form(url.Values{"command": {"/x"}, "team_id": {"T2"}, "user_id": {"U1"}}), "T1", 0,
		},
		"a limit": {
			[]byte(`{"type":"app_rate_limited","team_id":"T1","minute_rate_limited":1800000000}`), "T1", 1,
		},
		"a limit of another": {
			[]byte(`{"type":"app_rate_limited","team_id":"T2","minute_rate_limited":1800000000}`), "T1", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			settings := map[string]string{}
			if test.own != "" {
				settings["teamId"] = test.own
			}
			require.Len(t, normalize(t, test.body, settings), test.want)
		})
	}
}
