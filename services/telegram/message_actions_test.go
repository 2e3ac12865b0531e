package telegram_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func TestEditThatChangesNothingSucceeds(t *testing.T) {
	server, ch := newServer(t)
	server.Script("editMessageText", telegramtest.Failure(400, "Bad Request: message is not modified: specified new "+
		"message content and reply markup are exactly the same", nil))
	target := integration.Target{MessageID: "5:41"}
	result, err := newPlatform(t).(integration.Editor).EditMessage(t.Context(), target, text("", "same"), ch)
	require.NoError(t, err)
	unchanged := map[string]any{"unchanged": true}
	require.Equal(t, &integration.SendResult{Success: true, MessageID: "5:41", Metadata: unchanged}, result)
}

func TestEditTellsDegradations(t *testing.T) {
	_, ch := newServer(t)
	m := with(text("", "👍"), "businessConnectionId", "bc-1")
	m.Content.Entities = []integration.Entity{{Type: "custom_emoji", Length: 2}}
	target := integration.Target{ConversationID: "@engine_news", MessageID: "41"}
	result, err := newPlatform(t).(integration.Editor).EditMessage(t.Context(), target, m, ch)
	require.NoError(t, err)
	require.Equal(t, integration.ID("@engine_news:41"), result.MessageID)
	require.Equal(t, []integration.Degradation{{Feature: "custom emoji", Became: "emoji"}}, result.Degraded)
}

// messageAction is a message action with all but its target.
type messageAction func(*testing.T, integration.Platform, integration.Target, *integration.Channel) error

func react(emoji string) messageAction {
	return func(t *testing.T, p integration.Platform, target integration.Target, ch *integration.Channel) error {
		t.Helper()
		return p.(integration.Reactor).React(t.Context(), target, emoji, ch)
	}
}

func remove(t *testing.T, p integration.Platform, target integration.Target, ch *integration.Channel) error {
	t.Helper()
	return p.(integration.Deleter).DeleteMessage(t.Context(), target, ch)
}

func showTyping(t *testing.T, p integration.Platform, target integration.Target, ch *integration.Channel) error {
	t.Helper()
	return p.(integration.Typer).ShowTyping(t.Context(), target, ch)
}

func edit(t *testing.T, p integration.Platform, target integration.Target, ch *integration.Channel) error {
	t.Helper()
	_, err := p.(integration.Editor).EditMessage(t.Context(), target, text("", "new"), ch)
	return err
}

func TestMessageActionsCallTheirMethods(t *testing.T) {
	here := integration.Target{ConversationID: "-1001700100200:7", ThreadID: "7", MessageID: "-1001700100200:41"}
	at := func(conversation, thread, message integration.ID) integration.Target {
		return integration.Target{ConversationID: conversation, ThreadID: thread, MessageID: message}
	}
	const (
		reaction = "setMessageReaction"
		deletion = "deleteMessage"
		typing   = "sendChatAction"
		custom   = "5368324170671202286"
	)
	in := func(chat string) string { return `{"chat_id":` + chat + `,"action":"typing"}` }
	of := func(reaction string) string {
		return `{"chat_id":-1001700100200,"message_id":41,"reaction":[` + reaction + `]}`
	}
	for name, test := range map[string]struct {
		do     messageAction
		target integration.Target
		method string
		body   string
	}{
		"a reaction":         {react("👍"), here, reaction, of(`{"type":"emoji","emoji":"👍"}`)},
		"a heart of a phone": {react("❤️"), here, reaction, of(`{"type":"emoji","emoji":"❤"}`)},
		"a custom emoji": {
			react("custom_emoji:" + custom), here, reaction, of(`{"type":"custom_emoji","custom_emoji_id":"` + custom + `"}`),
		},
		"no reaction": {react(""), here, reaction, of("")},
		"a reaction in a chat beyond 2^53": {
			react("👍"), at("", "", "9007199254740993:41"), reaction,
			`{"chat_id":9007199254740993,"message_id":41,"reaction":[{"type":"emoji","emoji":"👍"}]}`,
		},
		"a deletion":                  {remove, here, deletion, `{"chat_id":-1001700100200,"message_id":41}`},
		"a deletion by a message_id":  {remove, at("5", "", "41"), deletion, `{"chat_id":5,"message_id":41}`},
		"typing in a topic":           {showTyping, here, typing, in(`-1001700100200,"message_thread_id":7`)},
		"typing in a thread":          {showTyping, at("-77", "7", ""), typing, in(`-77,"message_thread_id":7`)},
		"typing in a message's chat":  {showTyping, at("", "", "5:41"), typing, in(`5`)},
		"typing in a named channel":   {showTyping, at("@engine_news", "", ""), typing, in(`"@engine_news"`)},
		"typing after a button press": {showTyping, at("5", "", "callback-1"), typing, in(`5`)},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			require.NoError(t, test.do(t, newPlatform(t), test.target, ch))
			requests := server.Requests()
			require.Len(t, requests, 1)
			require.Equal(t, test.method, requests[0].Route)
			requireBody(t, test.body, requests[0])
		})
	}
	t.Run("without a chat", func(t *testing.T) {
		server, ch := newServer(t)
		for _, do := range []messageAction{react("👍"), remove, showTyping} {
			requireError(t, do(t, newPlatform(t), at("", "", "41"), ch), integration.FaultInvalid, "MESSAGE_INVALID")
		}
		require.Empty(t, server.Requests())
	})
	t.Run("an emoji that Telegram does not take", func(t *testing.T) {
		_, ch := newServer(t)
		requireError(t, react("🦜")(t, newPlatform(t), here, ch), integration.FaultPermanent, "MESSAGE_INVALID")
	})
}

func TestMessageActionsMayBeRepeated(t *testing.T) {
	server, ch := newServer(t)
	server.Always(&telegramtest.Response{Reset: true})
	for _, do := range []messageAction{react("👍"), showTyping, edit, remove} {
		err := do(t, newPlatform(t), integration.Target{ConversationID: "5", MessageID: "5:41"}, ch)
		requireError(t, err, integration.FaultUnknown, "PLATFORM_NO_ANSWER")
		e, _ := errors.AsType[*integration.Error](err)
		require.True(t, e.Retryable())
	}
}
