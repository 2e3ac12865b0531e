package whatsapp_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/whatsapp/whatsapptest"
)

func TestMessageActionsNeedAMessageID(t *testing.T) {
	api, ch := newServer(t)
	p := newPlatform(t)
	requireError(
		t, p.(integration.Reactor).React(t.Context(), integration.Target{ConversationID: phone}, "👍", ch),
		integration.FaultInvalid, "MESSAGE_INVALID",
	)
	requireError(
		t, p.(integration.Reactor).React(t.Context(), integration.Target{MessageID: wamid}, "👍", ch),
		integration.FaultInvalid, "MESSAGE_INVALID",
	)
	requireError(
		t, p.(integration.Typer).ShowTyping(t.Context(), integration.Target{ConversationID: phone}, ch),
		integration.FaultInvalid, "MESSAGE_INVALID",
	)
	requireError(
		t, p.(integration.ReadMarker).MarkRead(t.Context(), integration.Target{ConversationID: phone}, ch),
		integration.FaultInvalid, "MESSAGE_INVALID",
	)
	require.Empty(t, api.Requests())
}

func TestMessageActionsAreRetriedOnlyIfIdempotent(t *testing.T) {
	api, ch := newServer(t)
	p := newPlatform(t)
	target := integration.Target{ConversationID: bsuid, MessageID: wamid}
	lost := whatsapptest.Answer{Status: http.StatusGatewayTimeout}
	api.Answer(lost, lost, lost)
	retryable := func(err error) bool {
		e := requireError(t, err, integration.FaultUnknown, "PLATFORM_NO_ANSWER")
		return e.Retryable()
	}
	require.True(t, retryable(p.(integration.ReadMarker).MarkRead(t.Context(), target, ch)))
	require.True(t, retryable(p.(integration.Typer).ShowTyping(t.Context(), target, ch)))
	require.False(t, retryable(p.(integration.Reactor).React(t.Context(), target, "👍", ch)))
	require.JSONEq(t, `{"messaging_product":"whatsapp","recipient_type":"individual","recipient":"`+bsuid+`",`+
		`"type":"reaction","reaction":{"message_id":"`+wamid+`","emoji":"👍"}}`, bodies(api)[2])
}

func fetch(t *testing.T, ch *integration.Channel, id string) (*integration.MediaFile, error) {
	t.Helper()
	return newPlatform(t).(integration.MediaFetcher).FetchMedia(t.Context(), id, ch)
}

func TestMediaIsFetchedByItsID(t *testing.T) {
	api, ch := newServer(t)
	api.AddMedia("77", whatsapptest.Media{MimeType: "application/pdf", Filename: "offer é.pdf", Content: []byte("%PDF")})
	for range 2 {
		file, err := fetch(t, ch, "77")
		require.NoError(t, err)
		content, err := io.ReadAll(file.Body)
		require.NoError(t, err)
		require.NoError(t, file.Body.Close())
		require.Equal(t, "%PDF", string(content))
		require.Equal(t, "application/pdf", file.MimeType)
		require.Equal(t, "offer é.pdf", file.Filename)
		require.Equal(t, int64(4), file.Size)
	}
	require.Len(t, api.Requests(), 2, "the link is asked for each time")
}

func TestMediaThatCannotBeFetchedSaysWhy(t *testing.T) {
	for name, test := range map[string]struct {
		id     string
		answer *whatsapptest.Answer
		kind   integration.ErrorKind
		code   string
	}{
		"an id that is none":     {"../me", nil, integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		"an empty id":            {"", nil, integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		"an id that has expired": {"78", nil, integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		"a token that has expired": {"78", new(
			whatsapptest.Error(401, 190, 0, "no", ""),
		), integration.FaultAuth, "CREDENTIALS_REFUSED"},
		"an attachment that is too big": {
			"78", &whatsapptest.Answer{Body: `{"url":"https://lookaside.example.com/a","file_size":104857601}`},
			integration.FaultPermanent, "MEDIA_TOO_LARGE",
		},
		"no link": {"78", &whatsapptest.Answer{Body: `{"id":"78"}`}, integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		"a link that is not encrypted": {"78", &whatsapptest.Answer{
			Body: `{"url":"http://lookaside.example.com/a"}`,
		}, integration.FaultPermanent, "MEDIA_NOT_FOUND"},
		"no answer": {"78", &whatsapptest.Answer{
			Status: http.StatusGatewayTimeout,
		}, integration.FaultTransient, "PLATFORM_NO_ANSWER"},
	} {
		t.Run(name, func(t *testing.T) {
			api, ch := newServer(t)
			if test.answer != nil {
				api.Answer(*test.answer)
			}
			_, err := fetch(t, ch, test.id)
			requireError(t, err, test.kind, test.code)
		})
	}
}
