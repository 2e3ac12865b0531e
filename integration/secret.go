package integration

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
)

// EqualSecrets compares in constant time. The time does not show where the values differ, nor whether their lengths do.
// An empty secret equals nothing, so a missing setting lets nobody in.
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
