package fakeapi_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"
)

func answering(text string) func(*fakeapi.Request) fakeapi.Answer {
	return func(*fakeapi.Request) fakeapi.Answer { return fakeapi.Answer{Body: text} }
}

// start starts an API with one route for each format of bodies.
func start(t *testing.T, change ...func(*fakeapi.API)) *fakeapi.Server {
	t.Helper()
	shape := is.Object{"to!": is.Text(5), "quiet": is.Text(5)}
	all := fakeapi.FormatJSON | fakeapi.FormatForm | fakeapi.FormatMultipart
	api := fakeapi.API{MaxBody: 1000, Routes: fakeapi.Routes{
		"POST /send": {Name: "send", Takes: all, Body: shape, Answer: answering("sent")},
		"POST /file": {Takes: fakeapi.FormatMultipart, Body: is.Object{
			"to!": is.Text(5), "file!": fakeapi.FileOf(3),
		}},
		"POST /files": {
			Takes: fakeapi.FormatMultipart, Body: is.Object{"to!": is.Text(5)}, JSONPart: "json", Files: fakeapi.FileOf(3),
		},
		"POST /raw": {Takes: fakeapi.FormatRaw},
		"DELETE /items/{id}": {
			Takes:  fakeapi.NoBody,
			Answer: func(r *fakeapi.Request) fakeapi.Answer { return fakeapi.Answer{Body: r.Values["id"]} },
		},
		"GET /items":     {Query: is.Object{"page!": is.Text(5), "size": is.Text(5)}, Answer: answering("items")},
		"/any/{rest...}": {Answer: func(r *fakeapi.Request) fakeapi.Answer { return fakeapi.Answer{Body: r.Values["rest"]} }},
		"GET /any/thing": {Answer: answering("the nearer one")},
		"POST /whole":    {Body: is.Object{}, Check: func(*fakeapi.Request) *is.Fault { return is.Wrong("", "never") }},
		"POST /own": {Body: is.Object{}, Check: func(*fakeapi.Request) *is.Fault {
			return fakeapi.Refusal(
				fakeapi.Answer{Status: 409},
			)
		}},
	}}
	for _, f := range change {
		f(&api)
	}
	server := fakeapi.Start(api)
	t.Cleanup(server.Close)
	return server
}

func call(ctx context.Context, method, url, contentType, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, string(answer), err
}

func multipart(parts ...httpapi.Part) (contentType, body string) {
	form := httpapi.Multipart(parts...)
	return form.ContentType, string(form.Bytes)
}

func TestRequestsAreTakenInTheirShape(t *testing.T) {
	server := start(t)
	to, file := httpapi.Part{Name: "to", Content: []byte("ada")}, httpapi.Part{
		Name: "file", Filename: "a", Content: []byte("abc"),
	}
	long := httpapi.Part{Name: "file", Filename: "a", Content: []byte("abcd")}
	asJSON := httpapi.Part{Name: "json", Content: []byte(`{"to":"ada"}`)}
	formOf := func(parts ...httpapi.Part) [2]string {
		contentType, body := multipart(parts...)
		return [2]string{contentType, body}
	}
	for name, test := range map[string]struct {
		route  string
		sent   [2]string
		status int
		says   string
	}{
		"JSON":                          {"POST /send", [2]string{jsonType, `{"to":"ada"}`}, 200, "sent"},
		"JSON and more":                 {"POST /send", [2]string{jsonType, `{"to":"ada"} {}`}, 400, "more than one value"},
		"JSON that ends too early":      {"POST /send", [2]string{jsonType, `{`}, 400, "no JSON"},
		"JSON that is a list":           {"POST /send", [2]string{jsonType, `[]`}, 400, "no JSON object"},
		"JSON without what is required": {"POST /send", [2]string{jsonType, `{"quiet":"a"}`}, 400, "to: it is required"},
		"a form":                        {"POST /send", [2]string{formType, `to=ada`}, 200, "sent"},
		"a form with another field":     {"POST /send", [2]string{formType, `to=ada&tone=x`}, 400, "tone"},
		"a form that is broken":         {"POST /send", [2]string{formType, `to=%zz`}, 400, "cannot be read"},
		"a multipart form":              {"POST /send", formOf(to), 200, "sent"},
		"a file that is not named":      {"POST /send", formOf(to, file), 400, "no file parameter"},
		"a multipart form that is none": {
			"POST /send", [2]string{"multipart/form-data; boundary=a", "--a\r\nbroken"}, 400, "cannot be read",
		},
		"another type":           {"POST /send", [2]string{"text/plain", "to=ada"}, 400, "Content-Type"},
		"no type":                {"POST /send", [2]string{"", "to=ada"}, 400, "Content-Type"},
		"a large body":           {"POST /send", [2]string{jsonType, strings.Repeat(" ", 1001)}, 413, "too large"},
		"a file":                 {"POST /file", formOf(to, file), 200, ""},
		"a file that is too big": {"POST /file", formOf(to, long), 400, "too big"},
		"no file":                {"POST /file", formOf(to), 400, "file: it is required"},
		"a file that is also a field": {"POST /file", formOf(
			to, file, httpapi.Part{Name: "file", Content: []byte("x")},
		), 400, "two files"},
		"files beside JSON":            {"POST /files", formOf(asJSON, file), 200, ""},
		"a field beside JSON":          {"POST /files", formOf(asJSON, to), 400, "no such part"},
		"a big file beside JSON":       {"POST /files", formOf(asJSON, long), 400, "too big"},
		"bytes":                        {"POST /raw", [2]string{"", "\x00"}, 200, ""},
		"no body":                      {"DELETE /items/a%2Fb", [2]string{}, 200, "a/b"},
		"a body where none is":         {"DELETE /items/5", [2]string{jsonType, `{}`}, 400, "no body"},
		"a query":                      {"GET /items?page=1", [2]string{}, 200, "items"},
		"a query that lacks something": {"GET /items?size=1", [2]string{}, 400, "page"},
		"the rest of a path":           {"PUT /any/a/../b", [2]string{}, 200, "a/../b"},
		"the nearest route":            {"GET /any/thing", [2]string{}, 200, "the nearer one"},
		"no route":                     {"GET /send", [2]string{}, 404, "no such call"},
		"what is wrong as a whole":     {"POST /whole", [2]string{jsonType, `{}`}, 400, "never"},
		"a refusal of its own":         {"POST /own", [2]string{jsonType, `{}`}, 409, ""},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(test.route, " ")
			status, answer, err := call(t.Context(), method, server.URL()+path, test.sent[0], test.sent[1])
			require.NoError(t, err)
			require.Equal(t, test.status, status, answer)
			require.Contains(t, answer, test.says)
		})
	}
}

func TestRequestsAreRecorded(t *testing.T) {
	server := start(t)
	_, _, err := call(t.Context(), "POST", server.URL()+"/send?a=b", jsonType, `{"to":"ada","quiet":"x"}`)
	require.NoError(t, err)
	contentType, body := multipart(
		httpapi.Part{Name: "json", Content: []byte(`{"to":"ada"}`)},
		httpapi.Part{Name: "x", Filename: "a.txt", ContentType: "text/plain", Content: []byte("abc")},
	)
	_, _, err = call(t.Context(), "POST", server.URL()+"/files", contentType, body)
	require.NoError(t, err)
	_, _, err = call(t.Context(), "POST", server.URL()+"/raw", "", "bytes")
	require.NoError(t, err)
	_, _, err = call(t.Context(), "GET", server.URL()+"/items?page=1&size=2", "", "")
	require.NoError(t, err)
	r := server.Requests()
	require.Equal(
		t, []string{"send", "POST", "/send", "/send?a=b"}, []string{r[0].Route, r[0].Method, r[0].Path, r[0].URI},
	)
	require.Equal(t, map[string]any{"to": "ada", "quiet": "x"}, r[0].Body)
	require.Equal(t, []string{"quiet"}, r[0].Optional)
	require.Equal(t, jsonType, r[0].Header.Get("Content-Type"))
	require.Equal(
		t, map[string]fakeapi.File{"x": {Name: "a.txt", ContentType: "text/plain", Content: []byte("abc")}}, r[1].Files,
	)
	require.Equal(t, "bytes", string(r[2].Raw))
	require.Equal(t, []string{"Content-Type:"}, r[2].Optional)
	require.Equal(t, []string{"?size"}, r[3].Optional)
}

func TestOnlyTheAdmittedAreRecorded(t *testing.T) {
	server := start(t, func(api *fakeapi.API) {
		api.Admit = func(r *fakeapi.Request) *fakeapi.Answer {
			if r.Header.Get("Authorization") == "" {
				return &fakeapi.Answer{Status: http.StatusUnauthorized}
			}
			return nil
		}
	})
	status, _, err := call(t.Context(), "POST", server.URL()+"/send", jsonType, `{"to":"ada"}`)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, status)
	require.Empty(t, server.Requests())
}

func TestRequestWithoutARouteGoesToOtherHandlers(t *testing.T) {
	server := start(t, func(api *fakeapi.API) {
		api.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			_, _ = w.Write(append([]byte("other "), body...))
		})
	})
	_, answer, err := call(t.Context(), "POST", server.URL()+"/other", "", "body")
	require.NoError(t, err)
	require.Equal(t, "other body", answer)
	require.Len(t, server.Requests(), 1)
}

func TestScriptedAnswersComeInOrderAndThenTheUsualOnes(t *testing.T) {
	server := start(t)
	half := fakeapi.Answer{Body: "hal", Half: true}
	server.Script(
		"send", fakeapi.TooManyRequests(7), fakeapi.Answer{Reset: true}, half, fakeapi.Answer{Reset: true, Unread: true},
		fakeapi.Answer{Status: 418, Body: "tea", Delay: time.Millisecond})
	server.Script("", fakeapi.Answer{Body: "any"})
	ask := func() (int, string, error) {
		return call(t.Context(), "POST", server.URL()+"/send", jsonType, `{"to":"ada"}`)
	}
	status, _, err := ask()
	require.NoError(t, err)
	require.Equal(t, 429, status)
	_, _, err = ask()
	require.Error(t, err, "a reset")
	_, answer, err := ask()
	require.Error(t, err, "half an answer")
	require.True(t, answer == "" || answer == "hal")
	_, _, err = ask()
	require.Error(t, err, "a reset without reading")
	status, answer, err = ask()
	require.NoError(t, err)
	require.Equal(t, 418, status)
	require.Equal(t, "tea", answer)
	for _, want := range []string{"any", "sent"} {
		_, answer, err = ask()
		require.NoError(t, err)
		require.Equal(t, want, answer)
	}
	server.Always(&fakeapi.Answer{Body: "always"})
	for range 2 {
		_, answer, err = ask()
		require.NoError(t, err)
		require.Equal(t, "always", answer)
	}
	server.Always(nil)
	_, answer, err = ask()
	require.NoError(t, err)
	require.Equal(t, "sent", answer)
	require.Len(t, server.Requests(), 10)
}

func TestServerCloseEndsCallsThatHangAndWait(t *testing.T) {
	server := start(t)
	server.Script("send", fakeapi.Answer{Hang: true})
	errs := make(chan error)
	go func() {
		_, _, err := call(context.Background(), "POST", server.URL()+"/send", jsonType, `{"to":"ada"}`)
		errs <- err
	}()
	everything := func(*fakeapi.Request) bool { return true }
	_, err := server.Next(t.Context(), everything)
	require.NoError(t, err)
	go func() {
		_, err := server.Next(context.Background(), everything)
		errs <- err
	}()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = server.Next(ended, everything)
	require.ErrorIs(t, err, context.Canceled)
	server.Close()
	seen := []error{<-errs, <-errs}
	require.Contains(t, seen, fakeapi.ErrClosed)
	require.NotContains(t, seen, nil)
	server.Close()
}
