package whatsapptest

import (
	"maps"
	"net/http"
	"strings"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// Names of calls, as scripts and requests have them.
const (
	SetCallback = "set callback"
	Subscribe   = "subscribe"
)

// Unreachable is the host of URLs that the API finds nothing at.
const Unreachable = "https://unreachable.example.org/"

// SetCallbacks sets the URLs of the number, of its account and of the app; "" for none.
func (a *API) SetCallbacks(number, account, app string) {
	configuration := map[string]any{}
	for name, link := range map[string]string{
		"phone_number": number, "whatsapp_business_account": account, "application": app,
	} {
		if link != "" {
			configuration[name] = link
		}
	}
	a.SetNumber("webhook_configuration", configuration)
}

// VerifyToken returns the verify_token that the number's own URL was set with.
func (a *API) VerifyToken() (token string) {
	a.Locked(func() { token = a.secret })
	return token
}

func callbackOf(r *fakeapi.Request, name string) string {
	return is.At[string](r.Body["webhook_configuration"], name)
}

// callbackFault stands for the handshake with the URL, which fails for one that cannot be reached.
func (a *API) callbackFault(r *fakeapi.Request) *is.Fault {
	if strings.HasPrefix(callbackOf(r, "override_callback_uri"), Unreachable) {
		return is.Saying("Callback verification failed with the following errors: HTTP Status Code = 403")
	}
	return nil
}

func (a *API) setCallback(r *fakeapi.Request) Answer {
	old, _ := a.number["webhook_configuration"].(map[string]any)
	configuration := maps.Clone(old)
	configuration["phone_number"] = callbackOf(r, "override_callback_uri")
	a.number["webhook_configuration"], a.secret = configuration, callbackOf(r, "verify_token")
	return fakeapi.JSON(http.StatusOK, map[string]any{"success": true})
}

func (a *API) subscribe(*fakeapi.Request) Answer {
	a.apps = append(a.apps, "Switchboard")
	return fakeapi.JSON(http.StatusOK, map[string]any{"success": true})
}
