package integrationtest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

// soundsSecret finds credentials that somebody may have forgotten to call secret.
var soundsSecret = regexp.MustCompile(`(?i)token|secret|password|api_?key|private`)

func testDefinition(t *testing.T, p Platform) {
	t.Helper()
	def := p.Definition
	t.Run("every field has help", func(t *testing.T) {
		for _, f := range def.Fields {
			require.NotEmpty(t, f.Help, f.Name)
		}
	})
	t.Run("every field that sounds secret is", func(t *testing.T) {
		for _, f := range def.Fields {
			require.True(t, f.Secret || !soundsSecret.MatchString(f.Name), "%s must have Secret", f.Name)
		}
	})
	t.Run("a channel is valid, and not without what is required", func(t *testing.T) {
		ch := p.Channel("http://127.0.0.1:1")
		require.Equal(t, def.Name, ch.Platform)
		require.NoError(t, integration.ValidateChannel(ch, def.Fields))
		for _, f := range def.Fields {
			if f.Required {
				ch := p.Channel("http://127.0.0.1:1")
				delete(ch.Credentials, f.Name)
				delete(ch.Settings, f.Name)
				require.Error(t, integration.ValidateChannel(ch, def.Fields), "without %s", f.Name)
			}
		}
	})
	t.Run("a channel that is shown shows no secret", func(t *testing.T) {
		b := newHarness(t, p)
		shown := toJSON(t, b.channel.Masked(def.Fields))
		for _, piece := range b.canaries() {
			require.NotContains(t, shown, piece)
		}
	})
	t.Run("i_status tells the spec", func(t *testing.T) {
		b := newHarness(t, p)
		result, err := b.call(t.Context(), integration.ActionStatus, object{}, &action.Request{})
		require.NoError(t, err)
		var spec integration.Spec
		require.NoError(t, json.Unmarshal(result, &spec))
		require.Equal(t, def.Spec(), spec)
	})
	t.Run("the standard actions are announced as in the SDK, without secrets", func(t *testing.T) { testAnnounced(t, p) })
}

// standardByAccount is what differs where webhooks name their accounts: no channel is needed.
var standardByAccount = map[string]string{
	integration.ActionReceiveWebhook: `{"rest":[{"method":"POST","path":"/:channelId"},{"method":"POST","path":"/"}],
		"required":["headers","payload","timestamp"]}`,
	integration.ActionVerifyWebhook: `{"rest":[{"method":"GET","path":"/webhook"},{"method":"GET","path":"/:channelId"},
		{"method":"GET","path":"/"}],"required":[]}`,
}

// standard is what gateways and callers know of the actions that every platform has.
var standard = map[string]string{
	integration.ActionReceiveWebhook: `{"rest":{"method":"POST","path":"/:channelId"},"required":
		["channelId","headers","payload","timestamp"]}`,
	integration.ActionSendMessage: `{"rest":{"method":"POST","path":"/send"},"required":["channelId","message"]}`,
	integration.ActionHealthCheck: `{"rest":{"method":"GET","path":"/health"},"required":[]}`,
	integration.ActionVerifyWebhook: `{"rest":[{"method":"GET","path":"/webhook"},{"method":"GET","path":"/:channelId"}],
		"required":[]}`,
	integration.ActionValidateCredentials: `{"rest":null,"required":["credentials"]}`,
	integration.ActionStatus:              `{"rest":{"method":"GET","path":"/status"},"required":[]}`,
}

func testAnnounced(t *testing.T, p Platform) {
	t.Helper()
	b := newHarness(t, p)
	schema := b.service.Schema()
	announced := map[string]string{}
	for _, a := range schema.Actions {
		spec := action.SpecOf(a)
		required := []string{}
		for _, param := range spec.Params {
			if !param.Optional {
				required = append(required, param.Name)
			}
		}
		slices.Sort(required)
		announced[a.Name] = toJSON(t, object{"rest": spec.Rest, "required": required})
		fmt.Fprintln(b, toJSON(t, []any{a.Name, a.Description, spec.Rest, spec.Params}))
	}
	for name, want := range standard {
		if byAccount, ok := standardByAccount[name]; ok {
			if p.Definition.NamesAccounts() {
				want = byAccount
			}
		}
		require.Contains(t, announced, name)
		require.JSONEq(t, want, announced[name], name)
	}
	// to be looked through
	fmt.Fprintln(b, toJSON(t, []any{schema.Name, schema.Version, schema.Settings, schema.Metadata}))
}
