package integration

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

// EqualSecrets compares in a time that tells nothing of where, or whether in length, they differ.
// An empty secret equals nothing: what is not configured must not open a door.
func EqualSecrets(got, want string) bool {
	g, w := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(g[:], w[:]) == 1 && want != ""
}

// ValidHMACSHA256 says whether signature is the hex HMAC-SHA256 of body under secret.
func ValidHMACSHA256(secret string, body []byte, signature string) bool {
	got, err := hex.DecodeString(signature)
	if err != nil || secret == "" {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hmac.Equal(got, mac.Sum(nil))
}
