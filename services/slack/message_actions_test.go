package slack_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/slack/slacktest"
)

var target = integration.Target{MessageID: messageID}

func TestEditReplacesAllOfAMessage(t *testing.T) {
	edit := func(c integration.Content) *integration.Message { return &integration.Message{Content: c} }
	for name, test := range map[string]struct {
		message *integration.Message
		body    string
	}{
		"a text": {
			edit(integration.Content{Text: "a & b"}),
			`{"channel":"C024BE91L","ts":"1700000000.000900","text":"a &amp; b","blocks":[]}`,
		},
		"markdown": {
			edit(integration.Content{Text: "**a**", Format: "markdown"}),
			`{"channel":"C024BE91L","ts":"1700000000.000900","markdown_text":"**a**"}`,
		},
		"buttons": {interactive(integration.Interactive{Body: "?", Buttons: buttons(1)}), `{"channel":"C024BE91L",` +
			`"ts":"1700000000.000900","text":"?","blocks":[{"type":"section","text":{"type":"mrkdwn","text":"?"}},` +
			`{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"button 0"},` +
			`"action_id":"button-1","value":"button 0"}]}]}`},
		"4000 of text": {
			edit(integration.Content{Text: strings.Repeat("ж", 4000)}),
			`{"channel":"C024BE91L","ts":"1700000000.000900","text":"` + strings.Repeat("ж", 4000) + `","blocks":[]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			result, err := newPlatform(t).(integration.Editor).EditMessage(t.Context(), target, test.message, ch)
			require.NoError(t, err)
			require.Equal(t, integration.ID(messageID), result.MessageID)
			require.JSONEq(t, test.body, string(server.Requests()[0].Raw))
		})
	}
	for name, test := range map[string]struct {
		message *integration.Message
		kind    integration.ErrorKind
		code    string
	}{
		"4001 of text": {
			edit(integration.Content{Text: strings.Repeat("ж", 4001)}), integration.FaultInvalid, "MESSAGE_TOO_LONG",
		},
		"a file": {
			edit(integration.Content{Type: integration.TypeFile, Media: &integration.Media{Data: []byte("a")}}),
			integration.FaultPermanent, "UNSUPPORTED_CONTENT",
		},
		"nothing": {edit(integration.Content{}), integration.FaultInvalid, "MESSAGE_INVALID"},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			_, err := newPlatform(t).(integration.Editor).EditMessage(t.Context(), target, test.message, ch)
			requireError(t, err, test.kind, test.code)
			require.Empty(t, server.Requests())
		})
	}
}

// actions are the message actions.
func actions(t *testing.T, ch *integration.Channel) map[string]func(integration.Target) error {
	t.Helper()
	p := newPlatform(t)
	return map[string]func(integration.Target) error{
		"edit": func(target integration.Target) error {
			_, err := p.(integration.Editor).EditMessage(t.Context(), target, text("b"), ch)
			return err
		},
		"delete": func(target integration.Target) error {
			return p.(integration.Deleter).DeleteMessage(t.Context(), target, ch)
		},
		"react": func(target integration.Target) error {
			return p.(integration.Reactor).React(t.Context(), target, "tada", ch)
		},
	}
}

func TestMessageActionFindsItsMessage(t *testing.T) {
	for name, test := range map[string]struct {
		target integration.Target
		ok     bool
	}{
		"by the id of a message":        {target, true},
		"by Slack's ts and the channel": {integration.Target{ConversationID: channelID, MessageID: messageTS}, true},
		"by Slack's ts and the thread": {integration.Target{
			ConversationID: channelID + ":1700000000.000100", MessageID: messageTS,
		}, true},
		"not by the ts alone":      {integration.Target{MessageID: messageTS}, false},
		"not by the channel alone": {integration.Target{ConversationID: channelID}, false},
		"not by a user":            {integration.Target{ConversationID: "U1A", MessageID: messageTS}, false},
		"not by a channel's name":  {integration.Target{ConversationID: "#general", MessageID: messageTS}, false},
		"not by something else":    {integration.Target{MessageID: "a:b"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, ch := newServer(t)
			for what := range actions(t, ch) {
				server, ch := newServer(t)
				err := actions(t, ch)[what](test.target)
				if test.ok {
					require.NoError(t, err, what)
					continue
				}
				requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
				require.Empty(t, server.Requests(), what)
			}
		})
	}
	_, ch := newServer(t)
	for what, do := range actions(t, ch) {
		t.Run(what+" of a message that is not there", func(t *testing.T) {
			requireError(
				t, do(integration.Target{MessageID: channelID + ":1.2"}), integration.FaultPermanent, "MESSAGE_NOT_FOUND",
			)
		})
	}
}

func TestReactionGoesByName(t *testing.T) {
	for emoji, want := range map[string]string{
		"👍": "+1", "👍🏽": "+1::skin-tone-4", "❤️": "heart", "❤": "heart", "tada": "tada", ":tada:": "tada",
		"our-logo": "our-logo", "+1": "+1",
		"wave::skin-tone-2": "wave::skin-tone-2", " 🎉 ": "tada", "👋🏿": "wave::skin-tone-6", "100": "100",
		"✔️": "heavy_check_mark",
	} {
		server, ch := newServer(t)
		require.NoError(t, newPlatform(t).(integration.Reactor).React(t.Context(), target, emoji, ch), emoji)
		require.JSONEq(
			t, `{"channel":"C024BE91L","timestamp":"1700000000.000900","name":"`+want+`"}`, string(server.Requests()[0].Raw),
		)
	}
	for _, emoji := range []string{"🦕", "👍👍", "Thumbs Up", ":", "::skin-tone-2", "wave::skin-tone-9", "1️⃣", "<b>"} {
		server, ch := newServer(t)
		err := newPlatform(t).(integration.Reactor).React(t.Context(), target, emoji, ch)
		requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
		require.Empty(t, server.Requests(), emoji)
	}
}

func TestReactionIsAddedOnceAndRemoved(t *testing.T) {
	server, ch := newServer(t)
	react := func(emoji string) error {
		return newPlatform(t).(integration.Reactor).React(t.Context(), target, emoji, ch)
	}
	require.NoError(t, react("👍"))
	require.NoError(t, react("👍"), "already_reacted")
	require.NoError(t, react("🎉"))
	require.NoError(t, react(""))
	require.Len(t, bodies(server, "reactions.remove"), 2, "its own two, and nobody else's")
	require.NoError(t, react(""))
	require.Len(t, bodies(server, "reactions.remove"), 2)
	server.Script("reactions.remove", slacktest.Failure("no_reaction", nil))
	require.NoError(t, react("👍"))
	require.NoError(t, react(""), "somebody was faster")
	for method, response := range map[string]slacktest.Response{
		"auth.test": slacktest.Failure("invalid_auth", nil), "reactions.get": {Reset: true},
		"reactions.remove": slacktest.RateLimited("5"),
	} {
		server.Script(method, response)
		require.NoError(t, react("🎉"))
		err := react("")
		require.Error(t, err, method)
	}
	t.Run("which may be repeated where nobody knows", func(t *testing.T) {
		server.Script("reactions.add", slacktest.Response{Reset: true})
		e := errorOf(t, react("👍"), integration.FaultUnknown, "PLATFORM_NO_ANSWER")
		require.True(t, e.Retryable())
	})
}

func TestTypingIsShownInThreadsOfAssistants(t *testing.T) {
	for name, test := range map[string]struct {
		target integration.Target
		ok     bool
	}{
		"by the thread":                   {integration.Target{ConversationID: "D1A", ThreadID: messageTS}, true},
		"by the thread's conversation":    {integration.Target{ConversationID: "D1A:" + messageTS}, true},
		"by the first message":            {integration.Target{MessageID: "D1A:" + messageTS}, true},
		"but not without a thread":        {integration.Target{ConversationID: "D1A"}, false},
		"but not without a conversation":  {integration.Target{ThreadID: messageTS}, false},
		"but not to a user":               {integration.Target{ConversationID: "U1A", ThreadID: messageTS}, false},
		"but not in something that is no": {integration.Target{ConversationID: "D1A", ThreadID: "x"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			err := newPlatform(t).(integration.Typer).ShowTyping(t.Context(), test.target, ch)
			if !test.ok {
				requireError(t, err, integration.FaultPermanent, "UNSUPPORTED_CONTENT")
				require.Empty(t, server.Requests())
				return
			}
			require.NoError(t, err)
			require.JSONEq(
				t, `{"channel_id":"D1A","thread_ts":"1700000000.000900","status":"is typing…"}`, string(server.Requests()[0].Raw),
			)
		})
	}
}

func TestHealthSaysWhatToFix(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*slacktest.Server)
		status string
		says   string
	}{
		"all scopes":        {func(*slacktest.Server) {}, integration.HealthHealthy, "@test_app can send in Test team"},
		"no word of scopes": {func(s *slacktest.Server) { s.SetScopes("") }, integration.HealthHealthy, "can send"},
		"no files": {func(s *slacktest.Server) {
			s.SetScopes("chat:write, reactions:write,reactions:read")
		}, integration.HealthHealthy, "add the scopes files:read, files:write"},
		"no sending": {func(s *slacktest.Server) {
			s.SetScopes("files:read,files:write,reactions:read,reactions:write")
		}, integration.HealthDegraded, "cannot send in Test team; for sending add the scopes chat:write"},
		"the token of a user": {
			func(s *slacktest.Server) { s.SetIdentity("bot_id", "") }, integration.HealthDegraded, "xoxb-",
		},
		"a user without scope": {
			func(s *slacktest.Server) { s.SetIdentity("bot_id", ""); s.SetScopes("") }, integration.HealthDegraded,
			"Bot User OAuth Token",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			test.change(server)
			health, err := newPlatform(t).(integration.HealthChecker).CheckHealth(t.Context(), ch)
			require.NoError(t, err)
			require.Equal(t, test.status, health.Status)
			require.Contains(t, health.Message, test.says)
			require.Equal(t, slacktest.UserID, health.Details["userId"])
		})
	}
	for name, test := range map[string]struct {
		response slacktest.Response
		kind     integration.ErrorKind
		code     string
	}{
		"a revoked token": {
			slacktest.Failure("token_revoked", nil), integration.FaultAuth, "CREDENTIALS_REFUSED",
		},
		"a slow-down":                  {slacktest.RateLimited("5"), integration.FaultThrottled, "RATE_LIMITED"},
		"a question without an answer": {slacktest.Response{Reset: true}, integration.FaultTransient, "PLATFORM_NO_ANSWER"},
		"an answer that is no JSON":    {slacktest.Response{Body: "{"}, integration.FaultTransient, "ANSWER_UNREADABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.Script("auth.test", test.response)
			_, err := newPlatform(t).(integration.HealthChecker).CheckHealth(t.Context(), ch)
			requireError(t, err, test.kind, test.code)
		})
	}
}

func TestCredentialsAreValidIfSlackKnowsThem(t *testing.T) {
	server, ch := newServer(t)
	validator := newPlatform(t).(integration.CredentialsValidator)
	for token, want := range map[string]bool{
		botToken: true, "xoxb-another": false, "no token": false, botToken + "\r\nX: y": false, "": false,
	} {
		valid, err := validator.ValidateCredentials(t.Context(), map[string]string{"botToken": token}, ch.Settings)
		require.Equal(t, want, valid, token)
		if err != nil {
			requireError(t, err, integration.FaultAuth, "CREDENTIALS_REFUSED") // the factory takes it for a no
		}
	}
	t.Run("a Web API that is down leaves the question open", func(t *testing.T) {
		server.Script("auth.test", slacktest.Response{Status: http.StatusServiceUnavailable})
		_, err := validator.ValidateCredentials(t.Context(), ch.Credentials, ch.Settings)
		requireError(t, err, integration.FaultTransient, "PLATFORM_UNAVAILABLE")
	})
}
