package is_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

func TestShapesOfAFileAreRules(t *testing.T) {
	shapes := is.Parse([]byte(`{
		"any name": "text 5 | says bad_name | missing no_name | long long_name",
		"base": {"name!": "any name", "quiet": "bool"},
		"thing": {
			"$with": ["base"], "kind!": "one of a b", "n": "integer 1 9", "f": "number -1 1", "u": "link 30", "m": "match ^x y$",
			"s": "string 2", "b": "bytes 2", "w": "utf16 2", "free": "any", "not": "never", "own": "even",
			"list": ["1-2", {"id!": "text"}, {"$distinct": ["id"], "$check": "even count"}],
			"one": {"a": "bool", "b": "bool", "$one": ["a", "b"], "$says": "one_of_them"}
		},
		"animal": {"$by": "kind", "cat": {"lives!": "integer 1 9"}, "dog": {"tail": "bool"}},
		"either": {"$if": "a", "$then": {"a": "bool"}, "$else": {"b!": "bool"}}
	}`), is.Shapes{
		"even": is.OneOf("2", "4"),
		"even count": is.Func(func(v any) *is.Fault {
			if len(is.Every(v, ""))%2 != 0 {
				return is.Saying("odd")
			}
			return nil
		}),
	})
	for _, test := range []struct{ shape, json, fault string }{
		{"thing", `{"name":"x","kind":"a","n":5,"f":0.5,"u":"https://a.example","m":"x y","s":"","b":"ab","w":"👍",` +
			`"free":[1],"own":2}`, ""},
		{"thing", `{"name":"x","kind":"a","list":[{"id":"a"},{"id":"b"}],"one":{"a":true}}`, ""},
		{"thing", `{"kind":"a"}`, "no_name"},
		{"thing", `{"kind":"a","name":" "}`, "bad_name"},
		{"thing", `{"kind":"a","name":"abcdef"}`, "long_name"},
		{"thing", `{"kind":"c","name":"x"}`, "kind"},
		{"thing", `{"kind":"a","name":"x","n":10}`, "n"},
		{"thing", `{"kind":"a","name":"x","f":2}`, "f"},
		{"thing", `{"kind":"a","name":"x","u":"ftp://a"}`, "u"},
		{"thing", `{"kind":"a","name":"x","m":"x"}`, "m"},
		{"thing", `{"kind":"a","name":"x","b":"abc"}`, "b"},
		{"thing", `{"kind":"a","name":"x","w":"👍👍"}`, "w"},
		{"thing", `{"kind":"a","name":"x","not":1}`, "not"},
		{"thing", `{"kind":"a","name":"x","own":3}`, "own"},
		{"thing", `{"kind":"a","name":"x","list":[{"id":"a"},{"id":"a"}]}`, "list.id"},
		{"thing", `{"kind":"a","name":"x","list":[{"id":"a"}]}`, "odd"},
		{"thing", `{"kind":"a","name":"x","one":{}}`, "one_of_them"},
		{"animal", `{"kind":"cat","lives":9}`, ""},
		{"animal", `{"kind":"dog","lives":9}`, "lives"},
		{"either", `{"a":true}`, ""},
		{"either", `{}`, "b"},
	} {
		fault, _ := is.Check(shapes[test.shape], value(t, test.json))
		switch {
		case test.fault == "":
			require.Nil(t, fault, test.json)
		case fault.Says != "":
			require.Equal(t, test.fault, fault.Says, test.json)
		default:
			require.Equal(t, test.fault, fault.Path, test.json)
		}
	}
}

func TestFileOfShapesThatIsWrongPanics(t *testing.T) {
	for name, file := range map[string]string{
		"no JSON":                `{`,
		"an unknown rule":        `{"a": "txt 5"}`,
		"a rule with more":       `{"a": "bool 5"}`,
		"unknown words":          `{"a": "bool | shouts x"}`,
		"a limit that is none":   `{"a": "text five"}`,
		"bounds that are none":   `{"a": ["some", "bool"]}`,
		"members of none":        `{"a": {"$with": ["b"]}}`,
		"a check that is none":   `{"a": {"$check": "b"}}`,
		"members of no object":   `{"a": {"$with": ["b"]}, "b": "bool"}`,
		"an unknown property":    `{"a": {"$distict": ["b"]}}`,
		"a shape within itself":  `{"a": {"b": "a"}}`,
		"a kind that is no form": `{"a": {"$by": "k", "x": "bool"}}`,
	} {
		require.Panics(t, func() { is.Parse([]byte(file), nil) }, name)
	}
}
