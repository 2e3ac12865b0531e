package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/fixtures"
	"github.com/hiliosai/switchboard/node"
	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

// What the node under test is set up with.
const (
	botToken    = "123456:INTEROP-token"
	secretToken = "interop-secret"
	channelID   = "shop"
	tenantID    = "tenant-1"

	receivedEvent = "hios.processing.message.received"
	sentEvent     = "hios.processing.message.sent"
)

// telegramNode is a node inside the test process, with one Telegram channel and a fake of Telegram.
type telegramNode struct {
	*host
	Telegram *telegramtest.Server
}

var nodes atomic.Int32

// startNode runs a node until the test ends. prefix is events.prefix.
func startNode(t *testing.T, natsURL string, prefix *string) *telegramNode {
	t.Helper()
	options := []node.Option{settings("services: [telegram]")}
	if prefix != nil {
		options = append(options, settings("events: {prefix: %q}", *prefix))
	}
	n := &telegramNode{startHost(t, natsURL, options...), telegramtest.NewServer(botToken)}
	t.Cleanup(n.Telegram.Close)
	n.apply(t, &integration.Channel{
		ID: channelID, TenantID: tenantID, Platform: "telegram", Status: integration.ChannelActive,
		Credentials: map[string]string{"token": botToken, "secretToken": secretToken},
		Settings:    map[string]string{"apiBase": n.Telegram.URL()},
	})
	return n
}

// apply creates or replaces channels.
func (h *host) apply(t *testing.T, list ...*integration.Channel) {
	t.Helper()
	require.NoError(t, h.running.ApplyChannels(t.Context(), list...))
}

// update is a Telegram update with a text message.
func update(id int, text string) map[string]any {
	return map[string]any{
		"update_id": id,
		"message": map[string]any{
			"message_id": id, "date": 1700000000, "text": text,
			"chat": map[string]any{"id": 5550001234, "type": "private", "first_name": "Ada"},
			"from": map[string]any{"id": 5550001234, "is_bot": false, "first_name": "Ada", "last_name": "Lovelace"},
		},
	}
}

// webhook is the params of i_receiveWebhook.
func webhook(payload any) map[string]any {
	return map[string]any{
		"channelId": channelID, "payload": payload, "timestamp": time.Now().UnixMilli(),
		"headers": map[string]any{"x-telegram-bot-api-secret-token": secretToken},
	}
}

func TestNodeJoinsTheCluster(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	peer := startPeer(t, url, peerOptions{Services: []service{{Name: "math"}}})
	n := startNode(t, url, nil)
	peer.WaitForServices(t, "telegram")

	t.Run("a Node broker lists its actions with their routes and params", func(t *testing.T) {
		var actions []struct {
			Name   string `json:"name"`
			Action struct {
				Rest   any `json:"rest"`
				Params any `json:"params"`
			} `json:"action"`
		}
		require.NoError(
			t,
			json.Unmarshal(peer.Registry(t, "actions", map[string]any{"withEndpoints": true, "skipInternal": true}), &actions),
		)
		rest := map[string]string{}
		for _, a := range actions {
			if strings.HasPrefix(a.Name, "telegram.") {
				text, err := json.Marshal([]any{a.Action.Rest, a.Action.Params})
				require.NoError(t, err)
				rest[a.Name] = string(text)
			}
		}
		require.Equal(t, map[string]string{
			"telegram.i_receiveWebhook": `[{"method":"POST","path":"/:channelId"},{"channelId":"string",` +
				`"headers":"object","method":"string|optional","payload":"object","rawBody":"string|optional",` +
				`"rawBodyEncoding":"string|optional","timestamp":"number","url":"string|optional"}]`,
			"telegram.i_sendMessage": `[{"method":"POST","path":"/send"},{"channelId":"string",` +
				`"idempotencyKey":"string|optional","message":"object"}]`,
			"telegram.i_healthCheck": `[{"method":"GET","path":"/health"},{"channelId":"string|optional"}]`,
			"telegram.i_verifyWebhook": `[[{"method":"GET","path":"/webhook"},{"method":"GET","path":"/:channelId"}],` +
				`{"challenge":"string|optional","channelId":"string|optional","hub.challenge":"string|optional",` +
				`"hub.mode":"string|optional","hub.verify_token":"string|optional","mode":"string|optional",` +
				`"token":"string|optional"}]`,
			"telegram.i_validateCredentials": `[null,{"credentials":"object","settings":"object|optional"}]`,
			"telegram.i_status":              `[{"method":"GET","path":"/status"},null]`,
			"telegram.i_getMedia":            `[null,{"channelId":"string","mediaId":"string"}]`,
			"telegram.i_editMessage": `[null,{"channelId":"string","conversationId":"any|optional",` +
				`"message":"object","messageId":"any","threadId":"any|optional"}]`,
			"telegram.i_deleteMessage": `[null,{"channelId":"string","conversationId":"any|optional",` +
				`"messageId":"any","threadId":"any|optional"}]`,
			"telegram.i_react": `[null,{"channelId":"string","conversationId":"any|optional","emoji":"string",` +
				`"messageId":"any","threadId":"any|optional"}]`,
			"telegram.i_typing": `[null,{"channelId":"string","conversationId":"any|optional",` +
				`"messageId":"any|optional","threadId":"any|optional"}]`,
		}, rest)
	})

	t.Run("a ping comes back within the round trip", func(t *testing.T) {
		var pong struct {
			NodeID      string  `json:"nodeID"`
			ElapsedTime float64 `json:"elapsedTime"`
			TimeDiff    float64 `json:"timeDiff"`
		}
		require.NoError(t, json.Unmarshal(peer.Ping(t, n.ID), &pong))
		require.Equal(t, n.ID, pong.NodeID)
		require.InDelta(t, 0, pong.TimeDiff, patience.Seconds()*1000, "both clocks are one, counted in ms")
	})

	t.Run("no packet about the node holds a secret", func(t *testing.T) {
		for _, what := range []string{"nodes", "services", "actions"} {
			list := string(peer.Registry(t, what, nil))
			require.NotContains(t, list, "INTEROP")
			require.NotContains(t, list, secretToken)
			require.NotContains(t, list, "nats://")
		}
	})
}

func TestWebhookBecomesAReliableEvent(t *testing.T) {
	t.Parallel()
	none := ""
	for name, prefix := range map[string]*string{
		"with the default prefix on both sides": nil,
		"with no prefix on both sides":          &none,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := natsServer(t).URL()
			n := startNode(t, url, prefix)
			peer := startPeer(t, url, peerOptions{Channels: true, ChannelsPrefix: prefix})
			peer.WaitForServices(t, "telegram")
			require.NoError(t, peer.Consume(t.Context(), receivedEvent, "inbox", nil))

			before := time.Now().UnixMilli()
			res, err := peer.Call(t.Context(), "telegram.i_receiveWebhook", webhook(update(100, "hello")), map[string]any{
				"requestID": "trace-1", "meta": map[string]any{"userId": "u1", "headers": map[string]any{"x-secret": secretToken}},
			})
			require.NoError(t, err)
			require.JSONEq(t, `{"success":true,"messages":1,"failed":0}`, string(res.Data))

			m := peer.NextMessage(t)
			var payload struct {
				Timestamp int64 `json:"timestamp"`
			}
			require.NoError(t, json.Unmarshal(m.Payload, &payload))
			require.GreaterOrEqual(t, payload.Timestamp, before)
			require.JSONEq(t, fmt.Sprintf(`{
				"tenantId": "tenant-1", "channelId": "shop", "platform": "telegram", "timestamp": %d,
				"message": {
					"id": "5550001234:100", "conversationId": "5550001234",
					"from": {"id": "5550001234", "name": "Ada Lovelace"}, "to": {"id": "123456"},
					"content": {"type": "TEXT", "text": "hello"},
					"timestamp": 1700000000000, "platform": "telegram", "dedupKey": "100",
					"metadata": {"chatType": "private", "updateId": 100}
				}
			}`, payload.Timestamp), string(m.Payload))
			require.Equal(t, "trace-1", m.RequestID)
			require.Equal(t, "telegram", m.Caller)
			require.JSONEq(t, `{"tenantId":"tenant-1","channelId":"shop","userId":"u1"}`, string(m.Meta))
			require.Equal(t, "telegram:shop:100", m.Headers.Get("Nats-Msg-Id"))
			require.NotContains(t, fmt.Sprint(m), secretToken)
			require.NotEmpty(t, n.ID)
		})
	}
}

func TestWebhookFaultsAreReported(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	n := startNode(t, url, nil)
	peer := startPeer(t, url, peerOptions{Channels: true})
	peer.WaitForServices(t, "telegram")
	require.NoError(t, peer.Consume(t.Context(), receivedEvent, "inbox", nil))

	change := func(key string, value any) map[string]any {
		params := webhook(update(1, "refused"))
		params[key] = value
		return params
	}
	for name, test := range map[string]struct {
		params map[string]any
		code   float64
		typ    string
		class  string
	}{
		"a wrong secret": {change(
			"headers", map[string]any{"x-telegram-bot-api-secret-token": "wrong"},
		), 401, "SIGNATURE_INVALID", "MoleculerClientError"},
		"a missing secret":   {change("headers", map[string]any{}), 401, "SIGNATURE_INVALID", "MoleculerClientError"},
		"an unknown channel": {change("channelId", "nobody"), 404, "CHANNEL_NOT_FOUND", "MoleculerClientError"},
		"an old timestamp": {change(
			"timestamp", time.Now().Add(-6*time.Minute).UnixMilli(),
		), 400, "WEBHOOK_TOO_OLD", "MoleculerClientError"},
		"a foreign structure": {
			change("payload", map[string]any{"object": "page"}), 400, "WEBHOOK_INVALID", "MoleculerClientError",
		},
		"wrong params": {change("timestamp", "yesterday"), 422, "VALIDATION_ERROR", "ValidationError"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := peer.Call(t.Context(), "telegram.i_receiveWebhook", test.params, nil)
			ce := asCallError(t, err)
			require.Equal(t, test.class, ce.Name)
			require.InDelta(t, test.code, ce.Code, 0)
			require.Equal(t, test.typ, ce.Type)
			require.False(t, ce.Retryable)
			require.Equal(t, n.ID, ce.NodeID)
		})
	}

	t.Run("wrong params are named", func(t *testing.T) {
		_, err := peer.Call(
			t.Context(), "telegram.i_receiveWebhook",
			map[string]any{"channelId": 7, "payload": map[string]any{}, "headers": map[string]any{}}, nil,
		)
		require.JSONEq(t, fmt.Sprintf(`[
			{"type":"string","message":"The 'channelId' field must be a string.","field":"channelId","actual":7,"nodeID":%[1]q,"action":"telegram.i_receiveWebhook"},
			{"type":"required","message":"The 'timestamp' field is required.","field":"timestamp","nodeID":%[1]q,"action":"telegram.i_receiveWebhook"}
		]`, peer.NodeID), string(asCallError(t, err).Data))
	})

	t.Run("none of it became an event", func(t *testing.T) {
		_, err := peer.Call(t.Context(), "telegram.i_receiveWebhook", webhook(update(2, "accepted")), nil)
		require.NoError(t, err)
		require.Contains(t, string(peer.NextMessage(t).Payload), "accepted")
	})
}

func TestMessageIsSentAndItsEventFollows(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	n := startNode(t, url, nil)
	peer := startPeer(t, url, peerOptions{Channels: true})
	peer.WaitForServices(t, "telegram")
	require.NoError(t, peer.Consume(t.Context(), sentEvent, "outbox", nil))

	res, err := peer.Call(t.Context(), "telegram.i_sendMessage", map[string]any{
		"channelId": channelID,
		"message": map[string]any{
			"id": "out-1", "conversationId": "5550001234", "from": map[string]any{"id": tenantID},
			"to": map[string]any{"id": 5550001234},
			"content": map[string]any{
				"type": "TEXT", "text": "Yes?",
				"interactive": map[string]any{"kind": "buttons", "buttons": []any{map[string]any{"id": "yes", "title": "Yes"}}},
			},
			"replyTo": map[string]any{"messageId": "5550001234:100"}, "timestamp": 1, "platform": "telegram",
		},
	}, nil)
	require.NoError(t, err)
	var result struct {
		Success   bool   `json:"success"`
		MessageID string `json:"messageId"`
	}
	require.NoError(t, json.Unmarshal(res.Data, &result))
	require.True(t, result.Success)
	require.NotEmpty(t, result.MessageID)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := n.Telegram.Next(ctx)
	require.NoError(t, err)
	body, err := json.Marshal(request.Body)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"chat_id": 5550001234, "text": "Yes?",
		"reply_parameters": {"message_id": 100, "allow_sending_without_reply": true},
		"reply_markup": {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}
	}`, string(body))

	var event struct {
		MessageID string `json:"messageId"`
		TenantID  string `json:"tenantId"`
		ChannelID string `json:"channelId"`
		Platform  string `json:"platform"`
		Timestamp int64  `json:"timestamp"`
	}
	require.NoError(t, json.Unmarshal(peer.NextMessage(t).Payload, &event))
	require.Equal(t, result.MessageID, event.MessageID)
	require.Equal(t, tenantID, event.TenantID)
	require.Equal(t, channelID, event.ChannelID)
	require.Equal(t, "telegram", event.Platform)
	require.NotZero(t, event.Timestamp)
}

func TestSlowSendsHoldUpNothing(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	n := startNode(t, url, nil)
	peer := startPeer(t, url, peerOptions{})
	peer.WaitForServices(t, "telegram")

	const sends = 8
	results := make(chan error, sends)
	for range sends {
		n.Telegram.Script("sendMessage", telegramtest.Response{Hang: true})
		go func() {
			_, err := peer.Call(t.Context(), "telegram.i_sendMessage", map[string]any{
				"channelId": channelID,
				"message": map[string]any{
					"to": map[string]any{"id": "1"}, "content": map[string]any{"type": "TEXT", "text": "slow"},
				},
			}, nil)
			results <- err
		}()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for range sends { // all of them are at Telegram at once, and none has an answer
		_, err := n.Telegram.Next(ctx)
		require.NoError(t, err)
	}
	_, err := peer.Call(t.Context(), "telegram.i_receiveWebhook", webhook(update(1, "meanwhile")), nil)
	require.NoError(t, err)
	require.Empty(t, results)

	n.Telegram.Close()
	for range sends {
		ce := asCallError(t, <-results)
		require.Equal(t, "PLATFORM_NO_ANSWER", ce.Type)
		require.False(t, ce.Retryable, "the message may have been sent")
	}
}

func TestOtherStandardActions(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	n := startNode(t, url, nil)
	n.Telegram.AddFile("file-1", "documents/terms.pdf", []byte("%PDF-1.7"))
	n.Telegram.SetWebhookInfo(telegramtest.WebhookInfo{URL: "https://hooks.example.com/telegram/shop"})
	peer := startPeer(t, url, peerOptions{})
	peer.WaitForServices(t, "telegram")

	for name, test := range map[string]struct {
		action string
		params map[string]any
		want   string
	}{
		"good credentials": {
			"i_validateCredentials",
			map[string]any{
				"credentials": map[string]any{"token": botToken, "secretToken": "x"},
				"settings":    map[string]any{"apiBase": n.Telegram.URL()},
			},
			`{"valid":true}`,
		},
		"bad credentials": {"i_validateCredentials", map[string]any{
			"credentials": map[string]any{"token": "1:wrong"}, "settings": map[string]any{"apiBase": n.Telegram.URL()},
		}, `{"valid":false}`},
		"status": {"i_status", nil, `{"id":"telegram","name":"Telegram","platform":"telegram","version":"1.0.0",` +
			`"status":"ACTIVE","capabilities":["SEND_MESSAGE","RECEIVE_MESSAGE","WEBHOOK_VALIDATION"]}`},
		"media": {"i_getMedia", map[string]any{
			"channelId": channelID, "mediaId": "file-1",
		}, `{"id":"file-1","mimeType":"application/pdf","filename":"terms.pdf","size":8,"data":"JVBERi0xLjc="}`},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := peer.Call(t.Context(), "telegram."+test.action, test.params, nil)
			require.NoError(t, err)
			require.JSONEq(t, test.want, string(res.Data))
		})
	}
	t.Run("health of a channel", func(t *testing.T) {
		res, err := peer.Call(t.Context(), "telegram.i_healthCheck", map[string]any{"channelId": channelID}, nil)
		require.NoError(t, err)
		require.Contains(t, string(res.Data), `"status":"healthy"`)
	})
	t.Run("an unknown action", func(t *testing.T) {
		_, err := peer.Call(t.Context(), "telegram.i_dance", nil, map[string]any{"nodeID": n.ID})
		require.Equal(t, "SERVICE_NOT_FOUND", asCallError(t, err).Type)
	})
}

func TestGatewayExposesTheNode(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	n := startNode(t, url, nil)
	base := startGateway(t, url)
	peer := startPeer(t, url, peerOptions{Channels: true})
	for method, paths := range map[string][]string{
		http.MethodPost: {"/telegram/:channelId", "/telegram/send"},
		http.MethodGet:  {"/telegram/:channelId", "/telegram/webhook", "/telegram/health", "/telegram/status"},
	} {
		for _, path := range paths {
			peer.WaitForRoute(t, method, path)
		}
	}
	require.NoError(t, peer.Consume(t.Context(), receivedEvent, "inbox", nil))

	t.Run("the verification's challenge comes back as plain text", func(t *testing.T) {
		for name, url := range map[string]string{"gateway": base, "own listener": n.URL} {
			res := get(t, url+"/telegram/shop?hub.mode=subscribe&hub.verify_token="+secretToken+"&hub.challenge=1158201444")
			require.Equal(t, http.StatusOK, res.status, name)
			require.Equal(t, "1158201444", res.body, name)
			require.True(t, strings.HasPrefix(res.contentType, "text/plain"), "%s: %s", name, res.contentType)

			res = get(t, url+"/telegram/shop?hub.mode=subscribe&hub.verify_token=wrong&hub.challenge=1158201444")
			require.Equal(t, http.StatusForbidden, res.status, name)
			require.NotContains(t, res.body, "1158201444", name)
		}
	})

	t.Run("status and health", func(t *testing.T) {
		require.Contains(t, asUser(t, http.MethodGet, base+"/telegram/status", opsToken, "").body, `"platform":"telegram"`)
		require.Contains(t, asUser(t, http.MethodGet, base+"/telegram/health", opsToken, "").body, `"status":"healthy"`)
	})

	t.Run("errors keep their HTTP status", func(t *testing.T) {
		body, err := json.Marshal(update(5, "refused"))
		require.NoError(t, err)
		for name, url := range map[string]string{"gateway": base, "own listener": n.URL} {
			status, _ := postUpdate(t, url+"/telegram/shop", body, "wrong")
			require.Equal(t, http.StatusUnauthorized, status, name)
			status, _ = postUpdate(t, url+"/telegram/nobody", body, secretToken)
			require.Equal(t, http.StatusNotFound, status, name)
		}
	})

	t.Run("a webhook becomes an event", func(t *testing.T) {
		for i, url := range []string{base, n.URL} {
			body, err := json.Marshal(update(10+i, fmt.Sprint("through ", i)))
			require.NoError(t, err)
			status, answer := postUpdate(t, url+"/telegram/shop", body, secretToken)
			require.Equal(t, http.StatusOK, status, string(answer))
			require.JSONEq(t, `{"success":true,"messages":1,"failed":0}`, string(answer))
			require.Contains(t, string(peer.NextMessage(t).Payload), fmt.Sprint("through ", i))
		}
	})

	t.Run("a message is sent", func(t *testing.T) {
		a := asUser(t, http.MethodPost, base+"/telegram/send", opsToken,
			`{"channelId":"shop","message":{"to":{"id":"42"},"content":{"type":"TEXT","text":"hi"}}}`)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.Contains(t, a.body, `"success":true`)
	})

	// Real payloads lie beside the project on its authors' machines only; they are not ours to ship.
	t.Run("real payloads pass", func(t *testing.T) {
		folder, _ := fixtures.Folder(t)
		files, err := filepath.Glob(filepath.Join(folder, "telegram", "*.json"))
		require.NoError(t, err)
		if len(files) == 0 {
			t.Skip(
				"no real payloads: they lie beside the project, in ../shared/fixtures/telegram; the webhooks above are our own",
			)
		}
		for i, file := range files {
			if strings.HasPrefix(filepath.Base(file), "api_") {
				continue // answers of the Bot API, not updates
			}
			// Many of the samples share their update_id; as different updates they would be duplicates.
			body := withUpdateID(t, file, 1_000_000+i)
			status, answer := postUpdate(t, base+"/telegram/shop", body, secretToken)
			require.Equal(t, http.StatusOK, status, "%s: %s", file, answer)
			require.JSONEq(t, `{"success":true,"messages":1,"failed":0}`, string(answer), file)
			status, answer = postUpdate(t, n.URL+"/telegram/shop", body, secretToken)
			require.Equal(t, http.StatusOK, status, "%s: %s", file, answer)
			require.JSONEq(t, `{"success":true,"messages":1,"failed":0,"duplicates":1}`, string(answer), file)
			require.Contains(
				t, string(peer.NextMessage(t).Payload), fmt.Sprintf(`"dedupKey":"%d"`, 1_000_000+i), "once, though it came twice",
			)
		}
	})
}

func withUpdateID(t *testing.T, file string, id int) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var fields map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &fields))
	fields["update_id"] = json.RawMessage(fmt.Sprint(id))
	data, err = json.Marshal(fields)
	require.NoError(t, err)
	return data
}

func TestNodeServesAgainAfterAnOutage(t *testing.T) {
	t.Parallel()
	server := natsServer(t)
	n := startNode(t, server.URL(), nil)
	peer := startPeer(t, server.URL(), peerOptions{})
	peer.WaitForServices(t, "telegram")

	// Webhooks keep coming, through the node's own listener, before, during and after the outage.
	accepted := make(chan int, 100_000)
	var offered atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for id := 1; ctx.Err() == nil; id++ {
			body, err := json.Marshal(update(id, "during the outage"))
			if err != nil {
				return
			}
			for range 3 { // a platform sends again what was not accepted
				status, err := tryUpdate(ctx, n.URL+"/telegram/shop", body)
				offered.Add(1)
				if err == nil && status == http.StatusOK {
					accepted <- id
					break
				}
			}
		}
	}()
	next := func() int {
		select {
		case id := <-accepted:
			return id
		case <-time.After(patience):
			require.Fail(t, "no webhook was accepted")
			return 0
		}
	}
	for range 50 {
		next()
	}
	server.Stop()
	before := offered.Load()
	// one takes as long as its event is tried
	require.Eventually(t, func() bool { return offered.Load() >= before+2 }, patience, tick)
	server.Restart(t)
	ids := map[int]bool{}
	for range 50 {
		ids[next()] = true
	}
	cancel()
	<-done
	close(accepted)
	for id := range accepted {
		ids[id] = true
	}

	// The cluster reaches it again too, without a restart on either side.
	require.Eventually(t, func() bool {
		_, err := peer.Call(t.Context(), "telegram.i_status", nil, map[string]any{"timeout": 5000})
		return err == nil
	}, patience, 50*time.Millisecond)

	stored := storedIDs(t, server.URL())
	for id := range ids {
		require.Equal(t, 1, stored[id], "update %d was answered with success", id)
	}
	for id, times := range stored {
		require.Equal(t, 1, times, "update %d", id)
	}
}

// storedIDs counts the events of the received stream by update id.
func storedIDs(t *testing.T, natsURL string) map[int]int {
	t.Helper()
	counts := map[int]int{}
	for _, data := range stored(t, natsURL) {
		var event struct {
			Message struct {
				Metadata struct {
					UpdateID int `json:"updateId"`
				} `json:"metadata"`
			} `json:"message"`
		}
		require.NoError(t, json.Unmarshal(data, &event))
		counts[event.Message.Metadata.UpdateID]++
	}
	return counts
}

// stored lists the events of the received stream.
func stored(t *testing.T, natsURL string) (events [][]byte) {
	t.Helper()
	nc, err := nats.Connect(natsURL)
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	stream, err := js.Stream(t.Context(), "hios_hios_processing_message_received")
	require.NoError(t, err)
	for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		msg, err := stream.GetMsg(t.Context(), seq)
		require.NoError(t, err)
		events = append(events, msg.Data)
	}
	return events
}

type httpAnswer struct {
	status            int
	contentType, body string
}

func get(t *testing.T, url string) httpAnswer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return httpAnswer{res.StatusCode, res.Header.Get("Content-Type"), string(body)}
}

func postUpdate(t *testing.T, url string, body []byte, secret string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Telegram-Bot-Api-Secret-Token", secret)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, answer
}

func tryUpdate(ctx context.Context, url string, body []byte) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Telegram-Bot-Api-Secret-Token", secretToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}
