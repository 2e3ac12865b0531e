package sign

import (
	"cmp"
	"context"
	"crypto"
	"crypto/hmac"
	_ "crypto/sha1" // #nosec G505 -- for platforms that sign with HMAC-SHA1, which is not broken
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"time"

	"github.com/hiliosai/switchboard/integration"
)

// Encoding says how the bytes of a signature are written.
type Encoding string

// The encodings.
const (
	Hex       Encoding = "hex"       // in lower case
	Base64    Encoding = "base64"    // the standard alphabet, padded
	Base64URL Encoding = "base64url" // the alphabet for URLs, not padded
)

// HMAC is a signature by a secret that the platform and the channel share.
type HMAC struct {
	// Header holds the signature.
	Header string
	// Prefix stands before the signature in the header, such as "sha256=".
	Prefix string
	// Hash is SHA1, SHA256, SHA384 or SHA512 of package crypto; zero is SHA256.
	Hash crypto.Hash
	// Encoding of the signature; empty is Hex.
	Encoding Encoding
	// Secret is the name of the credential that holds the secret.
	Secret string
	// Over is what is signed; nil is Body.
	Over Content
	// Fix ends the message of a signature that does not fit: what to do about it.
	Fix string
}

// ValidateSignature implements [integration.SignatureValidator].
func (h HMAC) ValidateSignature(_ context.Context, w *integration.Webhook) error {
	over := content(h.Over)
	want, err := h.signature(over, w)
	if err != nil {
		return err
	}
	// The texts are compared, not the bytes that they stand for: another spelling is not what the platform sent.
	if w.Channel.Credentials[h.Secret] == "" || !hmac.Equal([]byte(w.Headers.Get(h.Header)), want) {
		return refused(
			codeInvalid, "the header %s must hold the signature under the channel's %s%s", h.Header, h.Secret, advice(h.Fix),
		)
	}
	return over.checkTime(w)
}

// Sign puts the header of the signature, and that of its time, on a webhook. It is for tests.
func (h HMAC) Sign(w *integration.Webhook, at time.Time) error {
	over := content(h.Over)
	over.stamp(w, at)
	signature, err := h.signature(over, w)
	if err == nil {
		w.Headers.Set(h.Header, string(signature))
	}
	return err
}

// signature is the right value of the header.
func (h HMAC) signature(over Content, w *integration.Webhook) ([]byte, error) {
	head, body, err := over.signed(w)
	if err != nil {
		return nil, err
	}
	hash := cmp.Or(h.Hash, crypto.SHA256)
	if !hash.Available() {
		return nil, refused(codeInvalid, "the declared hash is not known")
	}
	mac := hmac.New(hash.New, []byte(w.Channel.Credentials[h.Secret]))
	mac.Write(head)
	mac.Write(body)
	signature, sum := []byte(h.Prefix), mac.Sum(nil)
	switch h.Encoding {
	case Hex, "":
		return hex.AppendEncode(signature, sum), nil
	case Base64:
		return base64.StdEncoding.AppendEncode(signature, sum), nil
	case Base64URL:
		return base64.RawURLEncoding.AppendEncode(signature, sum), nil
	default:
		return nil, refused(codeInvalid, "the declared encoding is not known")
	}
}

// SharedSecret is a header that holds the secret itself, in every webhook. It does not cover the body.
type SharedSecret struct {
	// Header holds the secret.
	Header string
	// Secret is the name of the credential that holds the secret.
	Secret string
	// Fix ends the message of a secret that does not fit: what to do about it.
	Fix string
}

// ValidateSignature implements [integration.SignatureValidator].
func (s SharedSecret) ValidateSignature(_ context.Context, w *integration.Webhook) error {
	if integration.EqualSecrets(w.Headers.Get(s.Header), w.Channel.Credentials[s.Secret]) {
		return nil
	}
	return refused(codeInvalid, "the header %s must hold the channel's %s%s", s.Header, s.Secret, advice(s.Fix))
}

// Sign puts the header on a webhook. It is for tests.
func (s SharedSecret) Sign(w *integration.Webhook, _ time.Time) error {
	w.Headers.Set(s.Header, w.Channel.Credentials[s.Secret])
	return nil
}
