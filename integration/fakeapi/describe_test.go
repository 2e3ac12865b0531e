package fakeapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/fakeapi"
)

const parlor = `{
	"admit": {"header": "Authorization", "value": "Bearer key", "answer": {"status": 401, "body": {"error": "who are you?"}}},
	"refusal": {"status": 422, "body": {"error": "$says", "why": "$why", "at": "$path"}}, "says": "no",
	"shapes": {
		"loud": {"loud": "one of yes no"}, "key": "match ^[a-z]+$",
		"note": {"to!": ["1-2", "text 5"], "how!": {"$by": "type", "call": {"line!": "integer 0 9"}, "page": {"link!": "link 30 https"}},
			"sure": "bool", "note": "string 3 | says a note, please", "more": "any"}
	},
	"routes": {
		"POST /notes/{id}": {"headers": {"X-Key": "key"}, "query": "loud", "body": "note", "answer": {"status": 201, "header": {"X-Id": "7"}, "body": {"id": "7"}}},
		"GET /picture": {"answer": {"header": {"Content-Type": "image/png"}, "text": "PNG"}}
	}
}`

func TestDescribedAPITakesWhatItsShapesAllow(t *testing.T) {
	described, err := fakeapi.Describe([]byte(parlor))
	require.NoError(t, err)
	const good = `{"to":["ada"],"how":{"type":"call","line":3},"sure":true,"note":"hey","more":{"a":[1]}}`
	for name, test := range map[string]struct {
		path, body, key, auth string
		status                int
		says                  string
	}{
		"all that is right": {"/notes/1?loud=yes", good, "abc", "Bearer key", 201, `{"id": "7"}`},
		"the other shape": {
			"/notes/1", `{"to":["ada"],"how":{"type":"page","link":"https://a.example"}}`, "",
			"Bearer key", 201, "",
		},
		"nobody that it knows": {"/notes/1", good, "", "Bearer other", 401, "who are you?"},
		"a long name": {"/notes/1", strings.Replace(
			good, "ada", "adelaide", 1,
		), "", "Bearer key", 422, `"at": "to[0]"`},
		"a member of no shape": {"/notes/1", strings.Replace(good, "sure", "save", 1), "", "Bearer key", 422, `"at": "save"`},
		"what is required": {"/notes/1", strings.Replace(
			good, `,"line":3`, "", 1,
		), "", "Bearer key", 422, `"at": "how.line"`},
		"words of its own": {
			"/notes/1", strings.Replace(good, "hey", "hello", 1), "", "Bearer key", 422,
			"a note, please",
		},
		"a header that is wrong":  {"/notes/1", good, "ABC", "Bearer key", 422, "X-Key"},
		"a query that is wrong":   {"/notes/1?loud=so", good, "", "Bearer key", 422, `"at": "loud"`},
		"a call that is not here": {"/else", good, "", "Bearer key", 404, `"error": "no"`},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, test.path, strings.NewReader(test.body))
			r.Header = http.Header{"Authorization": {test.auth}, "X-Key": {test.key}, "Content-Type": {"application/json"}}
			w := httptest.NewRecorder()
			fakeapi.New(described.API()).ServeHTTP(w, r)
			answer, err := io.ReadAll(w.Body)
			require.NoError(t, err)
			require.Equal(t, test.status, w.Code, "%s", answer)
			require.Contains(t, string(answer), test.says)
		})
	}
}

func TestDescriptionThatIsWrongIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": `{`, "a member of no name": `{"paths": {}}`,
		"a shape that is not there": `{"routes": {"GET /": {"body": "gone"}}}`,
		"a shape that is no name":   `{"routes": {"GET /": {"body": 5}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fakeapi.Describe([]byte(text))
			require.Error(t, err)
		})
	}
}
