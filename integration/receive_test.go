package integration_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

func TestWebhookThatFailsACheckSkipsTheNextChecks(t *testing.T) {
	all := []string{"structure", "signature", "normalize"}
	for name, test := range map[string]struct {
		change func(*harness)
		params object
		steps  []string
		code   int
		typ    string
	}{
		"wrong params":       {func(*harness) {}, object{"channelId": 1}, nil, 422, "VALIDATION_ERROR"},
		"an unknown channel": {func(*harness) {}, object{"channelId": "c2"}, nil, 404, "CHANNEL_NOT_FOUND"},
		"one of another platform": {
			func(b *harness) { b.store.channel.Platform = "crow" }, nil, nil, 404, "CHANNEL_NOT_FOUND",
		},
		"an inactive channel": {
			func(b *harness) { b.store.channel.Status = integration.ChannelInactive }, nil, nil, 403, "CHANNEL_INACTIVE",
		},
		"no channel store": {func(b *harness) { b.store.err = errors.New("CANARY") }, nil, nil, 503, "CHANNELS_UNAVAILABLE"},
		"bad headers":      {func(*harness) {}, object{"headers": object{"x": object{}}}, nil, 400, "HEADERS_INVALID"},
		"bad base64": {func(*harness) {}, object{
			"rawBody": "?", "rawBodyEncoding": "base64",
		}, nil, 400, "RAW_BODY_INVALID"},
		"an unknown encoding": {func(*harness) {}, object{
			"rawBody": "{}", "rawBodyEncoding": "hex",
		}, nil, 400, "RAW_BODY_INVALID"},
		"a Buffer of no bytes": {func(*harness) {}, object{
			"rawBody": object{"type": "Buffer", "data": []int{256}},
		}, nil, 400, "RAW_BODY_INVALID"},
		"a raw body cut off": {func(*harness) {}, object{"rawBody": `{"n":`}, nil, 400, "WEBHOOK_INVALID"},
		"an old timestamp":   {func(*harness) {}, object{"timestamp": 0}, nil, 400, "WEBHOOK_TOO_OLD"},
		"no timestamp of a clock": {
			func(*harness) {}, object{"timestamp": json.Number("1e400")}, nil, 400, "TIMESTAMP_INVALID",
		},
		"a bad structure": {
			func(b *harness) { b.platform.validateErr = errors.New("no") }, nil, all[:1], 400, "WEBHOOK_INVALID",
		},
		"a bad signature": {func(b *harness) { b.platform.signature = refuse }, nil, all[:2], 401, "SIGNATURE_INVALID"},
		"no raw body to check": {
			func(b *harness) { b.platform.signature = signedBody }, nil, all[:2], 400, "RAW_BODY_MISSING",
		},
		"not understood": {func(b *harness) { b.platform.normalizeErr = errors.New("no") }, nil, all, 400, "WEBHOOK_INVALID"},
		"more messages than taken": {
			func(b *harness) { b.platform.messages = make([]integration.Message, 10_001) }, nil, all, 400, "WEBHOOK_TOO_LARGE",
		},
		"the platform's own word": {func(b *harness) {
			b.platform.validateErr = &integration.Error{Kind: integration.FaultForbidden, Code: "NOT_MINE", Message: "no"}
		}, nil, all[:1], 403, "NOT_MINE"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.platform.messages = []integration.Message{{ID: "m1"}}
			test.change(b)
			_, err := b.receive(webhookParams(test.params))
			e := errorOf(t, err, test.code, test.typ)
			require.Equal(t, test.code == 503, e.Retryable)
			require.NotContains(t, e.Error()+toJSON(t, e.Data), "CANARY")
			require.Equal(t, test.steps, b.platform.steps)
			require.Empty(t, b.events.events)
		})
	}
}

func refuse(*integration.Webhook) error { return errors.New("no") }

func signedBody(w *integration.Webhook) error {
	_, err := w.SignedBody()
	return err
}

func TestGoodWebhookPassesEveryStepInOrder(t *testing.T) {
	b := newHarness(t)
	result, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messages":0,"failed":0}`, toJSON(t, result))
	require.Equal(t, []string{"structure", "signature", "normalize"}, b.platform.steps)
	require.Empty(t, b.events.events)
}

func TestPlatformNeedNotCheckItsWebhooks(t *testing.T) {
	b := newHarness(t)
	b.plain()
	_, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.Equal(t, []string{"normalize"}, b.platform.steps)
}

func TestWebhookParametersThatAreWrongAreAllNamed(t *testing.T) {
	_, err := newHarness(t).callWith(t.Context(), integration.ActionReceiveWebhook,
		object{"channelId": 1, "payload": "x", "headers": []string{}, "rawBody": object{}}, &action.Request{Sender: "n1"})
	faults, ok := errorOf(t, err, 422, "VALIDATION_ERROR").Data.([]action.Fault)
	require.True(t, ok)
	var found []string
	for _, f := range faults {
		require.Equal(t, "parrot.i_receiveWebhook", f.Action)
		require.Equal(t, "n1", f.NodeID)
		found = append(found, f.Field+" "+f.Type)
	}
	require.Equal(
		t, []string{"channelId string", "payload object", "headers object", "timestamp required", "rawBody string"}, found,
	)
}

func TestMissingRawBodySaysWhatToDo(t *testing.T) {
	b := newHarness(t)
	b.platform.signature = signedBody
	_, err := b.receive(webhookParams())
	require.Equal(
		t,
		"the signature covers the raw body, and none came: let the gateway keep it and pass it as rawBody (see "+
			"examples/gateway)",
		errorOf(t, err, 400, "RAW_BODY_MISSING").Message)
}

func TestTimestampMustLieInItsWindow(t *testing.T) {
	for name, test := range map[string]struct {
		age time.Duration
		typ string // accepted when empty
	}{
		"now":                 {0, ""},
		"five minutes ago":    {5 * time.Minute, ""},
		"a little longer ago": {5*time.Minute + time.Millisecond, "WEBHOOK_TOO_OLD"},
		"a minute ahead":      {-time.Minute, ""},
		"a little more ahead": {-time.Minute - time.Millisecond, "WEBHOOK_FROM_FUTURE"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newHarness(t).receive(webhookParams(object{"timestamp": now.Add(-test.age).UnixMilli()}))
			if test.typ == "" {
				require.NoError(t, err)
				return
			}
			requireError(t, err, 400, test.typ)
		})
	}
}

// codes are a text's bytes as a Buffer of Node has them.
func codes(text string) []int {
	list := make([]int, len(text))
	for i := range text {
		list[i] = int(text[i])
	}
	return list
}

func TestWebhookHasAllThatThePlatformSent(t *testing.T) {
	const raw = ` {"n": 2} ` // with bytes that JSON written anew would not have
	binary := []byte{0xff, 0x00}
	for name, test := range map[string]struct {
		params, meta object
		raw          []byte
		payload      string
	}{
		"no raw body":       {nil, nil, nil, `{"n":1}`},
		"in the params":     {object{"rawBody": raw}, nil, []byte(raw), `{"n": 2}`},
		"with its encoding": {object{"rawBody": raw, "rawBodyEncoding": "UTF-8"}, nil, []byte(raw), `{"n": 2}`},
		"in ctx.meta":       {nil, object{"rawBody": raw}, []byte(raw), `{"n": 2}`},
		"the params come first": {object{"rawBody": raw}, object{
			"rawBody": "e30=", "rawBodyEncoding": "base64",
		}, []byte(raw), `{"n": 2}`},
		"as base64": {object{
			"rawBody": base64.StdEncoding.EncodeToString([]byte(raw)), "rawBodyEncoding": "base64",
		}, nil, []byte(raw), `{"n": 2}`},
		"as base64 in ctx.meta": {nil, object{"rawBody": "/wA=", "rawBodyEncoding": "base64"}, binary, `{"n":1}`},
		"as a Buffer of Node": {object{
			"rawBody": object{"type": "Buffer", "data": codes(raw)},
		}, nil, []byte(raw), `{"n": 2}`},
		"as a Buffer in ctx.meta": {nil, object{
			"rawBody": object{"type": "Buffer", "data": []int{255, 0}}, "rawBodyEncoding": "utf8",
		}, binary, `{"n":1}`},
		"a form, which is no JSON": {object{"rawBody": "n=1"}, nil, []byte("n=1"), `{"n":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			_, err := b.callWith(
				t.Context(), integration.ActionReceiveWebhook, webhookParams(test.params),
				&action.Request{Meta: metaOf(t, test.meta)},
			)
			require.NoError(t, err)
			w := b.platform.webhook
			require.Equal(t, test.raw, w.RawBody)
			require.Equal(t, test.payload, string(w.Payload))
			require.Equal(t, []string{"t1", "c1", "parrot"}, []string{w.TenantID, w.ChannelID, w.Platform})
			require.True(t, now.Equal(w.Timestamp))
			require.Same(t, b.store.channel, w.Channel)
		})
	}
}

func TestHeadersAreTextsUnderLowerCaseNames(t *testing.T) {
	b := newHarness(t)
	_, err := b.receive(webhookParams(object{"headers": object{
		"X-Signature": "abc", "x-count": 1_700_000_000, "Set-Cookie": []string{"a", "b"}, "X-Twice": "upper",
		"x-twice": "lower", "x-none": nil,
	}}))
	require.NoError(t, err)
	require.Equal(t, map[string]string{
		"x-signature": "abc", "x-count": "1700000000", "set-cookie": "a, b", "x-twice": "lower", "x-none": "",
	}, b.platform.webhook.Headers.Map())
}

func TestTenantIsTheChannelsElseTheCallers(t *testing.T) {
	for name, test := range map[string]struct{ channel, meta, want string }{
		"of the channel":     {"t1", "", "t1"},
		"of both":            {"t1", "t2", "t1"},
		"of the caller only": {"", "t2", "t2"},
		"of neither":         {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.store.channel.TenantID = test.channel
			b.platform.messages = []integration.Message{{ID: "m1"}}
			_, err := b.callWith(
				t.Context(), integration.ActionReceiveWebhook, webhookParams(),
				&action.Request{Meta: metaOf(t, object{"tenantId": test.meta})},
			)
			require.NoError(t, err)
			require.Equal(t, test.want, b.platform.webhook.TenantID)
			require.Contains(t, string(b.events.one(t).Payload), fmt.Sprintf(`"tenantId":%q`, test.want))
			meta := fmt.Sprintf(`{"tenantId":%q,"channelId":"c1"}`, test.want)
			if test.want == "" {
				meta = `{"channelId":"c1"}`
			}
			require.JSONEq(t, meta, metaHeader(t, b.events.one(t)))
		})
	}
}

func TestReceivedMessageIsPublishedAsTheContractSays(t *testing.T) {
	b := newHarness(t)
	b.platform.messages = []integration.Message{{
		ID: "m1", ConversationID: "chat", From: integration.Party{ID: "u1", Name: "Polly"}, To: integration.Party{ID: "bot"},
		Content: integration.Content{Type: integration.TypeText, Text: "<hi>"}, Timestamp: 7, DedupKey: "update:9",
		Platform: "forged",
	}}
	sampled := true
	_, err := b.callWith(t.Context(), integration.ActionReceiveWebhook, webhookParams(), &action.Request{
		ID: "call-1", RequestID: "trace-1", Level: 2, Tracing: &sampled,
		Meta: metaOf(
			t,
			object{
				"userId": "u7", "requestId": "r7", "tenantId": "forged", "headers": object{"authorization": "CANARY"},
				"user": object{"id": "CANARY"},
			},
		),
	})
	require.NoError(t, err)

	e := b.events.one(t)
	require.Equal(t, "hios.processing.message.received", e.Name)
	require.Equal(t, "parrot:c1:update:9", e.ID)
	require.JSONEq(t, `{
		"tenantId": "t1", "channelId": "c1", "platform": "parrot", "timestamp": 1800000000000,
		"message": {"id": "m1", "conversationId": "chat", "from": {"id": "u1", "name": "Polly"}, "to": {"id": "bot"},
			"content": {"type": "TEXT", "text": "<hi>"}, "timestamp": 7, "platform": "parrot", "dedupKey": "update:9"}
	}`, string(e.Payload))
	require.JSONEq(t, `{"tenantId":"t1","channelId":"c1","userId":"u7","requestId":"r7"}`, metaHeader(t, e))
	delete(e.Header, "$meta")
	require.Equal(t, map[string][]string{
		"$requestID": {"trace-1"}, "$parentID": {"call-1"}, "$tracing": {"true"}, "$level": {"2"}, "$caller": {"parrot"},
	}, e.Header)
	require.Equal(t, "forged", b.platform.messages[0].Platform, "the platform's own slice is left alone")
}

func TestHeaderHoldsOneShortLine(t *testing.T) {
	b := newHarness(t)
	b.platform.messages = []integration.Message{{ID: "m1"}}
	_, err := b.callWith(t.Context(), integration.ActionReceiveWebhook, webhookParams(), &action.Request{
		RequestID: "trace\r\nNats-Rollup: all", ID: strings.Repeat("ü", 1000),
		Meta: metaOf(t, object{"userId": strings.Repeat("x", 1e5)}),
	})
	require.NoError(t, err)
	e := b.events.one(t)
	require.Equal(t, []string{"trace  Nats-Rollup: all"}, e.Header["$requestID"])
	require.Equal(t, []string{"null"}, e.Header["$tracing"])
	for name, values := range e.Header {
		require.Less(t, len(values[0]), 600, name)
	}
}

func TestMessagesArePublishedInOrderBeforeAnyIsAwaited(t *testing.T) {
	b := newHarness(t)
	b.platform.messages, b.events.held = messages(3), make(chan struct{})
	var result any
	var err error
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		result, err = b.receive(webhookParams())
	}()
	b.events.handed(t, 3)
	select {
	case <-answered:
		t.Fatal("nothing is durable yet")
	default:
	}
	close(b.events.held)
	<-answered
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messages":3,"failed":0}`, toJSON(t, result))
	require.Equal(t, []string{"publish parrot:c1:k1", "publish parrot:c1:k2", "publish parrot:c1:k3"}, b.events.steps[:3])
}

func TestMessagesWithoutAKeyAreNotTakenForOne(t *testing.T) {
	b := newHarness(t)
	b.platform.messages = []integration.Message{{ID: "m1"}, {}, {}}
	_, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.Equal(t, "parrot:c1:m1", b.events.events[0].ID)
	require.NotEqual(t, b.events.events[1].ID, b.events.events[2].ID)
}

func TestMessageThatCannotBePublishedDoesNotHoldBackOthers(t *testing.T) {
	for name, spoil := range map[string]func(*harness){
		"it cannot be encoded": func(b *harness) {
			b.platform.messages[1].Metadata = object{"secret text": "CANARY", "n": math.Inf(1)}
		},
		"the server will never take it": func(b *harness) {
			b.platform.messages[1].Content.Text = "CANARY"
			b.events.fail = failOn("parrot:c1:k2", rejected{errors.New("too\nlarge")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.platform.messages = messages(3)
			spoil(b)
			result, err := b.receive(webhookParams())
			require.NoError(t, err)
			require.JSONEq(t, `{"success":true,"messages":2,"failed":1}`, toJSON(t, result))

			dead := b.events.events[len(b.events.events)-1]
			require.Equal(t, "FAILED_MESSAGES", dead.Name)
			require.Equal(t, "dead:parrot:c1:k2", dead.ID)
			require.Equal(t, []string{"prefix.hios.processing.message.received"}, dead.Header["x-original-channel"])
			require.NotEmpty(t, dead.Header["x-error-message"][0])
			require.NotContains(t, dead.Header["x-error-message"][0], "\n")
			require.NotContains(t, toJSON(t, dead), "CANARY", "dead letters hold no content")
			require.Contains(t, string(dead.Payload), `"metadata":{"conversationId":"chat","dedupKey":"k2","messageId":"m2"}`)
		})
	}
}

func TestMessagesNotStoredAreAskedForAgain(t *testing.T) {
	lost := errors.New("no ack from CANARY")
	for name, fail := range map[string]func(event) error{
		"one message":                     failOn("parrot:c1:k2", lost),
		"every message":                   func(event) error { return lost },
		"the dead letter of one":          either(failOn("parrot:c1:k2", rejected{lost}), failOn("dead:parrot:c1:k2", lost)),
		"one, beside one that never will": either(failOn("parrot:c1:k1", lost), failOn("parrot:c1:k2", rejected{lost})),
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.platform.messages = messages(3)
			b.events.fail = fail
			_, err := b.receive(webhookParams())
			e := errorOf(t, err, 503, "EVENTS_UNAVAILABLE")
			require.True(t, e.Retryable)
			require.Equal(t, action.NameRetryableError, e.Name)
			require.NotContains(t, e.Message, "CANARY")
			require.ErrorIs(t, err, lost)
			require.Contains(t, b.logs.String(), "no ack", "the log says why")
			require.Contains(t, b.events.steps, "publish parrot:c1:k3", "the others were not held back")
		})
	}
}

func TestDeadLetterThatIsRejectedTooIsNotAskedForAgain(t *testing.T) {
	b := newHarness(t)
	b.platform.messages = messages(2)
	b.events.fail = func(e event) error {
		if e.ID == "parrot:c1:k1" {
			return nil
		}
		return rejected{errors.New("too large")}
	}
	result, err := b.receive(webhookParams())
	require.NoError(t, err)
	require.JSONEq(t, `{"success":true,"messages":1,"failed":1}`, toJSON(t, result))
	require.Contains(t, b.logs.String(), "it is lost")
}

func TestWebhooksOfOneMomentShareNothing(t *testing.T) {
	b := newHarness(t)
	b.platform.messages = messages(2)
	service := b.define()
	params := json.RawMessage(toJSON(t, webhookParams()))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := service.Call(t.Context(), integration.ActionReceiveWebhook, &action.Request{Params: params})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Len(t, b.events.events, 16)
}

func messages(n int) []integration.Message {
	list := make([]integration.Message, n)
	for i := range list {
		list[i].ID = integration.ID(fmt.Sprintf("m%d", i+1))
		list[i].DedupKey = fmt.Sprintf("k%d", i+1)
		list[i].ConversationID = "chat"
	}
	return list
}

func failOn(id string, err error) func(event) error {
	return func(e event) error {
		if e.ID == id {
			return err
		}
		return nil
	}
}

func either(fails ...func(event) error) func(event) error {
	return func(e event) error {
		for _, fail := range fails {
			if err := fail(e); err != nil {
				return err
			}
		}
		return nil
	}
}

// metaHeader is what the consumer finds as its ctx.meta.
func metaHeader(t *testing.T, e event) string {
	t.Helper()
	require.Len(t, e.Header["$meta"], 1)
	meta, err := base64.StdEncoding.DecodeString(e.Header["$meta"][0])
	require.NoError(t, err)
	return string(meta)
}
