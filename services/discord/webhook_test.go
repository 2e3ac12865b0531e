package discord_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/discord"
)

func validate(t *testing.T, w *integration.Webhook) error {
	t.Helper()
	return discord.Definition(nil).Signature.ValidateSignature(t.Context(), w)
}

func TestSignatureIsChecked(t *testing.T) {
	const body = `{"id":"1","application_id":"2","type":1,"token":"t","version":1}`
	at := func(d time.Duration) map[string]string { return sign([]byte(body), receivedAt.Add(d)) }
	for name, test := range map[string]struct {
		change func(*integration.Webhook)
		ok     bool
	}{
		"a genuine one": {func(*integration.Webhook) {}, true},
		"of five minutes ago": {
			func(w *integration.Webhook) { w.Headers = integration.NewHeaders(at(-5*time.Minute + time.Second)) }, true,
		},
		"of more than five minutes ago": {
			func(w *integration.Webhook) { w.Headers = integration.NewHeaders(at(-5*time.Minute - time.Second)) }, false,
		},
		"of a clock that is ahead": {
			func(w *integration.Webhook) { w.Headers = integration.NewHeaders(at(time.Minute)) }, true,
		},
		"of another day": {
			func(w *integration.Webhook) { w.Headers = integration.NewHeaders(at(24 * time.Hour)) }, false,
		},
		"a public key in capitals": {
			func(w *integration.Webhook) { w.Channel.Credentials["publicKey"] = strings.ToUpper(publicKey) }, true,
		},
		"no public key": {func(w *integration.Webhook) { delete(w.Channel.Credentials, "publicKey") }, false},
		"half of a public key": {
			func(w *integration.Webhook) { w.Channel.Credentials["publicKey"] = publicKey[:32] }, false,
		},
		"a public key that is no hex": {
			func(w *integration.Webhook) { w.Channel.Credentials["publicKey"] = strings.Repeat("x", 64) }, false,
		},
		"no signature": {func(w *integration.Webhook) { w.Headers.Del("x-signature-ed25519") }, false},
		"half of a signature": {func(w *integration.Webhook) {
			w.Headers.Set("x-signature-ed25519", w.Headers.Get("x-signature-ed25519")[:64])
		}, false},
		"a signature that is no hex": {
			func(w *integration.Webhook) { w.Headers.Set("x-signature-ed25519", strings.Repeat("x", 128)) }, false,
		},
		"no timestamp": {func(w *integration.Webhook) { w.Headers.Del("x-signature-timestamp") }, false},
		"another timestamp than was signed": {func(w *integration.Webhook) {
			w.Headers.Set("x-signature-timestamp", w.Headers.Get("x-signature-timestamp")+"0")
		}, false},
		"a signed timestamp that is no number": {func(w *integration.Webhook) {
			w.Headers = integration.NewHeaders(map[string]string{
				"x-signature-timestamp": "now",
				"x-signature-ed25519":   hex.EncodeToString(ed25519.Sign(privateKey, []byte("now"+body))),
			})
		}, false},
		"another body": {func(w *integration.Webhook) { w.RawBody = append(w.RawBody, '\n') }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := webhook(body)
			test.change(w)
			err := validate(t, w)
			if test.ok {
				require.NoError(t, err)
				return
			}
			code := "SIGNATURE_INVALID"
			if strings.HasPrefix(name, "of ") || name == "a signed timestamp that is no number" {
				code = "SIGNATURE_EXPIRED"
			}
			requireError(t, err, integration.FaultUnauthorized, code)
			require.Equal(t, 401, action.AsError(err, "", "").Code)
		})
	}
	t.Run("without the raw body the answer says how to configure the gateway", func(t *testing.T) {
		w := webhook(body)
		w.RawBody = nil
		requireError(t, validate(t, w), integration.FaultInvalid, "RAW_BODY_MISSING")
	})
}

func TestResponseIsWhatDiscordWaitsFor(t *testing.T) {
	for name, test := range map[string]struct {
		body      string
		ephemeral string
		status    int
		answer    string
	}{
		"a ping of the interactions endpoint": {
			`{"id":"1","application_id":"2","type":1,"token":"t","version":1}`, "", 0, `{"type":1}`,
		},
		"a command": {`{"id":"1","type":2,"token":"t","data":{"name":"a"}}`, "", 0, `{"type":5}`},
		"a command, for one user's eyes": {
			`{"id":"1","type":2,"token":"t","data":{"name":"a"}}`, "true", 0, `{"type":5,"data":{"flags":64}}`,
		},
		"a command, for everybody's": {
			`{"id":"1","type":2,"token":"t","data":{"name":"a"}}`, "false", 0, `{"type":5}`,
		},
		"a button": {
			`{"id":"1","type":3,"token":"t","data":{"custom_id":"a"}}`, "true", 0, `{"type":6}`,
		},
		"what is being typed": {
			`{"id":"1","type":4,"token":"t","data":{"name":"a"}}`, "", 0, `{"type":8,"data":{"choices":[]}}`,
		},
		"a form": {
			`{"id":"1","type":5,"token":"t","data":{"custom_id":"a"}}`, "true", 0, `{"type":5,"data":{"flags":64}}`,
		},
		"a ping of the events' endpoint": {`{"version":1,"application_id":"2","type":0}`, "", 204, ""},
		"an event": {
			`{"version":1,"application_id":"2","type":1,"event":{"type":"APPLICATION_DEAUTHORIZED"}}`, "", 204, "",
		},
		"an interaction of a later version": {`{"id":"1","type":9,"token":"t"}`, "", -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := webhook(test.body)
			w.Channel.Settings["ephemeral"] = test.ephemeral
			response, err := newPlatform(t).(integration.Responder).Respond(t.Context(), w)
			require.NoError(t, err)
			if test.status < 0 {
				require.Nil(t, response)
				return
			}
			require.Equal(
				t, &integration.Response{Status: test.status, ContentType: "application/json", Body: test.answer}, response,
			)
		})
	}
}

func TestChannelFieldsAreChecked(t *testing.T) {
	require.Empty(t, faultyField(t, channel()))
	for _, test := range []struct {
		key, value string // an empty value removes the field
		ok         bool
	}{
		{"credentials.botToken", "abc", true},
		{"credentials.botToken", "", false},
		{"credentials.botToken", "Bot " + botToken, false},
		{"credentials.botToken", botToken + "\n", false},
		{"credentials.applicationId", "", false},
		{"credentials.applicationId", "engine", false},
		{"credentials.publicKey", "", false},
		{"credentials.publicKey", publicKey[:63], false},
		{"settings.apiBase", "http://127.0.0.1:8081/api/v10", true},
		{"settings.apiBase", "discord.com/api", false},
		{"settings.ephemeral", "true", true},
		{"settings.ephemeral", "yes", false},
		{"settings.receive", "gateway", true},
		{"settings.receive", "polling", false},
		{"settings.intents", "GUILDS, GUILD_MESSAGES", true},
		{"settings.intents", "GUILDS, MESSAGES", false},
		{"settings.presence", "dnd", true},
		{"settings.presence", "idle: back at nine", true},
		{"settings.presence", "away", false},
		{"settings.imageLinks", "embed", true},
		{"settings.imageLinks", "inline", false},
	} {
		t.Run(strings.Replace(test.key+" "+test.value, botToken, "the token", 1), func(t *testing.T) {
			ch := channel()
			group, name, _ := strings.Cut(test.key, ".")
			fields := map[string]map[string]string{"credentials": ch.Credentials, "settings": ch.Settings}[group]
			if fields[name] = test.value; test.value == "" {
				delete(fields, name)
			}
			want := test.key
			if test.ok {
				want = ""
			}
			require.Equal(t, want, faultyField(t, ch))
		})
	}
}

// faultyField is the name of the only field of a channel that is wrong. It is empty if all are right.
func faultyField(t *testing.T, ch *integration.Channel) string {
	t.Helper()
	err := integration.ValidateChannel(ch, discord.Definition(nil).Fields)
	if err == nil {
		return ""
	}
	require.NotContains(t, err.Error(), "canary")
	faults := integration.FieldErrors(err)
	require.Len(t, faults, 1)
	return faults[0].Key
}
