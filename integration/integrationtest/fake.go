package integrationtest

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hiliosai/switchboard/integration/fakeapi"
)

// trouble is what the API does instead of answering well. The zero value answers 200 without a body.
type trouble struct {
	Answer
	hang   bool // no answer for as long as the caller should wait, then one
	reset  bool // the connection, instead of an answer
	unread bool // without reading the request's body
	times  int  // how often; zero is always
}

// request is one that the API was sent.
type request struct {
	Method  string          `json:"method"`
	Path    string          `json:"path"` // with its query
	Headers http.Header     `json:"headers"`
	Body    json.RawMessage `json:"body,omitempty"` // a string where it is no JSON, a list of parts where it has such
	at      time.Time
	header  http.Header // as it came, and the body too
	raw     []byte
}

// fake stands before the API: it records what comes in and plays trouble, or hands on to the API.
type fake struct {
	*fakeapi.Server
	hung, left chan struct{} // each request that hangs, and each caller who left one
}

func newFake(tb testing.TB, api http.Handler) *fake {
	tb.Helper()
	server := fakeapi.Start(fakeapi.API{Handler: api, MaxBody: 1 << 30})
	tb.Cleanup(server.Close)
	return &fake{server, make(chan struct{}, 100), make(chan struct{}, 100)}
}

// play puts the API into trouble.
func (f *fake) play(t trouble) {
	answer := fakeapi.Answer{Status: t.Status, Header: http.Header{}, Body: t.Body, Reset: t.reset, Unread: t.unread}
	for name, value := range t.Header {
		answer.Header.Set(name, value)
	}
	if t.hang {
		answer.Handler = http.HandlerFunc(f.hang)
	}
	if t.times == 0 {
		f.Always(&answer)
	}
	for range t.times {
		f.Script("", answer)
	}
}

func (f *fake) hang(_ http.ResponseWriter, r *http.Request) {
	timer := time.NewTimer(2 * enough) // for callers that wait for ever
	defer timer.Stop()
	f.hung <- struct{}{}
	select {
	case <-r.Context().Done():
		f.left <- struct{}{}
	case <-timer.C:
	}
}

// seen returns the requests so far.
func (f *fake) seen() []request {
	list := []request{}
	for _, r := range f.Requests() {
		list = append(list, recorded(r))
	}
	return list
}

// recorded is a request as the golden files have it.
func recorded(r fakeapi.Request) request {
	seen := request{Method: r.Method, Path: r.URI, Headers: r.Header.Clone(), at: r.At, raw: r.Raw, Body: asJSON(r.Raw)}
	for _, name := range []string{"Accept-Encoding", "Content-Length"} { // net/http's own
		seen.Headers.Del(name)
	}
	if strings.HasPrefix(seen.Headers.Get("User-Agent"), "Go-http-client/") { // and this; platforms may ask for another
		seen.Headers.Del("User-Agent")
	}
	seen.header = seen.Headers.Clone()
	if parts := partsOf(r.Header.Get("Content-Type"), r.Raw); parts != nil {
		seen.Headers.Set("Content-Type", "multipart/form-data") // without the boundary, which is another each time
		var err error
		if seen.Body, err = json.Marshal(parts); err != nil {
			seen.Body = nil
		}
	}
	return seen
}

// asJSON is a body as it is, or as a JSON string where it is no JSON.
func asJSON(body []byte) json.RawMessage {
	if len(body) == 0 || json.Valid(body) {
		return body
	}
	quoted, err := json.Marshal(string(body))
	if err != nil {
		return nil
	}
	return quoted
}

// part is one of a body of several.
type part struct {
	Name        string `json:"name"`
	Filename    string `json:"filename,omitempty"`
	ContentType string `json:"contentType,omitempty"`
	Content     string `json:"content"`
}

// partsOf takes a body of several parts apart. Nil is a body of another form.
func partsOf(contentType string, body []byte) []part {
	form, params, err := mime.ParseMediaType(contentType)
	if err != nil || form != "multipart/form-data" {
		return nil
	}
	parts := []part{}
	found, _ := fakeapi.Parts(body, params["boundary"]) // those before one that cannot be read
	for _, p := range found {
		parts = append(parts, part{p.Field, p.Name, p.ContentType, string(p.Content)})
	}
	return parts
}
