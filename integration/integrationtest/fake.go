package integrationtest

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
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

// fake is the API's place: it records what comes in and plays trouble, or hands on to the API.
type fake struct {
	*httptest.Server
	api http.Handler

	mu       sync.Mutex
	requests []request
	trouble  *trouble

	hung, left chan struct{} // each request that hangs, and each caller who left one
}

func newFake(tb testing.TB, api http.Handler) *fake {
	tb.Helper()
	f := &fake{api: api, hung: make(chan struct{}, 100), left: make(chan struct{}, 100)}
	f.Server = httptest.NewServer(f)
	tb.Cleanup(f.Close)
	return f
}

// play puts the API into trouble.
func (f *fake) play(t trouble) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trouble = &t
}

// seen returns the requests so far.
func (f *fake) seen() []request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]request{}, f.requests...)
}

func (f *fake) next(r request) *trouble {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, r)
	t := f.trouble
	if t == nil || t.times == 0 {
		return t
	}
	now := *t
	if t.times--; t.times == 0 {
		f.trouble = nil
	}
	return &now
}

// ServeHTTP implements http.Handler.
func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	unread := f.trouble != nil && f.trouble.unread
	f.mu.Unlock()
	seen := request{Method: r.Method, Path: r.URL.RequestURI(), Headers: r.Header.Clone(), at: time.Now()}
	for _, name := range []string{"Accept-Encoding", "Content-Length"} { // net/http's own
		seen.Headers.Del(name)
	}
	if strings.HasPrefix(r.UserAgent(), "Go-http-client/") { // and this; platforms may ask for another
		seen.Headers.Del("User-Agent")
	}
	seen.header = seen.Headers.Clone()
	if !unread {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller has gone away
		}
		seen.raw, seen.Body = body, asJSON(body)
		if parts := partsOf(r.Header.Get("Content-Type"), body); parts != nil {
			seen.Headers.Set("Content-Type", "multipart/form-data") // without the boundary, which is another each time
			if seen.Body, err = json.Marshal(parts); err != nil {
				seen.Body = nil
			}
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	switch t := f.next(seen); {
	case t == nil:
		f.api.ServeHTTP(w, r)
	case t.hang:
		timer := time.NewTimer(2 * enough) // for callers that wait for ever
		defer timer.Stop()
		f.hung <- struct{}{}
		select {
		case <-r.Context().Done():
			f.left <- struct{}{}
		case <-timer.C:
		}
	case t.reset:
		reset(w)
	default:
		t.write(w)
	}
}

func (a *Answer) write(w http.ResponseWriter) {
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	if a.Status != 0 {
		w.WriteHeader(a.Status)
	}
	_, _ = io.WriteString(w, a.Body) // the caller may have gone away
}

func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // so that closing sends RST instead of FIN
	}
	_ = conn.Close()
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
	for reader := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		p, err := reader.NextPart()
		if err != nil {
			return parts
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return parts
		}
		parts = append(parts, part{p.FormName(), p.FileName(), p.Header.Get("Content-Type"), string(content)})
	}
}
