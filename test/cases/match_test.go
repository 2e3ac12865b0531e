package cases_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// object is a JSON object.
type object = map[string]any

// expand makes the values that a case describes: {"$join": [...]}, {"$repeat": [text, times]} and
// {"$lines": [line, times]}, where # in a line is its number, and {{uuid}} in a text.
// Operators that match are left as they are.
func expand(value any) (any, error) {
	switch v := value.(type) {
	case string:
		return strings.ReplaceAll(v, "{{uuid}}", uuid.NewString()), nil
	case []any:
		return expandList(v)
	case object:
		for name, of := range v {
			if text, ok, err := generated(name, of); ok || err != nil {
				return text, err
			}
		}
		made := object{}
		for name, of := range v {
			part, err := expand(of)
			if err != nil {
				return nil, err
			}
			made[name] = part
		}
		return made, nil
	default:
		return v, nil
	}
}

func expandList(list []any) ([]any, error) {
	made := make([]any, len(list))
	for i, of := range list {
		var err error
		if made[i], err = expand(of); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// generated makes the text of one operator. ok is false for all other members of an object.
func generated(name string, of any) (text string, ok bool, err error) {
	if name != "$join" && name != "$repeat" && name != "$lines" {
		return "", false, nil
	}
	list, _ := of.([]any)
	parts, err := expandList(list)
	if err != nil {
		return "", false, err
	}
	if name == "$join" {
		for _, part := range parts {
			text += fmt.Sprint(part)
		}
		return text, true, nil
	}
	if len(parts) != 2 {
		return "", false, fmt.Errorf("%s needs a text and a number", name)
	}
	line, times := fmt.Sprint(parts[0]), parts[1]
	n, isNumber := times.(float64)
	if !isNumber {
		return "", false, fmt.Errorf("%s: %v is no number", name, times)
	}
	if name == "$repeat" {
		return strings.Repeat(line, int(n)), true, nil
	}
	lines := make([]string, int(n))
	for i := range lines {
		lines[i] = strings.ReplaceAll(line, "#", strconv.Itoa(i+1))
	}
	return strings.Join(lines, "\n"), true, nil
}

// absent is what a missing member is matched as.
type absent struct{}

// match says how a value differs from what a case expects of it, "" for not at all. An object may have more members
// than are expected, a list has as many items. It fails the test for operators that it does not know.
func match(t *testing.T, want, got any) string {
	t.Helper()
	switch w := want.(type) {
	case object:
		return matchObject(t, w, got)
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(w) {
			return fmt.Sprintf("%d items are expected, and it is %s", len(w), short(got))
		}
		for i := range w {
			if diff := match(t, w[i], list[i]); diff != "" {
				return fmt.Sprintf("[%d] %s", i, diff)
			}
		}
		return ""
	case nil:
		if _, missing := got.(absent); missing {
			return ""
		}
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("%s is expected, and it is %s", short(want), short(got))
	}
	return ""
}

func matchObject(t *testing.T, want object, got any) string {
	t.Helper()
	operators := 0
	for name := range want {
		if strings.HasPrefix(name, "$") {
			operators++
		}
	}
	if operators > 0 {
		require.Len(t, want, operators, "an object has operators or members, not both: %s", short(want))
		for name, of := range want {
			if diff := matchOperator(t, name, of, got); diff != "" {
				return diff
			}
		}
		return ""
	}
	members, ok := got.(object)
	if !ok {
		return fmt.Sprintf("an object like %s is expected, and it is %s", short(want), short(got))
	}
	for name, of := range want {
		value, there := members[name]
		if !there {
			value = absent{}
		}
		if diff := match(t, of, value); diff != "" {
			return "." + name + " " + diff
		}
	}
	return ""
}

func matchOperator(t *testing.T, name string, of, got any) string {
	t.Helper()
	switch name {
	case "$re":
		pattern, err := regexp.Compile(fmt.Sprint(of))
		require.NoError(t, err)
		if text, ok := got.(string); !ok || !pattern.MatchString(text) {
			return fmt.Sprintf("%v does not match %s", of, short(got))
		}
	case "$not":
		if match(t, of, got) == "" {
			return fmt.Sprintf("%s is not what it may be", short(got))
		}
	case "$any":
		if _, missing := got.(absent); missing == (of != false) {
			return "it is missing, or there and should not be"
		}
	case "$some":
		list, ok := of.([]any)
		require.True(t, ok, "$some needs a list")
		if !slices.ContainsFunc(list, func(w any) bool { return match(t, w, got) == "" }) {
			return fmt.Sprintf("none of %s matches %s", short(of), short(got))
		}
	default:
		require.Fail(t, "the operator "+name+" is not known")
	}
	return ""
}

// short is a value for a reader.
func short(v any) string {
	if _, missing := v.(absent); missing {
		return "missing"
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	const enough = 400
	if len(data) > enough {
		return string(data[:enough]) + "…"
	}
	return string(data)
}

func TestCaseSaysWhatIsExpected(t *testing.T) {
	for name, test := range map[string]struct {
		want, got string
		holds     bool
	}{
		"an object with more members":  {`{"a":1}`, `{"a":1,"b":2}`, true},
		"an object without the member": {`{"a":1}`, `{"b":2}`, false},
		"another value":                {`{"a":1}`, `{"a":2}`, false},
		"a list of as many":            {`[{},{}]`, `[{"a":1},{"b":1}]`, true},
		"a list of more":               {`[{}]`, `[{},{}]`, false},
		"a list of none":               {`[]`, `[]`, true},
		"null is missing":              {`{"a":null}`, `{}`, true},
		"a pattern":                    {`{"$re":"^a"}`, `"ab"`, true},
		"a pattern that differs":       {`{"$re":"^b"}`, `"ab"`, false},
		"a pattern and a number":       {`{"$re":"1"}`, `1`, false},
		"not that":                     {`{"a":{"$not":"b"}}`, `{"a":"c"}`, true},
		"not that, and missing":        {`{"a":{"$not":{"$re":"b"}}}`, `{}`, true},
		"not that, and it is":          {`{"a":{"$not":"b"}}`, `{"a":"b"}`, false},
		"anything":                     {`{"a":{"$any":true}}`, `{"a":0}`, true},
		"anything, and missing":        {`{"a":{"$any":true}}`, `{}`, false},
		"some of them":                 {`{"$some":[[],[{"a":1}]]}`, `[{"a":1}]`, true},
		"none of them":                 {`{"$some":[[],[{"a":1}]]}`, `[{"a":2}]`, false},
	} {
		t.Run(name, func(t *testing.T) {
			diff := match(t, parse(t, test.want), parse(t, test.got))
			require.Equal(t, test.holds, diff == "", diff)
		})
	}
}

func TestCaseDescribesItsTexts(t *testing.T) {
	got, err := expand(parse(t, `{"a":[{"$join":["x\n",{"$lines":["  # of #",2]},{"$repeat":["ab",2]}]}],"b":"plain"}`))
	require.NoError(t, err)
	require.Equal(t, object{"a": []any{"x\n  1 of 1\n  2 of 2abab"}, "b": "plain"}, got)
	first, err := expand("Ev{{uuid}}")
	require.NoError(t, err)
	require.Regexp(t, `^Ev[0-9a-f-]{36}$`, first)
	_, err = expand(parse(t, `{"$repeat":["a"]}`))
	require.Error(t, err)
	_, err = expand(parse(t, `{"$lines":["a","b"]}`))
	require.Error(t, err)
}

func parse(t *testing.T, text string) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(text), &v))
	return v
}
