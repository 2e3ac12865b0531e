// Package slacktest stands in for Slack's Web API, on loopback, for tests and demonstrations. It is stricter than
// Slack: it refuses parameters that Slack does not document, and messages that would not say what they mean.
package slacktest

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// Names under which [Server.Script] and [Server.Requests] know what is no method of the Web API.
const (
	Upload   = "upload"       // of a file's content
	Download = "download"     // of a file's content
	Respond  = "response_url" // see [Server.ResponseURL]
)

// What the app and its workspace are called.
const (
	TeamID = "T0000TEAM"
	UserID = "U0000BOT"
	BotID  = "B0000BOT"
)

// Server is the Web API for one app. Safe for concurrent use.
type Server struct {
	token   string
	http    *httptest.Server
	closing chan struct{}
	once    sync.Once // closes

	mu        sync.Mutex
	requests  []Request
	scripts   map[string][]Response
	scopes    string
	identity  map[string]any
	messages  map[string]bool            // by channel:ts
	reactions map[string]map[string]bool // names by channel:ts
	files     map[string]*file
	answers   int // at the response_url
	count     int // of ids
}

// Request is a call, in the order of arrival.
type Request struct {
	Method string
	Header http.Header
	Body   string // of a form or JSON
}

// Response is a canned answer. The zero value is 200 without a body.
type Response struct {
	Status int
	Header http.Header
	Body   string
	Hang   bool // give no answer before the server closes
	Reset  bool // reset the connection after the request has been read
}

// NewServer starts a server for the app with this token. Close it after use.
func NewServer(token string) *Server {
	s := &Server{
		token: token, closing: make(chan struct{}), scripts: map[string][]Response{},
		scopes: "chat:write,files:read,files:write,reactions:read,reactions:write",
		identity: map[string]any{
			"url": "https://test.slack.com/", "team": "Test team", "team_id": TeamID, "user": "test_app", "user_id": UserID, "bot_id": BotID,
		},
		messages: map[string]bool{}, reactions: map[string]map[string]bool{}, files: map[string]*file{},
	}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

// URL is the root to use as a channel's settings.apiBase.
func (s *Server) URL() string { return s.http.URL + "/api" }

// ResponseURL is one to answer at, five times.
func (s *Server) ResponseURL() string { return s.http.URL + "/actions/" + TeamID + "/1/abc" }

// Close ends all connections. Closing again does nothing.
func (s *Server) Close() {
	s.once.Do(func() {
		close(s.closing)
		s.http.Close()
	})
}

// Requests returns what has arrived so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Script makes the next calls of a method be answered with responses, in their order, instead of in the usual way.
func (s *Server) Script(method string, responses ...Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[method] = append(s.scripts[method], responses...)
}

// SetScopes sets what the token is allowed to do, as the header of answers has it.
func (s *Server) SetScopes(scopes string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scopes = scopes
}

// SetIdentity changes a member of what auth.test answers.
func (s *Server) SetIdentity(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.identity[name] = value
}

// AddMessage makes a message of the app that can be changed and reacted to.
func (s *Server) AddMessage(channel, ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages[channel+":"+ts] = true
}

// Failure is a refusal. more is added to it and may be nil.
func Failure(code string, more map[string]any) Response {
	body := map[string]any{"ok": false, "error": code}
	for k, v := range more {
		body[k] = v
	}
	return jsonResponse(http.StatusOK, body)
}

// RateLimited is the refusal of a call that came too soon.
func RateLimited(retryAfter string) Response {
	r := jsonResponse(http.StatusTooManyRequests, map[string]any{"ok": false, "error": "ratelimited"})
	r.Header.Set("Retry-After", retryAfter)
	return r
}

func success(body map[string]any) Response {
	body["ok"] = true
	return jsonResponse(http.StatusOK, body)
}

func jsonResponse(status int, body map[string]any) Response {
	encoded, err := json.Marshal(body)
	if err != nil { // of a more that JSON cannot hold
		return Response{Status: http.StatusInternalServerError, Body: err.Error()}
	}
	return Response{Status: status, Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}}, Body: string(encoded)}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<20))
	if err != nil {
		return // the client has gone away
	}
	name, rest := route(strings.TrimPrefix(r.URL.Path, "/api"))
	scripted := s.record(Request{Method: name, Header: r.Header.Clone(), Body: string(body)})
	switch {
	case scripted != nil:
		s.play(w, r, *scripted)
	case name == Upload:
		write(w, s.upload(r, rest, body))
	case name == Download:
		write(w, s.download(r, rest))
	case name == Respond:
		write(w, s.respond(r, body))
	default:
		answer := s.api(r, name, body)
		s.mu.Lock()
		answer.Header.Set("X-OAuth-Scopes", s.scopes)
		s.mu.Unlock()
		write(w, answer)
	}
}

// route says what a path leads to.
func route(path string) (name, rest string) {
	for prefix, name := range map[string]string{"/upload/v1/": Upload, "/files-pri/": Download, "/actions/": Respond} {
		if rest, ok := strings.CutPrefix(path, prefix); ok {
			return name, rest
		}
	}
	return strings.TrimPrefix(path, "/"), ""
}

// record keeps a request and takes the answer that a script has for it.
func (s *Server) record(r Request) *Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r)
	queue := s.scripts[r.Method]
	if len(queue) == 0 {
		return nil
	}
	s.scripts[r.Method] = queue[1:]
	return &queue[0]
}

func (s *Server) play(w http.ResponseWriter, r *http.Request, response Response) {
	if response.Hang {
		select {
		case <-s.closing:
		case <-r.Context().Done():
		}
	}
	if !response.Reset && !response.Hang {
		write(w, response)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // so that closing sends RST instead of FIN
	}
	_ = conn.Close()
}

func write(w http.ResponseWriter, response Response) {
	for name, values := range response.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	if response.Status != 0 {
		w.WriteHeader(response.Status)
	}
	_, _ = io.WriteString(w, response.Body) // the client may have gone away
}

// now is when everything happens.
var now = time.Unix(1_700_000_000, 0)
