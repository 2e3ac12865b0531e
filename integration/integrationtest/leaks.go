package integrationtest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hiliosai/switchboard/integration"
)

// testLeaks has the API tell the channel's secrets, as error pages that quote the request do. Whatever the
// platform passes on of that is redacted by the factory, unless the platform has cut a secret in two.
// Benches look through all that leaves them by themselves.
func testLeaks(t *testing.T, p Platform) {
	t.Helper()
	for _, status := range []int{
		http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound,
		http.StatusTooManyRequests, http.StatusBadGateway,
	} {
		t.Run("an API that quotes secrets with "+http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			for _, secret := range secretsOf(p, p.Channel("")) {
				for _, text := range []string{secret, padded(secret, 0), padded(secret, len(secret)/2)} {
					for _, body := range []string{text, toJSON(t, quoting(status, text))} {
						b := newHarness(t, p) // which no earlier failure holds back
						b.echoes = true
						b.fake.play(
							trouble{
								Answer: Answer{Status: status, Body: body, Header: map[string]string{"Retry-After": "30", "X-Echo": secret}},
							},
						)
						// No time for a second attempt, which would come later than the fault.
						_ = b.send(p.Sends[0].Message, 200*time.Millisecond)
						if _, ok := p.Definition.Platform.(integration.HealthChecker); ok {
							_ = b.health()
						}
						if p.validatesCredentials() {
							_, _ = b.valid(nil)
						}
					}
				}
			}
		})
	}
}

// padded is a text so full of the secret that wherever it is cut, a secret is: in one of two such texts, half of a
// secret apart, more than half of it remains.
func padded(secret string, before int) string {
	return strings.Repeat(".", before) + strings.Repeat(secret+" ", 2000/len(secret))
}

// quoting is an answer that has the text in each of the places where APIs tell what is wrong.
func quoting(status int, text string) object {
	inner := object{"message": text, "description": text, "code": status, "error_user_msg": text, "details": text}
	return object{
		"ok": false, "success": false, "code": status, "error_code": status, "status": text,
		"error": inner, "errors": []object{inner}, "message": text, "description": text, "detail": text, "reason": text,
		"result": object{"username": text, "message": text},
	}
}
