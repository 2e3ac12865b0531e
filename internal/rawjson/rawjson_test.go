package rawjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

func members(data string) ([][2]string, error) {
	var list [][2]string
	err := rawjson.Members([]byte(data), func(name string, value []byte) { list = append(list, [2]string{name, string(value)}) })
	return list, err
}

func TestMembersAreVisitedInTheirOrderAsTheyStand(t *testing.T) {
	t.Parallel()
	list, err := members(" {\"a\" : 1.50,\"b\\u0041\":\"x\\n\", \"c\":{ \"d\":[ 1 ] },\"a\":null}\n")
	require.NoError(t, err)
	require.Equal(t, [][2]string{{"a", "1.50"}, {"bA", `"x\n"`}, {"c", `{ "d":[ 1 ] }`}, {"a", "null"}}, list)
}

func TestWhatIsNotOneObjectIsRefused(t *testing.T) {
	t.Parallel()
	for name, data := range map[string]string{
		"nothing": "", "blank": " ", "a list": "[]", "a number": "1", "null": "null", "cut off": `{"a":1`, "a name without a value": `{"a"}`,
		"a comma too many": `{"a":1,}`, "two objects": `{}{}`, "garbage after it": `{} x`, "a control character": "{\"a\":\"\x01\"}",
		"a depth without end": strings.Repeat(`{"a":`, 100_000), "an odd name": `{1:2}`, "binary": "\xff\x00",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := members(data)
			require.Error(t, err)
		})
	}
}

func TestTextIsWhatEncodingJSONReads(t *testing.T) {
	t.Parallel()
	for _, value := range []string{`""`, `"plain"`, `"\u00e9\"\\"`, `"é"`, "\"\xff\"", `"\ud83d\ude00"`, `"\ud83d"`} {
		var want string
		require.NoError(t, json.Unmarshal([]byte(value), &want))
		require.Equal(t, want, rawjson.Text([]byte(value)), value)
	}
	require.Empty(t, rawjson.Text([]byte("5")))
}

func FuzzMembers(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"b":[{}]}`, `{"a":"\u00e9"}`, "[", "{\"\xff\":1}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fields := map[string]json.RawMessage{}
		if rawjson.Members(data, func(name string, value []byte) { fields[name] = value }) != nil {
			return
		}
		require.True(t, json.Valid(data))
		var want map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(data, &want))
		require.Equal(t, want, fields)
	})
}
