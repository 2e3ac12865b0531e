package telegram_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func TestAMessageIsEditedByTheMethodForWhatIsNew(t *testing.T) {
	buttons := &integration.Interactive{Buttons: []integration.Button{{ID: "y", Title: "Yes"}}}
	const markup = `"reply_markup":{"inline_keyboard":[[{"text":"Yes","callback_data":"y"}]]}`
	for name, test := range map[string]struct {
		content integration.Content
		method  string
		body    string
	}{
		"a text": {integration.Content{
			Type: "TEXT", Text: "new",
		}, "editMessageText", `{"chat_id":-77,"message_id":41,"text":"new"}`},
		"a text with markup": {integration.Content{
			Text: "<b>new</b>", Format: "html",
		}, "editMessageText", `{"chat_id":-77,"message_id":41,"text":"<b>new</b>","parse_mode":"HTML"}`},
		"a text over buttons": {integration.Content{
			Type: "INTERACTIVE", Text: "new", Interactive: buttons,
		}, "editMessageText", `{"chat_id":-77,"message_id":41,"text":"new",` + markup + `}`},
		"buttons alone": {integration.Content{
			Type: "INTERACTIVE", Interactive: buttons,
		}, "editMessageReplyMarkup", `{"chat_id":-77,"message_id":41,` + markup + `}`},
		"a caption": {integration.Content{
			Type: "IMAGE", Text: "new",
		}, "editMessageCaption", `{"chat_id":-77,"message_id":41,"caption":"new"}`},
		"no caption": {integration.Content{Type: "FILE"}, "editMessageCaption", `{"chat_id":-77,"message_id":41}`},
		"the caption of a voice": {integration.Content{
			Type: "VOICE", Text: "new",
		}, "editMessageCaption", `{"chat_id":-77,"message_id":41,"caption":"new"}`},
		"a photo": {integration.Content{
			Type: "IMAGE", Text: "new", Media: &integration.Media{ID: "ph-1"},
		}, "editMessageMedia", `{"chat_id":-77,"message_id":41,"media":{"type":"photo","media":"ph-1","caption":"new"}}`},
		"a photo that is uploaded": {integration.Content{Type: "IMAGE", Media: &integration.Media{Data: []byte("png"), Caption: "new"}}, "editMessageMedia", `{"chat_id":-77,"message_id":41,"media":{"type":"photo","media":"attach://file1","caption":"new"}}`},
		"a file over buttons":      {integration.Content{Type: "FILE", Media: &integration.Media{URL: "https://files.example/a.pdf"}, Interactive: buttons}, "editMessageMedia", `{"chat_id":-77,"message_id":41,"media":{"type":"document","media":"https://files.example/a.pdf"},` + markup + `}`},
		"an animation in place of it": {integration.Content{
			Type: "IMAGE", Media: &integration.Media{ID: "an-1", MimeType: "image/gif"},
		}, "editMessageMedia", `{"chat_id":-77,"message_id":41,"media":{"type":"animation","media":"an-1"}}`},
		"a list, whose entries are on": {
			integration.Content{
				Type: "INTERACTIVE", Text: "new",
				Interactive: &integration.Interactive{
					Sections: []integration.Section{{Rows: []integration.Row{{ID: "y", Title: "Yes"}}}},
				},
			},
			"editMessageText", `{"chat_id":-77,"message_id":41,"text":"new",` + markup + `}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			result, err := newPlatform(t).(integration.Editor).EditMessage(
				t.Context(), integration.Target{MessageID: "-77:41"}, &integration.Message{Content: test.content}, ch,
			)
			require.NoError(t, err)
			require.Equal(t, integration.ID("-77:41"), result.MessageID)
			requests := server.Requests()
			require.Len(t, requests, 1)
			require.Equal(t, test.method, requests[0].Route)
			requireBody(t, test.body, requests[0])
		})
	}
}

func TestEditsThatCannotBeAreRefused(t *testing.T) {
	photos := []integration.Media{{ID: "ph-1"}, {ID: "ph-2"}}
	for name, test := range map[string]struct {
		id      integration.ID
		content integration.Content
		kind    integration.ErrorKind
		code    string
	}{
		"nothing": {"5:41", integration.Content{Type: "TEXT"}, integration.FaultInvalid, "MESSAGE_INVALID"},
		"an album": {"5:41", integration.Content{
			Type: "IMAGE", Attachments: photos,
		}, integration.FaultInvalid, "MESSAGE_INVALID"},
		"another voice": {"5:41", integration.Content{
			Type: "VOICE", Media: &integration.Media{ID: "v-1"},
		}, integration.FaultPermanent, "UNSUPPORTED_CONTENT"},
		"a location": {"5:41", integration.Content{
			Type: "LOCATION", Location: &integration.Location{},
		}, integration.FaultPermanent, "UNSUPPORTED_CONTENT"},
		"a form": {"5:41", integration.Content{
			Type: "INTERACTIVE", Interactive: &integration.Interactive{Kind: "form"},
		}, integration.FaultPermanent, "UNSUPPORTED_CONTENT"},
		"a message without a chat": {"41", integration.Content{Text: "new"}, integration.FaultInvalid, "MESSAGE_INVALID"},
		"a message of another kind": {
			"wamid.x", integration.Content{Text: "new"}, integration.FaultInvalid, "MESSAGE_INVALID",
		},
		"a chat that is none": {"x:41", integration.Content{Text: "new"}, integration.FaultInvalid, "MESSAGE_INVALID"},
		"no message":          {"", integration.Content{Text: "new"}, integration.FaultInvalid, "MESSAGE_INVALID"},
		"a bad format": {"5:41", integration.Content{
			Text: "new", Format: "mrkdwn",
		}, integration.FaultInvalid, "MESSAGE_INVALID"},
		"a file from nowhere": {"5:41", integration.Content{
			Type: "IMAGE", Media: &integration.Media{},
		}, integration.FaultInvalid, "MEDIA_URL_INVALID"},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			_, err := newPlatform(t).(integration.Editor).EditMessage(
				t.Context(), integration.Target{MessageID: test.id}, &integration.Message{Content: test.content}, ch,
			)
			requireError(t, err, test.kind, test.code)
			require.Empty(t, server.Requests())
		})
	}
	t.Run("a video note, though its picture could", func(t *testing.T) {
		_, ch := newServer(t)
		m := flagged(media("VIDEO", integration.Media{ID: "vn-1"}), "videoNote")
		_, err := newPlatform(t).(integration.Editor).EditMessage(t.Context(), integration.Target{MessageID: "5:41"}, m, ch)
		requireError(t, err, integration.FaultPermanent, "UNSUPPORTED_CONTENT")
	})
}

func TestAnEditThatChangesNothingIsDone(t *testing.T) {
	server, ch := newServer(t)
	server.Script(
		"editMessageText",
		telegramtest.Failure(
			400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same",
			nil,
		),
	)
	result, err := newPlatform(t).(integration.Editor).EditMessage(
		t.Context(), integration.Target{MessageID: "5:41"}, text("", "same"), ch,
	)
	require.NoError(t, err)
	require.Equal(
		t, &integration.SendResult{Success: true, MessageID: "5:41", Metadata: map[string]any{"unchanged": true}}, result,
	)
}

func TestAnEditTellsWhatItLoses(t *testing.T) {
	_, ch := newServer(t)
	m := text("", "👍")
	m.Content.Entities = []integration.Entity{{Type: "custom_emoji", Length: 2}}
	m.Metadata = map[string]any{"businessConnectionId": "bc-1"}
	result, err := newPlatform(t).(integration.Editor).EditMessage(
		t.Context(), integration.Target{ConversationID: "@engine_news", MessageID: "41"}, m, ch,
	)
	require.NoError(t, err)
	require.Equal(
		t,
		&integration.SendResult{
			Success: true, MessageID: "@engine_news:41",
			Degraded: []integration.Degradation{{Feature: "custom emoji", Became: "emoji"}}, Metadata: map[string]any{},
		},
		result,
	)
}

func TestFurtherActionsCallTheirMethods(t *testing.T) {
	here := integration.Target{ConversationID: "-1001700100200:7", ThreadID: "7", MessageID: "-1001700100200:41"}
	react := func(emoji string) func(integration.Platform, integration.Target, *integration.Channel) error {
		return func(p integration.Platform, target integration.Target, ch *integration.Channel) error {
			return p.(integration.Reactor).React(t.Context(), target, emoji, ch)
		}
	}
	remove := func(p integration.Platform, target integration.Target, ch *integration.Channel) error {
		return p.(integration.Deleter).DeleteMessage(t.Context(), target, ch)
	}
	show := func(p integration.Platform, target integration.Target, ch *integration.Channel) error {
		return p.(integration.Typer).ShowTyping(t.Context(), target, ch)
	}
	for name, test := range map[string]struct {
		do     func(integration.Platform, integration.Target, *integration.Channel) error
		target integration.Target
		method string
		body   string
	}{
		"a reaction":                    {react("👍"), here, "setMessageReaction", `{"chat_id":-1001700100200,"message_id":41,"reaction":[{"type":"emoji","emoji":"👍"}]}`},
		"a heart as phones write it":    {react("❤️"), here, "setMessageReaction", `{"chat_id":-1001700100200,"message_id":41,"reaction":[{"type":"emoji","emoji":"❤"}]}`},
		"a custom emoji, as it came in": {react("custom_emoji:5368324170671202286"), here, "setMessageReaction", `{"chat_id":-1001700100200,"message_id":41,"reaction":[{"type":"custom_emoji","custom_emoji_id":"5368324170671202286"}]}`},
		"a reaction that is taken away": {react(""), here, "setMessageReaction", `{"chat_id":-1001700100200,"message_id":41,"reaction":[]}`},
		"a deletion":                    {remove, here, "deleteMessage", `{"chat_id":-1001700100200,"message_id":41}`},
		"a deletion by Telegram's id": {remove, integration.Target{
			ConversationID: "5", MessageID: "41",
		}, "deleteMessage", `{"chat_id":5,"message_id":41}`},
		"typing in a topic":          {show, here, "sendChatAction", `{"chat_id":-1001700100200,"message_thread_id":7,"action":"typing"}`},
		"typing where a message was": {show, integration.Target{MessageID: "5:41"}, "sendChatAction", `{"chat_id":5,"action":"typing"}`},
		"typing in a topic of a thread": {show, integration.Target{
			ConversationID: "-77", ThreadID: "7",
		}, "sendChatAction", `{"chat_id":-77,"message_thread_id":7,"action":"typing"}`},
		"typing to a channel by a name": {show, integration.Target{
			ConversationID: "@engine_news",
		}, "sendChatAction", `{"chat_id":"@engine_news","action":"typing"}`},
		"a reaction beyond 2^53": {react("👍"), integration.Target{
			MessageID: "9007199254740993:41",
		}, "setMessageReaction", `{"chat_id":9007199254740993,"message_id":41,"reaction":[{"type":"emoji","emoji":"👍"}]}`},
		"typing with no more than a name": {
			show, integration.Target{ConversationID: "5", MessageID: "callback-1"}, "sendChatAction",
			`{"chat_id":5,"action":"typing"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			require.NoError(t, test.do(newPlatform(t), test.target, ch))
			requests := server.Requests()
			require.Len(t, requests, 1)
			require.Equal(t, test.method, requests[0].Route)
			requireBody(t, test.body, requests[0])
		})
	}
	t.Run("without a place they are refused", func(t *testing.T) {
		server, ch := newServer(t)
		for _, do := range []func(
			integration.Platform, integration.Target, *integration.Channel,
		) error{react("👍"), remove, show} {
			requireError(
				t, do(newPlatform(t), integration.Target{MessageID: "41"}, ch), integration.FaultInvalid, "MESSAGE_INVALID",
			)
		}
		require.Empty(t, server.Requests())
	})
	t.Run("an emoji that Telegram does not take", func(t *testing.T) {
		_, ch := newServer(t)
		requireError(t, react("🦜")(newPlatform(t), here, ch), integration.FaultPermanent, "MESSAGE_INVALID")
	})
}

func TestWhatChangesNothingWhenItIsRepeatedMayBeRepeated(t *testing.T) {
	lost := telegramtest.Response{Reset: true}
	server, ch := newServer(t)
	for _, method := range []string{"setMessageReaction", "sendChatAction", "editMessageText", "deleteMessage"} {
		server.Script(method, lost)
	}
	p, target := newPlatform(t), integration.Target{ConversationID: "5", MessageID: "5:41"}
	_, edited := p.(integration.Editor).EditMessage(t.Context(), target, text("", "new"), ch)
	for _, err := range []error{
		p.(integration.Reactor).React(t.Context(), target, "👍", ch),
		p.(integration.Typer).ShowTyping(t.Context(), target, ch), edited,
		p.(integration.Deleter).DeleteMessage(t.Context(), target, ch),
	} {
		requireError(t, err, integration.FaultUnknown, "PLATFORM_NO_ANSWER")
		e, _ := errors.AsType[*integration.Error](err)
		require.True(t, e.Retryable(), "it does nothing twice")
	}
}
