package rawjson_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/rawjson"
)

func addAll(f *testing.F) {
	f.Helper()
	for _, list := range [][]string{texts, others} {
		for _, seed := range list {
			f.Add([]byte(seed))
			f.Add([]byte(`{"a":` + seed + `,"b":[{}]}`))
		}
	}
	f.Add([]byte("{\"\xff\":1}"))
}

func FuzzValid(f *testing.F) {
	addAll(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		require.Equal(t, json.Valid(data), rawjson.Valid(data))
	})
}

func FuzzMembers(f *testing.F) {
	addAll(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		fields := map[string]json.RawMessage{}
		err := rawjson.Members(data, func(name, value []byte) { fields[string(name)] = value })
		var want map[string]json.RawMessage
		if wanted := json.Unmarshal(data, &want); wanted != nil || want == nil { // null decodes to nil
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, fields)
	})
}

func FuzzFields(f *testing.F) {
	addAll(f)
	f.Fuzz(func(t *testing.T, data []byte) { sameFields(t, data) })
}

func FuzzText(f *testing.F) {
	addAll(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		sameText(t, data)
		sameText(t, append(append([]byte{'"'}, data...), '"'))
	})
}
