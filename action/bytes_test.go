package action_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
)

func TestBytesAreBase64OrABufferOfNode(t *testing.T) {
	type in struct {
		File action.Bytes `json:"file"`
	}
	params, err := action.ParamsOf(reflect.TypeFor[in]())
	require.NoError(t, err)
	for name, test := range map[string]struct{ file, want string }{
		"base64":   {`"aGk="`, "hi"},
		"a Buffer": {`{"type":"Buffer","data":[104,105]}`, "hi"},
		"nothing":  {`""`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := params.Decode(&action.Request{Params: json.RawMessage(`{"file":` + test.file + `}`)})
			require.NoError(t, err)
			var got in
			require.NoError(t, json.Unmarshal([]byte(`{"file":`+test.file+`}`), &got))
			require.Equal(t, test.want, string(got.File))
		})
	}
	for _, wrong := range []string{`{"type":"Buffer","data":[256]}`, `{}`, `"?"`, `true`} {
		require.Error(t, json.Unmarshal([]byte(`{"file":`+wrong+`}`), new(in)), wrong)
	}
	text, err := json.Marshal(in{action.Bytes("hi")})
	require.NoError(t, err)
	require.JSONEq(t, `{"file":"aGk="}`, string(text))
}
