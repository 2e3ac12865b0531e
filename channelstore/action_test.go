package channelstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
)

// scripted is a cluster whose only service has the channels of a map.
type scripted struct {
	mu       sync.Mutex
	channels map[string]json.RawMessage
	err      error // instead of an answer
	calls    []call
}

type call struct {
	parent *action.Request
	name   string
	params string
}

func (s *scripted) Call(
	ctx context.Context, parent *action.Request, name string, params any, _ action.CallOptions,
) (*action.CallResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	s.calls = append(s.calls, call{parent, name, string(raw)})
	if ctx.Err() != nil {
		return nil, action.RequestTimeout(name, "").Because(ctx.Err())
	}
	if s.err != nil {
		return nil, s.err
	}
	var asked struct{ ID string }
	if err := json.Unmarshal(raw, &asked); err != nil {
		return nil, err
	}
	data, ok := s.channels[asked.ID]
	if !ok {
		data = json.RawMessage("null")
	}
	return &action.CallResult{Data: data}, nil
}

func (s *scripted) Emit(context.Context, *action.Request, string, any, action.EmitOptions) error {
	return errors.New("nobody listens")
}

func (s *scripted) put(channels ...*integration.Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels = map[string]json.RawMessage{}
	for _, ch := range channels {
		s.channels[ch.ID], s.err = json.Marshal(ch)
	}
}

func ask(t *testing.T, answer string) (*integration.Channel, error) {
	t.Helper()
	cluster := &scripted{channels: map[string]json.RawMessage{"c1": json.RawMessage(answer)}}
	return channelstore.NewAction(cluster, "channels.get").Channel(t.Context(), "c1")
}

func TestActionReadsTheAnswersOfServices(t *testing.T) {
	type values = map[string]string
	for name, test := range map[string]struct {
		answer string
		want   integration.Channel
	}{
		"all fields": {
			`{"id":"c1","tenantId":"t1","platform":"parrot","name":"Polly","status":"INACTIVE","credentials":{"token":"x"},` +
				`"settings":{"a":"b"}}`,
			integration.Channel{
				TenantID: "t1", Platform: "parrot", Name: "Polly", Status: "INACTIVE", Credentials: values{"token": "x"},
				Settings: values{"a": "b"},
			},
		},
		"the fewest": {`{"id":"c1"}`, integration.Channel{Status: "ACTIVE"}},
		"null is like absent": {
			`{"id":"c1","channelId":null,"tenantId":null,"status":null,"credentials":null,"settings":null,"verifyToken":null}`,
			integration.Channel{Status: "ACTIVE"},
		},
		"an id of its own beside the channel's": {`{"id":"65f0","channelId":"c1"}`, integration.Channel{Status: "ACTIVE"}},
		"the channel's id alone":                {`{"channelId":"c1"}`, integration.Channel{Status: "ACTIVE"}},
		"a status in small letters":             {`{"id":"c1","status":"active"}`, integration.Channel{Status: "ACTIVE"}},
		"a status of its own":                   {`{"id":"c1","status":"disabled"}`, integration.Channel{Status: "DISABLED"}},
		"numbers keep every digit": {
			`{"id":"c1","tenantId":12345678901234567890,"credentials":{"appId":1234567890123456789},"settings":{"x":1.50,` +
				`"y":1e3}}`,
			integration.Channel{
				TenantID: "12345678901234567890", Status: "ACTIVE", Credentials: values{"appId": "1234567890123456789"},
				Settings: values{"x": "1.50", "y": "1e3"},
			},
		},
		"settings of all kinds": {
			`{"id":"c1","settings":{"b":true,"o":{"k": [1, "ü"]},"l":[ ],"n":null,"e":"","s":"ü\n"}}`,
			integration.Channel{Status: "ACTIVE", Settings: values{"b": "true", "o": `{"k":[1,"ü"]}`, "l": "[]", "s": "ü\n"}},
		},
		"secrets outside of the credentials": {
			`{"id":"c1","credentials":{"verifyToken":"mine"},"webhookSecret":"w","verifyToken":"theirs"}`,
			integration.Channel{Status: "ACTIVE", Credentials: values{"verifyToken": "mine", "webhookSecret": "w"}},
		},
		"what nobody knows": {`{"id":"c1","createdAt":"2024","webhook":{"url":"x"}}`, integration.Channel{Status: "ACTIVE"}},
	} {
		t.Run(name, func(t *testing.T) {
			want := test.want
			want.ID = "c1"
			if want.Credentials == nil {
				want.Credentials = values{}
			}
			if want.Settings == nil {
				want.Settings = values{}
			}
			got, err := ask(t, test.answer)
			require.NoError(t, err)
			require.Equal(t, &want, got)
		})
	}
}

func TestActionAnswerThatIsNotAChannelIsNotQuoted(t *testing.T) {
	for name, test := range map[string]struct{ answer, reason string }{
		"a text":              {`"CANARY"`, "the answer is no channel"},
		"a list":              {`[{"id":"c1"}]`, "the answer is no channel"},
		"false":               {`false`, "the answer is no channel"},
		"no id":               {`{"credentials":{"token":"CANARY"}}`, "the answer is no channel"},
		"broken":              {`{"id":"c1","name":CANARY}`, "the answer is no channel"},
		"odd credentials":     {`{"id":"c1","credentials":"CANARY"}`, "the answer is no channel"},
		"another channel":     {`{"id":"c2","credentials":{"token":"CANARY"}}`, "the answer is another channel"},
		"of another channel":  {`{"id":"x","channelId":"c2"}`, "the answer is another channel"},
		"masked credentials":  {`{"id":"c1","credentials":{"token":"****RY"}}`, "the answer's credentials are masked"},
		"of other upper case": {`{"id":"C1"}`, "the answer is another channel"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask(t, test.answer)
			require.EqualError(t, err, "ask channels.get for channel c1: "+test.reason)
			requireUnavailable(t, err)
		})
	}
}

func TestActionErrorsTellAMissingChannelFromAnOutage(t *testing.T) {
	for name, test := range map[string]struct {
		err     error
		missing bool
	}{
		"a 404":                      {action.Client(404, "NOT_THERE", "no"), true},
		"the type":                   {action.Client(422, "CHANNEL_NOT_FOUND", "no"), true},
		"the class of moleculer-db":  {&action.Error{Name: "EntityNotFoundError", Code: 404, Type: "ENTITY_NOT_FOUND"}, true},
		"such a class without code":  {&action.Error{Name: "EntityNotFoundError"}, true},
		"no such service":            {action.ServiceNotFound("channels.get", ""), false},
		"nobody serves it now":       {action.ServiceNotAvailable("channels.get", ""), false},
		"no answer in time":          {action.RequestTimeout("channels.get", "n"), false},
		"its own trouble":            {action.Server(500, "X", "no"), false},
		"not allowed":                {action.Client(403, "X", "no"), false},
		"no connection to a cluster": {action.BrokerDisconnected(), false},
	} {
		t.Run(name, func(t *testing.T) {
			store := channelstore.NewAction(&scripted{err: test.err}, "channels.get")
			_, err := store.Channel(t.Context(), "c1")
			if test.missing {
				require.Equal(t, integration.ErrChannelNotFound, err)
				require.NoError(t, store.Check(t.Context()), "the service answers")
				return
			}
			requireUnavailable(t, err)
			require.ErrorIs(t, err, test.err)
			require.ErrorIs(t, store.Check(t.Context()), test.err)
		})
	}
	_, err := ask(t, " null ")
	require.Equal(t, integration.ErrChannelNotFound, err)
	_, err = ask(t, "")
	require.Equal(t, integration.ErrChannelNotFound, err)
}

func TestActionIsCalledAsPartOfTheRequest(t *testing.T) {
	cluster := &scripted{}
	store := channelstore.NewAction(cluster, "v2.accounts.find")
	req := &action.Request{RequestID: "trace"}
	_, err := store.Channel(action.WithRequest(t.Context(), req), `c"1`)
	require.ErrorIs(t, err, integration.ErrChannelNotFound)
	_, err = store.Channel(t.Context(), "c2")
	require.ErrorIs(t, err, integration.ErrChannelNotFound)
	require.Equal(
		t, []call{{req, "v2.accounts.find", `{"id":"c\"1"}`}, {nil, "v2.accounts.find", `{"id":"c2"}`}}, cluster.calls,
	)
}

func FuzzAnswer(f *testing.F) {
	for _, answer := range []string{
		"null", `{"id":"c1"}`, `{"id":1,"channelId":"c1","credentials":{"a":{"b":[1,null]}},"settings":{"x":1e999}}`,
		`{"id":"c1","status":"\ud800"}`, `[`,
	} {
		f.Add([]byte(answer), "c1")
	}
	f.Fuzz(func(t *testing.T, answer []byte, id string) {
		ch, err := channelstore.DecodeAnswer(answer, id)
		if err != nil {
			require.Nil(t, ch)
			return
		}
		require.Equal(t, id, ch.ID)
		require.NotEmpty(t, ch.Status)
		require.NotNil(t, ch.Credentials)
		require.NotNil(t, ch.Settings)
		for _, v := range ch.Settings {
			require.NotEmpty(t, v)
		}
	})
}
