package app_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/node/internal/app"
)

func TestPlatformDoesNotCallAPrivateAddressThatACallerChose(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was called") }))
	defer server.Close()
	client := httpapi.New(httpapi.Options{})
	defer client.Close()
	credentials := map[string]string{
		"token": "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "botToken": "xoxb-1", "accessToken": "EAA",
		"phoneNumberId": "1", "applicationId": "1",
	}
	for _, def := range app.Platforms(client) {
		t.Run(def.Name, func(t *testing.T) {
			settings := integration.WithChosenAddresses(map[string]string{"apiBase": server.URL})
			var err error
			switch platform := def.Platform.(type) {
			case integration.CredentialsValidator:
				_, err = platform.ValidateCredentials(t.Context(), credentials, settings)
			case integration.HealthChecker:
				_, err = platform.CheckHealth(t.Context(), &integration.Channel{Credentials: credentials, Settings: settings})
			}
			e, ok := errors.AsType[*integration.Error](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, "ADDRESS_REFUSED", e.Code)
			for _, f := range def.Fields {
				require.Equal(t, f.Name == "apiBase" || f.Name == "cdnBase", f.Address, f.Name)
			}
		})
	}
}
