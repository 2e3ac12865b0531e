package httpapi_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// newAPI returns an API that gives the same answer to every call: {"ok":true,"id":…} or {"ok":false,"error":…}.
func newAPI(t *testing.T, status int, body string, header ...string) (*httpapi.API, func() *http.Request) {
	t.Helper()
	var asked *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return &httpapi.API{
		Client: client, Name: "parrot", Base: server.URL, Header: http.Header{"Authorization": {"Bearer of the tests"}},
		Read: readParrot,
		Errors: &integration.ErrorTable{
			Codes: map[string]integration.ErrorRow{
				"asleep": {Kind: integration.FaultPermanent, Code: "RECIPIENT_UNAVAILABLE", Fix: "come back tomorrow"},
			},
			Statuses: map[int]integration.ErrorRow{
				429: {Kind: integration.FaultThrottled, Code: "RATE_LIMITED", Pauses: integration.PausesRecipient},
			},
			Foreign: map[int]integration.ErrorRow{
				429: {Kind: integration.FaultThrottled, Code: "RATE_LIMITED", Wait: time.Minute},
			},
		},
	}, func() *http.Request { return asked }
}

func readParrot(answer *httpapi.Answer) ([]byte, *integration.Refusal, error) {
	var a struct {
		OK    *bool
		Error string
	}
	err := rawjson.Unmarshal(answer.Body, &a)
	switch {
	case a.OK == nil:
		return nil, nil, nil
	case !*a.OK:
		return nil, &integration.Refusal{Code: a.Error, Text: a.Error}, nil
	}
	return answer.Body, nil, err
}

func TestCallIsMadeWithTheAPIsHeaders(t *testing.T) {
	api, asked := newAPI(t, 200, `{"ok":true,"id":"7"}`)
	var result struct{ ID string }
	answer, err := api.Do(t.Context(), httpapi.Call{Name: "say", Path: "/say?loud=1"}, &result)
	require.NoError(t, err)
	require.Equal(t, "7", result.ID)
	require.Equal(t, 200, answer.Status)
	require.Equal(t, "POST /say?loud=1", asked().Method+" "+asked().URL.RequestURI())
	require.Equal(t, "Bearer of the tests", asked().Header.Get("Authorization"))
	_, err = api.With(http.Header{"Authorization": nil, "X-More": {"yes"}}).Do(
		t.Context(), httpapi.Get("say", "/say"), nil,
	)
	require.NoError(t, err)
	require.Empty(t, asked().Header.Get("Authorization"))
	require.Equal(t, "yes", asked().Header.Get("X-More"))
	require.Equal(t, "Bearer of the tests", api.Header.Get("Authorization"))
}

func TestCallThatIsRefusedIsExplainedByTheTable(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
		header []string
		kind   integration.ErrorKind
		code   string
		wait   time.Duration
		pauses integration.Scope
	}{
		"a code": {200, `{"ok":false,"error":"asleep"}`, nil, integration.FaultPermanent, "RECIPIENT_UNAVAILABLE", 0, ""},
		"a code nobody knows": {
			200, `{"ok":false,"error":"away"}`, nil, integration.FaultPermanent, "MESSAGE_REJECTED", 0, "",
		},
		"too many calls": {
			429, `{"ok":false}`,
			[]string{"Retry-After", "7"},
			integration.FaultThrottled,
			"RATE_LIMITED", 7 * time.Second, integration.PausesRecipient,
		},
		"a failure":           {500, `{"ok":false}`, nil, integration.FaultUnknown, "PLATFORM_UNAVAILABLE", 0, ""},
		"a page":              {403, `<html>`, nil, integration.FaultPermanent, "PLATFORM_BLOCKED", 0, ""},
		"a page of the table": {429, `<html>`, nil, integration.FaultThrottled, "RATE_LIMITED", time.Minute, ""},
		"a page that says how long": {
			429, `<html>`, []string{"Retry-After", "7"}, integration.FaultThrottled, "RATE_LIMITED", 7 * time.Second, "",
		},
		"half of an answer": {200, `{"ok":true`, nil, integration.FaultUnknown, "ANSWER_UNREADABLE", 0, ""},
		"another shape":     {200, `{"ok":true,"id":{}}`, nil, integration.FaultUnknown, "ANSWER_UNREADABLE", 0, ""},
		"a good page":       {200, `<html>`, nil, integration.FaultUnknown, "ANSWER_UNREADABLE", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			api, _ := newAPI(t, test.status, test.body, test.header...)
			var result struct{ ID string }
			_, err := api.Do(t.Context(), httpapi.Call{Name: "say", Path: "/say"}, &result)
			e, ok := errors.AsType[*integration.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, test.kind, e.Kind, "%v", err)
			require.Equal(t, test.code, e.Code, "%v", err)
			require.Equal(t, test.wait, e.RetryAfter)
			require.Equal(t, test.pauses, e.Pauses)
			require.Equal(t, test.status, e.HTTPStatus)
			require.Contains(t, e.Message, "parrot say: ")
		})
	}
}

func TestCallThatMayBeMadeTwiceSaysSo(t *testing.T) {
	api, _ := newAPI(t, 500, `{"ok":false}`)
	_, err := api.Ask(t.Context(), httpapi.Get("look", "/look"), nil)
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok)
	require.Equal(t, integration.FaultTransient, e.Kind)
	err = api.Change(t.Context(), httpapi.Call{Name: "paint", Path: "/paint"})
	e, ok = errors.AsType[*integration.Error](err)
	require.True(t, ok)
	require.Equal(t, integration.FaultUnknown, e.Kind)
	require.True(t, e.Retryable())
}

func TestCallWithAKeyMayBeMadeTwice(t *testing.T) {
	api, asked := newAPI(t, 500, `{"ok":false}`)
	api.KeyHeader = "Idempotency-Key"
	for key, again := range map[string]bool{"k-1": true, "": false} {
		_, err := api.Do(t.Context(), httpapi.Call{Name: "say", Path: "/say", Key: key}, nil)
		e, ok := errors.AsType[*integration.Error](err)
		require.True(t, ok)
		require.Equal(t, again, e.Retryable())
		require.Equal(t, key, asked().Header.Get("Idempotency-Key"))
	}
}

func TestCallWithoutAPathGoesToItsName(t *testing.T) {
	api, asked := newAPI(t, 200, `{"ok":true}`)
	api.Base += "/api/"
	_, err := api.Do(t.Context(), httpapi.Call{Name: "chat.post"}, nil)
	require.NoError(t, err)
	require.Equal(t, "/api/chat.post", asked().URL.Path)
}

func TestAskAllGivesAnEmptyAnswerForNotFound(t *testing.T) {
	for status, name := range map[int]string{200: "polly", 404: ""} {
		api, _ := newAPI(t, status, fmt.Sprintf(`{"ok":%t,"name":"polly"}`, status == 200))
		answers, err := api.AskAll(t.Context(), "/bot", "/webhook")
		require.NoError(t, err)
		require.Len(t, answers, 2)
		require.Equal(t, name, answers[1].Text("name"))
	}
	api, _ := newAPI(t, 500, `{"ok":false}`)
	_, err := api.AskAll(t.Context(), "/bot", "/webhook")
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok)
	require.Equal(t, integration.FaultTransient, e.Kind)
}

func TestFetchTellsPendingFromFailedAttachments(t *testing.T) {
	for name, test := range map[string]struct {
		prepared string
		kind     integration.ErrorKind
		code     string
	}{
		"it is being prepared":     {`{"ok":true,"state":"busy"}`, integration.FaultTransient, "MEDIA_NOT_READY"},
		"it could not be prepared": {`{"ok":true,"state":"broken"}`, integration.FaultPermanent, "MEDIA_UNAVAILABLE"},
		"nobody knows":             {`<html>`, integration.FaultTransient, "MEDIA_NOT_READY"},
	} {
		t.Run(name, func(t *testing.T) {
			api, asked := newAPI(t, http.StatusAccepted, test.prepared)
			file, err := api.Fetch(t.Context(), httpapi.Get("content", "/content/7"), 100, httpapi.Preparation{
				Call: httpapi.Get("state", "/content/7/state"), Status: "state", Failed: "broken",
			})
			require.Nil(t, file)
			e, ok := errors.AsType[*integration.Error](err)
			require.True(t, ok)
			require.Equal(t, test.kind, e.Kind)
			require.Equal(t, test.code, e.Code)
			require.Equal(t, "/content/7/state", asked().URL.Path)
		})
	}
	api, asked := newAPI(t, http.StatusOK, "a picture")
	file, err := api.Fetch(t.Context(), httpapi.Get("content", "/content/7"), 100, httpapi.Preparation{})
	require.NoError(t, err)
	require.NoError(t, file.Body.Close())
	require.Equal(t, "/content/7", asked().URL.Path)
	require.Equal(t, "Bearer of the tests", asked().Header.Get("Authorization"))
}

func TestBearerIsAHeader(t *testing.T) {
	require.Equal(t, http.Header{"Authorization": {"Bearer t-1"}}, httpapi.Bearer("t-1"))
}

func TestBasicAuthIsAHeader(t *testing.T) {
	user, password, ok := (&http.Request{Header: httpapi.BasicAuth("AC42", "se:cret é")}).BasicAuth()
	require.True(t, ok)
	require.Equal(t, "AC42 se:cret é", user+" "+password)
}
