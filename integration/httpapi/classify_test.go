package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

func TestReadOnlyErrorsMayBeRepeated(t *testing.T) {
	for _, kind := range []integration.ErrorKind{
		integration.FaultInvalid, integration.FaultAuth, integration.FaultPermanent, integration.FaultThrottled,
		integration.FaultTransient, integration.FaultUnknown,
	} {
		t.Run(string(kind), func(t *testing.T) {
			asked := &integration.Error{Kind: kind, Code: "CODE", Message: "message", RetryAfter: time.Second, HTTPStatus: 502}
			err := httpapi.Repeatable(asked)
			e, ok := errors.AsType[*integration.Error](err)
			require.True(t, ok)
			want := *asked
			if kind == integration.FaultUnknown {
				want.Kind = integration.FaultTransient
			}
			require.Equal(t, &want, e)
			require.Equal(t, kind, asked.Kind, "what may be shared is left alone")
		})
	}
	other := errors.New("boom")
	require.Equal(t, other, httpapi.Repeatable(other))
	require.NoError(t, httpapi.Repeatable(nil))
	wrapped := fmt.Errorf("wrapped: %w", &integration.Error{Kind: integration.FaultUnknown})
	e, ok := errors.AsType[*integration.Error](httpapi.Repeatable(wrapped))
	require.True(t, ok)
	require.Equal(t, integration.FaultTransient, e.Kind)
}

func TestForeignAnswerIsClassifiedByItsStatus(t *testing.T) {
	for status, want := range map[int]struct {
		kind  integration.ErrorKind
		code  string
		words string
	}{
		200: {integration.FaultUnknown, "ANSWER_UNREADABLE", "it was probably carried out"},
		204: {integration.FaultUnknown, "ANSWER_UNREADABLE", "it was probably carried out"},
		302: {integration.FaultPermanent, "API_BASE_INVALID", "check the channel's apiBase"},
		400: {integration.FaultPermanent, "MESSAGE_REJECTED", "refused the call as malformed"},
		401: {integration.FaultAuth, "CREDENTIALS_REFUSED", ""},
		403: {integration.FaultPermanent, "PLATFORM_BLOCKED", "a proxy or a firewall"},
		404: {integration.FaultPermanent, "API_BASE_INVALID", "check the channel's apiBase"},
		405: {integration.FaultPermanent, "API_BASE_INVALID", "check the channel's apiBase"},
		407: {integration.FaultPermanent, "PLATFORM_BLOCKED", "the proxy wants credentials"},
		408: {integration.FaultTransient, "PLATFORM_UNAVAILABLE", ""},
		410: {integration.FaultPermanent, "API_BASE_INVALID", "check the channel's apiBase"},
		413: {integration.FaultPermanent, "MEDIA_TOO_LARGE", "the file is larger than the server"},
		418: {integration.FaultPermanent, "MESSAGE_REJECTED", "refused the call as malformed"},
		421: {integration.FaultPermanent, "API_BASE_INVALID", "check the channel's apiBase"},
		425: {integration.FaultTransient, "PLATFORM_UNAVAILABLE", ""},
		429: {integration.FaultThrottled, "RATE_LIMITED", ""},
		451: {integration.FaultPermanent, "PLATFORM_BLOCKED", ""},
		520: {integration.FaultUnknown, "PLATFORM_NO_ANSWER", "it may have been carried out"},
		521: {integration.FaultTransient, "PLATFORM_UNAVAILABLE", ""},
		522: {integration.FaultUnknown, "PLATFORM_NO_ANSWER", "it may have been carried out"},
		523: {integration.FaultTransient, "PLATFORM_UNAVAILABLE", ""},
		524: {integration.FaultUnknown, "PLATFORM_NO_ANSWER", "it may have been carried out"},
		525: {integration.FaultTransient, "PLATFORM_UNAVAILABLE", ""},
		500: {integration.FaultUnknown, "PLATFORM_NO_ANSWER", "it may have been carried out"},
		502: {integration.FaultUnknown, "PLATFORM_NO_ANSWER", "it may have been carried out"},
		503: {integration.FaultTransient, "PLATFORM_UNAVAILABLE", ""},
		504: {integration.FaultUnknown, "PLATFORM_NO_ANSWER", "it may have been carried out"},
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			answer := &httpapi.Answer{Status: status, Header: http.Header{"Retry-After": {"7"}}, Body: []byte("<html>CANARY")}
			e := httpapi.Foreign("parrot say", answer)
			requireError(t, e, want.kind, want.code)
			require.Contains(t, e.Message, want.words)
			require.NotContains(t, e.Message, "CANARY", "a page is not quoted")
			require.Equal(t, want.code == "API_BASE_INVALID", strings.Contains(e.Message, "apiBase"))
			require.Equal(t, status, e.HTTPStatus)
			require.Equal(t, status == 429, e.RetryAfter == 7*time.Second)
		})
	}
}

func TestForeignAnswersPageDecidesUnclearStatus(t *testing.T) {
	const envoy = "upstream connect error or disconnect/reset before headers. reset reason: "
	for name, test := range map[string]struct {
		status int
		page   string
		kind   integration.ErrorKind
		code   string
	}{
		"a server that is overloaded": {
			503, "<h1>Service Unavailable</h1>", integration.FaultTransient, "PLATFORM_UNAVAILABLE",
		},
		"a connection that could not be made": {
			503, envoy + "remote connection failure, transport failure reason: delayed connect error: 111",
			integration.FaultTransient, "PLATFORM_UNAVAILABLE",
		},
		"a connection that was not made in time": {
			503, envoy + "connection timeout", integration.FaultTransient, "PLATFORM_UNAVAILABLE",
		},
		"too many calls for Envoy": {503, envoy + "overflow", integration.FaultTransient, "PLATFORM_UNAVAILABLE"},
		"a connection that broke":  {503, envoy + "connection termination", integration.FaultUnknown, "PLATFORM_NO_ANSWER"},
		"a stream that was reset":  {503, envoy + "remote reset", integration.FaultUnknown, "PLATFORM_NO_ANSWER"},
		"http where https was meant": {
			400, "<center>The plain HTTP request was sent to HTTPS port</center>", integration.FaultPermanent,
			"API_BASE_INVALID",
		},
		"a request that is too large": {
			400, "<center>Request Header Or Cookie Too Large</center>", integration.FaultPermanent, "MESSAGE_REJECTED",
		},
	} {
		t.Run(name, func(t *testing.T) {
			requireError(
				t, httpapi.Foreign("parrot say", &httpapi.Answer{Status: test.status, Body: []byte(test.page)}), test.kind,
				test.code,
			)
		})
	}
}

func TestIdempotentErrorMayBeRepeatedAndStaysUnknown(t *testing.T) {
	unknown := &integration.Error{Kind: integration.FaultUnknown, Code: "CODE"}
	e, ok := errors.AsType[*integration.Error](httpapi.Idempotent(unknown))
	require.True(t, ok)
	require.Equal(t, &integration.Error{Kind: integration.FaultUnknown, Code: "CODE", Idempotent: true}, e)
	require.True(t, e.Retryable())
	require.Equal(t, integration.Uncertain, e.Outcome())
	require.False(t, unknown.Retryable(), "what may be shared is left alone")

	refused := &integration.Error{Kind: integration.FaultPermanent, Code: "CODE"}
	require.Equal(t, error(refused), httpapi.Idempotent(refused))
	require.NoError(t, httpapi.Idempotent(nil))
}

func TestUnreadableAnswerKeepsItsCause(t *testing.T) {
	cause := errors.New("cause")
	e := httpapi.Unreadable("parrot say", 201, cause)
	requireError(t, e, integration.FaultUnknown, "ANSWER_UNREADABLE")
	require.ErrorIs(t, e, cause)
	require.NotContains(t, e.Message, "cause", "which callers don't see")
	require.Equal(t, 201, e.HTTPStatus)
}
