package interop_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// The tests of this file involve no Switchboard: they prove that the harness shows what Node.js nodes do.

func TestPeersCallEachOther(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	host := startPeer(t, url, peerOptions{Services: []service{{Name: "math"}, {Name: "probe"}}})
	caller := startPeer(t, url, peerOptions{})
	caller.WaitForServices(t, "math", "probe")

	t.Run("result and meta", func(t *testing.T) {
		res, err := caller.Call(t.Context(), "math.add", map[string]any{"a": 2, "b": 3}, nil)
		require.NoError(t, err)
		require.JSONEq(t, `5`, string(res.Data))

		meta := map[string]any{"tenantId": "t1", "lang": "en"}
		res, err = caller.Call(t.Context(), "probe.meta", map[string]any{"lang": "fa"}, map[string]any{"meta": meta})
		require.NoError(t, err)
		require.Empty(t, res.Data)
		require.JSONEq(t, `{"tenantId":"t1","lang":"fa"}`, string(res.Meta))
	})

	t.Run("what the callee sees", func(t *testing.T) {
		res, err := caller.Call(t.Context(), "probe.echo", map[string]any{"x": "é"}, map[string]any{
			"meta": map[string]any{"m": 1}, "timeout": 5000, "requestID": "r1", "nodeID": host.NodeID,
		})
		require.NoError(t, err)
		require.JSONEq(
			t, `{"params":{"x":"é"},"meta":{"m":1},"requestID":"r1","parentID":null,"caller":null,"level":1,"timeout":5000}`,
			string(res.Data))
	})

	t.Run("error of the action", func(t *testing.T) {
		_, err := caller.Call(t.Context(), "probe.error", map[string]any{
			"name": "MoleculerClientError", "message": "no such channel", "code": 404, "type": "CHANNEL_NOT_FOUND",
			"data": map[string]any{"channelId": "c1"}, "retryable": false,
		}, nil)
		ce := asCallError(t, err)
		require.JSONEq(t, `{"channelId":"c1"}`, string(ce.Data))
		ce.Data, ce.Meta = nil, nil
		require.Equal(t, &callError{
			Name: "MoleculerClientError", Message: "no such channel", Code: 404.0, Type: "CHANNEL_NOT_FOUND",
			NodeID: host.NodeID,
		}, ce)
	})

	t.Run("error of the framework", func(t *testing.T) {
		_, err := caller.Call(t.Context(), "math.add", map[string]any{"a": "two", "b": 3}, nil)
		ce := asCallError(t, err)
		require.Equal(t, "ValidationError", ce.Name)
		require.InEpsilon(t, 422, ce.Code, 0)

		_, err = caller.Call(t.Context(), "probe.slow", map[string]any{"ms": 60_000}, map[string]any{"timeout": 50})
		ce = asCallError(t, err)
		require.Equal(t, "RequestTimeoutError", ce.Name)
		require.True(t, ce.Retryable)
	})

	t.Run("registry", func(t *testing.T) {
		var pong struct{ NodeID string }
		require.NoError(t, json.Unmarshal(caller.Ping(t, host.NodeID), &pong))
		require.Equal(t, host.NodeID, pong.NodeID)

		services := caller.Registry(t, "services", map[string]any{"skipInternal": true})
		require.Contains(t, string(services), `"fullName":"math"`)
		require.Contains(t, string(caller.Registry(t, "actions", nil)), `"name":"probe.echo"`)
		require.Contains(t, string(caller.Registry(t, "nodes", nil)), `"id":"`+host.NodeID+`"`)
	})
}

func TestPeersSendEvents(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	sender := startPeer(t, url, peerOptions{})
	receiver := startPeer(t, url, peerOptions{
		Services: []service{{Name: "listener", Params: map[string]any{"pattern": "order.*", "group": "mail"}}},
	})
	sender.WaitForServices(t, "listener")

	sender.Emit(t, "order.created", map[string]any{"id": 1}, map[string]any{"meta": map[string]any{"m": 1}})
	e := receiver.NextEvent(t)
	require.JSONEq(t, `{"id":1}`, string(e.Data))
	require.JSONEq(t, `{"m":1}`, string(e.Meta))
	require.Equal(t, []string{"mail"}, e.Groups)
	require.Equal(t, "emit", e.Type)
	require.Equal(t, sender.NodeID, e.Sender)

	sender.Broadcast(t, "order.removed", nil, nil)
	e = receiver.NextEvent(t)
	require.Equal(t, "order.removed", e.Name)
	require.Equal(t, "broadcast", e.Type)
}

func TestPeerEnds(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	caller := startPeer(t, url, peerOptions{})

	host := startPeer(t, url, peerOptions{Services: []service{{Name: "math"}}})
	caller.WaitForServices(t, "math")
	host.Stop(t)
	_, err := caller.Call(t.Context(), "math.add", map[string]any{"a": 1, "b": 1}, nil)
	require.Equal(t, "SERVICE_NOT_AVAILABLE", asCallError(t, err).Type)

	host = startPeer(t, url, peerOptions{})
	host.Kill()
	_, err = host.Call(t.Context(), "$node.list", nil, nil)
	require.Error(t, err)
	require.NotErrorAs(t, err, new(*callError))
}

func TestNATSRestart(t *testing.T) {
	t.Parallel()
	ns := natsServer(t)
	url := ns.URL()
	host := startPeer(t, url, peerOptions{Services: []service{{Name: "math"}}})
	caller := startPeer(t, url, peerOptions{})
	caller.WaitForServices(t, "math")

	ns.Restart(t)
	require.Equal(t, url, ns.URL())
	require.Eventually(t, func() bool { // each ping that is lost takes Moleculer two seconds
		return string(caller.require(t, "ping", map[string]any{"nodeID": host.NodeID})) != "null"
	}, patience, tick)
}

func TestPeerConsumesChannel(t *testing.T) {
	t.Parallel()
	const channel = "hios.processing.message.received"
	none := ""
	for name, tc := range map[string]struct {
		prefix  *string
		subject string
	}{
		"default options put the namespace before the name": {nil, "hios." + channel},
		"an empty prefix leaves the name alone":             {&none, channel},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := natsServer(t).URL()
			p := startPeer(t, url, peerOptions{Channels: true, ChannelsPrefix: tc.prefix})
			require.NoError(t, p.Consume(t.Context(), channel, "processing", nil))

			nc, err := nats.Connect(url)
			require.NoError(t, err)
			t.Cleanup(nc.Close)
			js, err := jetstream.New(nc)
			require.NoError(t, err)
			_, err = js.PublishMsg(t.Context(), &nats.Msg{
				Subject: tc.subject,
				Data:    []byte(`{"text":"hello"}`),
				Header: nats.Header{
					"$requestID": {"r1"}, "$parentID": {"p1"}, "$caller": {"telegram"}, "$level": {"2"},
					"$meta": {base64.StdEncoding.EncodeToString([]byte(`{"tenantId":"t1"}`))},
				},
			})
			require.NoError(t, err)

			m := p.NextMessage(t)
			require.JSONEq(t, `{"text":"hello"}`, string(m.Payload))
			require.JSONEq(t, `{"tenantId":"t1"}`, string(m.Meta))
			require.Equal(t, []string{"r1"}, m.Headers["$requestID"])
			m.Payload, m.Meta, m.Headers = nil, nil, nil
			require.Equal(t, message{
				Channel: channel, Subject: tc.subject, RequestID: "r1", ParentID: "p1", Caller: "telegram", Level: 3,
			}, m)
		})
	}

	t.Run("a channel which cannot be subscribed is an error", func(t *testing.T) {
		t.Parallel()
		p := startPeer(t, natsServer(t).URL(), peerOptions{Channels: true})
		err := p.Consume(t.Context(), "orders.*", "processing", nil)
		require.Equal(t, "no stream matches subject", asCallError(t, err).Message)
	})
}

func TestGateway(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	host := startPeer(t, url, peerOptions{Services: []service{{Name: "echohook"}}})
	base := startGateway(t, url)
	host.WaitForRoute(t, http.MethodPost, "/echohook/:channelId")

	const (
		jsonType = "application/json; charset=utf-8"
		formType = "application/x-www-form-urlencoded"
	)
	for name, tc := range map[string]struct {
		query, contentType, body string
		payload                  string
		rawBody, encoding        string
	}{
		"JSON keeps its escapes and spaces": {
			contentType: jsonType,
			body:        "{ \"text\": \"caf\\u00e9 \\/ \U0001F600\", \"n\": 1.0 }\n",
			payload:     `{"text":"café / 😀","n":1}`,
			rawBody:     "{ \"text\": \"caf\\u00e9 \\/ \U0001F600\", \"n\": 1.0 }\n",
		},
		"JSON with a byte order mark": {
			contentType: jsonType,
			body:        "\ufeff{}",
			payload:     `{}`,
			rawBody:     "\ufeff{}",
		},
		"form": {
			contentType: formType,
			body:        "Body=caf%C3%A9+au+lait&From=whatsapp%3A%2B1",
			payload:     `{"Body":"café au lait","From":"whatsapp:+1"}`,
			rawBody:     "Body=caf%C3%A9+au+lait&From=whatsapp%3A%2B1",
		},
		"bytes which are not UTF-8": {
			contentType: formType,
			body:        "Body=caf\xe9&x=\x00",
			payload:     `{"Body":"caf\ufffd","x":"\u0000"}`,
			rawBody:     base64.StdEncoding.EncodeToString([]byte("Body=caf\xe9&x=\x00")),
			encoding:    "base64",
		},
		"query which names our fields": {
			query:       "?channelId=c2&payload=evil&rawBody=evil&text=evil&timestamp=0",
			contentType: jsonType,
			body:        `{"text":"hi","channelId":"c3"}`,
			payload:     `{"text":"hi","channelId":"c3"}`,
			rawBody:     `{"text":"hi","channelId":"c3"}`,
		},
		// Params of i_receiveWebhook are objects, so a list is in the raw body only.
		"array": {
			contentType: jsonType,
			body:        `[{"a":1}]`,
			payload:     `{}`,
			rawBody:     `[{"a":1}]`,
		},
		"JSON that is a text": {
			contentType: jsonType,
			body:        `"hi"`,
			payload:     `{}`,
			rawBody:     `"hi"`,
		},
		"multipart": {
			contentType: "multipart/form-data; boundary=b",
			body:        "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n",
			payload:     `{}`,
			rawBody:     "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n",
		},
		"empty body": {contentType: jsonType, payload: `{}`},
		"no type":    {payload: `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := time.Now().UnixMilli()
			status, answer := post(t, base+"/echohook/c1"+tc.query, tc.contentType, []byte(tc.body))
			require.Equal(t, http.StatusOK, status, "%s", answer)

			var got struct {
				Params struct {
					ChannelID       string            `json:"channelId"`
					Payload         json.RawMessage   `json:"payload"`
					Headers         map[string]string `json:"headers"`
					Timestamp       int64             `json:"timestamp"`
					RawBody         string            `json:"rawBody"`
					RawBodyEncoding string            `json:"rawBodyEncoding"`
					Method          string            `json:"method"`
					URL             string            `json:"url"`
				} `json:"params"`
				Meta json.RawMessage `json:"meta"`
			}
			dec := json.NewDecoder(bytes.NewReader(answer))
			dec.DisallowUnknownFields()
			require.NoError(t, dec.Decode(&got))

			require.Equal(t, "c1", got.Params.ChannelID)
			require.JSONEq(t, tc.payload, string(got.Params.Payload))
			require.Equal(t, tc.rawBody, got.Params.RawBody)
			require.Equal(t, tc.encoding, got.Params.RawBodyEncoding)
			require.Equal(t, http.MethodPost, got.Params.Method)
			require.Equal(t, "/echohook/c1"+tc.query, got.Params.URL, "path and query as the platform called them")
			require.Equal(t, "sha256=abc", got.Params.Headers["x-hub-signature-256"])
			require.Equal(t, tc.contentType, got.Params.Headers["content-type"])
			require.GreaterOrEqual(t, got.Params.Timestamp, before)
			require.LessOrEqual(t, got.Params.Timestamp, time.Now().UnixMilli())
			require.JSONEq(t, `{"clientIP":"127.0.0.1","userAgent":"interop/1"}`, string(got.Meta))
		})
	}

	t.Run("other actions get what moleculer-web makes", func(t *testing.T) {
		t.Parallel()
		a := asUser(t, http.MethodPost, base+"/echohook/plain/7?a=2", opsToken, `{"a":1,"b":2}`)
		require.Equal(t, http.StatusOK, a.status)
		require.JSONEq(t, `{"a":"2","b":2,"id":"7"}`, a.body)
	})

	t.Run("only routes are reachable", func(t *testing.T) {
		t.Parallel()
		for _, path := range []string{"/echohook.plain", "/api/list-aliases", "/$node/list"} {
			status, _ := post(t, base+path, jsonType, nil)
			require.Equal(t, http.StatusNotFound, status, path)
		}
	})
}

// post sends a webhook and returns the status and the body of the answer.
func post(t *testing.T, url, contentType string, body []byte) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	require.NoError(t, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("User-Agent", "interop/1")
	req.Header.Set("X-Hub-Signature-256", "sha256=abc")

	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, answer
}
