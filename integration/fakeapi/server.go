// Package fakeapi is a fake of a platform's HTTP API, for the tests of a platform. An [API] describes what the
// platform documents: its routes, the shape of each request body and the answers. A [Server] records the requests,
// refuses those that the shapes do not allow in the platform's own form, and plays scripted answers: errors, delays,
// broken connections. Product code must not import it.
package fakeapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// API describes a platform's API. The zero value has no routes.
type API struct {
	// Routes are the documented calls, by a method and a pattern: "POST /v1/messages/{id}", or
	// "/files/{path...}" for any method and all that follows. Of several routes, the one with the fewest wildcards counts.
	Routes Routes

	// Refuse makes the platform's answer to a request that is wrong. Nil answers 400 with the fault as text, 404 where
	// there is no route, and 413 where the body is too large.
	Refuse func(*Request, *is.Fault) Answer

	// Admit sees each request before its body is taken apart. An answer of its own refuses the request, which is then
	// not recorded: it checks credentials. Nil admits everybody. Admit runs under the server's lock.
	Admit func(*Request) *Answer

	// Value reads a field of a multipart form that is no file. Nil takes each as text.
	Value func(name, text string) (any, error)

	// Handler answers the requests that have no route. Nil refuses them.
	Handler http.Handler

	// MaxBody bounds a request body, in bytes. Zero is 64 MiB.
	MaxBody int64
}

// Routes are calls by their patterns.
type Routes map[string]Route

// Route is one call of the API.
type Route struct {
	// Name is how [Server.Script] and [Request] call the route. Empty is the pattern.
	Name string

	// Body is the shape of the request body. Nil looks at no body, and refuses one if Takes is NoBody.
	Body is.Rule

	// Query is the shape of the query. Nil does not look at it.
	Query is.Object

	// Headers are rules for headers that a request may have.
	Headers map[string]is.Rule

	// Takes says how the body may be written.
	Takes Format

	// JSONPart is the part of a multipart form that has the JSON. Empty is a form whose fields are the members.
	JSONPart string

	// Files checks the files of a multipart form that Body does not name. Nil refuses them.
	Files is.Rule

	// Check finds what the shape cannot say. It runs under the server's lock, with the request in shape.
	Check func(*Request) *is.Fault

	// Answer answers a request that is right. It runs under the server's lock. Nil answers 200 without a body.
	Answer func(*Request) Answer

	// Unrecorded leaves the requests out of [Server.Requests] and [Server.Next]: there are very many, such as polls.
	Unrecorded bool
}

// Server is a fake API. Safe for concurrent use.
type Server struct {
	api     API
	routes  []*pattern
	http    *httptest.Server // nil without an address
	closing chan struct{}
	close   sync.Once

	state sync.Mutex // guards what the routes read and write

	mu       sync.Mutex // guards what follows
	requests []Request
	arrived  chan struct{} // closed and replaced when requests grows
	taken    int           // how many requests Next has looked at
	scripts  map[string][]Answer
	always   *Answer
}

// ErrClosed is what [Server.Next] returns once the server is closed.
var ErrClosed = errors.New("fakeapi: the server is closed")

// New makes a server without an address: an [http.Handler].
func New(api API) *Server {
	s := &Server{
		api: api, routes: patterns(api.Routes), closing: make(chan struct{}), arrived: make(chan struct{}),
		scripts: map[string][]Answer{},
	}
	return s
}

// Start starts a server on a free port of the loopback interface. Close it after use.
func Start(api API) *Server {
	s := New(api)
	s.Listen()
	return s
}

// Listen starts a server that [New] has made, as [Start] does. What the server's routes use must be ready.
func (s *Server) Listen() { s.http = httptest.NewServer(s) }

// URL is the root of a server that was started.
func (s *Server) URL() string { return s.http.URL }

// Close ends all connections, and the answers that hang. Closing again does nothing.
func (s *Server) Close() {
	s.close.Do(func() {
		close(s.closing)
		if s.http != nil {
			s.http.Close()
		}
	})
}

// Locked runs f while no route answers.
func (s *Server) Locked(f func()) {
	s.state.Lock()
	defer s.state.Unlock()
	f()
}

// Requests returns the requests so far that were admitted, in the order of arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Next returns the next request that is wanted, each once, and waits for it. Those before it are passed over.
// It returns [ErrClosed] once the server is closed.
func (s *Server) Next(ctx context.Context, wanted func(*Request) bool) (Request, error) {
	for {
		s.mu.Lock()
		for s.taken < len(s.requests) {
			r := s.requests[s.taken]
			s.taken++
			if wanted(&r) {
				s.mu.Unlock()
				return r, nil
			}
		}
		arrived := s.arrived
		s.mu.Unlock()
		select {
		case <-arrived:
		case <-ctx.Done():
			return Request{}, ctx.Err()
		case <-s.closing:
			return Request{}, ErrClosed
		}
	}
}

// Script makes the next requests of a route be answered with answers, in their order, instead of in the usual way.
// An empty route is any.
func (s *Server) Script(route string, answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[route] = append(s.scripts[route], answers...)
}

// Always makes all requests be answered with an answer, until it is nil. What is scripted comes first.
func (s *Server) Always(answer *Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = answer
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request, route := newRequest(r, s.routes)
	unread := s.unread(request.Route)
	if !unread {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.maxBody()))
		if err != nil {
			s.refuse(request, &is.Fault{Kind: is.TooLarge, Why: "the request body is too large"}).write(w)
			return
		}
		request.Raw = body
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if answer := s.admit(request); answer != nil {
		answer.write(w)
		return
	}
	var fault *is.Fault
	if route != nil && !unread {
		fault = request.read(route, s.api.Value)
	}
	if fault == nil && route != nil {
		fault = request.inShape(route)
	}
	if answer := s.record(request, route != nil && route.Unrecorded); answer != nil {
		s.play(w, r, answer)
		return
	}
	switch {
	case fault != nil:
		s.refuse(request, fault).write(w)
	case route != nil:
		s.play(w, r, s.answer(request, route))
	case s.api.Handler != nil:
		s.api.Handler.ServeHTTP(w, r)
	default:
		s.refuse(request, &is.Fault{Kind: is.NoRoute, Path: request.Path, Why: "there is no such call"}).write(w)
	}
}

func (s *Server) maxBody() int64 {
	if s.api.MaxBody != 0 {
		return s.api.MaxBody
	}
	return 64 << 20
}

func (s *Server) admit(r *Request) *Answer {
	if s.api.Admit == nil {
		return nil
	}
	s.state.Lock()
	defer s.state.Unlock()
	return s.api.Admit(r)
}

// answer checks a request in shape, and answers it.
func (s *Server) answer(r *Request, route *Route) *Answer {
	s.state.Lock()
	defer s.state.Unlock()
	if route.Check != nil {
		if fault := route.Check(r); fault != nil {
			return s.refuse(r, fault)
		}
	}
	if route.Answer == nil {
		return &Answer{}
	}
	answer := route.Answer(r)
	return &answer
}

func (s *Server) refuse(r *Request, f *is.Fault) *Answer {
	if answer, ok := f.Answer.(*Answer); ok {
		return answer
	}
	if s.api.Refuse != nil {
		answer := s.api.Refuse(r, f)
		return &answer
	}
	answer := Answer{Status: http.StatusBadRequest, Header: http.Header{"Content-Type": {"text/plain"}}, Body: f.String()}
	switch f.Kind {
	case is.NoRoute:
		answer.Status = http.StatusNotFound
	case is.TooLarge:
		answer.Status = http.StatusRequestEntityTooLarge
	default: // 400
	}
	return &answer
}

// unread says whether the next answer comes without the request's body being read.
func (s *Server) unread(route string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := s.scripted(route, false)
	return answer != nil && answer.Unread
}

// record keeps a request, unless it is unrecorded, and takes the answer that was scripted for it.
func (s *Server) record(r *Request, unrecorded bool) *Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !unrecorded {
		s.requests = append(s.requests, *r)
		close(s.arrived)
		s.arrived = make(chan struct{})
	}
	return s.scripted(r.Route, true)
}

// scripted is the next scripted answer, taken from its queue if take is set. The caller holds the lock.
func (s *Server) scripted(route string, take bool) *Answer {
	for _, name := range []string{route, ""} {
		if queue := s.scripts[name]; len(queue) > 0 {
			if take {
				s.scripts[name] = queue[1:]
			}
			return &queue[0]
		}
	}
	return s.always
}

// Closing is closed when the server is: handlers that wait return then.
func (s *Server) Closing() <-chan struct{} { return s.closing }

// play gives an answer.
func (s *Server) play(w http.ResponseWriter, r *http.Request, a *Answer) {
	if a.Handler != nil {
		a.Handler.ServeHTTP(w, r)
		return
	}
	if a.Hang || a.Delay > 0 {
		var after <-chan time.Time // never, for Hang
		if !a.Hang {
			timer := time.NewTimer(a.Delay)
			defer timer.Stop()
			after = timer.C
		}
		select {
		case <-after:
		case <-s.closing:
			reset(w)
			return
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case a.Reset:
		reset(w)
	case a.Half:
		w.Header().Set("Content-Length", "1000000")
		a.write(w)
		_ = http.NewResponseController(w).Flush() // the client may have gone away
		reset(w)
	default:
		a.write(w)
	}
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

// Write writes the answer as a handler does.
func (a *Answer) Write(w http.ResponseWriter) { a.write(w) }

func (a *Answer) write(w http.ResponseWriter) {
	for name, values := range a.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	if a.Status != 0 {
		w.WriteHeader(a.Status)
	}
	if a.Status != http.StatusNoContent {
		_, _ = strings.NewReader(a.Body).WriteTo(w) // the client may have gone away
	}
}
