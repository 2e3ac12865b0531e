package httpapi_test

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

func TestBodyOfJSON(t *testing.T) {
	body, err := httpapi.JSON("parrot say", map[string]any{"n": 1, "text": "<ü>"})
	require.NoError(t, err)
	require.Equal(t, "application/json", body.ContentType)
	require.JSONEq(t, `{"n":1,"text":"<ü>"}`, string(body.Bytes))

	_, err = httpapi.JSON("parrot say", map[string]any{"CANARY": func() {}})
	requireError(t, err, integration.FaultInvalid, "MESSAGE_INVALID")
}

func TestBodyOfAFormsFields(t *testing.T) {
	body := httpapi.Form(url.Values{"text": {"a b&c=ü"}, "id": {"1", "2"}})
	require.Equal(
		t, httpapi.Body{Bytes: []byte("id=1&id=2&text=a+b%26c%3D%C3%BC"), ContentType: "application/x-www-form-urlencoded"},
		body,
	)
}

func TestBodyOfAFormWithFiles(t *testing.T) {
	binary := []byte("\x00\xff--boundary\r\n")
	body := httpapi.Multipart(
		httpapi.Part{Name: "chat_id", Content: []byte("42")},
		httpapi.Part{Name: "photo", Filename: "über uns.png", ContentType: "image/png", Content: binary},
		httpapi.Part{Name: "json", ContentType: "application/json", Content: []byte("{}")},
		httpapi.Part{Name: "empty"},
	)
	type part struct{ name, filename, contentType, content string }
	require.Equal(t, []part{
		{"chat_id", "", "", "42"},
		{"photo", "über uns.png", "image/png", string(binary)},
		{"json", "", "application/json", "{}"},
		{"empty", "", "", ""},
	}, func() (list []part) {
		for _, p := range partsOf(t, body) {
			list = append(list, part{p.FormName(), p.FileName(), p.Header.Get("Content-Type"), p.text})
		}
		return list
	}())
}

func TestFormWithFilesCannotBeForged(t *testing.T) {
	for name, evil := range map[string]string{
		"a line":                  "a\r\nX-Forged: 1\r\n\r\nbody",
		"a line of Unix":          "a\nX-Forged: 1",
		"quotation marks":         `a"; name="chat_id`,
		"a quotation mark's mask": `a\"; name="chat_id`,
	} {
		t.Run(name, func(t *testing.T) {
			body := httpapi.Multipart(
				httpapi.Part{Name: "photo", Filename: evil, ContentType: evil, Content: []byte("x")},
				httpapi.Part{Name: evil, Content: []byte("y")},
			)
			parts := partsOf(t, body)
			require.Len(t, parts, 2)
			require.Equal(t, "photo", parts[0].FormName())
			for _, p := range parts {
				require.Empty(t, p.Header.Get("X-Forged"))
				require.NotEqual(t, "chat_id", p.FormName())
				for header := range p.Header {
					require.Contains(t, []string{"Content-Disposition", "Content-Type"}, header)
				}
			}
			require.Equal(t, []string{"x", "y"}, []string{parts[0].text, parts[1].text})
		})
	}
}

// kept is a part with its content, which a multipart reader drops when it goes on to the next part.
type kept struct {
	*multipart.Part
	text string
}

func partsOf(t *testing.T, body httpapi.Body) []kept {
	t.Helper()
	kind, params, err := mime.ParseMediaType(body.ContentType)
	require.NoError(t, err)
	require.Equal(t, "multipart/form-data", kind)
	reader := multipart.NewReader(strings.NewReader(string(body.Bytes)), params["boundary"])
	var list []kept
	for {
		p, err := reader.NextRawPart()
		if err == io.EOF { //nolint:errorlint // NextPart returns io.EOF itself
			return list
		}
		require.NoError(t, err)
		data, err := io.ReadAll(p)
		require.NoError(t, err)
		list = append(list, kept{p, string(data)})
	}
}

func TestCallHasTheGivenMethodHeaderAndBody(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		w.Header().Set(
			"X-Seen",
			strings.Join([]string{r.Method, r.Header.Get("Content-Type"), r.Header.Get("X-Version"), string(data)}, " "),
		)
	})
	header := http.Header{"X-Version": {"2"}, "Content-Type": {"text/plain"}}
	for name, test := range map[string]struct {
		request httpapi.Request
		want    string
	}{
		"a form": {httpapi.Request{
			Header: header, Body: httpapi.Form(url.Values{"a": {"1"}}),
		}, "POST application/x-www-form-urlencoded 2 a=1"},
		"a deletion, which has no body": {httpapi.Request{Method: http.MethodDelete, Header: header}, "DELETE text/plain 2"},
		"nothing but a method":          {httpapi.Request{Method: http.MethodPut}, "PUT"},
		"a body of no type":             {httpapi.Request{Body: httpapi.Body{Bytes: []byte("x")}}, "POST   x"},
	} {
		t.Run(name, func(t *testing.T) {
			test.request.Name, test.request.URL = "parrot say", server.URL
			answer, err := newClient(t).Do(t.Context(), test.request)
			require.NoError(t, err)
			require.Equal(t, test.want, answer.Header.Get("X-Seen"))
		})
	}
	require.Equal(
		t, http.Header{"X-Version": {"2"}, "Content-Type": {"text/plain"}}, header, "the caller's header is left alone",
	)
}
