package integrationtest

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/sign"
)

// Signer is a declared signature that can sign, as those of package sign can. The suite signs with it where a platform
// has no [Platform.Sign].
type Signer interface {
	// Sign puts the headers that make a webhook genuine on it, for its channel and that time.
	Sign(w *integration.Webhook, at time.Time) error
}

// keyed is a declared signature by a private key, which only the platform has. Tests sign with another key, unless the
// platform's fake API knows the channel's public key: then [Platform.Sign] signs with the private one.
type keyed interface{ ForTests() sign.Ed25519 }

// settingPublicURL is the common setting that signatures over the URL are checked with.
const settingPublicURL = "publicUrl"

// withSigner finds out how the platform signs, from what it declares.
func (p Platform) withSigner(tb testing.TB) Platform {
	tb.Helper()
	if p.Sign != nil {
		return p
	}
	// The platform's own keys are not known, so tests have others.
	switch declared := p.Definition.Signature.(type) {
	case *sign.JWT:
		trusted := publishing(tb, declared)
		p.Definition.Signature, p.signer = trusted, trusted
	case keyed:
		scheme, channel := declared.ForTests(), p.Channel
		p.signer = scheme
		p.Channel = func(url string) *integration.Channel {
			ch := channel(url)
			scheme.Trust(ch)
			return ch
		}
	case Signer:
		p.signer = declared
	}
	return p
}

// publishing is the same declaration with keys of a test's own, which a server of the test publishes.
func publishing(tb testing.TB, declared *sign.JWT) *sign.JWT {
	tb.Helper()
	var keys []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(keys) }))
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	tb.Cleanup(func() {
		client.Close()
		server.Close()
	})
	trusted, err := declared.ForTests(client, server.URL)
	require.NoError(tb, err)
	keys, err = trusted.PublicKeys()
	require.NoError(tb, err)
	return trusted
}

// signs says whether webhooks are signed.
func (p Platform) signs() bool { return p.Sign != nil || p.signer != nil }

// signature returns the headers that make a webhook genuine.
func (p Platform) signature(tb testing.TB, ch *integration.Channel, w Webhook, at time.Time) map[string]string {
	tb.Helper()
	switch {
	case p.Sign != nil:
		return p.Sign(ch, w.Body, at)
	case p.signer == nil:
		return nil
	}
	signed := p.webhookOf(ch, w.Body, w.Headers)
	signed.Headers = integration.Headers{}
	err := p.signer.Sign(signed, at)
	if _, ok := errors.AsType[*integration.Error](err); ok {
		return nil // the platform would not send such a body, and cannot sign it
	}
	require.NoError(tb, err)
	return signed.Headers.Map()
}

// signsBody says whether a signature covers the body, as against a header that is the same every time.
func (p Platform) signsBody(tb testing.TB) bool {
	tb.Helper()
	w, ch := p.Webhooks[0], p.Channel("")
	other := Webhook{Body: flippedBody(w.Body), Headers: w.Headers}
	return p.signs() && differ(p.signature(tb, ch, w, Now()), p.signature(tb, ch, other, Now()))
}

// signsTime says whether the platform signs a timestamp of its own.
func (p Platform) signsTime(tb testing.TB) bool {
	tb.Helper()
	w, ch := p.Webhooks[0], p.Channel("")
	return p.signs() && differ(p.signature(tb, ch, w, Now()), p.signature(tb, ch, w, Now().Add(longAgo)))
}

// signsURL says whether the signature covers the public URL that the platform called.
func (p Platform) signsURL(tb testing.TB) bool {
	tb.Helper()
	w, here, elsewhere := p.Webhooks[0], p.Channel(""), p.Channel("")
	callElsewhere(elsewhere)
	return p.signs() && differ(p.signature(tb, here, w, Now()), p.signature(tb, elsewhere, w, Now()))
}

// callElsewhere gives a channel another public URL.
func callElsewhere(ch *integration.Channel) {
	if ch.Settings == nil {
		ch.Settings = map[string]string{}
	}
	ch.Settings[settingPublicURL] = "https://elsewhere.example/"
}
