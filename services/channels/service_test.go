package channels_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/services/channels"
)

const masked = `{"id":"c1","tenantId":"t1","platform":"parrot","name":"Polly","status":"ACTIVE",
	"credentials":{"token":"****c1","botId":"polly"},"settings":{"apiBase":"https://api","pin":"****"}}`

func creation(id string) object {
	return object{"id": id, "platform": "parrot", "credentials": object{"token": token(id)}}
}

// calls are params of each action that a user of t1 can call.
var calls = map[string]object{
	"get": {"id": "c1"}, "list": {}, "test": {"id": "c1"}, "create": creation("new"),
	"update": {"id": "c1", "name": "Rex"}, "remove": {"id": "c2"}, "setup": {"id": "c1", "url": "https://gw.example/"},
}

func TestPermissionsOfChannelActions(t *testing.T) {
	for who, test := range map[string]struct {
		meta        object
		read, write int // the code of the refusal, 0 for none
	}{
		"nobody":           {nil, 401, 401},
		"a user":           {user("t1"), 403, 403},
		"a reader":         {reader, 0, 403},
		"a writer":         {writer, 0, 0},
		"one of all":       {user("t1", "channels.*"), 0, 0},
		"who sees tenants": {user("t1", channels.AllTenants), 403, 403},
		"who may all":      {user("t1", "*"), 0, 0},
		"a role of a name": {object{
			"user": object{"id": 1, "tenantId": "t1", "roles": []string{"channels.write"}},
		}, 403, 403},
		"one by meta alone": {
			object{"tenantId": "t1", "user": object{"id": 1, "permissions": []string{"channels.write"}}}, 0, 0,
		},
	} {
		t.Run(who, func(t *testing.T) {
			b := newHarness(t)
			for _, name := range []string{"get", "list", "test", "setup", "create", "update", "remove"} {
				code := test.write
				if name == "get" || name == "list" || name == "test" {
					code = test.read
				}
				if code == 0 {
					b.answer(test.meta, name, calls[name])
				} else {
					b.refused(test.meta, name, calls[name], code, map[int]string{401: "UNAUTHORIZED", 403: "FORBIDDEN"}[code])
				}
			}
		})
	}
}

func TestChannelIsShownMasked(t *testing.T) {
	b := newHarness(t)
	require.JSONEq(t, masked, b.answer(reader, "get", object{"id": "c1"}))
	list := decode[[]object](t, b.answer(reader, "list", nil))
	require.Len(t, list, 2)
	require.JSONEq(t, masked, toJSON(t, list[0]))
	require.JSONEq(t, masked, b.answer(writer, "update", object{"id": "c1"}))
}

func TestChannelOfAnotherTenantIsNotFound(t *testing.T) {
	for name, params := range calls {
		if name == "list" || name == "create" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			of := func(id string) object {
				changed := object{}
				for k, v := range params {
					changed[k] = v
				}
				changed["id"] = id
				return changed
			}
			theirs := b.refusal(foreign, name, of("c1"), 404, "CHANNEL_NOT_FOUND")
			none := b.refusal(foreign, name, of("c9"), 404, "CHANNEL_NOT_FOUND")
			require.Equal(t, `there is no channel "c9"`, none.Message)
			require.Equal(t, `there is no channel "c1"`, theirs.Message)
			require.Equal(t, []any{none.Name, none.Data, none.Retryable}, []any{theirs.Name, theirs.Data, theirs.Retryable})
			require.Equal(t, newChannel("c1"), b.stored("c1"))
			require.Empty(t, b.announce.lines())
			b.answer(root, name, of("c3"))
		})
	}
}

func TestUserWithoutATenantSeesNoChannel(t *testing.T) {
	b := newHarness(t)
	stray := newChannel("c9") // which has no tenant
	require.NoError(t, b.store.Create(t.Context(), stray))
	nobodys := user("", channels.PermissionRead, channels.PermissionWrite)
	for name, params := range map[string]object{
		"get": {"id": "c9"}, "test": {"id": "c9"}, "update": {"id": "c9", "name": "Rex"}, "remove": {"id": "c9"},
		"setup": {"id": "c9", "url": "https://gw.example/"},
	} {
		theirs := b.refusal(nobodys, name, params, 404, "CHANNEL_NOT_FOUND")
		params["id"] = "c8"
		none := b.refusal(nobodys, name, params, 404, "CHANNEL_NOT_FOUND")
		require.Equal(t, []any{none.Name, none.Data, none.Retryable}, []any{theirs.Name, theirs.Data, theirs.Retryable})
	}
	require.Equal(t, stray, b.stored("c9"))
	require.Empty(t, b.announce.lines())
	b.answer(root, "remove", object{"id": "c9"})
}

func TestDamagedChannelOfAnotherTenantIsNotFound(t *testing.T) {
	for name, params := range calls {
		if name == "list" || name == "create" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			id := params["id"].(string)
			b.damage(id)
			b.refused(foreign, name, params, 404, "CHANNEL_NOT_FOUND")
		})
	}
}

func TestListShowsTheCallersTenant(t *testing.T) {
	for name, test := range map[string]struct {
		meta   object
		params object
		want   []string
	}{
		"all of it":           {reader, nil, []string{"c1", "c2"}},
		"not another":         {reader, object{"tenantId": "t2"}, []string{"c1", "c2"}},
		"another's":           {foreign, nil, []string{"c3"}},
		"all of them":         {root, nil, []string{"c1", "c2", "c3"}},
		"one of them":         {root, object{"tenantId": "t2"}, []string{"c3"}},
		"a page":              {root, object{"limit": "1", "after": "c1"}, []string{"c2"}},
		"another platform's":  {reader, object{"platform": "owl"}, []string{}},
		"the platform's":      {reader, object{"platform": "parrot", "limit": 1}, []string{"c1"}},
		"what is not a text":  {root, object{"after": "\x00"}, []string{}},
		"a tenant of a quote": {root, object{"tenantId": "' OR 1=1 --"}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			ids := []string{}
			for _, ch := range decode[[]integration.Channel](t, newHarness(t).answer(test.meta, "list", test.params)) {
				ids = append(ids, ch.ID)
			}
			require.Equal(t, test.want, ids)
		})
	}
	b := newHarness(t)
	b.refused(user("", channels.PermissionRead), "list", nil, 403, "TENANT_MISMATCH")
	b.refused(reader, "list", object{"limit": 0}, 422, "VALIDATION_ERROR")
	b.refused(reader, "list", object{"limit": 1001}, 422, "VALIDATION_ERROR")
}

func TestChannelIsCreatedInTheCallersTenant(t *testing.T) {
	for name, test := range map[string]struct {
		meta   object
		tenant string
		want   string // the tenant, or the type of the error
	}{
		"the caller's":             {writer, "", "t1"},
		"the caller's, named":      {writer, "t1", "t1"},
		"not another's":            {writer, "t2", "TENANT_MISMATCH"},
		"another's by who may":     {root, "t2", "t2"},
		"none":                     {user("", channels.PermissionWrite), "", "TENANT_MISMATCH"},
		"none, even for who may":   {root, "", "VALIDATION_ERROR"},
		"none, by a named one":     {user("", channels.PermissionWrite), "t1", "TENANT_MISMATCH"},
		"meta's before the user's": {object{"tenantId": "t2", "user": writer["user"]}, "", "t2"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			params := creation("new")
			params["tenantId"] = test.tenant
			answer, err := b.call(test.meta, "create", params)
			if e, ok := errors.AsType[*action.Error](err); ok {
				require.Equal(t, test.want, e.Type)
				require.Empty(t, b.announce.lines())
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, b.stored("new").TenantID)
			require.Equal(t, integration.ChannelActive, b.stored("new").Status)
			require.Equal(t, "****ew", decode[integration.Channel](t, answer).Credentials["token"])
		})
	}
}

func TestChannelIDIsTakenOnce(t *testing.T) {
	b := newHarness(t)
	b.refused(writer, "create", creation("c1"), 409, "CHANNEL_EXISTS")
	b.refused(foreign, "create", creation("c1"), 409, "CHANNEL_EXISTS")
	require.Equal(t, newChannel("c1"), b.stored("c1"))
	require.Empty(t, b.announce.lines())
}

func TestChannelIsNotMovedToAnotherTenant(t *testing.T) {
	b := newHarness(t)
	b.refused(writer, "update", object{"id": "c1", "tenantId": "t2"}, 403, "TENANT_MISMATCH")
	b.refused(writer, "update", object{"id": "c1", "tenantId": ""}, 403, "TENANT_MISMATCH")
	b.refused(writer, "update", object{"id": "c3", "tenantId": "t1"}, 404, "CHANNEL_NOT_FOUND")
	b.refused(root, "update", object{"id": "c1", "tenantId": ""}, 422, "VALIDATION_ERROR")
	require.Equal(t, []string{"t1", "t2"}, []string{b.stored("c1").TenantID, b.stored("c3").TenantID})
	b.answer(writer, "update", object{"id": "c1", "tenantId": "t1"})
	b.answer(root, "update", object{"id": "c1", "tenantId": "t2"})
	require.Equal(t, "t2", b.stored("c1").TenantID)
	b.refused(writer, "get", object{"id": "c1"}, 404, "CHANNEL_NOT_FOUND")
}

func TestUpdateChangesWhatIsGiven(t *testing.T) {
	for name, test := range map[string]struct {
		change object
		want   func(*integration.Channel)
	}{
		"nothing": {object{}, func(*integration.Channel) {}},
		"nothing, said with null": {object{
			"name": nil, "status": nil, "credentials": nil, "settings": nil, "tenantId": nil,
		}, func(*integration.Channel) {}},
		"nothing, masked as it is": {
			object{
				"credentials": object{"token": "****c1", "botId": "polly"},
				"settings":    object{"pin": "****", "apiBase": "https://api"},
			},
			func(*integration.Channel) {},
		},
		"one secret": {object{
			"credentials": object{"token": token("new")},
		}, func(ch *integration.Channel) { ch.Credentials["token"] = token("new") }},
		"a name and a status": {object{
			"name": "", "status": "inactive",
		}, func(ch *integration.Channel) { ch.Name, ch.Status = "", "INACTIVE" }},
		"a field away": {object{
			"credentials": object{"botId": nil}, "settings": object{"pin": nil, "none": nil},
		}, func(ch *integration.Channel) { delete(ch.Credentials, "botId"); delete(ch.Settings, "pin") }},
		"a field to nothing": {object{
			"settings": object{"apiBase": ""},
		}, func(ch *integration.Channel) { ch.Settings["apiBase"] = "" }},
		"neither id nor platform": {object{"platform": "owl", "Id": "c2"}, func(*integration.Channel) {}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			test.change["id"] = "c1"
			b.answer(writer, "update", test.change)
			want := newChannel("c1")
			test.want(want)
			require.Equal(t, want, b.stored("c1"))
		})
	}
}

func TestMaskedValueIsNeverStored(t *testing.T) {
	b := newHarness(t)
	stale := object{"id": "c1", "settings": object{"pin": "****zz"}} // as it was read before somebody else changed it
	b.refused(writer, "update", stale, 422, "VALIDATION_ERROR")
	require.Equal(t, newChannel("c1"), b.stored("c1"))
	copied := creation("new") // from one that was read
	copied["settings"] = object{"pin": "****"}
	b.refused(writer, "create", copied, 422, "VALIDATION_ERROR")
}

func TestFaultsAreListedWithoutValues(t *testing.T) {
	b := newHarness(t)
	for name, test := range map[string]struct {
		action string
		params object
		want   []string
	}{
		"of a new channel": {"create", object{
			"id": "a/b", "platform": "parrot", "status": "gone", "credentials": object{"token": canary, "tokne": canary},
			"settings": object{"pain": canary},
		}, []string{"credentials.token", "credentials.tokne", "id", "settings.pain", "status"}},
		"of a change": {"update", object{
			"id": "c1", "status": "gone", "credentials": object{"token": nil}, "settings": object{"pain": canary},
		}, []string{"credentials.token", "settings.pain", "status"}},
		"of types": {"update", object{
			"id": "c1", "name": 7, "status": []int{}, "credentials": canary,
		}, []string{"name", "status", "credentials"}},
		"of a value's type": {"create", object{
			"id": "new", "platform": "parrot", "credentials": object{"token": []string{canary}},
		}, []string{"credentials"}},
		"of what is left out": {"create", object{}, []string{"id", "platform", "credentials"}},
		"of one that is erased": {
			"update", object{"id": "c1", "credentials": object{"token": ""}}, []string{"credentials.token"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := b.refusal(writer, test.action, test.params, 422, "VALIDATION_ERROR")
			found := []string{}
			for _, fault := range decode[[]action.Fault](t, toJSON(t, e.Data)) {
				found = append(found, fault.Field)
			}
			require.ElementsMatch(t, test.want, found)
			require.NotContains(t, toJSON(t, e), canary)
			require.Equal(t, newChannel("c1"), b.stored("c1"))
		})
	}
	require.Empty(t, b.announce.lines())
}

func TestUnknownPlatformIsNamed(t *testing.T) {
	b := newHarness(t)
	params := creation("new")
	params["platform"] = "owl"
	require.Contains(t, b.refusal(writer, "create", params, 422, "PLATFORM_UNKNOWN").Message, `"owl"; there are: parrot`)
}

func TestChannelChangesAreAnnounced(t *testing.T) {
	b := newHarness(t)
	b.answer(writer, "create", creation("new"))
	b.answer(writer, "update", object{"id": "c1", "name": "Rex"})
	b.answer(writer, "remove", object{"id": "c2"})
	require.Equal(t, []string{
		`changed ["new"]`,
		`registered {"tenantId":"t1","channelId":"new","platform":"parrot","config":{"credentials":{"token":"****ew"},` +
			`"name":"","settings":{},"status":"ACTIVE"},"timestamp":1800000000000}`,
		`changed ["c1"]`,
		`registered {"tenantId":"t1","channelId":"c1","platform":"parrot","config":{"credentials":{"botId":"polly",` +
			`"token":"****c1"},"name":"Rex","settings":{"apiBase":"https://api","pin":"****"},"status":"ACTIVE"},` +
			`"timestamp":1800000000000}`,
		`changed ["c2"]`,
		`unregistered {"tenantId":"t1","channelId":"c2","platform":"parrot","timestamp":1800000000000}`,
	}, b.announce.lines())
}

func TestChannelChangeStandsIfItCannotBeAnnounced(t *testing.T) {
	b := newHarness(t)
	b.announce.err = errors.New("no cluster")
	b.answer(writer, "update", object{"id": "c1", "name": "Rex"})
	require.JSONEq(t, `{"removed":true}`, b.answer(writer, "remove", object{"id": "c2"}))
	require.Equal(t, "Rex", b.stored("c1").Name)
	require.Len(t, b.announce.lines(), 4, "one that fails keeps no other back")
	require.Equal(t, "a change of channels was stored but could not be made known", b.logs.LastEntry().Message)
	require.Equal(t, "c2", b.logs.LastEntry().Data["channels"])
}

func TestDamagedChannelIsListedAndRemovable(t *testing.T) {
	b := newHarness(t)
	b.damage("c1")
	list := decode[[]object](t, b.answer(writer, "list", nil))
	require.Len(t, list, 2)
	require.Contains(t, list[0]["error"], `sealed with key "lost", which is not configured`)
	require.Equal(
		t, []any{"c1", "t1", object{}, nil},
		[]any{list[0]["id"], list[0]["tenantId"], list[0]["credentials"], list[0]["settings"]},
	)
	require.NotContains(t, list[1], "error")
	for _, name := range []string{"get", "test", "update"} {
		b.refused(writer, name, object{"id": "c1"}, 500, "CHANNEL_SEALED")
	}
	require.JSONEq(t, `{"removed":true}`, b.answer(writer, "remove", object{"id": "c1"}))
	require.Equal(
		t,
		[]string{
			`changed ["c1"]`, `unregistered {"tenantId":"t1","channelId":"c1","platform":"parrot","timestamp":1800000000000}`,
		},
		b.announce.lines(),
	)
	b.answer(writer, "create", creation("c1"))
}

func TestDamagedChannelErrorHasNoSecret(t *testing.T) {
	secrets := &redact.Secrets{}
	secrets.Add(token("c1"))
	manager := &channels.Manager{
		Store: torn{reason: errors.New("the record begins with " + token("c1"))}, Secrets: secrets,
		Platform: func(string) (integration.Definition, bool) { return integration.Definition{Fields: fields}, true },
	}
	views, err := manager.List(t.Context(), channelstore.Query{})
	require.NoError(t, err)
	require.Len(t, views, 1)
	require.Equal(t, "the record begins with "+redact.Placeholder, views[0].Error)
}

// torn is a store with one channel, which it cannot read.
type torn struct {
	channelstore.Store
	reason error
}

func (s torn) Channel(context.Context, string) (*integration.Channel, error) { return nil, s.reason }

func (s torn) List(context.Context, channelstore.Query) ([]channelstore.Entry, error) {
	return []channelstore.Entry{{Channel: &integration.Channel{ID: "c1", Platform: "parrot"}, Err: s.reason}}, nil
}

func TestTestSaysWhatToFix(t *testing.T) {
	b := newHarness(t)
	for id, want := range map[string]string{
		"good": `{"channelId":"good","ok":true,"findings":[{"check":"fields","ok":true,"message":"all fields are ` +
			`as the platform wants them"},{"check":"status","ok":true,"message":"the channel is switched on"},` +
			`{"check":"credentials","ok":true,"message":"Parrot accepts the credentials"}]}`,
		"refused":     `"fix":"replace them: token (The token of the bot.)"`,
		"unreachable": `dial https://api/bot[redacted]`,
	} {
		b.answer(writer, "create", creation(id))
		require.Contains(t, b.answer(reader, "test", object{"id": id}), want)
	}
}

func TestSetupSaysWhatItChanges(t *testing.T) {
	b := newHarness(t)
	for _, dryRun := range []bool{true, false} {
		result := decode[integration.SetupResult](t, b.answer(writer, "setup", object{
			"id": "c1", "url": "https://gw.example", "dryRun": dryRun,
		}))
		require.Equal(t, "https://gw.example/parrot/c1", result.URL)
		require.Equal(t, []integration.SetupChange{{Name: "url", New: result.URL}}, result.Changes)
		require.Equal(t, []any{dryRun, !dryRun}, []any{result.DryRun, result.Done})
	}
	for name, params := range map[string]object{
		"no URL": {"id": "c1"}, "http": {"id": "c1", "url": "http://gw.example/"},
		"a login": {"id": "c1", "url": "https://u:" + canary + "@gw.example/"},
	} {
		require.Contains(t, b.refusal(writer, "setup", params, 422, "VALIDATION_ERROR").Message, "url: ", name)
	}
	b.answer(writer, "create", creation("unreachable"))
	params := object{"id": "unreachable", "url": "https://gw.example/"}
	refusal := b.refusal(writer, "setup", params, 503, "PLATFORM_UNAVAILABLE")
	require.Equal(t, "dial https://api/bot[redacted]", refusal.Message)
}

func TestStoreThatDoesNotAnswerIsRetryable(t *testing.T) {
	b := newHarness(t)
	require.NoError(t, b.store.Close())
	for name, params := range calls {
		require.True(t, b.refusal(writer, name, params, 503, "CHANNELS_UNAVAILABLE").Retryable, name)
	}
}
