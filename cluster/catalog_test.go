package cluster

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/cluster/wire"
)

func echo(_ context.Context, req *action.Request) (any, error) { return req.Params, nil }

// catalogOf holds one service, and log is what was said while it was added.
func catalogOf(schema moleculer.ServiceSchema) (c *catalog, log *test.Hook) {
	logger, log := test.NewNullLogger()
	c = newCatalog()
	plain := func(handle moleculer.ActionHandler) action.Handler {
		return func(context.Context, *action.Request) (any, error) { return handle(nil, nil), nil }
	}
	c.add(&schema, schema.Settings, plain, logrus.NewEntry(logger))
	return c, log
}

// announced is the service of a schema as INFO carries it.
func announced(t *testing.T, schema moleculer.ServiceSchema) map[string]any {
	t.Helper()
	c, _ := catalogOf(schema)
	data, err := wire.Encode(c.announcement())
	require.NoError(t, err)
	var services []map[string]any
	require.NoError(t, json.Unmarshal(data, &services))
	require.Len(t, services, 1)
	return services[0]
}

// announcedAction is the definition of an action "do" of a service "svc" as INFO carries it.
func announcedAction(t *testing.T, a moleculer.Action) any {
	t.Helper()
	a.Name = "do"
	service := announced(t, moleculer.ServiceSchema{Name: "svc", Actions: []moleculer.Action{a}})
	return service["actions"].(map[string]any)["svc.do"]
}

func TestServiceIsAnnouncedWithAllItsParts(t *testing.T) {
	require.Equal(t, map[string]any{
		"name": "svc", "fullName": "svc", "settings": map[string]any{"a": 1.0}, "metadata": map[string]any{"b": "c"},
		"actions": map[string]any{"svc.do": map[string]any{"name": "svc.do", "rawName": "do"}}, "events": map[string]any{},
	}, announced(t, moleculer.ServiceSchema{
		Name: "svc", Settings: map[string]any{"a": 1}, Metadata: map[string]any{"b": "c"},
		Actions: []moleculer.Action{action.New("do", action.Spec{Handle: echo})},
	}))
}

func TestBareServiceIsAnnouncedWithEmptyObjects(t *testing.T) {
	require.Equal(t, map[string]any{
		"name": "svc", "fullName": "svc", "settings": map[string]any{}, "metadata": map[string]any{},
		"actions": map[string]any{}, "events": map[string]any{},
	}, announced(t, moleculer.ServiceSchema{Name: "svc"}))
}

func TestSpecIsAnnounced(t *testing.T) {
	a := action.New("do", action.Spec{
		Rest: action.Route{Method: "POST", Path: "/do"}, Params: action.Params{{Name: "to", Type: action.String}},
		Timeout: 3 * time.Second, Description: "does", Handle: echo,
	})
	a.Settings = map[string]any{"visibility": "published", "cache": false}
	require.Equal(t, map[string]any{
		"name": "svc.do", "rawName": "do", "rest": map[string]any{"method": "POST", "path": "/do"},
		"params":  map[string]any{"to": "string"},
		"timeout": 3000.0, "description": "does", "visibility": "published", "cache": false,
	}, announcedAction(t, a))
}

func TestMoleculerGoActionIsAnnounced(t *testing.T) {
	params := map[string]any{"to": "string"}
	for name, tc := range map[string]struct {
		action moleculer.Action
		want   map[string]any
	}{
		"settings become properties": {
			moleculer.Action{Settings: map[string]any{"rest": "GET /", "timeout": 5}, Description: "does"},
			map[string]any{"rest": "GET /", "timeout": 5.0, "description": "does"},
		},
		"an object schema becomes params": {
			moleculer.Action{Schema: moleculer.ObjectSchema{Source: params}}, map[string]any{"params": params},
		},
		"a map becomes params":           {moleculer.Action{Schema: params}, map[string]any{"params": params}},
		"an empty object schema is none": {moleculer.Action{Schema: moleculer.ObjectSchema{}}, map[string]any{}},
		"a fallback is never announced": {moleculer.Action{
			Settings: map[string]any{"fallback": "other"},
		}, map[string]any{}},
		"names cannot be overwritten": {moleculer.Action{
			Settings: map[string]any{"name": "x", "rawName": "y"},
		}, map[string]any{}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.want["name"], tc.want["rawName"] = "svc.do", "do"
			require.Equal(t, tc.want, announcedAction(t, tc.action))
		})
	}
}

func TestVisibilityDecidesWhoSeesAndCallsAnAction(t *testing.T) {
	type access struct{ announced, callable bool }
	for visibility, want := range map[string]access{
		"":          {true, true},
		"published": {true, true},
		"public":    {true, true},
		"protected": {true, false},
		"private":   {false, false},
	} {
		t.Run(visibility, func(t *testing.T) {
			settings := map[string]any{}
			if visibility != "" {
				settings["visibility"] = visibility
			}
			schema := moleculer.ServiceSchema{Name: "svc", Actions: []moleculer.Action{{Name: "do", Settings: settings}}}
			c, _ := catalogOf(schema)
			local, ok := c.action("svc.do")
			require.True(t, ok)
			_, shown := announced(t, schema)["actions"].(map[string]any)["svc.do"]
			require.Equal(t, want, access{shown, local.remote})
		})
	}
}

func TestSecureSettingsAreNotAnnounced(t *testing.T) {
	for name, tc := range map[string]struct {
		secure any
		want   map[string]any
	}{
		"a key": {[]string{"token"}, map[string]any{
			"db": map[string]any{"host": "h", "password": "p"}, "a.b": 1.0,
		}},
		"a path": {[]string{"db.password"}, map[string]any{
			"db": map[string]any{"host": "h"}, "token": "t", "a.b": 1.0,
		}},
		"a list of any": {[]any{"token", 5}, map[string]any{
			"db": map[string]any{"host": "h", "password": "p"}, "a.b": 1.0,
		}},
		"a key with a dot in it": {[]string{"a.b"}, map[string]any{
			"db": map[string]any{"host": "h", "password": "p"}, "token": "t",
		}},
		"a path in brackets": {[]string{`db["password"]`}, map[string]any{
			"db": map[string]any{"host": "h"}, "token": "t", "a.b": 1.0,
		}},
		"a path into what is no map": {
			[]string{"token.part"}, map[string]any{"db": map[string]any{"host": "h", "password": "p"}, "a.b": 1.0},
		},
		"unknown and empty paths": {[]string{"nothing", "db.nothing", "no.thing", ""}, map[string]any{
			"db": map[string]any{"host": "h", "password": "p"}, "token": "t", "a.b": 1.0,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, announced(t, moleculer.ServiceSchema{Name: "svc", Settings: map[string]any{
				"token": "t", "db": map[string]any{"host": "h", "password": "p"}, "a.b": 1, "$secureSettings": tc.secure,
			}})["settings"])
		})
	}
}

func TestAnnouncingLeavesTheServicesOwnSettingsAlone(t *testing.T) {
	settings := map[string]any{"db": map[string]any{"password": "p"}, "$secureSettings": []string{"db.password"}}
	announced(t, moleculer.ServiceSchema{Name: "svc", Settings: settings})
	require.Equal(
		t, map[string]any{"db": map[string]any{"password": "p"}, "$secureSettings": []string{"db.password"}}, settings,
	)
}

func TestAnnouncementOmitsValuesThatJSONCannotHold(t *testing.T) {
	schema := moleculer.ServiceSchema{Name: "svc", Settings: map[string]any{"good": 1, "onError": func() {}}}
	_, log := catalogOf(schema)
	require.Equal(t, map[string]any{"good": 1.0}, announced(t, schema)["settings"])
	require.Len(t, log.AllEntries(), 1)
	require.Equal(t, logrus.WarnLevel, log.LastEntry().Level)
	require.Contains(t, log.LastEntry().Message, "settings.onError")
}

func TestNamesFollowTheVersion(t *testing.T) {
	for name, tc := range map[string]struct {
		version  string
		settings map[string]any
		want     map[string]any // version, fullName and the action's name
	}{
		"none":     {"", nil, map[string]any{"version": nil, "fullName": "svc", "action": "svc.do"}},
		"a number": {"2", nil, map[string]any{"version": 2.0, "fullName": "v2.svc", "action": "v2.svc.do"}},
		"a word": {"beta", nil, map[string]any{
			"version": "beta", "fullName": "beta.svc", "action": "beta.svc.do",
		}},
		"no number of JSON": {"007", nil, map[string]any{"version": "007", "fullName": "007.svc", "action": "007.svc.do"}},
		"signed":            {"+2", nil, map[string]any{"version": "+2", "fullName": "+2.svc", "action": "+2.svc.do"}},
		"control character": {
			"a\x01", nil, map[string]any{"version": "a\x01", "fullName": "a\x01.svc", "action": "a\x01.svc.do"},
		},
		"no version prefix": {
			"2",
			map[string]any{"$noVersionPrefix": true},
			map[string]any{"version": 2.0, "fullName": "svc", "action": "svc.do"},
		},
		"no service name prefix": {
			"2",
			map[string]any{"$noServiceNamePrefix": true},
			map[string]any{"version": 2.0, "fullName": "v2.svc", "action": "do"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			service := announced(t, moleculer.ServiceSchema{
				Name: "svc", Version: tc.version, Settings: tc.settings, Actions: []moleculer.Action{{Name: "do"}},
			})
			got := map[string]any{"version": service["version"], "fullName": service["fullName"]}
			for key := range service["actions"].(map[string]any) {
				got["action"] = key
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestMoleculerGoActionIsRunByItsOwnHandler(t *testing.T) {
	handler := func(moleculer.Context, moleculer.Payload) any { return "done" }
	c, _ := catalogOf(
		moleculer.ServiceSchema{Name: "svc", Version: "2", Actions: []moleculer.Action{{Name: "do", Handler: handler}}},
	)
	local, ok := c.action("v2.svc.do")
	require.True(t, ok)
	got, err := local.handle(context.Background(), nil)
	require.NoError(t, err)
	require.Equal(t, "done", got)
}

func TestListOfAServiceNamesItsActionsInOrder(t *testing.T) {
	c, _ := catalogOf(moleculer.ServiceSchema{Name: "svc", Actions: []moleculer.Action{{Name: "b"}, {Name: "a"}}})
	require.Equal(
		t, []ServiceStatus{{FullName: "svc", NodeID: "n", Local: true, Actions: []string{"svc.a", "svc.b"}}}, c.list("n"),
	)
}
