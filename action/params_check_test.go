package action_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

func paramsOf[T any](tb testing.TB) action.Params {
	tb.Helper()
	params, err := action.ParamsOf(reflect.TypeFor[T]())
	require.NoError(tb, err)
	return params
}

// refused gives the faults of params that T's rules refuse.
func refused[T any](t *testing.T, params string) []action.Fault {
	t.Helper()
	_, err := paramsOf[T](t).Check(&action.Request{Action: "svc.do", Sender: "caller-1", Params: json.RawMessage(params)})
	e, ok := errors.AsType[*action.Error](err)
	require.True(t, ok, err)
	require.Equal(t, 422, e.Code)
	return e.Data.([]action.Fault)
}

type search struct {
	Query  string   `json:"query" params:"trim|min:2"`
	Limit  int      `json:"limit" params:"max:100|default:20|convert"`
	Deep   bool     `json:"deep" params:"optional|convert"`
	Tags   []string `json:"tags" params:"optional|convert|max:2"`
	ID     int64    `json:"id" params:"optional"`
	Filter filter   `json:"filter" params:"optional"`
}

type filter struct {
	Age   *int    `json:"age" params:"max:150"`
	Score float64 `json:"score" params:"optional"`
}

func TestCheckedParamsAreReadyToDecode(t *testing.T) {
	for name, tc := range map[string]struct{ params, want string }{
		"nothing had to be changed": {
			` {"query" : "go", "limit":5, "more":[ 1 ]} `,
			`{"query" : "go", "limit":5, "more":[ 1 ]}`,
		},
		"a default":              {`{"query":"go"}`, `{"limit":20,"query":"go"}`},
		"a default for null":     {`{"query":"go","limit":null}`, `{"limit":20,"query":"go"}`},
		"trimmed":                {`{"query":" <g\u00f6> ","limit":5}`, `{"limit":5,"query":"<gö>"}`},
		"invalid UTF-8, trimmed": {"{\"query\":\" g\xffo\",\"limit\":5}", `{"limit":5,"query":"g` + "\uFFFD" + `o"}`},
		"what a query string has": {
			`{"query":"go","limit":"7","deep":"on","tags":"x"}`,
			`{"deep":true,"limit":7,"query":"go","tags":["x"]}`,
		},
		"others go along": {`{"query":"go","more":{ "a":1 }}`, `{"limit":20,"more":{ "a":1 },"query":"go"}`},
		"an id keeps all its digits": {
			`{"query":"go","limit":5,"id":9007199254740993}`, `{"query":"go","limit":5,"id":9007199254740993}`,
		},
		"an integer as Go reads it": {`{"query":"go","limit":1e1,"id":-0.0}`, `{"id":0,"limit":10,"query":"go"}`},
		"a nested value": {
			`{"query":"go","limit":5,"filter":{"age":1.0,"score":2.50}}`,
			`{"filter":{"age":1,"score":2.50},"limit":5,"query":"go"}`,
		},
		"names that differ by case": {
			`{"query":"go","limit":5,"LIMIT":1000000,"filter":{"AGE":200}}`,
			`{"filter":{},"limit":5,"query":"go"}`,
		},
		"a repeated name": {`{"query":"go","limit":1000000,"limit":5}`, `{"limit":5,"query":"go"}`},
		"a repeated object, not both": {
			`{"query":"go","limit":5,"filter":{"age":200},"filter":{"score":1}}`,
			`{"filter":{"score":1},"limit":5,"query":"go"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := paramsOf[search](t).Check(&action.Request{Params: json.RawMessage(tc.params)})
			require.NoError(t, err)
			require.Equal(t, tc.want, string(raw))
			require.NoError(t, json.Unmarshal(raw, new(search)))
		})
	}
}

func TestParamsThatAreAbsentAreAnEmptyObject(t *testing.T) {
	for _, params := range []string{"", " ", "null", "{}"} {
		raw, err := paramsOf[filter](t).Check(&action.Request{Params: json.RawMessage(params)})
		require.NoError(t, err)
		require.Equal(t, "{}", string(raw))
	}
}

func TestFaultNamesFieldRuleAndAction(t *testing.T) {
	data, err := json.Marshal(refused[search](t, `{"query":" x ","tags":["a",5,"c"],"filter":{"age":151}}`))
	require.NoError(t, err)
	const whom = `"nodeID":"caller-1","action":"svc.do"}`
	require.JSONEq(t, `[
		{"type":"stringMin","message":"The 'query' field length must be greater than or equal to 2 characters long.","field":"query","expected":2,"actual":1,`+whom+`,
		{"type":"arrayMax","message":"The 'tags' field must contain less than or equal to 2 items.","field":"tags","expected":2,"actual":3,`+whom+`,
		{"type":"string","message":"The 'tags[1]' field must be a string.","field":"tags[1]","actual":5,`+whom+`,
		{"type":"numberMax","message":"The 'filter.age' field must be less than or equal to 150.","field":"filter.age","expected":150,"actual":151,`+whom+`
	]`, string(data))
}

type login struct {
	User  string `json:"user"`
	Token struct {
		Value string   `json:"value" params:"min:100"`
		Codes []string `json:"codes" params:"items:length:4"`
	} `json:"token" params:"secret"`
	Proof struct {
		Key string `json:"key" params:"secret"`
		Alg string `json:"alg" params:"enum:a,b"`
	} `json:"proof"`
}

func TestSecretsAreNotRepeated(t *testing.T) {
	for _, params := range []string{
		`{"user":"x","token":{"value":"hunter2","codes":["hunter2",2]},"proof":{"key":["hunter2"],"alg":"a"}}`,
		`{"user":"x","token":"hunter2","proof":"hunter2"}`,
		`["hunter2"]`,
	} {
		data, err := json.Marshal(refused[login](t, params))
		require.NoError(t, err)
		require.NotContains(t, string(data), "hunter2")
	}
	faults := refused[login](t, `{"user":5,"token":{"value":"hunter2","codes":[]},"proof":{"key":"k","alg":"c"}}`)
	require.Len(t, faults, 3)
	require.Equal(t, "5", string(faults[0].Actual))
	require.Nil(t, faults[1].Actual, "not even its length")
	require.Equal(t, `"c"`, string(faults[2].Actual), "the neighbour of a secret is none")
}

func TestLongListOfFaultsIsCut(t *testing.T) {
	faults := refused[struct {
		IDs []int `json:"ids"`
	}](t, `{"ids":[`+strings.Repeat(`"x",`, 5000)+`1]}`)
	require.Len(t, faults, 1000)
}

func TestIntegersFitTheirGoType(t *testing.T) {
	type wide struct {
		A int64  `json:"a"`
		B uint64 `json:"b"`
	}
	_, err := paramsOf[wide](t).Check(
		&action.Request{Params: json.RawMessage(`{"a":-9223372036854775808,"b":18446744073709551615}`)},
	)
	require.NoError(t, err)
	faults := refused[wide](t, `{"a":-9223372036854775809,"b":18446744073709551616}`)
	require.Equal(t, "The 'a' field must be greater than or equal to -9223372036854775808.", faults[0].Message)
	require.Equal(t, "The 'b' field must be less than or equal to 18446744073709551615.", faults[1].Message)
	require.Equal(
		t, "The 'a' field must be less than or equal to 9223372036854775807.",
		refused[wide](t, `{"a":1e300,"b":0}`)[0].Message,
	)
}

// fuzzed has every kind of rule.
type fuzzed struct {
	search
	Name  string          `json:"name" params:"optional|trim|empty:false|max:20|pattern:^[a-zé ]*$"`
	Mail  string          `json:"mail" params:"optional|email|max:50"`
	Link  string          `json:"link" params:"optional|url"`
	UUID  string          `json:"uuid" params:"optional|uuid"`
	Kind  string          `json:"kind" params:"optional|enum:a,b"`
	Rank  int             `json:"rank" params:"optional|enum:1,2"`
	Small *int8           `json:"small" params:"convert"`
	Big   uint64          `json:"big" params:"optional|convert"`
	Ratio float32         `json:"ratio" params:"optional|convert"`
	List  [][]uint16      `json:"list" params:"optional|items:items:convert"`
	Parts []*filter       `json:"parts" params:"optional|convert"`
	Raw   json.RawMessage `json:"raw" params:"optional"`
	Exact json.Number     `json:"exact" params:"optional|convert"`
}

// What passes the rules can be decoded, passes them again unchanged, and what doesn't is the caller's fault.
func FuzzCheck(f *testing.F) {
	for _, params := range []string{
		`{"query":"go"}`, ``, `null`, `[]`, `"x"`, `{"query":`,
		`{"query":" go ","limit":"7","small":"12.0","big":"1e3","list":[["1",2]],"parts":{"age":1}}`,
		`{"query":"go","LIMIT":1e999,"limit":1e999}`, `{"query":"go","small":128,"big":18446744073709551616,"ratio":1e39}`,
		`{"query":"go","ſmall":"x","filter":{"age":1},"filter":{"ſcore":2}}`, "{\"query\":\"\xff\xfe go\",\"\xff\":1}",
		`{"query":"\ud800 ","name":"\ufeff"}`,
		`{"query":"go","exact":"+.5","raw":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`, `{"query":NaN}`,
		`{"query":"go","rank":1.0,"id":-0}`,
	} {
		f.Add([]byte(params))
	}
	rules := paramsOf[fuzzed](f)
	f.Fuzz(func(t *testing.T, params []byte) {
		raw, err := rules.Check(&action.Request{Params: params})
		_, decodeErr := rules.Decode(&action.Request{Params: params})
		require.Equal(t, err == nil, decodeErr == nil, "Decode and Check judge alike")
		if err != nil {
			e, ok := errors.AsType[*action.Error](err)
			require.True(t, ok)
			require.Contains(t, []int{400, 422}, e.Code)
			_, err := json.Marshal(e.Data)
			require.NoError(t, err)
			return
		}
		require.NoError(t, json.Unmarshal(raw, new(fuzzed)), "%s", raw)
		again, err := rules.Check(&action.Request{Params: raw})
		require.NoError(t, err)
		require.Equal(t, string(raw), string(again))
	})
}
