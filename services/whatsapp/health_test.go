package whatsapp_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/services/whatsapp"
	"github.com/hiliosai/switchboard/services/whatsapp/whatsapptest"
)

func TestHealthSaysWhatIsWrongWithTheNumber(t *testing.T) {
	for name, test := range map[string]struct {
		field  string
		value  any
		status string
		says   string
	}{
		"a number that is well": {"quality_rating", "GREEN", integration.HealthHealthy, "Lucky Shrub (+1 " +
			"555-078-3881) can send"},
		"a number of middling quality":        {"quality_rating", "YELLOW", integration.HealthHealthy, "can send"},
		"a number of low quality":             {"quality_rating", "RED", integration.HealthDegraded, "quality"},
		"a number that was flagged":           {"status", "FLAGGED", integration.HealthDegraded, "FLAGGED"},
		"a number that waits":                 {"status", "PENDING", integration.HealthDegraded, "PENDING"},
		"a number that is banned":             {"status", "BANNED", integration.HealthUnhealthy, "WhatsApp Manager"},
		"a number that is not registered":     {"platform_type", "NOT_APPLICABLE", integration.HealthUnhealthy, "/register"},
		"a number of the servers of old days": {"platform_type", "ON_PREMISE", integration.HealthUnhealthy, "ON_PREMISE"},
	} {
		t.Run(name, func(t *testing.T) {
			api, ch := newServer(t)
			api.SetNumber(test.field, test.value)
			health, err := newPlatform(t).(integration.HealthChecker).CheckHealth(t.Context(), ch)
			require.NoError(t, err)
			require.Equal(t, test.status, health.Status)
			require.Contains(t, health.Message, test.says)
			require.Equal(t, phoneNumberID, health.Details["phoneNumberId"])
		})
	}
}

func TestHealthSaysWhetherAnAppGetsTheWebhooks(t *testing.T) {
	api, ch := newServer(t)
	ch.Settings["wabaId"] = wabaID
	check := func() *integration.Health {
		health, err := newPlatform(t).(integration.HealthChecker).CheckHealth(t.Context(), ch)
		require.NoError(t, err)
		return health
	}
	health := check()
	require.Equal(t, integration.HealthHealthy, health.Status)
	require.Contains(t, health.Message, "can send and receive")
	require.Equal(t, []string{"Switchboard"}, health.Details["subscribedApps"])

	api.SetApps()
	health = check()
	require.Equal(t, integration.HealthDegraded, health.Status)
	require.Contains(t, health.Message, "POST /"+wabaID+"/subscribed_apps")

	ch.Settings["wabaId"] = "1"
	_, err := newPlatform(t).(integration.HealthChecker).CheckHealth(t.Context(), ch)
	requireError(t, err, integration.FaultAuth, "OBJECT_UNKNOWN")
}

func TestCredentialsAreValidIfTheTokenMayUseTheNumber(t *testing.T) {
	for name, test := range map[string]struct {
		change func(credentials map[string]string)
		valid  bool
	}{
		"the right ones":            {func(map[string]string) {}, true},
		"another token":             {func(c map[string]string) { c["accessToken"] = "EAAanother" }, false},
		"a token that is no header": {func(c map[string]string) { c["accessToken"] = "a\nb" }, false},
		"another number":            {func(c map[string]string) { c["phoneNumberId"] = "1" }, false},
		"a number that leads away":  {func(c map[string]string) { c["phoneNumberId"] = "../1" }, false},
		"no credentials":            {func(c map[string]string) { clear(c) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, ch := newServer(t)
			test.change(ch.Credentials)
			valid, err := newPlatform(t).(integration.CredentialsValidator).ValidateCredentials(
				t.Context(), ch.Credentials, ch.Settings,
			)
			if e, ok := errors.AsType[*integration.Error](err); ok {
				require.Equal(t, integration.FaultAuth, e.Kind, "which is a no")
			}
			require.Equal(t, test.valid, valid)
		})
	}
	t.Run("an API that is down leaves the question open", func(t *testing.T) {
		api, ch := newServer(t)
		for _, answer := range []whatsapptest.Answer{whatsapptest.Error(500, 2, 0, "down", ""), {Body: "{}"}} {
			api.Answer(answer)
			_, err := newPlatform(t).(integration.CredentialsValidator).ValidateCredentials(
				t.Context(), ch.Credentials, ch.Settings,
			)
			require.Error(t, err)
		}
	})
}

func TestCallsCarryAppSecretProof(t *testing.T) {
	api, ch := newServer(t)
	ch.Settings["callProof"], ch.Settings["apiVersion"] = "on", "v24.0"
	_, err := send(t, ch, to(phone, text("hi")))
	require.NoError(t, err)
	require.Equal(
		t, "/v24.0/"+phoneNumberID+"/messages?appsecret_proof="+sign(appSecret, []byte(accessToken))[len("sha256="):],
		api.Requests()[0].URI,
	)

	ch.Credentials["appSecret"] = "another"
	_, err = send(t, ch, to(phone, text("hi")))
	require.Contains(t, requireError(t, err, integration.FaultPermanent, "MESSAGE_INVALID").Message, "appsecret_proof")
}

func TestFieldsOfTheWrongFormAreRefused(t *testing.T) {
	fields := whatsapp.Definition(httpapi.New(httpapi.Options{})).Fields
	require.NoError(t, integration.ValidateChannel(channel(), fields))
	for name, change := range map[string]func(*integration.Channel){
		"a phone number for its id": func(ch *integration.Channel) { ch.Credentials["phoneNumberId"] = "+16505551234" },
		"a token of two lines":      func(ch *integration.Channel) { ch.Credentials["accessToken"] = "a\nb" },
		"an apiBase of no scheme":   func(ch *integration.Channel) { ch.Settings["apiBase"] = "graph.facebook.com" },
		"a version without a v":     func(ch *integration.Channel) { ch.Settings["apiVersion"] = "25.0" },
		"a switch that says yes":    func(ch *integration.Channel) { ch.Settings["linkPreviews"] = "yes" },
		"an account's name":         func(ch *integration.Channel) { ch.Settings["wabaId"] = "Lucky Shrub" },
	} {
		ch := channel()
		change(ch)
		require.Error(t, integration.ValidateChannel(ch, fields), name)
	}
}
