package sign_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/sign"
)

const issuer = "https://issuer.example.com"

// keyServer publishes keys as a platform does.
type keyServer struct {
	*httptest.Server
	client  *httpapi.Client
	calls   atomic.Int64
	answer  atomic.Pointer[[]byte]
	config  atomic.Pointer[[]byte]
	failing atomic.Bool
}

func newKeyServer(t *testing.T) *keyServer {
	t.Helper()
	s := &keyServer{client: httpapi.New(httpapi.Options{AllowPrivate: true})}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		switch {
		case s.failing.Load():
			w.WriteHeader(http.StatusInternalServerError)
		case r.URL.Path == "/config":
			_, _ = w.Write(*s.config.Load())
		default:
			_, _ = w.Write(*s.answer.Load())
		}
	}))
	t.Cleanup(func() {
		s.client.Close()
		s.Close()
	})
	return s
}

func (s *keyServer) publish(t *testing.T, keys map[string]*rsa.PrivateKey) {
	t.Helper()
	var set jwkset.JWKSMarshal
	for id, key := range keys {
		jwk, err := jwkset.NewJWKFromKey(&key.PublicKey, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: id}})
		require.NoError(t, err)
		set.Keys = append(set.Keys, jwk.Marshal())
	}
	data, err := json.Marshal(set)
	require.NoError(t, err)
	s.answer.Store(&data)
}

func (s *keyServer) declare() *sign.JWT {
	return &sign.JWT{Client: s.client, Issuer: issuer, Audience: "appId", KeysURL: s.URL + "/keys"}
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

func claims() jwt.MapClaims {
	return jwt.MapClaims{"iss": issuer, "aud": "app-1", "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix()}
}

// tokenOf is a token of that method and key.
func tokenOf(t *testing.T, method jwt.SigningMethod, key any, id string, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, c)
	token.Header["kid"] = id
	text, err := token.SignedString(key)
	require.NoError(t, err)
	return text
}

func withToken(authorization string) *integration.Webhook {
	return &integration.Webhook{
		RawBody: []byte(`{}`), Timestamp: now,
		Headers: integration.NewHeaders(map[string]string{"authorization": authorization}),
		Channel: &integration.Channel{Credentials: map[string]string{"appId": "app-1"}},
	}
}

func TestTokenOfThePlatformIsTaken(t *testing.T) {
	s, key := newKeyServer(t), newKey(t)
	s.publish(t, map[string]*rsa.PrivateKey{"a": key})
	j := s.declare()
	token := tokenOf(t, jwt.SigningMethodRS256, key, "a", claims())
	for range 3 {
		require.NoError(t, j.ValidateSignature(t.Context(), withToken("Bearer "+token)))
	}
	require.EqualValues(t, 1, s.calls.Load(), "keys are kept")

	config := []byte(`{"issuer":"` + issuer + `","jwks_uri":"` + s.URL + `/keys"}`)
	s.config.Store(&config)
	byConfig := &sign.JWT{Client: s.client, Issuer: issuer, Audience: "appId", ConfigURL: s.URL + "/config"}
	require.NoError(t, byConfig.ValidateSignature(t.Context(), withToken("Bearer "+token)))
	other := []byte(`{"issuer":"https://evil.example.com","jwks_uri":"` + s.URL + `/keys"}`)
	s.config.Store(&other)
	byConfig = &sign.JWT{Client: s.client, Issuer: issuer, Audience: "appId", ConfigURL: s.URL + "/config"}
	requireCode(t, byConfig.ValidateSignature(t.Context(), withToken("Bearer "+token)), "SIGNATURE_KEYS_UNAVAILABLE")
}

func TestTokenThatIsNotThePlatformsIsRefused(t *testing.T) {
	s, key := newKeyServer(t), newKey(t)
	s.publish(t, map[string]*rsa.PrivateKey{"a": key})
	j := s.declare()
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	with := func(name string, value any) jwt.MapClaims {
		c := claims()
		if c[name] = value; value == nil {
			delete(c, name)
		}
		return c
	}
	rs := jwt.SigningMethodRS256
	right := tokenOf(t, rs, key, "a", claims())
	for name, test := range map[string]struct{ authorization, code string }{
		"no token":       {"", "SIGNATURE_INVALID"},
		"another scheme": {"Basic " + right, "SIGNATURE_INVALID"},
		"no scheme":      {right, "SIGNATURE_INVALID"},
		"no algorithm": {"Bearer " + tokenOf(
			t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, "a", claims(),
		), "SIGNATURE_INVALID"},
		"the public key as a secret": {"Bearer " + tokenOf(
			t, jwt.SigningMethodHS256, asPEM, "a", claims(),
		), "SIGNATURE_INVALID"},
		"the key's DER as a secret": {"Bearer " + tokenOf(
			t, jwt.SigningMethodHS256, public, "a", claims(),
		), "SIGNATURE_INVALID"},
		"another algorithm of the key": {"Bearer " + tokenOf(
			t, jwt.SigningMethodRS512, key, "a", claims(),
		), "SIGNATURE_INVALID"},
		"another key":                 {"Bearer " + tokenOf(t, rs, newKey(t), "a", claims()), "SIGNATURE_INVALID"},
		"a key that is not published": {"Bearer " + tokenOf(t, rs, key, "b", claims()), "SIGNATURE_INVALID"},
		"no key":                      {"Bearer " + tokenOf(t, rs, key, "", claims()), "SIGNATURE_INVALID"},
		"another issuer": {"Bearer " + tokenOf(
			t, rs, key, "a", with("iss", "https://evil.example.com"),
		), "SIGNATURE_INVALID"},
		"no issuer":        {"Bearer " + tokenOf(t, rs, key, "a", with("iss", nil)), "SIGNATURE_INVALID"},
		"another audience": {"Bearer " + tokenOf(t, rs, key, "a", with("aud", "app-2")), "SIGNATURE_INVALID"},
		"no audience":      {"Bearer " + tokenOf(t, rs, key, "a", with("aud", nil)), "SIGNATURE_INVALID"},
		"a token that has expired": {"Bearer " + tokenOf(
			t, rs, key, "a", with("exp", now.Add(-6*time.Minute).Unix()),
		), "SIGNATURE_EXPIRED"},
		"a token that is not yet good": {"Bearer " + tokenOf(
			t, rs, key, "a", with("nbf", now.Add(6*time.Minute).Unix()),
		), "SIGNATURE_EXPIRED"},
		"a token that never expires":    {"Bearer " + tokenOf(t, rs, key, "a", with("exp", nil)), "SIGNATURE_INVALID"},
		"a token without its signature": {"Bearer " + right[:strings.LastIndex(right, ".")+1], "SIGNATURE_INVALID"},
		"another last byte":             {"Bearer " + flippedAt(right, len(right)-1), "SIGNATURE_INVALID"},
		"no token after the scheme":     {"Bearer ", "SIGNATURE_INVALID"},
		"two tokens":                    {"Bearer " + right + ", Bearer " + right, "SIGNATURE_INVALID"},
	} {
		t.Run(name, func(t *testing.T) {
			requireCode(t, j.ValidateSignature(t.Context(), withToken(test.authorization)), test.code)
		})
	}
	t.Run("a channel without the audience", func(t *testing.T) {
		w := withToken("Bearer " + tokenOf(t, rs, key, "a", with("aud", "")))
		w.Channel.Credentials["appId"] = ""
		requireCode(t, j.ValidateSignature(t.Context(), w), "SIGNATURE_INVALID")
	})
}

func TestUnknownKeysDoNotFloodThePlatform(t *testing.T) {
	s, key := newKeyServer(t), newKey(t)
	s.publish(t, map[string]*rsa.PrivateKey{"a": key})
	j := s.declare()
	for range 20 {
		requireCode(
			t, j.ValidateSignature(t.Context(), withToken("Bearer "+tokenOf(t, jwt.SigningMethodRS256, key, "z", claims()))),
			"SIGNATURE_INVALID",
		)
	}
	require.EqualValues(t, 1, s.calls.Load())
}

func TestKeysThatCannotBeFetchedAreTransient(t *testing.T) {
	s, key := newKeyServer(t), newKey(t)
	s.publish(t, map[string]*rsa.PrivateKey{"a": key})
	s.failing.Store(true)
	err := s.declare().
		ValidateSignature(t.Context(), withToken("Bearer "+tokenOf(t, jwt.SigningMethodRS256, key, "a", claims())))
	requireCode(t, err, "SIGNATURE_KEYS_UNAVAILABLE")
	e, ok := errors.AsType[*integration.Error](err)
	require.True(t, ok)
	require.True(t, e.Retryable())

	s.failing.Store(false)
	for _, body := range []string{
		``, `[]`, `{"keys":[]}`, `{"keys":[{"kty":"oct","kid":"a","k":"AAAA"}]}`, `{"keys":[5,{}]}`,
	} {
		data := []byte(body)
		s.answer.Store(&data)
		err := s.declare().
			ValidateSignature(t.Context(), withToken("Bearer "+tokenOf(t, jwt.SigningMethodRS256, key, "a", claims())))
		requireCode(t, err, "SIGNATURE_KEYS_UNAVAILABLE")
	}
}

func TestJWTKeysAreUsedBesideABadKey(t *testing.T) {
	s, key := newKeyServer(t), newKey(t)
	s.publish(t, map[string]*rsa.PrivateKey{"a": key})
	mixed := []byte(
		strings.Replace(string(*s.answer.Load()), `{"keys":[`, `{"keys":[{"kty":"RSA","kid":"bad","n":"%","e":""},`, 1),
	)
	s.answer.Store(&mixed)
	require.NoError(
		t,
		s.declare().ValidateSignature(
			t.Context(), withToken("Bearer "+tokenOf(t, jwt.SigningMethodRS256, key, "a", claims())),
		),
	)
}

func TestClaimsCanBeMatchedWithTheBody(t *testing.T) {
	s, key := newKeyServer(t), newKey(t)
	s.publish(t, map[string]*rsa.PrivateKey{"a": key})
	j := s.declare()
	no := &integration.Error{Kind: integration.FaultUnauthorized, Code: "SIGNATURE_INVALID"}
	j.Match = func(_ *integration.Webhook, claims map[string]any) error {
		if claims["serviceurl"] != "https://smba.example.com" {
			return no
		}
		return nil
	}
	c := claims()
	require.ErrorIs(
		t, j.ValidateSignature(t.Context(), withToken("Bearer "+tokenOf(t, jwt.SigningMethodRS256, key, "a", c))), no,
	)
	c["serviceurl"] = "https://smba.example.com"
	require.NoError(
		t, j.ValidateSignature(t.Context(), withToken("Bearer "+tokenOf(t, jwt.SigningMethodRS256, key, "a", c))),
	)
}

func TestTokenOfTheTestsIsTaken(t *testing.T) {
	s := newKeyServer(t)
	j, err := s.declare().ForTests(s.client, s.URL)
	require.NoError(t, err)
	keys, err := j.PublicKeys()
	require.NoError(t, err)
	s.answer.Store(&keys)
	w := withToken("")
	require.NoError(t, j.Sign(w, now))
	require.NoError(t, j.ValidateSignature(t.Context(), w))
	require.Error(t, s.declare().Sign(w, now), "a declaration has no key")
}
