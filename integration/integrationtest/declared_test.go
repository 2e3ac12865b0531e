package integrationtest_test

import (
	"crypto"
	"os"
	"testing"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/integration/sign"
	"github.com/hiliosai/switchboard/test/parrot"
)

// declaring is a platform that leaves its signature to the definition.
type declaring struct {
	integration.Platform
	integration.WebhookVerifier
	integration.HealthChecker
	integration.CredentialsValidator
}

// declared are the schemes that the suite signs with by itself, and the files of their vectors.
var declared = map[string]struct {
	scheme  integration.SignatureValidator
	vectors string
}{
	"HMAC with the time": {sign.HMAC{
		Header: "x-parrot-signature", Secret: "webhookSecret",
		Over: sign.TimestampAndBody{Header: "x-parrot-time", Unit: time.Millisecond},
	}, "testdata/signatures_with_time.json"},
	"Ed25519": {sign.Ed25519{
		Header: "x-parrot-signature", PublicKey: "webhookSecret", Over: sign.TimestampAndBody{Header: "x-parrot-time"},
	}, "testdata/signatures_ed25519.json"},
	"JWT": {
		&sign.JWT{
			Issuer: "https://parrots.example.org", Audience: "webhookSecret", KeysURL: "https://parrots.example.org/keys",
		},
		"",
	},
}

func TestSuiteSignsWithWhatIsDeclared(t *testing.T) {
	for name, d := range declared {
		t.Run(name, func(t *testing.T) { integrationtest.Run(t, declaredPlatform(t, d.scheme, d.vectors)) })
	}
}

func declaredPlatform(t *testing.T, scheme integration.SignatureValidator, vectors string) integrationtest.Platform {
	t.Helper()
	client := httpapi.New(httpapi.Options{AllowPrivate: true})
	t.Cleanup(client.Close)
	p := platform(t, parrot.Definition(client))
	s := p.Definition.Platform.(sound)
	p.Definition.Platform, p.Definition.Signature = declaring{s, s, s, s}, scheme
	p.Sign, p.Signatures = nil, vectors
	return p
}

// broken are declarations that the suite finds a fault in, in that subtest of TestSuiteOfADeclaration.
var broken = map[string]struct {
	change func(*integrationtest.Platform)
	found  string
}{
	"a declared secret that no channel has": {
		signedBy(sign.HMAC{Header: "x-parrot-signature", Secret: "secret"}), "inbound/",
	},
	"a declared header that differs": {signedBy(
		sign.HMAC{Header: "x-parrot-sign", Secret: "webhookSecret"},
	), "signatures/0"},
	"a declared hash that differs": {signedBy(
		sign.HMAC{Header: "x-parrot-signature", Hash: crypto.SHA512, Secret: "webhookSecret"},
	), "signatures/0"},
	"a URL that is signed and not checked": {
		signedBy(urlBlind{sign.HMAC{Header: "x-parrot-signature", Secret: "webhookSecret"}}),
		"inbound/what was signed for another URL is refused",
	},
	"a row that the platform does not find": {func(p *integrationtest.Platform) {
		p.Definition.Errors = &integration.ErrorTable{Codes: map[string]integration.ErrorRow{
			"tired": {Kind: integration.FaultThrottled, Code: "RATE_LIMITED"},
		}}
		p.Refusal = func(r integration.Refusal) integrationtest.Answer {
			return integrationtest.Answer{Status: r.Status, Body: `{"error":"` + r.Code + `"}`}
		}
	}, "outbound/a refusal means what its row of the error table says/code tired"},
	"no answers word for word": {func(p *integrationtest.Platform) {
		p.Definition.Errors = &integration.ErrorTable{}
		p.Refusal = func(integration.Refusal) integrationtest.Answer { return integrationtest.Answer{} }
	}, "outbound/a refusal of the API is understood"},
}

// urlBlind is a scheme that signs the URL, too, but does not look at it.
type urlBlind struct{ sign.HMAC }

func (b urlBlind) Sign(w *integration.Webhook, at time.Time) error {
	w.Headers.Set("x-parrot-url", "of "+w.URL)
	return b.HMAC.Sign(w, at)
}

func signedBy(scheme integration.SignatureValidator) func(*integrationtest.Platform) {
	return func(p *integrationtest.Platform) { p.Definition.Signature = scheme }
}

func TestSuiteOfADeclaration(t *testing.T) {
	p := declaredPlatform(t, sign.HMAC{Header: "x-parrot-signature", Secret: "webhookSecret"}, "")
	if b, planted := broken[os.Getenv(faultVariable)]; planted {
		b.change(&p)
	}
	integrationtest.Run(t, p)
}

func TestSuiteFindsBrokenDeclarations(t *testing.T) {
	for name, b := range broken {
		t.Run(name, func(t *testing.T) { findFault(t, name, "TestSuiteOfADeclaration/"+b.found) })
	}
}
