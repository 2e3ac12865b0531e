package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

// talker is a platform that answers its webhooks.
type talker struct {
	*platform
	response *integration.Response
	err      error
	asked    *integration.Webhook
	durable  int // events, when it was asked
	events   *publisher
}

var _ integration.Responder = (*talker)(nil)

func (p *talker) Respond(_ context.Context, w *integration.Webhook) (*integration.Response, error) {
	p.step("respond")
	p.asked, p.durable = w, len(p.events.steps)
	return p.response, p.err
}

func talking(t *testing.T) (*harness, *talker) {
	t.Helper()
	b := newHarness(t)
	p := &talker{platform: b.platform, events: b.events}
	b.def.Platform = p
	return b, p
}

func TestPlatformAnswersItsWebhooksItself(t *testing.T) {
	const nosniff = `"$responseHeaders":{"X-Content-Type-Options":"nosniff"}`
	for name, test := range map[string]struct {
		response integration.Response
		data     string // as JSON
		meta     string
	}{
		"with a challenge": {
			integration.Response{ContentType: "text/plain", Body: "<b>42"},
			`"<b>42"`, `{"user":"u1","$statusCode":200,"$responseType":"text/plain",` + nosniff + `}`,
		},
		"with digits, which stay a text": {
			integration.Response{ContentType: "text/plain", Body: "0042"},
			`"0042"`, `{"user":"u1","$statusCode":200,"$responseType":"text/plain",` + nosniff + `}`,
		},
		"with JSON": {
			integration.Response{Status: 200, ContentType: "application/json", Body: `{"type":1,"n":9007199254740993}`},
			`{"type":1,"n":9007199254740993}`,
			`{"user":"u1","$statusCode":200,"$responseType":"application/json",` + nosniff + `}`,
		},
		"with JSON in a charset": {
			integration.Response{ContentType: "application/json; charset=utf-8", Body: `[1]`},
			`[1]`, `{"user":"u1","$statusCode":200,"$responseType":"application/json; charset=utf-8",` + nosniff + `}`,
		},
		"with JSON that is a text, in its quotation marks": {
			integration.Response{ContentType: "application/json", Body: `"ok"`},
			`"\"ok\""`, `{"user":"u1","$statusCode":200,"$responseType":"application/json",` + nosniff + `}`,
		},
		"with JSON that is null": {
			integration.Response{ContentType: "application/json", Body: `null`},
			`"null"`, `{"user":"u1","$statusCode":200,"$responseType":"application/json",` + nosniff + `}`,
		},
		"with a text that looks like JSON": {
			integration.Response{ContentType: "text/plain", Body: `{"a":1}`},
			`"{\"a\":1}"`, `{"user":"u1","$statusCode":200,"$responseType":"text/plain",` + nosniff + `}`,
		},
		"with XML": {
			integration.Response{ContentType: "text/xml", Body: `<Response/>`},
			`"<Response/>"`, `{"user":"u1","$statusCode":200,"$responseType":"text/xml",` + nosniff + `}`,
		},
		"with nothing":    {integration.Response{}, `null`, `{"user":"u1","$statusCode":200}`},
		"with no content": {integration.Response{Status: 204}, `null`, `{"user":"u1","$statusCode":204}`},
		"with nothing of a type, which moleculer-web would leave out": {
			integration.Response{Status: 204, ContentType: "application/json"},
			`null`,
			`{"user":"u1","$statusCode":204,"$responseType":"application/json",` +
				`"$responseHeaders":{"X-Content-Type-Options":"nosniff","Content-Type":"application/json"}}`,
		},
		"with nothing but that it is here": {integration.Response{Status: 202}, `null`, `{"user":"u1","$statusCode":202}`},
		"with a refusal": {
			integration.Response{Status: 403, ContentType: "text/plain", Body: "no"},
			`"no"`, `{"user":"u1","$statusCode":403,"$responseType":"text/plain",` + nosniff + `}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, p := talking(t)
			p.response = &test.response
			req := &action.Request{Meta: metaOf(t, object{"user": "u1"})}
			result, err := b.callWith(t.Context(), integration.ActionReceiveWebhook, webhookParams(), req)
			require.NoError(t, err)
			require.Equal(t, test.data, plainJSON(t, result))
			require.JSONEq(t, test.meta, toJSON(t, req.Meta))
			require.Equal(t, []string{"structure", "signature", "normalize", "respond"}, p.steps)
			require.Same(t, p.webhook, p.asked)
		})
	}
}

// plainJSON is a value as JSON with "<" as it is.
func plainJSON(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	require.NoError(t, encoder.Encode(v))
	return strings.TrimSpace(b.String())
}

func TestPlatformMayLeaveTheUsualAnswer(t *testing.T) {
	b, _ := talking(t)
	b.platform.messages = messages(2)
	req := &action.Request{}
	result, err := b.callWith(t.Context(), integration.ActionReceiveWebhook, webhookParams(), req)
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messages":2,"failed":0}`, toJSON(t, result))
	require.JSONEq(t, `{}`, toJSON(t, req.Meta))
}

func TestPlatformIsAskedForItsAnswerAfterMessagesAreStored(t *testing.T) {
	b, p := talking(t)
	b.platform.messages = messages(2)
	p.response = &integration.Response{ContentType: "text/plain", Body: "ok"}
	_, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.Equal(t, 4, p.durable, "two were handed over and acknowledged")
}

func TestPlatformIsNotAskedToAnswerARefusedWebhook(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*harness)
		code   int
		typ    string
	}{
		"a wrong signature": {func(b *harness) { b.platform.signature = refuse }, 401, "SIGNATURE_INVALID"},
		"not understood":    {func(b *harness) { b.platform.normalizeErr = errors.New("no") }, 400, "WEBHOOK_INVALID"},
		"a message not stored": {
			func(b *harness) { b.events.fail = func(event) error { return errors.New("no ack") } }, 503, "EVENTS_UNAVAILABLE",
		},
		"a channel switched off": {
			func(b *harness) { b.store.channel.Status = integration.ChannelInactive }, 403, "CHANNEL_INACTIVE",
		},
		"a webhook that is stale": {
			func(b *harness) { b.runtime.Now = func() time.Time { return now.Add(time.Hour) } }, 400, "WEBHOOK_TOO_OLD",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, p := talking(t)
			b.platform.messages = messages(1)
			p.response = &integration.Response{Body: "ok", ContentType: "text/plain"}
			test.change(b)
			req := &action.Request{}
			_, err := b.callWith(t.Context(), integration.ActionReceiveWebhook, webhookParams(), req)
			requireError(t, err, test.code, test.typ)
			require.Nil(t, p.asked)
			require.JSONEq(t, `{}`, toJSON(t, req.Meta))
		})
	}
}

func TestAnswerThatThePlatformCannotGiveIsAnError(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		code int
		typ  string
	}{
		"of no kind": {errors.New("no " + token), 400, "WEBHOOK_INVALID"},
		"of its kind": {
			&integration.Error{Kind: integration.FaultTransient, Code: "LATER", Message: "no " + token}, 503, "LATER",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b, p := talking(t)
			p.err = test.err
			_, err := b.receive(webhookParams())
			require.Equal(t, "no [redacted]", errorOf(t, err, test.code, test.typ).Message)
		})
	}
}

func TestOwnMessagesAreDroppedOrMarked(t *testing.T) {
	for name, test := range map[string]struct {
		setting string
		echoes  []bool // of each message
		want    string
		kept    []string
	}{
		"dropped by default": {"", []bool{
			false, true, false, true,
		}, `{"success":true,"messages":2,"failed":0,"ignored":2}`, []string{"m1", "m3"}},
		"dropped": {
			"drop",
			[]bool{true, false},
			`{"success":true,"messages":1,"failed":0,"ignored":1}`,
			[]string{"m2"},
		},
		"nothing but that": {"", []bool{true}, `{"success":true,"messages":0,"failed":0,"ignored":1}`, nil},
		"nothing of that":  {"", []bool{false}, `{"success":true,"messages":1,"failed":0}`, []string{"m1"}},
		"marked": {
			"mark",
			[]bool{false, true},
			`{"success":true,"messages":2,"failed":0}`,
			[]string{"m1", "m2 echo"},
		},
		"marked, and nothing but it": {"mark", []bool{true}, `{"success":true,"messages":1,"failed":0}`, []string{"m1 echo"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.store.channel.Settings = map[string]string{"ownMessages": test.setting}
			b.platform.messages = messages(len(test.echoes))
			for i, echo := range test.echoes {
				if echo {
					b.platform.messages[i].Direction = integration.DirectionEcho
				}
			}
			result, err := b.receive(webhookParams())
			require.NoError(t, err)
			require.JSONEq(t, test.want, toJSON(t, result))
			var kept []string
			for _, e := range b.events.events {
				var payload struct {
					Message struct{ ID, Direction string }
				}
				require.NoError(t, json.Unmarshal(e.Payload, &payload))
				kept = append(kept, payload.Message.ID)
				if payload.Message.Direction != "" {
					kept[len(kept)-1] += " " + payload.Message.Direction
				}
			}
			require.Equal(t, test.kept, kept)
			for i := range test.echoes {
				require.Equal(
					t, messages(len(test.echoes))[i].ID, b.platform.messages[i].ID, "the platform's own slice is left alone",
				)
			}
		})
	}
}

func TestIgnoredMessagesAreCountedBesideThoseThatFailed(t *testing.T) {
	b := newHarness(t)
	b.platform.messages = messages(3)
	b.platform.messages[0].Direction = integration.DirectionEcho
	b.events.fail = failOn("parrot:c1:k2", rejected{errors.New("too large")})
	result, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messages":1,"failed":1,"ignored":1}`, toJSON(t, result))
}

func TestPlatformMayAnswerAWebhookOfItsOwnMessages(t *testing.T) {
	b, p := talking(t)
	b.platform.messages = messages(1)
	b.platform.messages[0].Direction = integration.DirectionEcho
	p.response = &integration.Response{Status: 202}
	_, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.NotNil(t, p.asked)
	require.Empty(t, b.events.events)
}

func TestSettingsOfEveryPlatformAreChecked(t *testing.T) {
	for setting, values := range map[string]struct{ good, bad []string }{
		"longText":      {[]string{"", "split", "refuse"}, []string{"cut", "Split", "refuse "}},
		"ownMessages":   {[]string{"", "drop", "mark"}, []string{"keep", "mark\n"}},
		"rate":          {[]string{"", "30/s", "1000/h"}, []string{"30", "0/s", "30/d"}},
		"recipientRate": {[]string{"", "20/m"}, []string{"20", "-1/m"}},
	} {
		t.Run(setting, func(t *testing.T) {
			ch := newChannel()
			for _, value := range values.good {
				ch.Settings = map[string]string{setting: value}
				require.NoError(t, integration.ValidateChannel(ch, fields), value)
			}
			for _, value := range values.bad {
				ch.Settings = map[string]string{setting: value}
				require.ErrorContains(t, integration.ValidateChannel(ch, fields), "settings."+setting, "%q", value)
			}
		})
	}
}
