package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

func TestRefusalOfARepeatedCallIsItsSuccess(t *testing.T) {
	shape := httpapi.ErrorShape{Text: "message", Repeated: "X-Accepted-Before"}
	answer := &httpapi.Answer{Status: 409, Body: []byte(`{"message":"again?","id":"7"}`)}
	_, refusal, err := shape.Read(answer)
	require.NoError(t, err)
	require.Equal(t, "again?", refusal.Text)
	answer.Header = http.Header{"X-Accepted-Before": {"r-1"}}
	result, refusal, err := shape.Read(answer)
	require.NoError(t, err)
	require.Nil(t, refusal)
	require.JSONEq(t, string(answer.Body), string(result))
}

func TestErrorShapeReadsWhatAnAPISays(t *testing.T) {
	shape := httpapi.ErrorShape{Text: "error.message", Code: "error.code", Details: "more", Detail: []string{"at", "why"}}
	for name, test := range map[string]struct {
		status  int
		body    string
		result  string
		refusal *integration.Refusal
	}{
		"a success": {200, `{"id":1}`, `{"id":1}`, nil},
		"an error": {400, `{"error":{"message":"no","code":17}}`, "", &integration.Refusal{
			Text: "no",
			Code: "17",
		}},
		"an error with more": {
			400, `{"error":{"message":"no"},"more":[{"at":"a","why":"b"},{"why":"c"},5]}`, "",
			&integration.Refusal{Text: "no", Details: []string{"a: b", "c"}},
		},
		"a page on the way":    {502, `<html>`, "", nil},
		"JSON of another kind": {500, `{"error":"no"}`, "", nil},
		"a list":               {404, `[]`, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			result, refusal, err := shape.Read(&httpapi.Answer{Status: test.status, Body: []byte(test.body)})
			require.NoError(t, err)
			require.Equal(t, test.result, string(result))
			require.Equal(t, test.refusal, refusal)
		})
	}
}
