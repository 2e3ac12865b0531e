package is_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// value is JSON as fakeapi reads it.
func value(t *testing.T, text string) any {
	t.Helper()
	var v any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&v))
	return v
}

func TestRulesAllowWhatTheySay(t *testing.T) {
	const fine = "fine"
	animals := is.Union("kind", map[string]is.Object{"cat": {"lives!": is.Integer(1, 9)}, "7": {"tail": is.Bool}})
	for name, test := range map[string]struct {
		rule is.Rule
		json string
		want string // path and reason, or fine
	}{
		"a text":                     {is.Text(3), `"жжж"`, fine},
		"a text that is too long":    {is.Text(3), `"abcd"`, ": it is longer than 3"},
		"a blank text":               {is.Text(3), `" "`, ": it must not be empty"},
		"a number for a text":        {is.Text(3), `5`, ": it must be a text"},
		"null for a text":            {is.Text(3), `null`, ": it must be a text"},
		"an empty text":              {is.String(3), `""`, fine},
		"a text in UTF-16":           {is.UTF16(2), `"👍"`, fine},
		"too much UTF-16":            {is.UTF16(3), `"👍👍"`, ": it is longer than 3"},
		"too many bytes":             {is.Bytes(3), `"жж"`, ": it is longer than 3"},
		"one of the values":          {is.OneOf("a", "1"), `1`, fine},
		"another value":              {is.OneOf("a", "1"), `"b"`, ": it must be one of a, 1"},
		"what matches":               {is.Match(`^a+$`), `"aa"`, fine},
		"what does not match":        {is.Match(`^a+$`), `"b"`, ": it must match ^a+$"},
		"a link":                     {is.Link(50), `"https://a.example/b"`, fine},
		"a link of another scheme":   {is.Link(50), `"ftp://a.example/b"`, ": it must be a URL"},
		"a link that is too long":    {is.Link(10), `"https://a.example/b"`, ": it is longer than 10"},
		"a link to a tool":           {is.Link(50, "tg"), `"tg://user"`, fine},
		"true":                       {is.Bool, `true`, fine},
		"a text for true":            {is.Bool, `"true"`, ": it must be true or false"},
		"a number":                   {is.Number(-1, 1), `0.5`, fine},
		"a number beyond":            {is.Number(-1, 1), `1.5`, ": it must be a number from -1 to 1"},
		"a whole number":             {is.Integer(0, 5), `5`, fine},
		"half a number":              {is.Integer(0, 5), `0.5`, ": it must be a whole number"},
		"a list":                     {is.List(1, 2, is.Bool), `[true]`, fine},
		"an empty list":              {is.List(1, 2, is.Bool), `[]`, ": it must have between 1 and 2 items"},
		"a long list":                {is.List(1, 2, is.Bool), `[true,true,true]`, ": it is longer than 2"},
		"a wrong item":               {is.List(1, 2, is.Bool), `[true,1]`, "[1]: it must be true or false"},
		"an object":                  {is.Object{"a!": is.Bool, "b": is.Bool}, `{"a":true}`, fine},
		"a member that is not there": {is.Object{"a!": is.Bool}, `{}`, "a: it is required"},
		"a member that there is not": {is.Object{"a!": is.Bool}, `{"b":1}`, "b: there is no such parameter as b"},
		"a wrong member within others": {
			is.Object{"a": is.List(0, 1, is.Object{"b": is.Bool})}, `{"a":[{"b":1}]}`, "a[0].b: it must be true or false",
		},
		"a list for an object": {is.Object{}, `[]`, ": it must be an object"},
		"one of a union":       {animals, `{"kind":"cat","lives":9}`, fine},
		"one with a number":    {animals, `{"kind":7,"tail":true}`, fine},
		"a member of another":  {animals, `{"kind":"cat","lives":9,"tail":true}`, "tail: there is no such parameter as tail"},
		"none of a union":      {animals, `{"kind":"dog"}`, "kind: it must be one of 7, cat"},
		"exactly one":          {is.Exactly("a", "b"), `{"b":1}`, fine},
		"both":                 {is.Exactly("a", "b"), `{"a":1,"b":1}`, "a: exactly one is required of a, b"},
		"neither":              {is.Exactly("a", "b"), `{}`, "a: exactly one is required of a, b"},
		"distinct values":      {is.Distinct("a.id"), `{"a":[{"id":"x"},{"id":"y"},{}]}`, fine},
		"values that are not distinct": {
			is.Distinct("a.id"), `[{"a":[{"id":"x"}]},{"a":[{"id":"x"}]}]`, `a.id: there are two of "x"`,
		},
		"what is never there": {is.Object{"a": is.Never}, `{"a":1}`, "a: it does not go with the others"},
		"the first of all":    {is.All(is.Text(5), is.Match("a"), is.Match("b")), `"c"`, ": it must match a"},
		"a rule for those that have": {is.IfHas(
			"a", is.Object{"a": is.Bool}, is.Object{"b!": is.Bool},
		), `{"a":1}`, "a: it must be true or false"},
		"a rule for those that lack": {is.IfHas(
			"a", is.Object{"a": is.Bool}, is.Object{"b!": is.Bool},
		), `{}`, "b: it is required"},
	} {
		t.Run(name, func(t *testing.T) {
			fault, _ := is.Check(test.rule, value(t, test.json))
			if test.want == fine {
				require.Nil(t, fault)
				return
			}
			require.NotNil(t, fault)
			require.Equal(t, strings.TrimPrefix(test.want, ""), fault.String())
		})
	}
}

func TestFaultsAreToldInThePlatformsWords(t *testing.T) {
	rule := is.Object{
		"text!": is.Says("no_text", is.Text(3)).WhenTooLong("msg_too_long"),
		"ts!":   is.Says("bad_ts", is.Text(3)).WhenMissing("no_ts"),
	}
	for body, want := range map[string]string{
		`{"ts":"1"}`:               "no_text",
		`{"ts":"1","text":""}`:     "no_text",
		`{"ts":"1","text":"abcd"}`: "msg_too_long",
		`{"ts":"1","text":5}`:      "", // a type is no matter of words
		`{"text":"a"}`:             "no_ts",
		`{"ts":" ","text":"a"}`:    "bad_ts",
	} {
		fault, _ := is.Check(rule, value(t, body))
		require.NotNil(t, fault, body)
		require.Equal(t, want, fault.Says, body)
	}
}

func TestOptionalPartsAreNoted(t *testing.T) {
	rule := is.Object{
		"a!": is.List(0, 5, is.Object{"b!": is.Bool, "c": is.Object{"d!": is.Bool}}), "e": is.Any, "f": is.Bool,
	}
	fault, optional := is.Check(rule, value(t, `{"a":[{"b":true},{"b":true,"c":{"d":true}}],"e":{"x":1}}`))
	require.Nil(t, fault)
	require.Equal(t, []string{"a[].c", "e", "e.*"}, optional)
}

func TestValuesAreFoundByTheirPaths(t *testing.T) {
	v := value(t, `{"a":{"b":"x"},"list":[{"b":1},{"b":2},{}],"rows":[[{"c":1}],[{"c":2}]]}`)
	require.Equal(t, "x", is.At[string](v, "a.b"))
	require.Empty(t, is.At[string](v, "a.c.d"))
	require.Empty(t, is.At[string](v, "list"))
	require.Len(t, is.Every(v, "list.b"), 2)
	require.Len(t, is.Every(v, "rows.c"), 2)
	require.Empty(t, is.Every(v, "none"))
}
