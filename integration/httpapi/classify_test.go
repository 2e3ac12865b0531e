package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

func TestWhatChangesNothingMayBeAskedAgain(t *testing.T) {
	for _, kind := range []integration.ErrorKind{
		integration.ErrInvalid, integration.ErrAuth, integration.ErrPermanent, integration.ErrThrottled, integration.ErrTransient, integration.ErrUnknown,
	} {
		t.Run(string(kind), func(t *testing.T) {
			asked := &integration.Error{Kind: kind, Code: "CODE", Message: "message", RetryAfter: time.Second, HTTPStatus: 502}
			err := httpapi.Repeatable(asked)
			e, ok := errors.AsType[*integration.Error](err)
			require.True(t, ok)
			want := *asked
			if kind == integration.ErrUnknown {
				want.Kind = integration.ErrTransient
			}
			require.Equal(t, &want, e)
			require.Equal(t, kind, asked.Kind, "what may be shared is left alone")
		})
	}
	other := errors.New("boom")
	require.Equal(t, other, httpapi.Repeatable(other))
	require.NoError(t, httpapi.Repeatable(nil))
	wrapped := fmt.Errorf("wrapped: %w", &integration.Error{Kind: integration.ErrUnknown})
	e, ok := errors.AsType[*integration.Error](httpapi.Repeatable(wrapped))
	require.True(t, ok)
	require.Equal(t, integration.ErrTransient, e.Kind)
}

func TestAForeignAnswerIsClassifiedByItsStatus(t *testing.T) {
	for status, want := range map[int]struct {
		kind  integration.ErrorKind
		code  string
		words string
	}{
		200: {integration.ErrUnknown, "ANSWER_UNREADABLE", "it was probably carried out"},
		204: {integration.ErrUnknown, "ANSWER_UNREADABLE", "it was probably carried out"},
		302: {integration.ErrPermanent, "API_BASE_INVALID", "check the channel's apiBase"},
		400: {integration.ErrPermanent, "API_BASE_INVALID", "check the channel's apiBase"},
		401: {integration.ErrAuth, "CREDENTIALS_REFUSED", ""},
		403: {integration.ErrPermanent, "API_BASE_INVALID", "check the channel's apiBase"},
		404: {integration.ErrPermanent, "API_BASE_INVALID", "check the channel's apiBase"},
		429: {integration.ErrThrottled, "RATE_LIMITED", ""},
		500: {integration.ErrUnknown, "PLATFORM_NO_ANSWER", "it may have been carried out"},
		502: {integration.ErrUnknown, "PLATFORM_NO_ANSWER", "it may have been carried out"},
		503: {integration.ErrTransient, "PLATFORM_UNAVAILABLE", ""},
		504: {integration.ErrUnknown, "PLATFORM_NO_ANSWER", "it may have been carried out"},
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			answer := &httpapi.Answer{Status: status, Header: http.Header{"Retry-After": {"7"}}, Body: []byte("<html>CANARY")}
			e := httpapi.Foreign("parrot say", answer)
			requireError(t, e, want.kind, want.code)
			require.Contains(t, e.Message, want.words)
			require.Equal(t, status, e.HTTPStatus)
			require.Equal(t, status == 429, e.RetryAfter == 7*time.Second)
		})
	}
}

func TestAnUnreadableAnswerKeepsItsCause(t *testing.T) {
	cause := errors.New("cause")
	e := httpapi.Unreadable("parrot say", 201, cause)
	requireError(t, e, integration.ErrUnknown, "ANSWER_UNREADABLE")
	require.ErrorIs(t, e, cause)
	require.NotContains(t, e.Message, "cause", "which callers don't see")
	require.Equal(t, 201, e.HTTPStatus)
}
