package integration_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/claims"
	"github.com/hiliosai/switchboard/integration"
)

// forCallers are the least params of each action that a caller names a channel to.
func forCallers() map[string]object {
	params := map[string]object{
		integration.ActionSendMessage: sendParams(),
		integration.ActionGetMedia:    {"channelId": "c1", "mediaId": "f1"},
		integration.ActionHealthCheck: {"channelId": "c1"},
	}
	for _, name := range actionNames {
		params[name] = actionParams(name)
	}
	return params
}

func TestForeignChannelLooksUnknownToEveryAction(t *testing.T) {
	foreign := object{"user": object{"id": "u1", "tenantId": "t2", "permissions": []string{"channels.read", "messages.*"}}}
	for state, change := range map[string]func(*harness){
		"a good one":    func(*harness) {},
		"an inactive":   func(b *harness) { b.store.channel.Status = integration.ChannelInactive },
		"a damaged one": func(b *harness) { b.store.err = action.Server(500, "CHANNEL_SEALED", "channel c1 is sealed") },
		// c1 is unknown then, which is what all must look like
		"no such channel": func(b *harness) { b.store.channel.ID = "c2" },
	} {
		for name, params := range forCallers() {
			t.Run(state+" for "+name, func(t *testing.T) {
				b, a := acrobatic(t)
				change(b)
				_, err := b.callWith(t.Context(), name, params, &action.Request{Meta: metaOf(t, foreign)})
				e := errorOf(t, err, 404, "CHANNEL_NOT_FOUND")
				require.Equal(t, `there is no parrot channel "c1"`, e.Message)
				require.Equal(t, []any{"MoleculerClientError", false}, []any{e.Name, e.Retryable})
				require.JSONEq(t, `{"kind":"not_found"}`, toJSON(t, e.Data))
				require.Empty(t, a.calls)
				require.Empty(t, b.platform.steps)
				require.Empty(t, b.events.events)
			})
		}
	}
}

func TestChannelOfATenantIsForItsCallers(t *testing.T) {
	of := func(tenant any, permissions ...string) object {
		return object{"id": "u1", "tenantId": tenant, "permissions": permissions}
	}
	for name, test := range map[string]struct {
		meta    object
		channel string // its tenant
		want    bool
	}{
		"a service of the cluster":          {nil, "t1", true},
		"a user without a tenant":           {object{"user": of("")}, "t1", true},
		"null for a tenant":                 {object{"tenantId": nil, "user": of(nil)}, "t1", true},
		"its own by its user":               {object{"user": of("t1")}, "t1", true},
		"its own by meta":                   {object{"tenantId": "t1"}, "t1", true},
		"its own by both":                   {object{"tenantId": "t1", "user": of("t1")}, "t1", true},
		"a number":                          {object{"tenantId": 7, "user": of(7)}, "7", true},
		"another by its user":               {object{"user": of("t2")}, "t1", false},
		"another by a user of no id":        {object{"user": object{"tenantId": "t2"}}, "t1", false},
		"another by meta":                   {object{"tenantId": "t2"}, "t1", false},
		"another number":                    {object{"tenantId": 8}, "7", false},
		"both, of which the user's differs": {object{"tenantId": "t1", "user": of("t2")}, "t1", false},
		"both, of which meta's differs":     {object{"tenantId": "t2", "user": of("t1")}, "t1", false},
		"what is no id":                     {object{"tenantId": object{"a": 1}}, "t1", false},
		"what is no id of a user":           {object{"user": of([]string{"t1"})}, "t1", false},
		"another case":                      {object{"tenantId": "T1"}, "t1", false},
		"a name of another case": {object{
			"user": object{"id": "u", "tenantId": "t2", "TenantID": "t1", "tenantid": "t1"},
		}, "t1", false},
		"who may do all with channels": {object{"user": of("t2", "channels.*")}, "t1", true},
		"who may do everything":        {object{"user": of("t2", "*")}, "t1", true},
		"who may see all tenants":      {object{"user": of("t2", "tenants.all")}, "t1", true},
		"who may read and write":       {object{"user": of("t2", "channels.read", "channels.write")}, "t1", false},
		"a role that is called so": {object{
			"user": object{"id": "u", "tenantId": "t2", "roles": []string{"channels.*", "*"}},
		}, "t1", false},
		"meta of another, who may":              {object{"tenantId": "t2", "user": of("t1", "channels.*")}, "t1", true},
		"a channel without one":                 {object{"user": of("t2")}, "", true},
		"a channel without one, of two tenants": {object{"tenantId": "t1", "user": of("t2")}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			b := newHarness(t)
			b.store.channel.TenantID = test.channel
			b.platform.sending = failing()
			_, err := b.callWith(
				t.Context(), integration.ActionSendMessage, sendParams(), &action.Request{Meta: metaOf(t, test.meta)},
			)
			if test.want {
				require.NoError(t, err)
			} else {
				requireError(t, err, 404, "CHANNEL_NOT_FOUND")
				require.Empty(t, b.platform.steps)
			}

			b.platform.sending = failing()
			b.runtime.AnyTenant = true
			_, err = b.callWith(
				t.Context(), integration.ActionSendMessage, sendParams(), &action.Request{Meta: metaOf(t, test.meta)},
			)
			require.NoError(t, err, "where nothing is checked")
		})
	}
}

func TestUnavailableStoreIsReportedToEveryTenant(t *testing.T) {
	b := newHarness(t)
	b.store.err = errors.New("away")
	_, err := b.callWith(
		t.Context(), integration.ActionSendMessage, sendParams(), &action.Request{Meta: metaOf(t, object{"tenantId": "t2"})},
	)
	requireError(t, err, 503, "CHANNELS_UNAVAILABLE")
}

func TestPlatformsOwnCallsAreOpenToEveryTenant(t *testing.T) {
	b := newHarness(t)
	b.platform.verify = echo
	foreign := object{"tenantId": "t2", "user": object{"id": "u", "tenantId": "t2"}}
	_, err := b.callWith(
		t.Context(), integration.ActionReceiveWebhook, webhookParams(), &action.Request{Meta: metaOf(t, foreign)},
	)
	require.NoError(t, err)
	_, err = b.callWith(t.Context(), integration.ActionVerifyWebhook,
		object{
			"channelId": "c1", "mode": "subscribe", "token": "right", "challenge": "1",
		}, &action.Request{Meta: metaOf(t, foreign)})
	require.NoError(t, err)
}

func TestTenantIsThatOfTheCallerForAChannelWithoutATenant(t *testing.T) {
	b := newHarness(t)
	b.store.channel.TenantID = ""
	b.platform.messages = []integration.Message{{ID: "m1"}}
	service := b.define()
	for _, tenant := range []string{"t1", "t2", ""} {
		req := request(t, webhookParams())
		req.Meta = metaOf(t, object{"tenantId": tenant})
		_, err := service.Call(t.Context(), integration.ActionReceiveWebhook, req)
		require.NoError(t, err)
		require.Equal(t, tenant, b.platform.webhook.TenantID)
		require.Empty(t, b.store.channel.TenantID, "the store's own is shared")
	}
}

func TestIdempotencyKeyIsOfOneChannelAndOneTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoad(t, nil, func(_ context.Context, attempt int, _ *integration.Message) (*integration.SendResult, error) {
			return &integration.SendResult{Success: true, MessageID: integration.ID("m" + string(rune('0'+attempt)))}, nil
		})
		r.runtime.Claims = claims.NewMemory(claims.MemoryOptions{})
		r.service = r.define()
		send := func(channel string, meta object) integration.ID {
			params := sendParams()
			maps.Copy(params, object{"channelId": channel, "idempotencyKey": "k"})
			req := request(t, params)
			req.Meta = metaOf(t, meta)
			result, err := r.service.Call(t.Context(), integration.ActionSendMessage, req)
			require.NoError(t, err)
			return result.(*integration.SendResult).MessageID
		}
		require.EqualValues(t, "m1", send("c1", nil))
		require.EqualValues(t, "m1", send("c1", object{"tenantId": "t1"}), "the same send")
		require.EqualValues(t, "m2", send("c2", nil), "another channel's")

		moved := *r.channels["c1"] // or removed, and made anew by somebody else
		moved.TenantID = "t2"
		r.channels["c1"] = &moved
		require.EqualValues(t, "m3", send("c1", object{"tenantId": "t2"}), "another tenant's")

		shared := moved
		shared.TenantID = ""
		r.channels["c1"] = &shared
		require.EqualValues(t, "m4", send("c1", object{"tenantId": "t3"}))
		require.EqualValues(t, "m5", send("c1", object{"user": object{"id": "u", "tenantId": "t4"}}))
		require.EqualValues(t, "m4", send("c1", object{"user": object{"id": "u", "tenantId": "t3"}}))
	})
}
