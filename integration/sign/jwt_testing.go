package sign

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// testKeyID is the id of the key of [JWT.ForTests].
const testKeyID = "test"

// ForTests returns the same declaration with a new key of its own, which Sign signs with. It fetches its keys from
// keysURL, where a test's server must answer with PublicKeys.
func (j *JWT) ForTests(client *httpapi.Client, keysURL string) (*JWT, error) {
	key, err := rsa.GenerateKey(rand.Reader, minKeyBits)
	return &JWT{
		Client: client, Issuer: j.Issuer, Audience: j.Audience, KeysURL: keysURL, Window: j.Window, Match: j.Match,
		Fix: j.Fix, private: key,
	}, err
}

// PublicKeys is the key set that the key of [JWT.ForTests] is in.
func (j *JWT) PublicKeys() ([]byte, error) {
	if j.private == nil {
		return nil, errNoKey
	}
	jwk, err := jwkset.NewJWKFromKey(
		&j.private.PublicKey, jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: testKeyID, USE: jwkset.UseSig}},
	)
	if err != nil {
		return nil, err
	}
	return json.Marshal(jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{jwk.Marshal()}})
}

// Sign puts the header with a token on a webhook. It is for tests, see ForTests.
func (j *JWT) Sign(w *integration.Webhook, at time.Time) error {
	if j.private == nil {
		return errors.New("there is no key to sign with")
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": j.Issuer, "aud": field(w.Channel, j.Audience), "nbf": at.Unix(), "exp": at.Add(DefaultWindow).Unix(),
	})
	token.Header["kid"] = testKeyID
	signed, err := token.SignedString(j.private)
	if err == nil {
		w.Headers.Set(tokenHeader, tokenScheme+signed)
	}
	return err
}
