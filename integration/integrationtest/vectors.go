package integrationtest

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/sign"
	"github.com/hiliosai/switchboard/internal/fixtures"
)

// vector is a signature that is known to be right: an example of the platform's documentation, or one that another
// implementation has computed.
type vector struct {
	Platform     string            `json:"platform"`
	Source       string            `json:"source"`
	Key          string            `json:"key"`
	PublicKeyHex string            `json:"public_key_hex"`
	URL          string            `json:"url"`         // where it is signed
	ContentType  string            `json:"contentType"` // where it tells what of the body is signed
	Body         string            `json:"body"`
	Headers      map[string]string `json:"headers"`
}

// testOwnVectors holds the platform to its author's signatures, which are checked wherever the tests run. A token has
// none: only the platform could make one, and it would have expired.
func testOwnVectors(t *testing.T, p Platform) {
	t.Helper()
	if _, ok := p.Definition.Signature.(*sign.JWT); ok {
		return
	}
	file := cmp.Or(p.Signatures, filepath.Join("testdata", "signatures.json"))
	all := readVectors(t, file, p)
	require.NotEmpty(t, all, "%s must have a signature of the platform that is known to be right", file)
	for i, v := range all {
		t.Run(strconv.Itoa(i), func(t *testing.T) { v.test(t, p) })
	}
}

func readVectors(t *testing.T, file string, p Platform) []vector {
	t.Helper()
	data, err := os.ReadFile(file) // #nosec G304 -- of the test
	require.NoError(t, err)
	var all []vector
	require.NoError(t, json.Unmarshal(data, &all))
	return slices.DeleteFunc(all, func(v vector) bool { return v.Platform != p.Definition.Name })
}

// testVectors holds the platform to signatures from elsewhere, and to each of their bytes.
func testVectors(t *testing.T, p Platform) {
	t.Helper()
	all := readVectors(t, fixtures.Signatures(t), p)
	if len(all) == 0 {
		t.Skipf("no signatures from elsewhere for %s; those of testdata are checked", p.Definition.Name)
	}
	t.Logf("%d signatures from elsewhere", len(all))
	for i, v := range all {
		t.Run(strconv.Itoa(i), func(t *testing.T) { v.test(t, p) })
	}
}

func (v vector) test(t *testing.T, p Platform) {
	t.Helper()
	validator := p.Definition.SignatureValidator()
	body := []byte(v.Body)
	if v.Body == "" { // where it is not signed
		body = p.Webhooks[0].Body
	}
	proves := p.proves(t)
	check := func(secret string, body []byte, headers map[string]string) error {
		ch := p.Channel("http://127.0.0.1")
		for _, name := range proves {
			ch.Credentials[name] = secret
		}
		w := p.webhookOf(ch, body, headers)
		w.URL, w.ContentType, w.Timestamp = v.URL, v.ContentType, v.time()
		return validator.ValidateSignature(context.Background(), w)
	}
	secret := v.Key + v.PublicKeyHex // it has one of them
	require.NoError(t, check(secret, body, v.Headers), "%s", v.Source)
	for i := range secret {
		require.Error(
			t, check(string(flippedAt([]byte(secret), i)), body, v.Headers), "with another byte %d of the secret", i,
		)
	}
	for i := range v.Body {
		require.Error(t, check(secret, flippedAt(body, i), v.Headers), "with another byte %d of the body", i)
	}
	for name, value := range v.Headers {
		for i := range value {
			headers := maps.Clone(v.Headers)
			headers[name] = string(flippedAt([]byte(value), i))
			require.Error(t, check(secret, body, headers), "with another byte %d of %s", i, name)
		}
	}
}

// time is when the vector was signed, where that was signed too.
func (v vector) time() time.Time {
	for _, value := range v.Headers {
		const digits = len("1700000000")
		if seconds, err := strconv.ParseInt(value, 10, 64); err == nil && len(value) == digits {
			return time.Unix(seconds, 0)
		}
	}
	return Now()
}
