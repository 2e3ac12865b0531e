package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/moleculer-go/moleculer"
	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/integration"
)

type search struct {
	Query string    `json:"query" params:"trim|min:2"`
	Limit int       `json:"limit" params:"max:100|default:20|convert"`
	Since time.Time `json:"since" params:"optional"`
	Tag   *string   `json:"tag"`
}

// searching is a service with an action "find" that answers with its input, and what its hook saw.
func searching(b *harness) (*integration.Service, *ledger) {
	var seen ledger
	return b.service(integration.ServiceDefinition{
		Hooks: []integration.Hook{{Actions: "*", Before: func(c *integration.Context) error {
			seen.add(string(c.Request.Params))
			return nil
		}}},
		Actions: []moleculer.Action{integration.NewAction("find", func(_ *integration.Context, in search) (search, error) {
			seen.add("find")
			return in, nil
		}, action.Spec{})},
	}), &seen
}

func TestParamsAreCheckedAndConvertedBeforeHooks(t *testing.T) {
	s, seen := searching(newHarness(t))
	answer, err := newNode(t).serve(s).call("users.find", object{"query": " ab ", "limit": "5", "unknown": 1}, nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"query":"ab","limit":5,"since":"0001-01-01T00:00:00Z","tag":null}`, string(answer.Data))
	require.Len(t, seen.lines(), 2)
	require.JSONEq(t, `{"query":"ab","limit":5,"unknown":1}`, seen.lines()[0])
}

func TestParamsThatAreLeftOutHaveTheirDefaults(t *testing.T) {
	s, _ := searching(newHarness(t))
	answer, err := ask(t, s, "find", object{"query": "ab", "limit": nil}, nil)
	require.NoError(t, err)
	require.Equal(t, search{Query: "ab", Limit: 20}, answer)
}

func TestWrongParamsAreListedAllAndReachNobody(t *testing.T) {
	for name, test := range map[string]struct{ params, fields string }{
		"several":       {`{"query":"a","limit":500,"tag":7}`, `["query","limit","tag"]`},
		"none":          {``, `["query"]`},
		"null":          {`null`, `["query"]`},
		"no object":     {`["ab"]`, `[""]`},
		"another case":  {`{"QUERY":"ab"}`, `["query"]`},
		"a wrong date":  {`{"query":"ab","since":"soon"}`, `["since"]`},
		"a broken text": {`{"query":"\ud800","limit":"x"}`, `["query","limit"]`},
	} {
		t.Run(name, func(t *testing.T) {
			s, seen := searching(newHarness(t))
			_, err := s.Call(t.Context(), "find", &action.Request{Params: json.RawMessage(test.params)})
			e := errorOf(t, err, 422, "VALIDATION_ERROR")
			require.Equal(t, "ValidationError", e.Name)
			var list []action.Fault
			decode(t, e.Data, &list)
			fields := []string{}
			for _, fault := range list {
				fields = append(fields, fault.Field)
			}
			require.ElementsMatch(t, fields, listOf(t, test.fields))
			require.Empty(t, seen.lines())
		})
	}
}

func listOf(t *testing.T, text string) (items []string) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &items))
	return items
}

func TestRulesOfParamsAreAnnounced(t *testing.T) {
	s, _ := searching(newHarness(t))
	require.JSONEq(t, `{"query":{"type":"string","trim":true,"min":2},"limit":{"type":"number","integer":true,"max":100,"default":20,"convert":true},
		"since":{"type":"date","convert":true,"optional":true},"tag":"string|optional"}`, toJSON(t, specsOf(s.Schema())["find"].Params))
}

func TestActionWithoutParamsTakesNoneAndAny(t *testing.T) {
	s := newHarness(t).service(integration.ServiceDefinition{Actions: []moleculer.Action{answering("hi", "there")}})
	for _, params := range []string{"", "null", "{}", `{"a":1}`} {
		answer, err := s.Call(t.Context(), "hi", &action.Request{Params: json.RawMessage(params)})
		require.NoError(t, err, params)
		require.Equal(t, "there", answer)
	}
	require.Empty(t, specsOf(s.Schema())["hi"].Params)
}

func TestHandlersResultIsTheAnswer(t *testing.T) {
	cause := errors.New("CANARY")
	for name, test := range map[string]struct {
		result any
		err    error
		data   string
		code   int
		typ    string
	}{
		"a struct":         {result: user{"u1"}, data: `{"id":"u1"}`},
		"nothing":          {result: (*user)(nil), data: `null`},
		"a list of nobody": {result: []user{}, data: `[]`},
		"an error of Moleculer": {
			result: user{"lost"}, err: action.Client(404, "NO_USER", "none"), code: 404,
			typ: "NO_USER",
		},
		"an error of a platform": {
			err: &integration.Error{Kind: integration.FaultTransient, Code: "DOWN", Message: "down"}, code: 503, typ: "DOWN",
		},
		"any error":         {err: cause, code: 500, typ: "INTERNAL_ERROR"},
		"a wrapped one":     {err: errors.Join(cause, action.Retryable(503, "LATER", "later")), code: 503, typ: "LATER"},
		"what has no JSON":  {result: func() {}, code: 500, typ: "INTERNAL_ERROR"},
		"a cancelled query": {err: context.Canceled, code: 500, typ: "INTERNAL_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newHarness(t).service(integration.ServiceDefinition{Actions: []moleculer.Action{
				integration.NewAction("do", func(*integration.Context, integration.None) (any, error) {
					return test.result,
						test.err
				}, action.Spec{}),
			}})
			answer, err := newNode(t).serve(s).call("users.do", nil, nil)
			if test.typ == "" {
				require.NoError(t, err)
				require.JSONEq(t, test.data, string(answer.Data))
				return
			}
			require.NotContains(t, errorOf(t, err, test.code, test.typ).Message, "CANARY")
		})
	}
}

func TestEventsThatDoNotDecodeAreLoggedAndIgnored(t *testing.T) {
	heard := make(chan string, 10)
	b := newHarness(t)
	s := b.service(integration.ServiceDefinition{
		Settings: object{"loud": true},
		Events: []moleculer.Event{integration.NewEvent("user.*", "", func(ctx *integration.Context, u user) error {
			if u.ID == "bad" {
				return errors.New("bad user")
			}
			heard <- u.ID + " " + ctx.TenantID() + " " + toJSON(t, ctx.Settings())
			return nil
		})},
	})
	n := newNode(t).serve(s)
	emit := func(data any) {
		require.NoError(t, n.link.Emit(t.Context(), "user.created", data, action.EmitOptions{}))
	}
	emit(object{"id": 7})
	emit(user{"bad"})
	for _, fault := range []string{"the data of event user.created does not fit", "bad user"} {
		require.Eventually(t, func() bool { return strings.Contains(textOf(n.logs.AllEntries()), fault) }, patience,
			time.Millisecond)
	}
	emit(nil)
	require.Equal(t, `  {"loud":true}`, receive(t, heard))
	require.NoError(t, (&action.Request{
		Meta:    metaOf(t, object{"tenantId": "t1"}),
		Cluster: n.link.Caller(),
	}).Emit(t.Context(), "user.created", user{"u1"}))
	require.Equal(t, `u1 t1 {"loud":true}`, receive(t, heard))
	require.Empty(t, heard)
}

func textOf(entries []*logrus.Entry) (text string) {
	for _, e := range entries {
		text += e.Message + fmt.Sprintln(e.Data)
	}
	return text
}
