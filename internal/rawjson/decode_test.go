package rawjson_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

type decoded struct {
	Text   string          `json:"text"`
	Number int64           `json:"number"`
	Nested *decoded        `json:"nested"`
	List   []decoded       `json:"list"`
	Data   []byte          `json:"data"`
	Any    map[string]any  `json:"any"`
	Raw    json.RawMessage `json:"raw"`
}

// FuzzDecode compares with encoding/json, in good and in bad.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		``, `null`, `[]`, `1`, `{`, `{} x`, `{"text":"a","number":1,"nested":{"text":"b"},"list":[{},{"number":2}],"data":"AQI=","any":{"a":[1,"2",null]},"raw":{"x": 1}}`,
		`{"TEXT":"a","Number":2,"text":null}`, `{"text":1,"number":"x","nested":[],"list":{},"data":"?"}`, `{"number":1.0}`, `{"number":1e400}`, `{"text":"a","text":"b"}`,
		`{"nested":{"text":"a"},"nested":{"number":1}}`, `{"list":[{"text":"a","number":1}],"list":[{"number":2}]}`, "{\"text\":\"\xff\\ud800\"}", `{"any":{"a":1},"any":{"b":2}}`,
		`{"nested":null,"list":null,"data":null,"any":null,"raw":null}`, `{"data":"AQ"}`, `{"data":[1,2]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want decoded
		wantErr := json.Unmarshal(data, &want)
		got, err := rawjson.Decode[decoded](data)
		require.Equal(t, wantErr, err)
		require.Equal(t, &want, got)
	})
}
