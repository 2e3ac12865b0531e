package integrationtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
)

// longAgo is out of every window of replay.
const longAgo = -time.Hour

func testInbound(t *testing.T, p Platform) {
	t.Helper()
	for _, w := range p.Webhooks {
		t.Run("a genuine webhook becomes its events/"+w.Name, func(t *testing.T) { testGenuine(t, p, w) })
	}
	t.Run(
		"a message has the same id whenever it comes, and no other message has it",
		func(t *testing.T) { testMessageIDs(t, p) },
	)
	t.Run("own messages are dropped where they are not wanted", func(t *testing.T) { testOwn(t, p) })
	t.Run("a webhook of another time is refused", func(t *testing.T) { testAge(t, p) })
	t.Run("a hostile body does no harm", func(t *testing.T) { testHostile(t, p) })
	if p.BadItem != nil {
		t.Run("a bad item loses no other", func(t *testing.T) { testBadItem(t, p) })
	}
	if p.signs() {
		t.Run("what is not genuine is refused", func(t *testing.T) { testForged(t, p) })
		t.Run("what differs in any one byte is refused", func(t *testing.T) { testFlipped(t, p) })
	}
	if p.signsBody(t) {
		t.Run("without the raw body the answer says how to configure the gateway", func(t *testing.T) { testRawBody(t, p) })
	}
	if p.signsURL(t) {
		t.Run("what was signed for another URL is refused", func(t *testing.T) { testOtherURL(t, p) })
		t.Run("without the public URL the answer says what to set", func(t *testing.T) { testNoURL(t, p) })
	}
	if _, ok := p.Definition.Platform.(integration.WebhookVerifier); ok {
		t.Run("a handshake is answered to who knows the token", func(t *testing.T) { testHandshake(t, p) })
	}
}

func testGenuine(t *testing.T, p Platform, w Webhook) {
	t.Helper()
	b := newHarness(t, p, marking)
	answer, err := b.answered(w)
	require.NoError(t, err)
	events := b.events.take()
	for i := range events {
		m := messageOf(t, events[i])
		requireSound(t, m)
		if m.Content.Type != integration.TypeUnsupported {
			require.NotEmpty(t, m.ConversationID, "who answers must know where")
		}
		events[i].Header = nil
	}
	if _, responds := p.Definition.Platform.(integration.Responder); responds {
		golden(t, "webhooks", w.Name, struct {
			Answer httpAnswer `json:"answer"`
			Events []event    `json:"events"`
		}{answer, append([]event{}, events...)})
		return
	}
	golden(t, "webhooks", w.Name, events)
}

// testOwn has webhooks with messages of the account itself come in for a channel that does not want these.
func testOwn(t *testing.T, p Platform) {
	t.Helper()
	wants, drops := newHarness(t, p, marking), newHarness(t, p)
	for _, w := range p.Webhooks {
		var others, kept []string
		_, err := wants.genuine(w)
		require.NoError(t, err)
		for _, e := range wants.events.take() {
			if messageOf(t, e).Direction != integration.DirectionEcho {
				others = append(others, e.ID)
			}
		}
		_, err = drops.genuine(w)
		require.NoError(t, err)
		for _, e := range drops.events.take() {
			kept = append(kept, e.ID)
		}
		require.Equal(t, others, kept, "%s: own messages, and no others, are dropped", w.Name)
	}
}

// receivedEvent is the payload of …message.received.
type receivedEvent struct {
	TenantID, ChannelID, Platform string
	Message                       integration.Message
}

func messageOf(tb testing.TB, e event) integration.Message {
	tb.Helper()
	require.Equal(tb, namespace+".processing.message.received", e.Name)
	var payload receivedEvent
	decoder := json.NewDecoder(bytes.NewReader(e.Payload))
	decoder.UseNumber() // metadata.raw may hold numbers that no float64 does
	require.NoError(tb, decoder.Decode(&payload))
	require.NotEmpty(tb, payload.TenantID)
	require.NotEmpty(tb, payload.ChannelID)
	require.NotEmpty(tb, payload.Platform)
	require.Equal(tb, payload.Platform, payload.Message.Platform)
	return payload.Message
}

// requireSound checks what holds for the message of any webhook, however hostile.
func requireSound(tb testing.TB, m integration.Message) {
	tb.Helper()
	require.NotEmpty(tb, m.ID, "a message without id")
	require.NotEmpty(tb, m.DedupKey, "a message without dedupKey: repeated, it would be stored again")
	require.NotEmpty(tb, m.Content.Type, "a message without content.type")
	if m.Content.Type == integration.TypeUnsupported {
		require.NotNil(tb, m.Content.Unsupported, "content.unsupported must tell what came")
	}
}

func testMessageIDs(t *testing.T, p Platform) {
	t.Helper()
	b := newHarness(t, p, marking)
	owner := map[string]string{}
	for _, w := range p.Webhooks {
		var ids [2][]string
		for n := range ids {
			_, err := b.genuine(w)
			require.NoError(t, err)
			for _, e := range b.events.take() {
				ids[n] = append(ids[n], e.ID)
				m := messageOf(t, e)
				const since, until = 1e12, 1e13 // 2001 and 2286, in ms
				require.True(
					t, m.Timestamp > since && m.Timestamp < until, "%s: the timestamp %d does not count milliseconds", w.Name,
					m.Timestamp,
				)
			}
		}
		require.Equal(t, ids[0], ids[1], "%s, when it comes again", w.Name)
		for _, id := range ids[0] {
			require.NotContains(t, owner, id, "%s has the id of another message", w.Name)
			owner[id] = w.Name
		}
	}
	require.GreaterOrEqual(t, len(owner), 2, "Platform.Webhooks must hold two different messages at least")
}

// requireRefused checks that a webhook was refused with a code, or with any 4xx, and that nothing came of it.
func (b *harness) requireRefused(err error, code int, msg string) {
	b.tb.Helper()
	e := b.errorOf(err, msg)
	if code != 0 {
		require.Equal(b.tb, code, e.Code, "%s: %v", msg, err)
	}
	require.True(
		b.tb, e.Code >= 400 && e.Code < 500, "%s: the fault is the sender's, so the code must be 4xx and not %d: %v", msg,
		e.Code, err,
	)
	require.NotEmpty(b.tb, e.Type, msg)
	require.Empty(b.tb, b.events.take(), "%s: refused, and published all the same", msg)
}

// errorOf is the typed error that there must be.
func (b *harness) errorOf(err error, msg string) *action.Error {
	b.tb.Helper()
	require.Error(b.tb, err, msg)
	e, ok := errors.AsType[*action.Error](err)
	require.True(b.tb, ok, "%s: the error must be typed: %v", msg, err)
	return e
}

func testRawBody(t *testing.T, p Platform) {
	t.Helper()
	b := newHarness(t, p)
	w := p.Webhooks[0]
	_, err := b.receive(
		w.Body, p.headers(t, b.channel, w),
		func(params object) { delete(params, "rawBody"); delete(params, "rawBodyEncoding") },
	)
	b.requireRefused(err, http.StatusBadRequest, "without rawBody")
	e := b.errorOf(err, "without rawBody")
	require.Equal(t, "RAW_BODY_MISSING", e.Type)
	require.Contains(t, e.Message, "rawBody")
}

func testOtherURL(t *testing.T, p Platform) {
	t.Helper()
	b, w := newHarness(t, p, callElsewhere), p.Webhooks[0]
	_, err := b.receive(w.Body, p.headers(t, p.Channel(b.fake.URL()), w))
	b.requireRefused(err, http.StatusUnauthorized, "signed for another URL")
}

func testNoURL(t *testing.T, p Platform) {
	t.Helper()
	b, w := newHarness(t, p, func(ch *integration.Channel) { delete(ch.Settings, settingPublicURL) }), p.Webhooks[0]
	_, err := b.receive(w.Body, p.headers(t, p.Channel(b.fake.URL()), w))
	b.requireRefused(err, http.StatusBadRequest, "without publicUrl")
	require.Equal(t, codes.PublicURLMissing, b.errorOf(err, "without publicUrl").Type)
}

func testAge(t *testing.T, p Platform) {
	t.Helper()
	b := newHarness(t, p)
	w := p.Webhooks[0]
	for name, at := range map[string]time.Time{"too old": Now().Add(longAgo), "from the future": Now().Add(-longAgo)} {
		_, err := b.receive(w.Body, p.headers(t, b.channel, w), func(params object) { params["timestamp"] = at.UnixMilli() })
		b.requireRefused(err, http.StatusBadRequest, name)
		if p.signsTime(t) {
			headers := p.headers(t, b.channel, w)
			maps.Copy(headers, p.signature(t, b.channel, w, at))
			_, err := b.receive(w.Body, headers)
			b.requireRefused(err, 0, "signed at a time that is "+name)
		}
	}
}

func testBadItem(t *testing.T, p Platform) {
	t.Helper()
	b := newHarness(t, p)
	_, err := b.genuine(Webhook{Body: p.BadItem})
	require.NoError(t, err)
	var good, bad int
	for _, e := range b.events.take() {
		m := messageOf(t, e)
		requireSound(t, m)
		if m.Content.Type == integration.TypeUnsupported {
			bad++
		} else {
			good++
		}
	}
	require.Positive(t, good, "the good message is lost")
	require.Positive(t, bad, "the bad message must be passed on as %s", integration.TypeUnsupported)
}

func testHandshake(t *testing.T, p Platform) {
	t.Helper()
	h := p.Handshake
	shake := func(b *harness, params object) (json.RawMessage, *action.Request, error) {
		params["channelId"], params["challenge"] = b.channel.ID, "challenge-4711"
		req := &action.Request{Meta: action.NewMeta(nil)}
		result, err := b.call(b.tb.Context(), integration.ActionVerifyWebhook, params, req)
		return result, req, err
	}
	t.Run("the right token", func(t *testing.T) {
		result, req, err := shake(newHarness(t, p), object{"mode": h.Mode, "token": h.Token})
		require.NoError(t, err)
		require.JSONEq(t, `"challenge-4711"`, string(result))
		require.Contains(t, req.Meta.String("$responseType"), "text/plain")
	})
	refused := func(name string, params object, change ...func(*integration.Channel)) {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t, p, change...)
			_, _, err := shake(b, params)
			b.requireRefused(err, http.StatusForbidden, name)
			require.NotContains(t, b.errorOf(err, name).Message, "challenge-4711")
		})
	}
	refused("a wrong token", object{"mode": h.Mode, "token": flipped(h.Token)})
	refused("no token", object{"mode": h.Mode})
	refused("no token, and none to compare with", object{"mode": h.Mode, "token": ""},
		func(ch *integration.Channel) { mapValues(ch.Credentials, func(string) string { return "" }) })
}

func differ(a, b map[string]string) bool { return !maps.Equal(a, b) }

// flipped changes one bit of a text's last byte, which stays a letter or a digit of hex if it was one.
func flipped(text string) string { return string(flippedAt([]byte(text), len(text)-1)) }

func flippedAt(text []byte, i int) []byte {
	changed := append([]byte(nil), text...)
	if i >= 0 && i < len(changed) {
		changed[i] ^= 1
	}
	return changed
}

// flippedBody changes one bit near the middle, such that JSON stays JSON: otherwise that alone is a reason to
// refuse it.
func flippedBody(body []byte) []byte {
	for i := range body {
		changed := flippedAt(body, (i+len(body)/2)%len(body))
		if json.Valid(changed) == json.Valid(body) {
			return changed
		}
	}
	return nil
}

func mapValues(m map[string]string, f func(string) string) {
	for k, v := range m {
		m[k] = f(v)
	}
}
