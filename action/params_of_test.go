package action_test

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

type paging struct {
	Limit int `json:"limit" params:"positive|max:100|default:20|convert"`
}

type address struct {
	City string  `json:"city" params:"trim|min:2"`
	Zip  *string `json:"zip" params:"length:5"`
}

type order struct {
	paging
	ID      string            `json:"id" params:"uuid"`
	Kind    string            `json:"kind,omitempty" params:"enum:retail, bulk|default:retail"`
	Mail    string            `params:"email|optional"`
	Pin     string            `json:"pin" params:"secret|pattern:^[0-9]{4}|x$"`
	Small   int8              `json:"small"`
	Count   uint              `json:"count"`
	Ratio   float64           `json:"ratio"`
	Gift    bool              `json:"gift"`
	Due     time.Time         `json:"due"`
	Address address           `json:"address"`
	Billing *address          `json:"billing"`
	Tags    []string          `json:"tags" params:"max:3|items:min:2|max:9"`
	Parts   []address         `json:"parts" params:"optional"`
	Labels  map[string]string `json:"labels"`
	Raw     json.RawMessage   `json:"raw"`
	Any     any               `json:"any" params:"optional"`
	Mixed   []any             `json:"mixed"`
	From    netip.Addr        `json:"from"`
	Exact   json.Number       `json:"exact"`
	Ignored func()            `json:"-"`
	hidden  chan int
}

func TestRulesComeFromAStruct(t *testing.T) {
	_ = order{}.hidden // unexported, so encoding/json and the rules leave it alone
	params, err := action.ParamsOf(reflect.TypeFor[order]())
	require.NoError(t, err)
	data, err := json.MarshalIndent(params, "", " ")
	require.NoError(t, err)
	addressRules := `{"city":{"type":"string","min":2,"trim":true},"zip":{"type":"string","optional":true,"length":5}}`
	require.JSONEq(t, `{
		"limit": {"type":"number","max":100,"integer":true,"positive":true,"convert":true,"default":20},
		"id": "uuid",
		"kind": {"type":"enum","values":["retail","bulk"],"default":"retail"},
		"Mail": "email|optional",
		"pin": {"type":"string","pattern":"^[0-9]{4}|x$"},
		"small": {"type":"number","min":-128,"max":127,"integer":true},
		"count": {"type":"number","min":0,"integer":true},
		"ratio": "number",
		"gift": "boolean",
		"due": {"type":"date","convert":true},
		"address": {"type":"object","props":`+addressRules+`},
		"billing": {"type":"object","optional":true,"props":`+addressRules+`},
		"tags": {"type":"array","max":3,"items":{"type":"string","min":2,"max":9}},
		"parts": {"type":"array","optional":true,"items":{"type":"object","props":`+addressRules+`}},
		"labels": "object",
		"raw": "any",
		"any": "any|optional",
		"mixed": "array",
		"from": "string",
		"exact": "number"
	}`, string(data))
}

type itself struct {
	Name string    `json:"name"`
	More []*itself `json:"more"`
}

type ownJSON struct{ A int }

func (*ownJSON) UnmarshalJSON([]byte) error { return nil }

type faulty struct {
	paging
	Again   int            `json:"limit"`
	Unknown string         `params:"mni:3"`
	Misfit  bool           `params:"min:3|email"`
	Twice   string         `params:"min:1|min:2"`
	Formats string         `params:"email|url"`
	Length  string         `params:"min:-1|max:many"`
	Bound   float64        `params:"min:NaN|max:1e999"`
	Regexp  string         `params:"pattern:^(a$"`
	Foreign string         `params:"pattern:\\A[a-z]+"`
	None    string         `params:"pattern:"`
	Empty   string         `params:"empty:no"`
	Flag    string         `params:"trim:yes"`
	Values  string         `params:"enum:"`
	Number  int            `params:"enum:1,b"`
	Quote   string         `params:"enum:a\"b"`
	Default int            `params:"max:5|default:9"`
	NoInt   int            `params:"default:1.5"`
	Chan    chan int       `json:"chan"`
	Bytes   []byte         `json:"bytes"`
	Fixed   [2]int         `json:"fixed"`
	Keys    map[int]string `json:"keys"`
	Quoted  int            `json:"quoted,string"`
	Meta    string         `json:"$$strict"`
	Self    itself         `json:"self"`
	Nested  struct {
		Deep []string `params:"items:max:x"`
	}
}

func TestParamsOfJoinsAllFaultsOfAStruct(t *testing.T) {
	_, err := action.ParamsOf(reflect.TypeFor[faulty]())
	require.Error(t, err)
	require.Equal(t, []string{
		`action_test.faulty.Again: the name "limit" stands twice`,
		`action_test.faulty.Unknown: rule "mni": unknown rule`,
		`action_test.faulty.Misfit: rule "email": does not fit the type boolean`,
		`action_test.faulty.Misfit: rule "min": does not fit the type boolean`,
		`action_test.faulty.Twice: rule "min": stands twice`,
		`action_test.faulty.Formats: rule "url": does not fit the type email`,
		`action_test.faulty.Length: rule "min": "-1" is no length`,
		`action_test.faulty.Length: rule "max": "many" is no number`,
		`action_test.faulty.Bound: rule "min": "NaN" is no number`,
		`action_test.faulty.Bound: rule "max": "1e999" is no number`,
		"action_test.faulty.Regexp: rule \"pattern\": error parsing regexp: missing closing ): `^(a$`",
		`action_test.faulty.Foreign: rule "pattern": JavaScript does not know \A`,
		`action_test.faulty.None: rule "pattern": is empty`,
		`action_test.faulty.Empty: rule "empty": "no" is neither true nor false`,
		`action_test.faulty.Flag: rule "trim": takes no value, but has "yes"`,
		`action_test.faulty.Values: rule "enum": names no values`,
		`action_test.faulty.Number: rule "enum": "b" is no int`,
		`action_test.faulty.Quote: rule "enum": "a\"b" holds what Node's validator cannot quote`,
		`action_test.faulty.Default: rule "default": The 'default' field must be less than or equal to 5.`,
		`action_test.faulty.NoInt: rule "default": "1.5" is no int`,
		`action_test.faulty.Chan: no rule is known for chan int`,
		`action_test.faulty.Bytes: no rule is known for []uint8`,
		`action_test.faulty.Fixed: no rule is known for [2]int`,
		`action_test.faulty.Keys: no rule is known for map[int]string`,
		`action_test.faulty.Quoted: a number in a string is written with the rule convert`,
		`action_test.faulty.Meta: the name "$$strict" means something else to encoding/json or to Node's validator`,
		`action_test.itself: action_test.itself holds itself`,
		`action_test.faulty.Nested.Deep[]: rule "max": "x" is no number`,
	}, strings.Split(err.Error(), "\n"))
}

func TestOnlyStructsHaveParams(t *testing.T) {
	for _, typ := range []reflect.Type{
		reflect.TypeFor[map[string]any](), reflect.TypeFor[*order](), reflect.TypeFor[json.RawMessage](),
		reflect.TypeFor[any](),
		reflect.TypeFor[ownJSON](), reflect.TypeFor[time.Time](),
	} {
		_, err := action.ParamsOf(typ)
		require.ErrorContains(t, err, typ.String())
	}
	params, err := action.ParamsOf(reflect.TypeFor[struct{}]())
	require.NoError(t, err)
	require.Empty(t, params)
}

// Patterns are read by JavaScript too: what only Go knows is refused, what looks like it is not.
func TestPatternsAreThoseThatJavaScriptSharesWithGo(t *testing.T) {
	for pattern, shared := range map[string]bool{
		`^(?:a|b)[a-z]\d\w\x41\.$`: true, `\\A`: true, `a\\\\z`: true, `[(]x`: true,
		`(?i)a`: false, `(?P<x>a)`: false, `a\z`: false, `\\\A`: false, `\pL`: false, `\x{41}`: false, `[[:alpha:]]`: false,
		`\Q.\E`: false, `(?=a)`: false,
	} {
		_, err := action.ParamsOf(reflect.StructOf([]reflect.StructField{{
			Name: "P", Type: reflect.TypeFor[string](),
			Tag: reflect.StructTag(`params:"pattern:` + strings.ReplaceAll(pattern, `\`, `\\`) + `"`),
		}}))
		require.Equal(t, shared, err == nil, "%s: %v", pattern, err)
	}
}
