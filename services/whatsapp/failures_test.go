package whatsapp_test

import (
	"strconv"
	"time"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/integrationtest"
	"github.com/hiliosai/switchboard/services/whatsapp/whatsapptest"
)

// failures are one refusal of each sort; TestEveryErrorCodeIsClassified has all codes, also 131056, after which the
// factory would wait for long enough to try again.
func failures() []integrationtest.Failure {
	var list []integrationtest.Failure
	for _, f := range []struct {
		name                  string
		status, code, subcode int
		kind                  integration.ErrorKind
		means                 string
		wait                  time.Duration
	}{
		{"a token that has expired", 401, 190, 463, integration.ErrAuth, "CREDENTIALS_REFUSED", 0},
		{"a permission that is missing", 403, 10, 0, integration.ErrAuth, "PERMISSION_MISSING", 0},
		{"a number of another account", 400, 100, 33, integration.ErrAuth, "OBJECT_UNKNOWN", 0},
		{"a number that is not registered", 400, 133010, 0, integration.ErrAuth, "NUMBER_NOT_READY", 0},
		{"an account that is locked", 403, 131031, 0, integration.ErrAuth, "ACCOUNT_RESTRICTED", 0},
		{"too many messages of the number", 429, 130429, 2494055, integration.ErrThrottled, "RATE_LIMITED", time.Second},
		{"too many calls in the hour", 400, 80007, 0, integration.ErrThrottled, "RATE_LIMITED", time.Minute},
		{"too many calls of the app", 400, 4, 0, integration.ErrThrottled, "RATE_LIMITED", time.Minute},
		{"too many reports by users", 400, 131048, 0, integration.ErrThrottled, "SPAM_LIMITED", time.Hour},
		{"a server that fails", 500, 1, 0, integration.ErrUnknown, "PLATFORM_UNAVAILABLE", 0},
		{"something that went wrong", 500, 131000, 0, integration.ErrUnknown, "PLATFORM_UNAVAILABLE", 0},
		{"an attachment that cannot be fetched", 400, 131053, 0, integration.ErrTransient, "MEDIA_UNAVAILABLE", 0},
		{"a closed window", 400, 131047, 0, integration.ErrPermanent, "WINDOW_CLOSED", 0},
		{"a user who cannot be reached", 400, 131026, 0, integration.ErrPermanent, "RECIPIENT_UNAVAILABLE", 0},
		{"a template that does not exist", 404, 132001, 0, integration.ErrPermanent, "TEMPLATE_REJECTED", 0},
		{"a parameter that is wrong", 400, 131009, 0, integration.ErrPermanent, "MESSAGE_INVALID", 0},
		{"a code of a later version", 400, 199999, 0, integration.ErrPermanent, "MESSAGE_REJECTED", 0},
	} {
		a := whatsapptest.Error(f.status, f.code, f.subcode, "(#"+strconv.Itoa(f.code)+") "+f.name, "")
		list = append(list, integrationtest.Failure{
			Name: f.name, Answer: integrationtest.Answer{Status: a.Status, Body: a.Body}, Kind: f.kind, Code: f.means, RetryAfter: f.wait, PlatformCode: strconv.Itoa(f.code),
		})
	}
	return list
}
