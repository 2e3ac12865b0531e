package telegram_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/services/telegram"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

func TestPollingStoresUpdatesInOrder(t *testing.T) {
	w := newPollingWorld(t)
	var want []string
	push := func(n int) {
		for range n {
			want = append(want, strconv.Itoa(len(want)))
			w.server.PushText(token, 5, want[len(want)-1])
		}
	}
	push(250) // more than two answers have
	service, stop := w.node("n1")
	require.Equal(t, want, w.stored(250))
	w.waits(1)
	push(5)
	require.Equal(t, want, w.stored(255))
	w.waits(1)
	w.eventually(func() bool { return w.server.Unconfirmed(token) == 0 }, "the updates are not confirmed")
	conn := w.state(service, integration.ConnectionReady)
	require.Equal(t, "n1", conn.Node)
	stop()
	polls := w.server.Polls(token)
	require.Equal(
		t, telegramtest.UpdateKinds, polls[0].AllowedUpdates, "Telegram leaves some kinds out unless it is asked",
	)
	require.Equal(t, telegramtest.Poll{
		Offset: w.server.NextID(token), Limit: 100, Timeout: 50, AllowedUpdates: telegramtest.UpdateKinds,
	}, polls[len(polls)-1])
	require.NotContains(t, w.logs.String(), "canary")
}

func TestPollingConfirmsNothingBeforeItIsDurable(t *testing.T) {
	w := newPollingWorld(t)
	w.node("n1")
	w.waits(1)
	asked := len(w.server.Polls(token))
	w.stream.setAway(true)
	for n := range 3 {
		w.server.PushText(token, 5, strconv.Itoa(n))
	}
	w.eventually(func() bool { return w.stream.attempts() > 6 }, "nothing is tried again")
	require.Len(t, w.server.Polls(token), asked, "no new offset is asked for")
	require.Equal(t, 3, w.server.Unconfirmed(token))
	w.stream.setAway(false)
	require.Equal(t, []string{"0", "1", "2"}, w.stored(3))
	w.eventually(func() bool { return w.server.Unconfirmed(token) == 0 }, "the updates are not confirmed")
}

func TestPollingIsTakenOverWithoutLossOrRepetition(t *testing.T) {
	w := newPollingWorld(t)
	_, stop := w.node("n1")
	w.waits(1)
	w.node("n2")
	w.server.PushText(token, 5, "0")
	w.stored(1)
	w.stream.setAway(true)
	w.server.PushText(token, 5, "1")
	before := w.stream.attempts()
	w.eventually(func() bool { return w.stream.attempts() > before }, "the update was not taken")
	stop() // during a delivery
	require.Equal(t, 1, w.server.Unconfirmed(token), "what is not durable is not confirmed")
	w.stream.setAway(false)
	w.server.PushText(token, 5, "2")
	require.Equal(t, []string{"0", "1", "2"}, w.stored(3))
	w.eventually(func() bool { return w.server.Unconfirmed(token) == 0 }, "the updates are not confirmed")
}

func TestPollingStopsAtOnceAndLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	w := newPollingWorld(t)
	_, stop := w.node("n1")
	w.waits(1)
	stop()
	w.waits(0)
	w.server.Close()
	// Eventually has one of its own.
	w.eventually(func() bool { return runtime.NumGoroutine() <= before+1 }, "goroutines are left")
}

func TestPollingThatIsInConflictSaysWithWhat(t *testing.T) {
	t.Run("a webhook", func(t *testing.T) {
		w := newPollingWorld(t)
		w.server.SetWebhookInfo(telegramtest.WebhookInfo{URL: "https://old.example.org/telegram/canary-path"})
		service, _ := w.node("n1")
		conn := w.state(service, integration.ConnectionRefused)
		require.Equal(t, "TELEGRAM_CONFLICT", conn.Code)
		require.Contains(t, conn.Message, "old.example.org")
		require.Contains(t, conn.Message, "deleteWebhook")
		require.NotContains(t, conn.Message+w.logs.String(), "canary")
		for _, r := range w.server.Requests() {
			require.NotEqual(t, "deleteWebhook", r.Route, "somebody may rely on it")
		}
	})
	t.Run("a webhook that is set meanwhile", func(t *testing.T) {
		w := newPollingWorld(t)
		service, _ := w.node("n1")
		w.waits(1)
		call(t, w.server, "setWebhook", `{"url":"https://new.example.org/x"}`)
		require.Contains(t, w.state(service, integration.ConnectionRefused).Message, "new.example.org")
	})
	t.Run("another poller", func(t *testing.T) {
		w := newPollingWorld(t)
		service, _ := w.node("n1")
		w.waits(1)
		call(t, w.server, "getUpdates", `{"timeout":0}`)
		w.eventually(func() bool { return strings.Contains(w.logs.String(), "TELEGRAM_CONFLICT") }, "nothing is logged")
		require.Contains(t, w.logs.String(), "another program polls for this bot")
		w.state(service, integration.ConnectionReady) // it recovers by itself
		w.server.PushText(token, 5, "after it")
		require.Equal(t, []string{"after it"}, w.stored(1))
	})
}

func call(t *testing.T, server *telegramtest.Server, method, body string) {
	t.Helper()
	res, err := http.Post(server.URL()+"/bot"+token+"/"+method, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
}

func TestPollingThatIsRefusedSaysWhatToDo(t *testing.T) {
	for name, test := range map[string]struct {
		answer            telegramtest.Response
		state, code, says string
	}{
		"a revoked token": {
			telegramtest.Failure(401, "Unauthorized", nil), integration.ConnectionRefused, "CREDENTIALS_REFUSED", "@BotFather",
		},
		"a token that is none": {
			telegramtest.Failure(404, "Not Found", nil), integration.ConnectionRefused, "CREDENTIALS_REFUSED", "apiBase",
		},
		"no Bot API": {
			telegramtest.Response{Status: 404, Body: "<html>"}, integration.ConnectionRefused, "API_BASE_INVALID", "apiBase",
		},
		"too many requests": {
			telegramtest.Failure(429, "Too Many Requests: retry after 3600", map[string]any{"retry_after": 3600}),
			integration.ConnectionWaiting, "RATE_LIMITED", "retry after 3600",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newPollingWorld(t)
			w.server.Always(&test.answer)
			service, _ := w.node("n1")
			conn := w.state(service, test.state)
			require.Equal(t, test.code, conn.Code)
			require.Contains(t, conn.Message, test.says)
			require.NotContains(t, conn.Message+w.logs.String(), "canary")
			require.Empty(t, w.server.Polls(token))
		})
	}
}

func TestPollingIsOpenedAgain(t *testing.T) {
	for name, broken := range map[string]telegramtest.Response{
		"the server failed":       telegramtest.Failure(500, "Internal Server Error: restart", nil),
		"a gateway failed":        {Status: 502, Body: "<html>bad gateway"},
		"the connection is reset": {Reset: true},
		"the answer breaks off":   {Status: 200, Body: `{"ok":true,"result":[{"update`, Half: true},
		"garbage":                 {Status: 200, Body: "\x00\xffgarbage"},
		"no list":                 answer(`{"ok":true,"result":{"update_id":7}}`),
		"updates without an id":   answer(`{"ok":true,"result":[7,{"message":{}},null]}`),
	} {
		t.Run(name, func(t *testing.T) {
			w := newPollingWorld(t)
			w.server.Script("getUpdates", broken, broken)
			w.server.PushText(token, 5, "after it")
			service, _ := w.node("n1")
			require.Equal(t, []string{"after it"}, w.stored(1))
			w.state(service, integration.ConnectionReady)
			require.NotContains(t, w.logs.String(), "canary")
		})
	}
}

func TestPollingSkipsUpdatesThatAreMalformed(t *testing.T) {
	w := newPollingWorld(t)
	w.server.PushText(token, 5, "0")
	w.server.PushRaw(token, `{"update_id":"seven"}`)
	w.server.PushText(token, 5, "1")
	w.server.PushRaw(token, fmt.Sprintf(`{"update_id":%d,"message":7}`, w.server.NextID(token)))
	w.server.PushText(token, 5, "2")
	w.node("n1")
	require.Equal(t, []string{"0", "1", "", "2"}, w.stored(4), "one has a content of an unexpected type")
	w.waits(1)
	w.server.PushRaw(token, fmt.Sprintf(`{"update_id":%d,"message":{"text":"canary-text`, w.server.NextID(token)))
	w.server.PushText(token, 5, "3")
	require.Equal(t, "3", w.stored(5)[4])
	w.eventually(func() bool { return w.server.Unconfirmed(token) == 0 }, "the updates are not confirmed")
	require.Contains(t, w.logs.String(), "an update of Telegram is no JSON")
	require.NotContains(t, w.logs.String(), "canary")
}

func TestPollingTakesLargeAnswersUpToALimit(t *testing.T) {
	w := newPollingWorld(t)
	large := strings.Repeat("a", 200<<10)
	for range 50 {
		w.server.PushText(token, 5, large)
	}
	w.server.PushText(token, 5, "after 10 MB")
	w.node("n1")
	require.Equal(t, "after 10 MB", w.stored(51)[50])

	// What is too long for one answer is read one by one.
	w = newPollingWorld(t)
	large = strings.Repeat("a", 3<<20)
	for range 8 {
		w.server.PushText(token, 5, large)
	}
	w.server.PushText(token, 5, "after 24 MB")
	w.node("n1")
	require.Equal(t, "after 24 MB", w.stored(9)[8])
}

func TestPollingAsksForTheKindsOfItsSetting(t *testing.T) {
	w := newPollingWorld(t)
	w.store.list[0].Settings["allowedUpdates"] = "callback_query, chat_member"
	service, _ := w.node("n1")
	w.waits(1)
	require.Equal(t, []string{"callback_query", "chat_member"}, w.server.Polls(token)[0].AllowedUpdates)
	require.Contains(t, w.state(service, integration.ConnectionReady).Message, "allowedUpdates")
	require.Zero(t, w.server.PushText(token, 5, "not asked for"))
}

func TestPollingOfManyBotsIsApart(t *testing.T) {
	const bots = 100
	var tokens []string
	for n := range bots - 1 {
		tokens = append(tokens, fmt.Sprintf("%d:%s", 1000+n, canary))
	}
	w := newPollingWorld(t, tokens...)
	w.node("n1")
	w.waits(bots)
	for _, token := range append(tokens, token) {
		w.server.PushText(token, 5, token)
	}
	require.ElementsMatch(t, append(tokens, token), w.stored(bots))
	w.waits(bots)
	for _, token := range tokens {
		require.Zero(t, w.server.Unconfirmed(token))
	}
}

func TestChannelThatPollsNeedsNoWebhookSecret(t *testing.T) {
	client := httpapi.New(httpapi.Options{})
	t.Cleanup(client.Close)
	def := telegram.Definition(client)
	ch := pollingChannel("https://bots.example.org")
	require.NoError(t, integration.ValidateChannel(ch, def.Fields))
	ch.Settings["receive"] = "webhook"
	require.ErrorContains(t, integration.ValidateChannel(ch, def.Fields), "secretToken")
	ch.Settings["receive"] = "carrier pigeon"
	require.ErrorContains(t, integration.ValidateChannel(ch, def.Fields), "receive")

	// Without a secret, no webhook is genuine.
	w := webhook([]byte(`{"update_id":1}`))
	w.Channel, w.Headers = pollingChannel(""), integration.NewHeaders(nil)
	require.Error(t, def.Signature.ValidateSignature(t.Context(), w))
}

func TestHealthOfAChannelThatPolls(t *testing.T) {
	server := telegramtest.NewServer(token)
	t.Cleanup(server.Close)
	checker := newPlatform(t).(integration.HealthChecker)
	health, err := checker.CheckHealth(context.Background(), pollingChannel(server.URL()))
	require.NoError(t, err)
	require.Equal(t, integration.HealthHealthy, health.Status)
	server.SetWebhookInfo(telegramtest.WebhookInfo{URL: "https://old.example.org/telegram/canary"})
	health, err = checker.CheckHealth(context.Background(), pollingChannel(server.URL()))
	require.NoError(t, err)
	require.Equal(t, integration.HealthDegraded, health.Status)
	require.Contains(t, health.Message, "old.example.org")
	require.Contains(t, health.Message, "deleteWebhook")
	require.NotContains(t, health.Message, "canary")
}
