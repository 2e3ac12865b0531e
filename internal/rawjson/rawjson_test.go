package rawjson_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

type member struct{ name, value string }

func members(data string) (list []member, err error) {
	err = rawjson.Members(
		[]byte(data), func(name, value []byte) { list = append(list, member{string(name), string(value)}) },
	)
	return list, err
}

func TestMembersAreVisitedInOrder(t *testing.T) {
	t.Parallel()
	list, err := members(
		" {\"a\" : 1.50,\"b\\u0041\":\"x\\n\\\\\", \"c\":{ \"d\":[ 1,\"]\\\"\" ] },\"a\":null,\"\xff\":[] }\n",
	)
	require.NoError(t, err)
	require.Equal(
		t, []member{{"a", "1.50"}, {"bA", `"x\n\\"`}, {"c", `{ "d":[ 1,"]\"" ] }`}, {"a", "null"}, {"\uFFFD", "[]"}}, list,
	)
	list, err = members(" { } ")
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestMembersValueHasNoSpareCapacity(t *testing.T) {
	t.Parallel()
	data := []byte(`{"a":1,"b":2}`)
	require.NoError(t, rawjson.Members(data, func(name, value []byte) { _, _ = append(name, '!'), append(value, '!') }))
	require.Equal(t, `{"a":1,"b":2}`, string(data))
}

func TestMembersRefusesAnythingButOneObject(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"nothing": "", "blank": " ", "a list": "[]", "a number": "1", "null": "null", "cut off": `{"a":1`,
		"a name without a value": `{"a"}`,
		"a comma too many":       `{"a":1,}`, "two objects": `{}{}`, "garbage after it": `{} x`,
		"a control character": "{\"a\":\"\x01\"}",
		"a depth without end": strings.Repeat(`{"a":`, 100_000), "an odd name": `{1:2}`, "binary": "\xff\x00",
		"a colon for a comma": `{"a":1:"b":2}`,
		"too deep":            `{"a":` + nested(10_000) + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := members(data)
			require.Error(t, err)
		})
	}
}

func TestMembersErrorQuotesNothing(t *testing.T) {
	t.Parallel()
	_, err := members(`{"secret":"s3cret",}`)
	require.EqualError(t, err, "not valid JSON at byte 19")
}

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

// texts are values at the edges of the grammar, most of them strings.
var texts = []string{
	`""`, `"plain"`, `"more than eight plain bytes"`, `"\u00e9\"\\\/\b\f\n\r\t"`, `"é, and 漢字 behind it"`, "\"\xff\"",
	"\"seven..\xff\xe2\x82\\n\x82\"",
	`"\ud83d\ude00"`, `"\ud83d"`, `"\ud83d\ud83d\ude00"`, `"\ude00\ud83d"`, `"\ud83dx\ude00"`, `"\uD83D\u0041"`,
	`"\ud83d\ude0"`, `"\u00E9\u00eg"`,
	"\"\xed\xa0\x80\xf4\x90\x80\x80\"", `"{\"a\":\"b\\\"c\\\\\",\"d\":[1,2]}"`, `"\`, `"\"`, `"\u`, `"\x"`, `"\u12"`,
	"\"\x00\"", "\"1234567\x1f\"", "\"\x7f\u0080\"",
	`"12345678`, `"1234567"`, `"123456\""`, `"\\\\\\\\\\"`, "\"a\\\nb\"", "\"\xff\xff\xff\xff\xff\xff\xff\xff\xff\"",
	`'a'`, `"`, `"a" b`,
}

var others = []string{
	"", " ", "null", "nul", "nulll", "true", "tru", "false", "False", "0", "-0", "00", "01", "-", "+1", "1.", ".1", "1.5",
	"1.5e", "1e5", "1E+5", "1e-", "-1.5E-05", "1x", "0x1",
	"[]", "[ ]", "[1]", "[1,]", "[,1]", "[1 2]", "[1,2", "]", "[}", "{]", "{}", "{ }", `{"a"}`, `{"a":}`, `{"a":1}`,
	`{"a" : 1 , "b" : [ ] }`, `{"a":1,}`, `{"a":1,"b"}`, `{,}`,
	`{"a":1}}`, `[[1],{"a":[{"b":"c"}]}]`, `[{"a":1],2}`, "\t\r\n 1 \t\r\n", "\v1", "\u00a01", "1\x00", "\xef\xbb\xbf{}",
	"[1,\x00]", `{"a":1 "b":2}`, `{a:1}`, "nan", "[tru]", `[1}`,
}

func TestValidAgreesWithTheStandard(t *testing.T) {
	t.Parallel()
	for _, data := range append(append([]string{nested(9_999), nested(10_000), nested(10_001)}, texts...), others...) {
		for _, data := range []string{data, "[" + data + "]", `{"":` + data + "}"} {
			require.Equal(t, json.Valid([]byte(data)), rawjson.Valid([]byte(data)), "%.40q", data)
		}
	}
}

func TestTextAgreesWithTheStandard(t *testing.T) {
	t.Parallel()
	for _, value := range texts {
		sameText(t, []byte(value))
	}
	for _, value := range others {
		require.Empty(t, rawjson.Text([]byte(value)))
	}
}

// Long strings are read in blocks. An escape must mean the same at every position of a block.
func TestTextOfManyBlocks(t *testing.T) {
	t.Parallel()
	for _, value := range texts {
		for before := range 70 {
			for _, behind := range []string{
				`"`, strings.Repeat("z", 130) + `"`, strings.Repeat("z", 20) + `","` + strings.Repeat("\n", 100),
			} {
				data := `"\"` + strings.Repeat("a", before) + strings.Trim(value, `"`) + behind
				require.Equal(t, json.Valid([]byte(data)), rawjson.Valid([]byte(data)), "%q", data)
				sameText(t, []byte(data))
				list := "[" + data + "," + data + "\n]"
				require.Equal(t, json.Valid([]byte(list)), rawjson.Valid([]byte(list)), "%q", list)
			}
		}
	}
}

// sameText requires that Text and encoding/json read the same text, if value is a string.
func sameText(t *testing.T, value []byte) {
	t.Helper()
	text := rawjson.Text(value)
	require.Equal(t, ">"+text, string(rawjson.AppendText([]byte(">"), value)))
	var want string
	if len(value) > 0 && value[0] == '"' && value[len(value)-1] == '"' && json.Unmarshal(value, &want) == nil {
		require.Equal(t, want, text, "%q", value)
	}
}

func TestMembersAllocatesNothing(t *testing.T) {
	data, n := []byte(`{"a":1,"b":[{"c":"\""}],"d":"e"}`), 0
	visit := func(name, _ []byte) {
		switch string(name) {
		case "a", "b", "d":
			n++
		}
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = rawjson.Members(data, visit) }))
	require.Equal(t, 303, n)
}

func TestTextAllocatesOnce(t *testing.T) {
	for _, value := range []string{
		`"plain, and long enough to be allocated at all"`, `"escaped: \"\\\u00e9\ud83d\ude00\" and so on, and so on"`,
	} {
		// The second allocation is []byte(value).
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { rawjson.Text([]byte(value)) }), 2.0, value)
	}
}

func TestStringNoCopyIsTheText(t *testing.T) {
	for _, value := range []string{`"plain"`, `"é"`, `"a\nb\u00e9"`, "\"\xff\"", `""`, `1`, `null`, `"`, ``} {
		require.Equal(t, rawjson.Text([]byte(value)), rawjson.StringNoCopy([]byte(value)), value)
	}
	data := []byte(`"shared"`)
	view := rawjson.StringNoCopy(data)
	require.Zero(t, testing.AllocsPerRun(10, func() { view = rawjson.StringNoCopy(data) }))
	require.Equal(t, "shared", view)
	require.Empty(t, rawjson.UnsafeString(nil))
}

func TestAppendQuoteAgreesWithTheStandard(t *testing.T) {
	for _, text := range []string{
		"", "a", "seven77", "eight888", "nine 9999", `with " quote`, `back\slash`, "tab\tand\nmore", "<b>&amp;</b>", "é",
		"漢字 and more", "a\xffb", "\x00", "\x7f", "0123456\"", "01234567\x1f", "\u2028",
	} {
		var buffer bytes.Buffer
		encoder := json.NewEncoder(&buffer)
		encoder.SetEscapeHTML(false)
		require.NoError(t, encoder.Encode(text))
		got := rawjson.AppendQuote([]byte("x"), text)
		require.JSONEq(t, buffer.String(), string(got[1:]))
		require.Equal(t, strings.ToValidUTF8(text, "\uFFFD"), rawjson.Text(got[1:]))
	}
}
