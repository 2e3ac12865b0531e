package interop_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

// oracle is a platform that answers each webhook with what the webhook says.
type oracle struct{}

var _ integration.Responder = oracle{}

func (oracle) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	return []integration.Message{{
		ID: "m1", ConversationID: "c", Content: integration.Content{Type: integration.TypeText, Text: w.ChannelID},
		DedupKey: w.Headers.Get("x-key"),
	}}, nil
}

func (oracle) Send(context.Context, *integration.Message, *integration.Channel) (*integration.SendResult, error) {
	return nil, &integration.Error{Kind: integration.FaultPermanent, Code: "SILENT", Message: "it only answers"}
}

func (oracle) Respond(_ context.Context, w *integration.Webhook) (*integration.Response, error) {
	if w.Payload[0] != '{' { // is said back
		return &integration.Response{ContentType: "text/plain", Body: string(w.Payload)}, nil
	}
	var said struct{ Answer *integration.Response }
	err := json.Unmarshal(w.Payload, &said)
	return said.Answer, err
}

// Channel implements integration.ChannelStore.
func (oracle) Channel(_ context.Context, id string) (*integration.Channel, error) {
	if id != channelID {
		return nil, integration.ErrChannelNotFound
	}
	return &integration.Channel{ID: id, TenantID: tenantID, Platform: "oracle", Status: integration.ChannelActive}, nil
}

func TestPlatformsOwnAnswersArriveAsHTTP(t *testing.T) {
	t.Parallel()
	url := natsServer(t).URL()
	n := startHost(t, url, offered(integration.Definition{
		ServiceDefinition: integration.ServiceDefinition{Name: "oracle"}, Channels: oracle{}, Platform: oracle{},
		Title: "Oracle",
	}), settings("services: [oracle]"))
	base := startGateway(t, url)
	peer := startPeer(t, url, peerOptions{Channels: true})
	peer.WaitForRoute(t, http.MethodPost, "/oracle/:channelId")
	require.NoError(t, peer.Consume(t.Context(), receivedEvent, "inbox", nil))

	// ask sends a webhook and gives the whole response.
	ask := func(t *testing.T, url, key, body string) (int, http.Header, string) {
		t.Helper()
		return exchange(t, url+"/oracle/"+channelID, body, "X-Key", key)
	}
	for name, test := range map[string]struct {
		answer string
		status int
		kind   string
		body   string
	}{
		"a challenge": {
			`{"ContentType":"text/plain","Body":"<b>1158201444"}`, 200, "text/plain",
			"<b>1158201444",
		},
		"digits": {
			`{"ContentType":"text/plain; charset=utf-8","Body":"0042"}`, 200,
			"text/plain; charset=utf-8", "0042",
		},
		"JSON": {
			`{"ContentType":"application/json","Body":"{\"type\":1}"}`, 200, "application/json",
			`{"type":1}`,
		},
		"a list": {
			`{"ContentType":"application/json; charset=utf-8","Body":"[1,\"ü\"]"}`, 200,
			"application/json; charset=utf-8", `[1,"ü"]`,
		},
		"JSON that is a text":       {`{"ContentType":"application/json","Body":"\"ok\""}`, 200, "application/json", `"ok"`},
		"JSON that is null":         {`{"ContentType":"application/json","Body":"null"}`, 200, "application/json", `null`},
		"a text that looks like it": {`{"ContentType":"text/plain","Body":"{}"}`, 200, "text/plain", `{}`},
		"XML":                       {`{"ContentType":"text/xml","Body":"<Response/>"}`, 200, "text/xml", `<Response/>`},
		"no content":                {`{"Status":204}`, 204, "", ""},
		"no content of a type":      {`{"Status":204,"ContentType":"application/json"}`, 204, "application/json", ""},
		"accepted":                  {`{"Status":202}`, 202, "", ""},
		"nothing":                   {`{}`, 200, "", ""},
		"a refusal":                 {`{"Status":403,"ContentType":"text/plain","Body":"no"}`, 403, "text/plain", "no"},
		"the usual, with the counts": {
			`null`, 200, "application/json; charset=utf-8", `{"success":true,"messages":1,"failed":0}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			for from, url := range map[string]string{"gateway": base, "own listener": n.URL} {
				key := name + " " + from
				status, header, body := ask(t, url, key, `{"answer":`+test.answer+`}`)
				require.Equal(t, test.status, status, from)
				require.Equal(t, test.body, body, from)
				require.Equal(t, test.kind, header.Get("Content-Type"), from)
				if test.kind != "" && test.answer != "null" {
					require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), from)
				}
				m := peer.NextMessage(t)
				require.True(
					t, strings.HasSuffix(m.Headers.Get("Nats-Msg-Id"), key), "its message was stored: %s",
					m.Headers.Get("Nats-Msg-Id"),
				)
			}
		})
	}

	t.Run("JSON that is no object reaches the platform", func(t *testing.T) {
		for from, url := range map[string]string{"gateway": base, "own listener": n.URL} {
			for _, sent := range []string{`[{"a":1}]`, `[]`, `"hi"`, `5`, `null`} {
				status, _, body := ask(t, url, sent+" "+from, sent)
				require.Equal(t, http.StatusOK, status, "%s by %s: %s", sent, from, body)
				require.Equal(t, sent, body, from)
				peer.NextMessage(t)
			}
		}
	})

	t.Run("an answer that cannot be given is an error", func(t *testing.T) {
		for from, url := range map[string]string{"gateway": base, "own listener": n.URL} {
			status, _, body := ask(t, url, "odd "+from, `{"answer":"odd"}`)
			require.Equal(t, http.StatusBadRequest, status, from)
			require.Contains(t, body, `"WEBHOOK_INVALID"`, from)
			peer.NextMessage(t)
		}
	})
}

// exchange posts JSON and gives the whole response.
func exchange(t *testing.T, url, body string, header ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, res.Header, string(answer)
}
