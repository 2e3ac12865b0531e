package sign

import (
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// JWT is a token of the platform in the header Authorization, "Bearer …", signed with RS256 by one of the keys that
// the platform publishes. It covers the issuer, the audience and a time, but not the body.
//
// Declare a pointer. The keys are fetched when they are first needed, and kept. Safe for concurrent use.
type JWT struct {
	// Client fetches the keys.
	Client *httpapi.Client
	// Issuer is the claim iss.
	Issuer string
	// Audience is the name of the channel's credential or setting that holds the claim aud.
	Audience string
	// KeysURL leads to the keys, a JSON Web Key Set. Where the platform publishes an OpenID configuration
	// instead, ConfigURL leads to that. One of them is set.
	KeysURL, ConfigURL string
	// Window is how far the platform's clock may differ from when the webhook came in; zero is DefaultWindow.
	Window time.Duration
	// Match checks what else the claims must say, such as an address in the body; nil checks nothing more. Its
	// error is the answer.
	Match func(w *integration.Webhook, claims map[string]any) error
	// Fix ends the message of a token that does not fit: what to do about it.
	Fix string

	keys    keySet
	private *rsa.PrivateKey // of tests
}

// The header that holds the token, and the scheme before it.
const (
	tokenHeader = "Authorization"
	tokenScheme = "Bearer "
)

// ValidateSignature implements [integration.SignatureValidator]. Keys that cannot be fetched are a transient error.
func (j *JWT) ValidateSignature(ctx context.Context, w *integration.Webhook) error {
	audience := field(w.Channel, j.Audience)
	token, ok := strings.CutPrefix(w.Headers.Get(tokenHeader), tokenScheme)
	if audience == "" || !ok {
		return j.refused()
	}
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodRS256.Alg()}), jwt.WithStrictDecoding(),
		jwt.WithIssuer(j.Issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(),
		jwt.WithLeeway(cmp.Or(j.Window, DefaultWindow)), jwt.WithTimeFunc(func() time.Time { return w.Timestamp }),
	).ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		return j.keys.find(ctx, j, id)
	})
	trouble, isTrouble := errors.AsType[*integration.Error](err)
	switch {
	case isTrouble:
		return trouble
	case errors.Is(err, jwt.ErrTokenExpired), errors.Is(err, jwt.ErrTokenNotValidYet):
		return refused(codeExpired, "the token in the header %s is of another time than the webhook", tokenHeader)
	case err != nil, j.Issuer == "":
		return j.refused()
	case j.Match != nil:
		return j.Match(w, claims)
	}
	return nil
}

func (j *JWT) refused() error {
	return refused(
		codeInvalid, "the header %s must hold a token of %s for the channel's %s%s", tokenHeader, j.Issuer, j.Audience,
		advice(j.Fix),
	)
}
