package discord_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

// names lists the calls so far.
func names(server *discordtest.Server) []string {
	var list []string
	for _, r := range server.Requests() {
		list = append(list, r.Route)
	}
	return list
}

// lasting is an answer whose interaction came so long ago, of the fifteen minutes that it lasts.
func lasting(m integration.Message, token, kind string, ago time.Duration) integration.Message {
	m.ReplyContext = replyContext(token, kind, time.Now().Add(15*time.Minute-ago).UnixMilli())
	return m
}

func TestAnswerGoesByReplyContextOrMetadata(t *testing.T) {
	expires := time.Now().Add(time.Minute).UnixMilli()
	old := func(expires any) map[string]any {
		return map[string]any{
			"interactionId": interactionID, "interactionToken": thinking, "interactionType": "command",
			"interactionExpiresAt": expires, "applicationId": applicationID,
		}
	}
	first := []string{discordtest.GetOriginal, discordtest.EditOriginal}
	for name, test := range map[string]struct {
		context  string
		metadata map[string]any
		want     []string
	}{
		"replyContext":                 {replyContext(thinking, "command", expires), nil, first},
		"metadata of this process":     {"", old(expires), first},
		"metadata from JSON":           {"", old(float64(expires)), first},
		"metadata with all its digits": {"", old(json.Number(strconv.FormatInt(expires, 10))), first},
		"metadata without an end":      {"", old(nil), first},
		"replyContext before metadata": {
			replyContext(answered, "component", expires), old(expires), []string{discordtest.FollowUp},
		},
		"metadata without an id of apps": {"", map[string]any{"interactionToken": answered}, []string{discordtest.FollowUp}},
		"neither":                        {"", nil, []string{discordtest.CreateMessage}},
		"an interaction that is over":    {replyContext(thinking, "command", 1), nil, []string{discordtest.CreateMessage}},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			m := text(channelID, "hello")
			m.ReplyContext, m.Metadata = test.context, test.metadata
			_, err := newPlatform(t).Send(t.Context(), &m, ch)
			require.NoError(t, err)
			require.Equal(t, test.want, names(server))
		})
	}
}

func TestReplyContextOfAnotherPlatformIsInvalid(t *testing.T) {
	for name, context := range map[string]string{
		"no query":              "%zz",
		"no token":              "id=1&expires=1",
		"no end":                "id=1&token=t",
		"an end that is a word": "token=t&expires=soon",
		"LINE's":                "nHuyWiB7yP5Zw52FIkcQobQuGDXCTA",
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			platform := newPlatform(t)
			m := text(channelID, "hello")
			m.ReplyContext = context
			_, err := platform.Send(t.Context(), &m, ch)
			requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
			_, err = platform.(integration.Editor).EditMessage(t.Context(), there, &m, ch)
			requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
			require.Empty(t, server.Requests())
		})
	}
}

func TestAnswerReplacesThinkingOnce(t *testing.T) {
	for name, test := range map[string]struct {
		kind, token string
		want        []string
	}{
		"of a command": {
			"command", thinking,
			[]string{discordtest.GetOriginal, discordtest.EditOriginal, discordtest.GetOriginal, discordtest.FollowUp},
		},
		"of a form": {
			"modal", thinking,
			[]string{discordtest.GetOriginal, discordtest.EditOriginal, discordtest.GetOriginal, discordtest.FollowUp},
		},
		"of a button": {"component", answered, []string{discordtest.FollowUp, discordtest.FollowUp}},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			for range 2 {
				m := lasting(text(channelID, "hello"), test.token, test.kind, time.Minute)
				m.ID = "order-1"
				result, err := newPlatform(t).Send(t.Context(), &m, ch)
				require.NoError(t, err)
				require.NotContains(t, result.Metadata, "idempotent")
			}
			require.Equal(t, test.want, names(server))
		})
	}
}

func TestAnswersAtOnceDoNotReplaceEachOther(t *testing.T) {
	server, ch := newServer(t)
	platform := newPlatform(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			m := lasting(text(channelID, "hello"), thinking, "command", time.Minute)
			if _, err := platform.Send(t.Context(), &m, ch); err != nil {
				t.Errorf("an answer fails: %v", err)
			}
		})
	}
	wg.Wait()
	edits := 0
	for _, name := range names(server) {
		if name == discordtest.EditOriginal {
			edits++
		}
	}
	require.Equal(t, 1, edits)
}

func TestAnswerThatWaitsEndsWithItsCaller(t *testing.T) {
	server, ch := newServer(t)
	platform := newPlatform(t)
	blocked, release := make(chan struct{}), make(chan struct{})
	file := blocking{blocked, release}
	first := lasting(
		of(integration.Content{Type: integration.TypeFile, Media: &integration.Media{URL: file.serve(t)}}), thinking,
		"command", time.Minute,
	)
	done := make(chan error)
	go func() {
		_, err := platform.Send(t.Context(), &first, ch)
		done <- err
	}()
	<-blocked // the first answer has its turn, and reads its file
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	second := lasting(text("", "hello"), thinking, "command", time.Minute)
	_, err := platform.Send(ctx, &second, ch)
	requireError(t, err, integration.FaultTransient, "PLATFORM_UNREACHABLE")
	close(release)
	require.NoError(t, <-done)
	require.Equal(t, []string{discordtest.GetOriginal, discordtest.EditOriginal}, names(server))
}

func TestEphemeralAnswers(t *testing.T) {
	send := func(t *testing.T, m integration.Message, kind string) (*discordtest.Server, error) {
		t.Helper()
		server, ch := newServer(t)
		token := answered
		if kind == "command" {
			token = thinking
		}
		ago := 16 * time.Minute
		if m.Content.Text == "in time" {
			ago = time.Minute
		}
		m = lasting(m, token, kind, ago)
		m.ReplyContext += "&ephemeral=true"
		_, err := newPlatform(t).Send(t.Context(), &m, ch)
		return server, err
	}
	t.Run("are announced as such", func(t *testing.T) {
		server, err := send(t, text(channelID, "in time"), "command")
		require.NoError(t, err)
		require.NotContains(t, server.Requests()[1].Body, "flags")
	})
	t.Run("or say so", func(t *testing.T) {
		server, err := send(t, text(channelID, "in time"), "component")
		require.NoError(t, err)
		require.EqualValues(t, "64", server.Requests()[0].Body["flags"])
	})
	t.Run("and are not shown to all when it is too late", func(t *testing.T) {
		server, err := send(t, text(channelID, "too late"), "command")
		requireError(t, err, integration.FaultPermanent, "INTERACTION_EXPIRED")
		require.Empty(t, server.Requests())
	})
}

func TestAnswerTooLateGoesToTheConversation(t *testing.T) {
	server, ch := newServer(t)
	m := lasting(text("", "hello"), thinking, "command", 15*time.Minute)
	m.ConversationID = channelID
	result, err := newPlatform(t).Send(t.Context(), &m, ch)
	require.NoError(t, err)
	require.Equal(t, []integration.Degradation{{Feature: "interaction", Became: "message"}}, result.Degraded)
	require.Equal(t, []string{discordtest.CreateMessage}, names(server))

	m.ConversationID = ""
	_, err = newPlatform(t).Send(t.Context(), &m, ch)
	requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
}

func TestTokenUnknownToDiscord(t *testing.T) {
	const permanent, transient = integration.FaultPermanent, integration.FaultTransient
	unknown := discordtest.Failure(http.StatusNotFound, 10015, "Unknown Webhook", nil)
	gone := discordtest.Failure(http.StatusNotFound, 10008, "Unknown Message", nil)
	wrong := discordtest.Failure(http.StatusUnauthorized, 50027, "Invalid Webhook Token", nil)
	for name, test := range map[string]struct {
		kind   string
		ago    time.Duration
		script map[string]discordtest.Response
		as     integration.ErrorKind
		code   string
		calls  []string
	}{
		"yet, by a command": {
			"command", time.Second,
			map[string]discordtest.Response{discordtest.GetOriginal: unknown},
			transient,
			"INTERACTION_NOT_READY",
			[]string{discordtest.GetOriginal},
		},
		"yet, by a button": {
			"component", time.Second,
			map[string]discordtest.Response{discordtest.FollowUp: unknown},
			transient,
			"INTERACTION_NOT_READY",
			[]string{discordtest.FollowUp},
		},
		"yet, nor what it was told": {
			"command", time.Second,
			map[string]discordtest.Response{discordtest.GetOriginal: gone},
			transient,
			"INTERACTION_NOT_READY",
			[]string{discordtest.GetOriginal},
		},
		"any more, by a command": {
			"command", time.Minute,
			map[string]discordtest.Response{discordtest.GetOriginal: unknown},
			permanent,
			"INTERACTION_EXPIRED",
			[]string{discordtest.GetOriginal},
		},
		"any more, by a button": {
			"component", time.Minute,
			map[string]discordtest.Response{discordtest.FollowUp: unknown},
			permanent,
			"INTERACTION_EXPIRED",
			[]string{discordtest.FollowUp},
		},
		"at all": {
			"component", time.Second,
			map[string]discordtest.Response{discordtest.FollowUp: wrong},
			permanent,
			"INTERACTION_EXPIRED",
			[]string{discordtest.FollowUp},
		},
		"with what it was told deleted": {
			"command", time.Minute,
			map[string]discordtest.Response{discordtest.GetOriginal: gone},
			"", "",
			[]string{discordtest.GetOriginal, discordtest.FollowUp},
		},
		"after five answers": {
			"component", time.Minute,
			map[string]discordtest.Response{discordtest.FollowUp: discordtest.Failure(http.StatusBadRequest, 40094, "no", nil)},
			permanent, "INTERACTION_EXHAUSTED",
			[]string{discordtest.FollowUp},
		},
		"for a connection that breaks while it asks": {
			"command", time.Minute,
			map[string]discordtest.Response{discordtest.GetOriginal: {Reset: true}},
			transient,
			"PLATFORM_NO_ANSWER",
			[]string{discordtest.GetOriginal},
		},
		"for a connection that breaks while it answers": {
			"component", time.Minute,
			map[string]discordtest.Response{discordtest.FollowUp: {Reset: true}},
			integration.FaultUnknown, "PLATFORM_NO_ANSWER",
			[]string{discordtest.FollowUp},
		},
		"for an overload": {
			"component", time.Minute,
			map[string]discordtest.Response{
				discordtest.FollowUp: discordtest.Failure(http.StatusServiceUnavailable, 0, "no", nil),
			},
			transient, "PLATFORM_UNAVAILABLE",
			[]string{discordtest.FollowUp},
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			for call, response := range test.script {
				server.Script(call, response, response) // net/http repeats a GET on a kept connection
			}
			m := lasting(text(channelID, "hello"), answered, test.kind, test.ago)
			_, err := newPlatform(t).Send(t.Context(), &m, ch)
			if test.code == "" {
				require.NoError(t, err)
			} else {
				e := errorOf(t, err, test.as, test.code)
				require.Equal(t, test.code == "INTERACTION_NOT_READY", e.RetryAfter == 2*time.Second)
			}
			require.Equal(t, test.calls, names(server))
		})
	}
}

func TestAnswerCannotHoldEverything(t *testing.T) {
	sticker := of(
		integration.Content{Type: integration.TypeSticker, Sticker: &integration.Sticker{ID: "749054660769218631"}},
	)
	voice := of(
		integration.Content{
			Type: integration.TypeVoice, Media: &integration.Media{Data: []byte("x"), DurationMs: 1000, Filename: "a.ogg"},
		},
	)
	for name, test := range map[string]struct {
		message  integration.Message
		code     string
		degraded []integration.Degradation
	}{
		"a sticker":   {sticker, "UNSUPPORTED_CONTENT", nil},
		"a recording": {voice, "", []integration.Degradation{{Feature: "voice", Became: "audio"}}},
		"a reply to another message": {
			replying(text("", "x"), messageID), "", []integration.Degradation{{Feature: "reply", Became: "none"}},
		},
		"a reply to what it answers":      {replying(text("", "x"), interactionID), "", nil},
		"a poll, which it can":            {poll("x", "a"), "", nil},
		"buttons, which it can":           {buttons(numbered(2)...), "", nil},
		"a place, which it has none from": {text("nowhere", "x"), "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			m := answering(test.message, thinking, "command")
			result, err := newPlatform(t).Send(t.Context(), &m, ch)
			if test.code != "" {
				requireError(t, err, integration.FaultPermanent, test.code)
				require.Empty(t, server.Requests())
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.degraded, result.Degraded)
		})
	}
}
