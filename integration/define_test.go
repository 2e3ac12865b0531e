package integration_test

import (
	"context"
	"errors"
	"testing"

	"github.com/moleculer-go/moleculer"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

func TestDefineNamesEveryFault(t *testing.T) {
	_, err := integration.Define(
		integration.Definition{ServiceDefinition: integration.ServiceDefinition{Name: "Bad Name"}}, integration.Runtime{},
	)
	for _, fault := range []string{
		`"Bad Name"`, "name must be", "title is missing", "platform is missing",
		"the runtime is incomplete", "namespace is missing",
	} {
		require.ErrorContains(t, err, fault)
	}
}

func TestStandardActionCannotBeDefinedAnew(t *testing.T) {
	b := newHarness(t)
	b.def.Actions = []moleculer.Action{{Name: integration.ActionStatus}}
	_, err := integration.Define(b.def, b.runtime)
	require.ErrorContains(t, err, "i_status")
}

func TestStandardActionsAreThoseOfTheSDK(t *testing.T) {
	specs := specsOf(newHarness(t).define().Schema())
	for name, want := range map[string]struct{ rest, params string }{
		"i_receiveWebhook": {`{"method":"POST","path":"/:channelId"}`, `{"channelId":"string","payload":"object","headers":"object",
			"timestamp":"number","rawBody":"string|optional","rawBodyEncoding":"string|optional",
			"method":"string|optional","url":"string|optional"}`},
		"i_sendMessage": {
			`{"method":"POST","path":"/send"}`, `{"message":"object","channelId":"string","idempotencyKey":"string|optional"}`,
		},
		"i_healthCheck": {`{"method":"GET","path":"/health"}`, `{"channelId":"string|optional"}`},
		"i_verifyWebhook": {`[{"method":"GET","path":"/webhook"},{"method":"GET","path":"/:channelId"}]`, `{"channelId":"string|optional",
			"mode":"string|optional","token":"string|optional","challenge":"string|optional",
			"hub.mode":"string|optional","hub.verify_token":"string|optional","hub.challenge":"string|optional"}`},
		"i_validateCredentials": {`null`, `{"credentials":"object","settings":"object|optional"}`},
		"i_status":              {`{"method":"GET","path":"/status"}`, `{}`},
		"i_getMedia":            {`null`, `{"channelId":"string","mediaId":"string"}`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, specs, name)
			require.JSONEq(t, want.rest, toJSON(t, specs[name].Rest))
			require.JSONEq(t, want.params, toJSON(t, specs[name].Params))
			require.NotEmpty(t, specs[name].Description)
		})
	}
	require.Len(t, specs, 7)
}

func TestPlatformWithoutMediaHasNoActionForIt(t *testing.T) {
	b := newHarness(t)
	b.plain()
	specs := specsOf(b.define().Schema())
	require.Len(t, specs, 6)
	require.NotContains(t, specs, "i_getMedia")
}

func TestSchemaKeepsWhatItsAuthorWrote(t *testing.T) {
	b := newHarness(t)
	own := make([]moleculer.Action, 1, 20) // with room into which nothing may be written
	own[0] = moleculer.Action{Name: "moult", Handler: func(moleculer.Context, moleculer.Payload) any { return nil }}
	b.def.Actions = own
	b.def.Events = []moleculer.Event{{Name: "dawn", Handler: func(moleculer.Context, moleculer.Payload) {}}}
	b.def.Settings, b.def.Metadata = object{"loud": true}, object{"green": true}
	service := b.define()

	schema := service.Schema()
	require.Equal(t, "parrot", schema.Name)
	require.Equal(t, "parrot", service.Name())
	require.Equal(t, "moult", schema.Actions[0].Name)
	require.Len(t, schema.Actions, 8)
	require.Empty(t, own[:2][1].Name)
	require.Len(t, schema.Events, 1)
	require.Equal(t, b.def.Settings, schema.Settings)
	require.Equal(t, b.def.Metadata, schema.Metadata)
	for i, again := range service.Schema().Actions {
		require.Equal(t, schema.Actions[i].Name, again.Name, "the order is the same each time")
	}
}

func TestUnknownActionIsNotFound(t *testing.T) {
	_, err := newHarness(t).call("i_fly", nil)
	requireError(t, err, 404, "SERVICE_NOT_FOUND")
}

func TestEventNamesAreThoseOfTheNamespace(t *testing.T) {
	require.Equal(t, []string{
		"hios.processing.message.received", "hios.processing.message.sent", "hios.processing.message.failed",
		"FAILED_MESSAGES",
	}, integration.EventNames("hios"))
	require.Equal(t, []string{
		integration.MessageReceivedEvent("hios"), integration.MessageSentEvent("hios"),
		integration.MessageFailedEvent("hios"),
	}, integration.EventNames("hios")[:3])
}

// specsOf are the specs of a schema's standard actions.
func specsOf(schema moleculer.ServiceSchema) map[string]action.Spec {
	specs := map[string]action.Spec{}
	for _, a := range schema.Actions {
		if spec, ok := a.Schema.(action.Spec); ok {
			specs[a.Name] = spec
		}
	}
	return specs
}

// refusing is a declared scheme that no webhook fits.
type refusing struct{}

func (refusing) ValidateSignature(context.Context, *integration.Webhook) error {
	return errors.New("it does not fit")
}

func TestSignatureIsDeclaredOrAMethodNotBoth(t *testing.T) {
	b := newHarness(t)
	b.def.Signature = refusing{}
	_, err := integration.Define(b.def, b.runtime)
	require.ErrorContains(t, err, "signature is declared, and the platform has a method ValidateSignature")

	b.plain()
	require.Contains(t, b.def.Spec().Capabilities, integration.WebhookValidation)
	_, err = b.receive(webhookParams())
	requireError(t, err, 401, "SIGNATURE_INVALID")
	require.Empty(t, b.platform.steps, "nothing is normalized before")
}
