package rawjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

// sameFields requires that FieldsOf and MembersAndFields find the same fields in data.
func sameFields(t *testing.T, data []byte) {
	t.Helper()
	want, wanted := rawjson.FieldsOf(data)
	visited := rawjson.Members(data, func(name, value []byte) {
		require.Equal(t, rawjson.Field{Name: string(name), Value: value}, want[0])
		want = want[1:]
	})
	require.Equal(t, wanted, visited)
	require.Empty(t, want)

	outer := []byte(`{"before":{"x":1},"a":` + string(data) + `,"behind":{"y":2}}`)
	var members, plain [][2]string
	collect := func(into *[][2]string) func(name, value []byte) {
		return func(name, value []byte) { *into = append(*into, [2]string{string(name), string(value)}) }
	}
	fields := rawjson.Fields{{Name: "of another"}}
	err := rawjson.MembersAndFields(outer, "a", &fields, collect(&members))
	require.Equal(t, rawjson.Members(outer, collect(&plain)), err)
	require.Equal(t, plain, members)
	if err != nil {
		return
	}
	// If data repeats the name, the last value counts.
	var last []byte
	for _, m := range members {
		if m[0] == "a" {
			last = []byte(m[1])
		}
	}
	value, err := rawjson.FieldsOf(last)
	if len(last) < 512 || len(value) > 8 || err != nil { // err: not an object
		value = nil
	}
	require.Equal(t, value, fields)
}

func TestMembersAndFieldsReadsAMembersFields(t *testing.T) {
	long := `"` + strings.Repeat("x", 512) + `"`
	deep := func(depth int) string { return `{"b":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}` }
	for name, data := range map[string]string{
		"nothing in it":       `{}`,
		"some":                ` {"b":1, "c":[{"a":2}],"\u0062":{"a":{}}} `,
		"repeated within":     `{"b":1,"b":2}`,
		"of another type":     `[{"b":1}]`,
		"null":                `null`,
		"broken":              `{"b":}`,
		"cut off":             `{"b":1`,
		"repeated":            `{"b":1},"a":{"c":2}`,
		"long":                `{"b":` + long + `, "c":[{"a":2}],"\\u0062":{"a":` + long + `}}`,
		"long and broken":     `{"b":` + long + `,"c":}`,
		"long, then short":    `{"b":` + long + `},"a":{"c":2}`,
		"short, then long":    `{"b":1},"a":{"c":` + long + `}`,
		"long, then a text":   `{"b":` + long + `},"a":` + long,
		"a long list":         `[` + long + `]`,
		"as many as are kept": `{` + strings.Repeat(`"b":`+long+`,`, 7) + `"c":1}`,
		"one more":            `{` + strings.Repeat(`"b":`+long+`,`, 8) + `"c":1}`,
		"repeated as a text":  `{"b":1},"a":"{}"`,
		"as deep as may be":   deep(9_998),
		"deeper than may be":  deep(9_999),
		"deeper by itself":    deep(10_000),
		"a name with escapes": `{},"\u0061":{"c":2}`,
	} {
		t.Run(name, func(t *testing.T) { sameFields(t, []byte(data)) })
	}
}

func TestFieldsOfARepeatedNameAreTheLast(t *testing.T) {
	fields, err := rawjson.FieldsOf([]byte(`{"a":1,"b":2,"a":3}`))
	require.NoError(t, err)
	fields.Set("a", json.RawMessage("4"))
	fields.Set("c", json.RawMessage("5"))
	require.Equal(t, rawjson.Fields{
		{Name: "a", Value: json.RawMessage("1")},
		{Name: "b", Value: json.RawMessage("2")},
		{Name: "a", Value: json.RawMessage("4")},
		{Name: "c", Value: json.RawMessage("5")},
	}, fields)
	require.Equal(
		t, []string{"4", "2", "5", ""},
		[]string{string(fields.Get("a")), string(fields.Get("b")), string(fields.Get("c")), string(fields.Get("d"))},
	)
}

func TestFirstIsTheFirstMemberOfAName(t *testing.T) {
	for data, want := range map[string]string{
		`{"a":1,"b":2}`: "1", ` { "b" : {"a":2}, "\u0061" : [1] , "a":3}`: "[1]", `{"a":1,`: "1", // the rest is not checked
		`{"b":{"a":2}}`: "", `{}`: "", `["a",1]`: "", `"a"`: "", ``: "", `{"a":}`: "", `{"b":},"a":1}`: "", `{"b"`: "",
	} {
		require.Equal(t, want, string(rawjson.First([]byte(data), "a")), data)
	}
}
