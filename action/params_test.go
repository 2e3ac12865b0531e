package action_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

// faults decodes params against one rule for "p" and gives what is wrong with them.
func faults(t *testing.T, rule action.Param, params string) []action.Fault {
	t.Helper()
	rule.Name = "p"
	_, err := action.Params{rule}.Decode(
		&action.Request{Action: "svc.do", Sender: "caller-1", Params: json.RawMessage(params)},
	)
	if err == nil {
		return nil
	}
	var e *action.Error
	require.ErrorAs(t, err, &e)
	require.IsType(t, []action.Fault{}, e.Data)
	return e.Data.([]action.Fault)
}

func TestGoodParamsPass(t *testing.T) {
	for name, tc := range map[string]struct {
		rule   action.Param
		params string
	}{
		"a string":                     {action.Param{Type: action.String}, `{"p":"x"}`},
		"an empty string":              {action.Param{Type: action.String}, `{"p":""}`},
		"a number":                     {action.Param{Type: action.Number}, `{"p":-1.5e3}`},
		"a number that is not parsed":  {action.Param{Type: action.Number}, `{"p":1e999}`},
		"true":                         {action.Param{Type: action.Bool}, `{"p":true}`},
		"false":                        {action.Param{Type: action.Bool}, `{"p":false}`},
		"an object":                    {action.Param{Type: action.Object}, `{"p":{}}`},
		"white space":                  {action.Param{Type: action.Object}, "\n { \"p\" : {} } \n"},
		"an optional one left out":     {action.Param{Type: action.String, Optional: true}, `{}`},
		"an optional one that is null": {action.Param{Type: action.String, Optional: true}, `{"p":null}`},
		"an optional one, no params":   {action.Param{Type: action.String, Optional: true}, ``},
	} {
		t.Run(name, func(t *testing.T) { require.Empty(t, faults(t, tc.rule, tc.params)) })
	}
}

// The messages are those of the fastest-validator that Node brokers use.
func TestBadParamsAreReportedAsNodeReportsThem(t *testing.T) {
	for name, tc := range map[string]struct {
		rule   action.Param
		params string
		want   string
	}{
		"left out": {
			action.Param{Type: action.String},
			`{}`,
			`{"type":"required","message":"The 'p' field is required.","field":"p","nodeID":"caller-1","action":"svc.do"}`,
		},
		"null": {
			action.Param{Type: action.String},
			`{"p":null}`,
			`{"type":"required","message":"The 'p' field is required.","field":"p","actual":null,"nodeID":"caller-1",` +
				`"action":"svc.do"}`,
		},
		"no params at all": {
			action.Param{Type: action.String},
			``,
			`{"type":"required","message":"The 'p' field is required.","field":"p","nodeID":"caller-1","action":"svc.do"}`,
		},
		"params that are no object": {
			action.Param{Type: action.String},
			`["p"]`,
			`{"type":"object","message":"The '' must be an Object.","actual":["p"],"nodeID":"caller-1","action":"svc.do"}`,
		},
		"no string": {
			action.Param{Type: action.String},
			`{"p":5}`,
			`{"type":"string","message":"The 'p' field must be a string.","field":"p","actual":5,"nodeID":"caller-1",` +
				`"action":"svc.do"}`,
		},
		"no number": {
			action.Param{Type: action.Number},
			`{"p":"5"}`,
			`{"type":"number","message":"The 'p' field must be a number.","field":"p","actual":"5","nodeID":"caller-1",` +
				`"action":"svc.do"}`,
		},
		"no boolean": {
			action.Param{Type: action.Bool},
			`{"p":1}`,
			`{"type":"boolean","message":"The 'p' field must be a boolean.","field":"p","actual":1,"nodeID":"caller-1",` +
				`"action":"svc.do"}`,
		},
		"no object": {
			action.Param{Type: action.Object},
			`{"p":[]}`,
			`{"type":"object","message":"The 'p' must be an Object.","field":"p","actual":[],"nodeID":"caller-1",` +
				`"action":"svc.do"}`,
		},
		"an optional one of the wrong type": {
			action.Param{Type: action.Number, Optional: true},
			`{"p":true}`,
			`{"type":"number","message":"The 'p' field must be a number.","field":"p","actual":true,"nodeID":"caller-1",` +
				`"action":"svc.do"}`,
		},
		"a secret": {
			action.Param{Type: action.Object, Secret: true},
			`{"p":"hunter2"}`,
			`{"type":"object","message":"The 'p' must be an Object.","field":"p","nodeID":"caller-1","action":"svc.do"}`,
		},
		"params that are no object and may hold a secret": {
			action.Param{Type: action.String, Secret: true},
			`"hunter2"`,
			`{"type":"object","message":"The '' must be an Object.","nodeID":"caller-1","action":"svc.do"}`,
		},
		"a value too long to repeat": {
			action.Param{Type: action.Number},
			`{"p":"` + strings.Repeat("x", 300) + `"}`,
			`{"type":"number","message":"The 'p' field must be a number.","field":"p","nodeID":"caller-1","action":"svc.do"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(faults(t, tc.rule, tc.params))
			require.NoError(t, err)
			require.JSONEq(t, "["+tc.want+"]", string(got))
		})
	}
}

func TestDecodeGivesAllFieldsRaw(t *testing.T) {
	fields, err := action.Params{{Name: "p", Type: action.Number}}.Decode(
		&action.Request{Params: json.RawMessage(`{"p":9007199254740993,"more":[1]}`)},
	)
	require.NoError(t, err)
	require.Equal(
		t,
		action.Fields{{Name: "p", Value: json.RawMessage("9007199254740993")}, {Name: "more", Value: json.RawMessage("[1]")}},
		fields,
	)
}

func TestFieldsThatAreKnownAreNotLookedForAgain(t *testing.T) {
	rules := action.Params{{Name: "p", Type: action.Number}}
	req := &action.Request{Params: json.RawMessage(`{"p":1}`)}
	decoded := func() string {
		fields, err := rules.Decode(req)
		require.NoError(t, err)
		return string(fields.Get("p"))
	}
	require.Equal(t, "1", decoded())
	// The fields differ from the params, so that the test sees which of them are used.
	req.SetFields(action.Fields{{Name: "p", Value: json.RawMessage("2")}})
	require.Equal(t, "2", decoded())
	req.Params = json.RawMessage(`{"p":3}`)
	require.Equal(t, "3", decoded(), "a middleware has put others in their place")
	req.Params = nil
	_, err := rules.Decode(req)
	require.Error(t, err)
}

func TestDecodeLeavesTheRequestUnchanged(t *testing.T) {
	rules := paramsOf[struct {
		Limit int `json:"limit" params:"convert"`
	}](t)
	req := &action.Request{Params: json.RawMessage(`{"limit":"5"}`)}
	known := action.Fields{{Name: "limit", Value: req.Params[9:12]}}
	req.SetFields(known)
	fields, err := rules.Decode(req)
	require.NoError(t, err)
	require.Equal(t, []string{"5", `"5"`}, []string{string(fields.Get("limit")), string(known.Get("limit"))})
}

func TestDecodeReportsAllFaultsInTheOrderOfTheRules(t *testing.T) {
	_, err := action.Params{
		{Name: "b", Type: action.String}, {Name: "ok", Type: action.String}, {Name: "a", Type: action.String},
	}.
		Decode(&action.Request{Params: json.RawMessage(`{"ok":"x"}`)})
	var e *action.Error
	require.ErrorAs(t, err, &e)
	var fields []string
	for _, fault := range e.Data.([]action.Fault) {
		fields = append(fields, fault.Field)
	}
	require.Equal(t, []string{"b", "a"}, fields)
}

func TestParamsThatAreNotJSONAreRefused(t *testing.T) {
	for _, params := range []string{
		`{"p":`, `{"p":1}{}`, `{"p":NaN}`, `["p"`, `Infinity`, `{p:1}`, "\x00", `{"p":` + strings.Repeat("[", 20_000),
	} {
		req := &action.Request{Action: "svc.do", Params: json.RawMessage(params)}
		_, decodeErr := action.Params{}.Decode(req)
		_, checkErr := action.Params{}.Check(req)
		for _, err := range []error{decodeErr, checkErr} {
			var e *action.Error
			require.ErrorAs(t, err, &e, params)
			require.Equal(t, 400, e.Code)
			require.Equal(t, "INVALID_PARAMS", e.Type)
		}
	}
}

func TestParamsAreAnnouncedInTheValidatorsShortForm(t *testing.T) {
	data, err := json.Marshal(action.Params{
		{Name: "to", Type: action.String}, {Name: "silent", Type: action.Bool, Optional: true},
	})
	require.NoError(t, err)
	require.Equal(t, `{"to":"string","silent":"boolean|optional"}`, string(data), "in their order")
}
