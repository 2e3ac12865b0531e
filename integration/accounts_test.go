package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

// onePerApp is a platform with one URL per app: its webhooks name accounts, and each channel signs with its own secret.
type onePerApp struct{ *platform }

func (onePerApp) Accounts(_ context.Context, w *integration.Webhook) ([]string, error) {
	var in struct{ Accounts []string }
	err := json.Unmarshal(w.Payload, &in)
	return in.Accounts, err
}

func (onePerApp) Normalize(_ context.Context, w *integration.Webhook) ([]integration.Message, error) {
	w.Foreign("another account") // that of the other channels
	return []integration.Message{{ID: "m", DedupKey: "m", ConversationID: "c"}}, nil
}

func (onePerApp) ValidateSignature(_ context.Context, w *integration.Webhook) error {
	if w.Headers.Get("x-key") != w.Channel.Credentials["token"] {
		return errors.New("it is another key")
	}
	return nil
}

// accountStore has channels by id, whose accounts are their settings.
type accountStore map[string]*integration.Channel

func (s accountStore) Channel(_ context.Context, id string) (*integration.Channel, error) {
	ch, ok := s[id]
	switch {
	case !ok:
		return nil, integration.ErrChannelNotFound
	case ch == nil:
		return nil, errors.New("the store is away")
	}
	return ch, nil
}

func (s accountStore) ByAccount(_ context.Context, _ string, _ integration.Field, account string) ([]string, error) {
	if account == "trouble" {
		return nil, errors.New("the store is away")
	}
	return map[string][]string{
		"A": {"a"}, "B": {"b"}, "both": {"a", "b"}, "wrong": {"wrong"}, "lost": {"lost"}, "off": {"off"},
	}[account], nil
}

func accountHarness(t *testing.T) *harness {
	t.Helper()
	b := newHarness(t)
	b.def.Platform = onePerApp{b.platform}
	b.def.Fields = append(
		append([]integration.Field{}, fields...),
		integration.Field{In: integration.InSettings, Name: "account", Account: true},
	)
	channel := func(id, status string) *integration.Channel {
		ch := newChannel()
		ch.ID, ch.TenantID, ch.Status = id, "tenant-"+id, status
		return ch
	}
	store := accountStore{
		"a": channel("a", integration.ChannelActive), "b": channel("b", integration.ChannelActive),
		"wrong": channel("wrong", integration.ChannelActive), "off": channel("off", integration.ChannelInactive), "lost": nil,
	}
	store["wrong"].Credentials = map[string]string{"token": "1:other"}
	b.runtime.Channels = store
	return b
}

func byAccounts(accounts ...string) object {
	params := webhookParams(object{"payload": object{"accounts": accounts}, "headers": object{"x-key": token}})
	delete(params, "channelId")
	return params
}

func TestWebhookWithoutChannelGoesToChannelsOfItsAccounts(t *testing.T) {
	for name, test := range map[string]struct {
		accounts []string
		ids      []string // of events
		answer   string   // success
		code     int
		typ      string
	}{
		"one": {[]string{"A"}, []string{"parrot:a:m"}, `{"success":true,"messages":1,"failed":0}`, 0, ""},
		"two": {[]string{"B", "A"}, []string{
			"parrot:a:m", "parrot:b:m",
		}, `{"success":true,"messages":2,"failed":0}`, 0, ""},
		"several channels of one account": {[]string{"both", "A", "", "both"}, []string{
			"parrot:a:m", "parrot:b:m",
		}, `{"success":true,"messages":2,"failed":0}`, 0, ""},
		"one is unknown": {
			[]string{"A", "nobody"},
			[]string{"parrot:a:m"},
			`{"success":true,"messages":1,"failed":0}`, 0, "",
		},
		"one has another secret": {
			[]string{"A", "wrong"},
			[]string{"parrot:a:m"},
			`{"success":true,"messages":1,"failed":0}`, 0, "",
		},
		"one is switched off": {
			[]string{"off", "A"},
			[]string{"parrot:a:m"},
			`{"success":true,"messages":1,"failed":0}`, 0, "",
		},
		"a retry helps one":                 {[]string{"A", "lost"}, []string{"parrot:a:m"}, "", 503, "CHANNELS_UNAVAILABLE"},
		"nobody's":                          {[]string{"nobody"}, nil, "", 404, "CHANNEL_NOT_FOUND"},
		"none":                              {nil, nil, "", 404, "CHANNEL_NOT_FOUND"},
		"all have another secret":           {[]string{"wrong"}, nil, "", 401, "SIGNATURE_INVALID"},
		"the accounts cannot be looked for": {[]string{"A", "trouble"}, nil, "", 503, "CHANNELS_UNAVAILABLE"},
		"too many":                          {many(101), nil, "", 400, "WEBHOOK_TOO_LARGE"},
	} {
		t.Run(name, func(t *testing.T) {
			b := accountHarness(t)
			answer, err := b.receive(byAccounts(test.accounts...))
			var ids []string
			for _, e := range b.events.events {
				ids = append(ids, e.ID)
			}
			require.Equal(t, test.ids, ids)
			if test.typ != "" {
				e := errorOf(t, err, test.code, test.typ)
				require.Equal(t, test.code == 503, e.Retryable)
				return
			}
			require.NoError(t, err)
			require.JSONEq(t, test.answer, toJSON(t, answer))
			require.NotContains(t, b.logs.String(), "FOREIGN_ACCOUNT", "the other accounts have their own channels")
			require.Contains(t, string(b.events.events[0].Payload), `"tenantId":"tenant-a"`)
		})
	}
}

func many(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = string(rune('a' + i))
	}
	return list
}

func TestWebhookWithoutAccountUsesChannelOfTheQuery(t *testing.T) {
	b := accountHarness(t)
	params := byAccounts()
	params["url"] = "/parrot?channelId=b"
	_, err := b.receive(params)
	require.NoError(t, err)
	require.Equal(t, "parrot:b:m", b.events.events[0].ID)
}

func TestEventsOfAccountsNotStoredAreAskedForAgain(t *testing.T) {
	b := accountHarness(t)
	b.events.fail = func(e event) error {
		if e.ID == "parrot:b:m" {
			return errors.New("no stream")
		}
		return nil
	}
	_, err := b.receive(byAccounts("A", "B"))
	require.True(t, errorOf(t, err, 503, "EVENTS_UNAVAILABLE").Retryable)
}

func TestAccountsNeedAField(t *testing.T) {
	b := accountHarness(t)
	b.def.Fields = fields
	_, err := integration.Define(b.def, b.runtime)
	require.ErrorContains(t, err, "has one field with Account")

	b = newHarness(t)
	b.def.Fields = []integration.Field{{In: integration.InSettings, Name: "account", Account: true}}
	_, err = integration.Define(b.def, b.runtime)
	require.ErrorContains(t, err, "has one field with Account")
	_, err = newHarness(t).callWith(t.Context(), integration.ActionReceiveWebhook, byAccounts("A"), &action.Request{})
	requireError(t, err, 422, "VALIDATION_ERROR")
}
