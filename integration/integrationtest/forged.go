package integrationtest

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
)

func testForged(t *testing.T, p Platform) {
	t.Helper()
	w := p.Webhooks[0]
	// Each is signed for the channel as it was, then altered, then received by the changed channel.
	refuse := func(
		name string, change func(*integration.Channel), body func() []byte, alter func(headers map[string]string),
	) {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t, p, change)
			headers := p.headers(t, p.Channel(b.fake.URL()), w)
			alter(headers)
			_, err := b.receive(body(), headers)
			b.requireRefused(err, http.StatusUnauthorized, name)
		})
	}
	body := func() []byte { return w.Body }
	asIs, same := func(map[string]string) {}, func(*integration.Channel) {}
	signature := p.signature(t, p.Channel(""), w, Now())

	refuse("without the headers of the signature", same, body, func(headers map[string]string) {
		for name := range signature {
			delete(headers, name)
		}
	})
	for name, value := range signature {
		refuse("without "+name, same, body, func(headers map[string]string) { delete(headers, name) })
		for what, wrong := range forgeries(value) {
			refuse("with "+what+" "+name, same, body, func(headers map[string]string) { headers[name] = wrong })
		}
	}
	without := func(ch *integration.Channel) { mapValues(ch.Credentials, func(string) string { return "" }) }
	refuse(
		"with another channel's secrets", func(ch *integration.Channel) { mapValues(ch.Credentials, flipped) }, body, asIs,
	)
	refuse("for a channel without secrets", without, body, asIs)
	refuse("for a channel without secrets, and signed with none", without, body, func(headers map[string]string) {
		ch := p.Channel("")
		without(ch)
		maps.Copy(headers, p.signature(t, ch, w, Now()))
	})
	if p.signsBody(t) {
		refuse("with a flipped bit in the body", same, func() []byte { return flippedBody(w.Body) }, asIs)
		refuse("with a line break after the body", same, func() []byte { return append(slices.Clone(w.Body), '\n') }, asIs)
	}
}

// forgeries are wrong values of a signature's header, by what they have instead of the right one.
func forgeries(value string) map[string]string {
	forged := map[string]string{
		"nothing in": "", "white space in": " ", "half of": value[:len(value)/2], "a flipped bit in": flipped(value),
		"a guess in":             "guess",
		"a character too few in": value[:len(value)-1], "a character too many in": value + "0",
		"twice the value in": value + value,
		"two values in":      value + "," + value, "the same of zeros in": strings.Repeat("0", len(value)),
		"no ASCII in": strings.Repeat("é", len(value)), "no hex in": value[:len(value)-1] + "z",
	}
	if scheme, rest, ok := strings.Cut(value, "="); ok && rest != "" {
		forged["no scheme in"] = rest
		forged["no value in"] = scheme + "="
		forged["another scheme in"] = "sha1=" + rest
		forged["a scheme of upper case in"] = strings.ToUpper(scheme) + "=" + rest
	} else {
		forged["a scheme in"] = "sha256=" + value
	}
	if raw, err := hex.DecodeString(value); err == nil && len(raw) > 8 {
		forged["raw bytes in"] = string(raw)
	}
	for what, wrong := range forged {
		if wrong == value { // such as a time without letters
			delete(forged, what)
		}
	}
	return forged
}

// testFlipped alters each byte of the body, of each header of the signature, and of each of the channel's
// credentials that matter to it.
func testFlipped(t *testing.T, p Platform) {
	t.Helper()
	w := p.Webhooks[0]
	b := newHarness(t, p)
	headers := p.headers(t, b.channel, w)
	if p.signsBody(t) {
		for i := range w.Body {
			_, err := b.receive(flippedAt(w.Body, i), headers)
			b.requireRefused(err, 0, fmt.Sprintf("with another byte %d of the body", i))
		}
	}
	for name, value := range p.signature(t, b.channel, w, Now()) {
		for i := range value {
			forged := maps.Clone(headers)
			forged[name] = string(flippedAt([]byte(value), i))
			_, err := b.receive(w.Body, forged)
			b.requireRefused(err, 0, fmt.Sprintf("with another byte %d of %s", i, name))
		}
	}
	for _, name := range p.proves(t) {
		for i := range b.channel.Credentials[name] {
			other := newHarness(t, p, func(ch *integration.Channel) {
				ch.Credentials[name] = string(flippedAt([]byte(ch.Credentials[name]), i))
			})
			_, err := other.receive(w.Body, p.headers(t, p.Channel(other.fake.URL()), w))
			other.requireRefused(err, 0, fmt.Sprintf("with another byte %d of %s", i, name))
		}
	}
}

// proves lists the credentials with which signatures are checked.
func (p Platform) proves(tb testing.TB) []string {
	tb.Helper()
	validator := p.Definition.SignatureValidator()
	var names []string
	w := p.Webhooks[0]
	for _, name := range slices.Sorted(maps.Keys(p.Channel("").Credentials)) {
		ch := p.Channel("http://127.0.0.1")
		genuine := p.headers(tb, ch, w)
		ch.Credentials[name] = flipped(ch.Credentials[name])
		if validator.ValidateSignature(context.Background(), p.webhookOf(ch, w.Body, genuine)) != nil {
			names = append(names, name)
		}
	}
	require.NotEmpty(tb, names, "no credential matters to the signature")
	return names
}

// webhookOf is a webhook as the factory hands it to the platform.
func (p Platform) webhookOf(ch *integration.Channel, body []byte, headers map[string]string) *integration.Webhook {
	w := &integration.Webhook{
		TenantID: ch.TenantID, ChannelID: ch.ID, Platform: ch.Platform, Channel: ch, Timestamp: Now(),
		Method:  http.MethodPost,
		Payload: body, RawBody: body, Headers: integration.NewHeaders(headers),
	}
	w.ContentType = w.Headers.Get("content-type")
	if w.URL = ch.Settings[settingPublicURL]; strings.HasSuffix(w.URL, "/") { // the base of all paths
		w.URL = strings.TrimSuffix(w.URL, "/") + p.path(ch)
	}
	return w
}
