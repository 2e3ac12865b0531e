package telegramtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// getUpdates polls, and returns the status and the ids of the updates, or the answer where it is a refusal.
func getUpdates(ctx context.Context, t *testing.T, server *telegramtest.Server, params string) (int, string) {
	t.Helper()
	status, body, err := post(ctx, server.URL()+"/bot"+token+"/getUpdates", params)
	require.NoError(t, err)
	if status != 200 {
		return status, body
	}
	var answer struct {
		Result []struct {
			UpdateID int64 `json:"update_id"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &answer), body)
	ids := []int64{}
	for _, u := range answer.Result {
		ids = append(ids, u.UpdateID-1000)
	}
	return status, fmt.Sprint(ids)
}

func TestUpdatesAreKeptUntilTheyAreConfirmed(t *testing.T) {
	server := newServer(t)
	for range 5 {
		server.PushText(token, 5, "hi")
	}
	for _, step := range []struct{ params, ids string }{
		{`{}`, "[1 2 3 4 5]"},
		{`{"limit":2}`, "[1 2]"},
		{`{"offset":1003}`, "[3 4 5]"},
		{`{"offset":1001}`, "[3 4 5]"},
		{`{"offset":5000}`, "[3 4 5]"}, // as far ahead as after ids that began anew
		{`{"offset":-1}`, "[5]"},
		{`{"offset":1006}`, "[]"},
	} {
		status, ids := getUpdates(t.Context(), t, server, step.params)
		require.Equal(t, 200, status)
		require.Equal(t, step.ids, ids, step.params)
	}
	require.Zero(t, server.Unconfirmed(token))
}

func TestPollIsHeldBackUntilThereAreUpdates(t *testing.T) {
	server := newServer(t)
	ids := make(chan string, 1)
	go func() {
		_, answer := getUpdates(context.Background(), t, server, `{"timeout":50}`) //nolint:testifylint // a failure shows
		ids <- answer
	}()
	require.Eventually(t, func() bool { return server.Waiting() == 1 }, time.Minute, time.Millisecond)
	server.PushText(token, 5, "hi")
	require.Equal(t, "[1]", <-ids)
	require.Zero(t, server.Waiting())
}

func TestOlderPollIsEnded(t *testing.T) {
	server := newServer(t)
	for request, says := range map[string]string{
		"getUpdates": "terminated by other getUpdates request", "setWebhook": "terminated by setWebhook request",
	} {
		answers := make(chan string, 1)
		go func() {
			_, answer := getUpdates(context.Background(), t, server, `{"timeout":50}`) //nolint:testifylint // a failure shows
			answers <- answer
		}()
		require.Eventually(t, func() bool { return server.Waiting() == 1 }, time.Minute, time.Millisecond)
		params := map[string]string{"getUpdates": `{}`, "setWebhook": `{"url":"https://gw.example.org/x"}`}[request]
		status, _, err := post(t.Context(), server.URL()+"/bot"+token+"/"+request, params)
		require.NoError(t, err)
		require.Equal(t, 200, status)
		require.Contains(t, <-answers, says)
		_, _, err = post(t.Context(), server.URL()+"/bot"+token+"/deleteWebhook", `{}`)
		require.NoError(t, err)
	}
}

func TestWebhookAndPollsExcludeEachOther(t *testing.T) {
	server := newServer(t)
	server.PushText(token, 5, "hi")
	call := func(method, params string) string {
		_, body, err := post(t.Context(), server.URL()+"/bot"+token+"/"+method, params)
		require.NoError(t, err)
		return body
	}
	require.Contains(t, call("setWebhook", `{"url":"http://gw.example.org/x"}`), "HTTPS URL must be provided")
	call("setWebhook", `{"url":"https://gw.example.org/x"}`)
	require.Contains(t, call("getWebhookInfo", `{}`), `"url":"https://gw.example.org/x","pending_update_count":1`)
	status, says := getUpdates(t.Context(), t, server, `{}`)
	require.Equal(t, 409, status)
	require.Contains(t, says, "can't use getUpdates method while webhook is active")
	call("deleteWebhook", `{"drop_pending_updates":true}`)
	_, ids := getUpdates(t.Context(), t, server, `{}`)
	require.Equal(t, "[]", ids)
}

func TestBotGetsTheKindsItAskedFor(t *testing.T) {
	server := newServer(t)
	require.Zero(t, server.Push(token, "chat_member", map[string]any{}), "it must be asked for")
	require.NotZero(t, server.Push(token, "message", map[string]any{}))
	getUpdates(t.Context(), t, server, `{"offset":1002,"allowed_updates":["chat_member"]}`)
	require.Zero(t, server.Push(token, "message", map[string]any{}))
	getUpdates(t.Context(), t, server, `{}`) // as before
	require.NotZero(t, server.Push(token, "chat_member", map[string]any{}))
	status, _ := getUpdates(t.Context(), t, server, `{"allowed_updates":["massage"]}`)
	require.Equal(t, 400, status)
}

func TestBotsAreApart(t *testing.T) {
	server := newServer(t)
	server.AddBot("7:OTHER")
	server.PushText("7:OTHER", 5, "hi")
	_, ids := getUpdates(t.Context(), t, server, `{}`)
	require.Equal(t, "[]", ids)
	_, body, err := post(t.Context(), server.URL()+"/bot7:OTHER/getUpdates", `{}`)
	require.NoError(t, err)
	require.Contains(t, body, `"text":"hi"`)
}
