package channels_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

func TestAddressesOfATenantMustBePublic(t *testing.T) {
	for name, test := range map[string]struct {
		address string
		want    bool
	}{
		"a public name":       {"https://outer.example/bot", true},
		"a public address":    {"https://8.8.8.8:8443", true},
		"a private name":      {"https://inner.example", false},
		"a name of nobody":    {"https://nobody.example", false},
		"this machine":        {"http://127.0.0.1:8081", false},
		"this machine, IPv6":  {"http://[::ffff:127.0.0.1]", false},
		"clouds' metadata":    {"http://169.254.169.254", false},
		"with a login":        {"http://user:" + canary + "@10.0.0.1", false},
		"what cannot be read": {"http://[", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			params := creation("new")
			params["settings"] = object{"apiBase": test.address}
			change := object{"id": "c1", "settings": object{"apiBase": test.address}}
			if !test.want {
				for name, params := range map[string]object{"create": params, "update": change} {
					faults := decode[[]action.Fault](t, toJSON(t, b.refusal(writer, name, params, 422, "VALIDATION_ERROR").Data))
					require.Len(t, faults, 1)
					require.Equal(t, "settings.apiBase", faults[0].Field)
					require.Contains(t, faults[0].Message, "egress.allow")
				}
				require.Equal(t, newChannel("c1"), b.stored("c1"))
				b.answer(root, "update", change) // it is the operators' choice
				require.False(t, integration.ChoseAddresses(b.stored("c1").Settings))
				return
			}
			b.answer(writer, "create", params)
			b.answer(writer, "update", change)
			require.True(t, integration.ChoseAddresses(b.stored("new").Settings), "so it is judged again when it is called")
			require.True(t, integration.ChoseAddresses(b.stored("c1").Settings))
		})
	}
}

func TestAddressOwnerCannotBeSetByATenant(t *testing.T) {
	b := newHarness(t)
	chosen := func() bool { return integration.ChoseAddresses(b.stored("c1").Settings) }
	set := func(meta object, settings object) {
		t.Helper()
		b.answer(meta, "update", object{"id": "c1", "settings": settings})
	}
	set(writer, object{"pin": canary + "-other"})
	require.False(t, chosen(), "the operator's address stays his when a tenant changes something else")
	set(writer, object{"cdnBase": "https://outer.example"})
	require.True(t, chosen())
	set(writer, object{"addresses": "any"})
	require.True(t, chosen())
	set(writer, object{"addresses": nil, "cdnBase": nil})
	require.True(t, chosen())
	set(writer, object{"cdnBase": "https://outer.example"})
	set(root, object{"apiBase": "http://10.0.0.1"})
	require.True(t, chosen(), "one of the addresses is the tenant's still")
	set(root, object{"apiBase": "http://10.0.0.2", "cdnBase": nil})
	require.False(t, chosen())
	set(writer, object{"cdnBase": "https://outer.example"})
	set(root, object{"addresses": "any"})
	require.False(t, chosen())
}

func TestAddressIsShownWithoutItsLogin(t *testing.T) {
	b := newHarness(t)
	set := object{"id": "c1", "settings": object{"apiBase": "https://user:" + canary + "@10.0.0.1/@x"}}
	b.answer(root, "update", set)
	shown := decode[integration.Channel](t, b.answer(reader, "get", object{"id": "c1"}))
	require.Equal(t, "https://[redacted]@10.0.0.1/@x", shown.Settings["apiBase"])
	b.answer(root, "update", object{"id": "c1", "name": "Rex", "settings": shown.Settings})
	require.Equal(
		t, "https://user:"+canary+"@10.0.0.1/@x", b.stored("c1").Settings["apiBase"], "as it is shown it says nothing new",
	)

	copied := creation("new")
	copied["settings"] = object{"apiBase": shown.Settings["apiBase"]}
	copied["tenantId"] = "t1"
	b.refused(root, "create", copied, 422, "VALIDATION_ERROR")
}
