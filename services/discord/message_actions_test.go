package discord_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/discord/discordtest"
)

var there = integration.Target{ConversationID: channelID, MessageID: messageID}

func TestEditReplacesTheWholeMessage(t *testing.T) {
	server, ch := newServer(t)
	m := text("", "hello again")
	result, err := newPlatform(t).(integration.Editor).EditMessage(t.Context(), there, &m, ch)
	require.NoError(t, err)
	require.Equal(t, integration.ID(messageID), result.MessageID)
	require.Equal(t, map[string]any{
		"content": "hello again", "embeds": []any{}, "components": []any{}, "attachments": []any{},
		"allowed_mentions": map[string]any{"parse": []any{}},
	}, server.Requests()[0].Body)
}

func TestEditOfAnAnswerGoesThroughItsInteraction(t *testing.T) {
	server, ch := newServer(t)
	m := answering(replying(text("", "hello again"), messageID), answered, "component")
	result, err := newPlatform(t).(integration.Editor).EditMessage(
		t.Context(), integration.Target{MessageID: messageID}, &m, ch,
	)
	require.NoError(t, err)
	require.Equal(t, []integration.Degradation{{Feature: "reply", Became: "none"}}, result.Degraded)
	require.Equal(t, []string{discordtest.EditFollowUp}, names(server))
}

func TestEditRefusesWhatDiscordCannotEdit(t *testing.T) {
	editor := newPlatform(t).(integration.Editor)
	const invalid, permanent = integration.FaultInvalid, integration.FaultPermanent
	for name, test := range map[string]struct {
		target  integration.Target
		message integration.Message
		kind    integration.ErrorKind
		code    string
	}{
		"a message without an id": {integration.Target{ConversationID: channelID}, text("", "x"), invalid, "MESSAGE_INVALID"},
		"a message of another platform": {
			integration.Target{ConversationID: channelID, MessageID: "wamid.x"}, text("", "x"), invalid, "MESSAGE_INVALID",
		},
		"a message of nowhere": {integration.Target{MessageID: messageID}, text("", "x"), invalid, "MESSAGE_INVALID"},
		"into nothing":         {there, text("", ""), invalid, "MESSAGE_INVALID"},
		"into a poll":          {there, poll("x", "a"), permanent, "UNSUPPORTED_CONTENT"},
		"into a sticker": {
			there, of(integration.Content{Type: integration.TypeSticker, Sticker: &integration.Sticker{ID: "7"}}), permanent,
			"UNSUPPORTED_CONTENT",
		},
		"into what is not to be had": {
			there, of(integration.Content{Type: integration.TypeFile, Media: &integration.Media{ID: "x"}}), permanent,
			"MEDIA_NOT_FOUND",
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			_, err := editor.EditMessage(t.Context(), test.target, &test.message, ch)
			requireError(t, err, test.kind, test.code)
			require.Empty(t, server.Requests())
		})
	}
}

func TestMessageActionsMayBeRepeated(t *testing.T) {
	platform := newPlatform(t)
	for name, test := range map[string]struct {
		call    string
		changes bool
		do      func(context.Context, *integration.Channel) error
	}{
		"an edit": {discordtest.EditMessage, true, func(ctx context.Context, ch *integration.Channel) error {
			m := text("", "x")
			_, err := platform.(integration.Editor).EditMessage(ctx, there, &m, ch)
			return err
		}},
		"a deletion": {discordtest.DeleteMessage, true, func(ctx context.Context, ch *integration.Channel) error {
			return platform.(integration.Deleter).DeleteMessage(ctx, there, ch)
		}},
		"a reaction": {discordtest.CreateReaction, true, func(ctx context.Context, ch *integration.Channel) error {
			return platform.(integration.Reactor).React(ctx, there, "👍", ch)
		}},
		"no reaction": {discordtest.GetMessage, false, func(ctx context.Context, ch *integration.Channel) error {
			return platform.(integration.Reactor).React(ctx, there, "", ch)
		}},
		"typing": {discordtest.Typing, true, func(ctx context.Context, ch *integration.Channel) error {
			return platform.(integration.Typer).ShowTyping(ctx, there, ch)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			server, ch := newServer(t)
			server.Script(test.call, discordtest.Failure(http.StatusForbidden, 50013, "no", nil))
			requireError(t, test.do(t.Context(), ch), integration.FaultPermanent, "PERMISSION_MISSING")
			// net/http repeats a GET on a kept connection
			server.Script(test.call, discordtest.Response{Reset: true}, discordtest.Response{Reset: true})
			e, _ := errors.AsType[*integration.Error](test.do(t.Context(), ch))
			require.Equal(t, "PLATFORM_NO_ANSWER", e.Code)
			require.True(t, e.Retryable())
			require.Equal(t, test.changes, e.Outcome() == integration.Uncertain)
		})
	}
}

func TestDeleteOfAGoneMessageSucceeds(t *testing.T) {
	server, ch := newServer(t)
	server.Script(
		discordtest.DeleteMessage, discordtest.Failure(http.StatusNotFound, 10008, "Unknown Message", nil),
		discordtest.Failure(http.StatusNotFound, 10003, "Unknown Channel", nil),
	)
	deleter := newPlatform(t).(integration.Deleter)
	require.NoError(t, deleter.DeleteMessage(t.Context(), there, ch))
	requireError(t, deleter.DeleteMessage(t.Context(), there, ch), integration.FaultPermanent, "RECIPIENT_UNKNOWN")
}

func TestReactionEmojiHasDiscordsForm(t *testing.T) {
	for emoji, path := range map[string]string{
		"👍":                               "👍",
		"❤️":                              "❤️",
		"brass:760000000000000001":        "brass:760000000000000001",
		"<:brass:760000000000000001>":     "brass:760000000000000001",
		"<a:spinning:760000000000000002>": "spinning:760000000000000002",
	} {
		t.Run(emoji, func(t *testing.T) {
			server, ch := newServer(t)
			require.NoError(t, newPlatform(t).(integration.Reactor).React(t.Context(), there, emoji, ch))
			require.Equal(
				t, discordtest.Root+"/channels/"+channelID+"/messages/"+messageID+"/reactions/"+path+"/@me",
				server.Requests()[0].Path,
			)
		})
	}
	t.Run("and no word leads to another call", func(t *testing.T) {
		server, ch := newServer(t)
		err := newPlatform(t).(integration.Reactor).React(t.Context(), there, "x/../../../../users/@me", ch)
		requireError(t, err, integration.FaultPermanent, "MESSAGE_REJECTED")
		require.Equal(t, []string{discordtest.CreateReaction}, names(server))
	})
}

func TestReactionRemovalIsOfTheBotsOwn(t *testing.T) {
	server, ch := newServer(t)
	server.SetReactions(
		discordtest.Reaction{Emoji: "👍", Mine: true}, discordtest.Reaction{Emoji: "👎"},
		discordtest.Reaction{Emoji: "brass:760000000000000001", Mine: true},
	)
	reactor := newPlatform(t).(integration.Reactor)
	require.NoError(t, reactor.React(t.Context(), there, "", ch))
	require.Equal(
		t, []string{discordtest.GetMessage, discordtest.DeleteReaction, discordtest.DeleteReaction}, names(server),
	)

	server.Script(discordtest.DeleteReaction, discordtest.Failure(http.StatusTooManyRequests, 0, "no", nil))
	requireError(t, reactor.React(t.Context(), there, "", ch), integration.FaultThrottled, "RATE_LIMITED")
}

func TestMessageActionsReachDirectMessagesAndThreads(t *testing.T) {
	server, ch := newServer(t)
	typer := newPlatform(t).(integration.Typer)
	require.NoError(t, typer.ShowTyping(t.Context(), integration.Target{ConversationID: "user:700000000000000007"}, ch))
	require.NoError(
		t, typer.ShowTyping(t.Context(), integration.Target{ConversationID: channelID, ThreadID: "500000000000000015"}, ch),
	)
	requests := server.Requests()
	require.Equal(t, discordtest.Root+"/channels/"+discordtest.DMChannel("700000000000000007")+"/typing", requests[1].Path)
	require.Equal(t, discordtest.Root+"/channels/500000000000000015/typing", requests[2].Path)
	requireError(t, typer.ShowTyping(t.Context(), integration.Target{}, ch), integration.FaultInvalid, "MESSAGE_INVALID")
}
