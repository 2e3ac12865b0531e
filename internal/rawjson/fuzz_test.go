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
		if wanted := json.Unmarshal(data, &want); wanted != nil || want == nil { // which it is for null
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, fields)
	})
}

// FuzzWalk shows that a walk sees what Members does where the data is valid, and comes to its end anyway.
func FuzzWalk(f *testing.F) {
	addAll(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := walk(string(data))
		for _, m := range list {
			require.NotEmpty(t, m.value) // as callers look at the first byte
			require.True(t, m.value[0] != '"' || len(m.value) > 1)
		}
		want, invalid := members(string(data))
		if invalid == nil {
			require.NoError(t, err)
			require.Equal(t, want, list)
		}
	})
}

func FuzzText(f *testing.F) {
	addAll(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		sameText(t, data)
		sameText(t, append(append([]byte{'"'}, data...), '"'))
	})
}
