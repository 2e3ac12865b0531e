package sign

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/hiliosai/switchboard/integration"
)

// Ed25519 is a signature by the platform's private key. The channel holds the public one.
type Ed25519 struct {
	// Header holds the signature in hex.
	Header string
	// PublicKey is the name of the credential that holds the public key in hex.
	PublicKey string
	// Over is what is signed; nil is Body.
	Over Content
	// Fix ends the message of a signature that does not fit: what to do about it.
	Fix string

	private ed25519.PrivateKey // of tests
}

// ValidateSignature implements [integration.SignatureValidator].
func (e Ed25519) ValidateSignature(_ context.Context, w *integration.Webhook) error {
	over := content(e.Over)
	head, body, err := over.signed(w)
	if err != nil {
		return err
	}
	key, err := hex.DecodeString(w.Channel.Credentials[e.PublicKey])
	if err != nil || len(key) != ed25519.PublicKeySize {
		return refused(
			codeInvalid, "the channel's %s is no public key to check the signature with: 64 hexadecimal digits", e.PublicKey,
		)
	}
	signature, err := hex.DecodeString(w.Headers.Get(e.Header))
	if err != nil || !ed25519.Verify(key, slices.Concat(head, body), signature) {
		return refused(
			codeInvalid, "the header %s must hold the signature that fits the channel's %s%s", e.Header, e.PublicKey,
			advice(e.Fix),
		)
	}
	return over.checkTime(w)
}

// ForTests returns the scheme with a new key of its own, which Sign signs with.
func (e Ed25519) ForTests() Ed25519 {
	_, e.private, _ = ed25519.GenerateKey(nil) // it has no error without a reader
	return e
}

// Trust gives a channel the public key of ForTests.
func (e Ed25519) Trust(ch *integration.Channel) {
	if len(e.private) == ed25519.PrivateKeySize {
		ch.Credentials[e.PublicKey] = hex.EncodeToString(e.private[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
	}
}

// Sign puts the header of the signature, and that of its time, on a webhook. It is for tests, see ForTests.
func (e Ed25519) Sign(w *integration.Webhook, at time.Time) error {
	if len(e.private) != ed25519.PrivateKeySize {
		return errors.New("there is no key to sign with")
	}
	over := content(e.Over)
	over.stamp(w, at)
	head, body, err := over.signed(w)
	if err == nil {
		w.Headers.Set(e.Header, hex.EncodeToString(ed25519.Sign(e.private, slices.Concat(head, body))))
	}
	return err
}
