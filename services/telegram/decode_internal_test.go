package telegram

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/payload"
)

// FuzzDecodeUpdate compares with encoding/json, which leaves out what has an unexpected type.
func FuzzDecodeUpdate(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.json")
	require.NoError(f, err)
	require.NotEmpty(f, files)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	for _, odd := range []string{
		``, `null`, `[]`, `{"update_id":1`, `{"update_id":1} x`, `{"update_id":null,"message":null}`,
		`{"Update_ID":1,"updateid":2,"MESSAGE":{"Text":"a"}}`,
		`{"message":{"text":"a","chat":{"id":1}},"message":{"date":2,"chat":{"type":"b"}}}`,
		`{"message":{"text":"a","text":null,"chat":{"id":1},"chat":null}}`,
		`{"message":{"entities":[{"type":"a","length":3}],"entities":[{"offset":1}],"photo":[{}],"photo":[]}}`,
		`{"message":{"date":1.0}}`, `{"message":{"date":1e400}}`,
		"{\"message\":{\"text\":\"\xff\\ud800\",\"\xff\":1}}",
		`{"message":{"forward_origin":null,"location":{"latitude":1e400}}}`, `{"message":{"date":9223372036854775808}}`,
	} {
		f.Add([]byte(odd))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want update
		wantErr := json.Unmarshal(data, &want)
		var got update
		err := payload.Unmarshal(data, &got)
		require.Equal(t, wantErr, err)
		require.Equal(t, want, got)
	})
}
