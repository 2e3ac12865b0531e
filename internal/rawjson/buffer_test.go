package rawjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

func TestBufferIsItsBytes(t *testing.T) {
	for value, want := range map[string]string{
		`{"type":"Buffer","data":[104,105]}`:                "hi",
		`{ "data" : [ 104 , 105 ] , "type" : "Buffer" }`:    "hi",
		`{"type":"Buffer","data":[]}`:                       "",
		`{"type":"Buffer","data":[ ]}`:                      "",
		`{"type":"Buffer","data":[0,255,10,9]}`:             "\x00\xff\n\t",
		`{"type":"\u0042uffer","data":[104]}`:               "h",
		`{"type":"Buffer","data":["x"],"data":[104],"z":1}`: "h",
	} {
		data, ok := rawjson.Buffer([]byte(value))
		require.True(t, ok, value)
		require.Equal(t, want, string(data), value)
		require.True(t, rawjson.IsBuffer([]byte(value)))
	}
}

func TestBufferOfAnotherFormIsRefused(t *testing.T) {
	for _, value := range []string{
		``, `null`, `"Buffer"`, `[104]`, `{}`, `{"type":"Buffer"}`, `{"type":"buffer","data":[104]}`, `{"data":[104]}`,
		`{"type":"Buffer","data":"aGk="}`, `{"type":"Buffer","data":{"0":104}}`, `{"type":"Buffer","data":[256]}`,
		`{"type":"Buffer","data":[-1]}`,
		`{"type":"Buffer","data":[1.5]}`, `{"type":"Buffer","data":[1e2]}`, `{"type":"Buffer","data":[null]}`,
		`{"type":"Buffer","data":[[1]]}`,
		`{"type":"Buffer","data":[99999999999999999999]}`, `{"type":"Buffer","data":[1,]}`, `{"type":"Buffer","data":[1`,
		`{"type":"Buffer","data":[true]}`,
	} {
		_, ok := rawjson.Buffer([]byte(value))
		require.False(t, ok, value)
	}
}

func FuzzBuffer(f *testing.F) {
	f.Add([]byte(`{"type":"Buffer","data":[1, 22 ,255]}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		data, ok := rawjson.Buffer(value)
		if !ok {
			return
		}
		var want struct {
			Type string   `json:"type"`
			Data []uint16 `json:"data"`
		}
		if strings.Contains(strings.ToLower(string(value)), `\u`) || json.Unmarshal(value, &want) != nil ||
			len(want.Data) != len(data) {
			t.Skip("encoding/json takes names in any case") // there the last one counts
		}
		for i, b := range data {
			require.Equal(t, want.Data[i], uint16(b))
		}
	})
}
