// Package discordtest stands in for Discord's REST API, on loopback, for tests and demonstrations. It is stricter than
// Discord: it refuses what is not documented, and texts that could notify somebody.
package discordtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
)

// App is the app whose bot calls.
type App struct {
	BotToken      string
	ApplicationID string
	PublicKey     string // in hex
	// InteractionsEndpointURL, EventWebhooksURL and EventWebhooksStatus are what the developer portal was told.
	InteractionsEndpointURL string
	EventWebhooksURL        string
	EventWebhooksStatus     int
}

// Server is Discord's API for one app. Safe for concurrent use.
type Server struct {
	app  App
	http *httptest.Server

	mu           sync.Mutex
	requests     []Request
	scripts      map[string][]Response
	interactions map[string]bool // by their tokens; true while one waits for its first answer
	nonces       map[string]map[string]any
	files        map[string]file
	reactions    []Reaction
	lastID       int64
}

// Request is a call that was let in, in the order of arrival.
type Request struct {
	Name   string // one of the constants below
	Path   string
	Header http.Header
	Body   map[string]any    // JSON, or that of payload_json; numbers are json.Number
	Files  map[string][]byte // by the names of their parts
}

// Response is a canned answer. The zero value is 200 without a body.
type Response struct {
	Status int
	Header http.Header
	Body   string
	Reset  bool // reset the connection after the request has been read
}

// Reaction is an emoji on every message.
type Reaction struct {
	Emoji string // a character, or NAME:ID
	Mine  bool
}

type file struct {
	mimeType string
	content  []byte
}

// Names of calls, as [Server.Script] and [Request] have them.
const (
	CreateMessage  = "create message"
	GetMessage     = "get message"
	EditMessage    = "edit message"
	DeleteMessage  = "delete message"
	CreateReaction = "create reaction"
	DeleteReaction = "delete reaction"
	Typing         = "typing"
	CreateDM       = "create dm"
	GetUser        = "get user"
	GetApplication = "get application"
	RefreshURLs    = "refresh urls"
	GetOriginal    = "get original"
	EditOriginal   = "edit original"
	EditFollowUp   = "edit follow-up"
	FollowUp       = "follow-up"
	Download       = "download"
)

// New makes a server without an address of its own: a handler for those who bring one.
func New(app App) *Server {
	return &Server{
		app: app, scripts: map[string][]Response{}, interactions: map[string]bool{}, nonces: map[string]map[string]any{},
		files: map[string]file{}, lastID: 1_400_000_000_000_000_000,
	}
}

// NewServer starts a server for an app. Close it after use.
func NewServer(app App) *Server {
	s := New(app)
	s.http = httptest.NewServer(s)
	return s
}

// Root is where the API begins below the server's URL.
const Root = "/api/v10"

// URL is the root to use as a channel's settings.apiBase.
func (s *Server) URL() string { return s.http.URL + Root }

// Close ends all connections.
func (s *Server) Close() { s.http.Close() }

// Requests returns what has arrived so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Script makes the next calls of a name be answered with responses, in their order, instead of in the usual way.
func (s *Server) Script(name string, responses ...Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[name] = append(s.scripts[name], responses...)
}

// AddInteraction makes an interaction known by its token. One that thinks was told so, and waits for its first answer.
func (s *Server) AddInteraction(token string, thinks bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interactions[token] = thinks
}

// CDN is the root to use as a channel's settings.cdnBase.
func (s *Server) CDN() string { return s.http.URL }

// AddFile puts an attachment on the server, at that path, to be fetched with a signature that has not ended.
func (s *Server) AddFile(path, mimeType string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = file{mimeType, content}
}

// SetReactions puts emojis on every message.
func (s *Server) SetReactions(reactions ...Reaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reactions = reactions
}

// Failure is an error as Discord has it. errors, the details of a form's faults, may be nil.
func Failure(status, code int, message string, errors any) Response {
	body := map[string]any{"message": message, "code": code}
	if errors != nil {
		body["errors"] = errors
	}
	return answer(status, body)
}

func answer(status int, body any) Response {
	encoded, err := json.Marshal(body)
	if err != nil { // of errors that JSON cannot hold
		return Response{Status: http.StatusInternalServerError, Body: err.Error()}
	}
	return Response{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: string(encoded)}
}

// userAgent is the form that Discord asks for.
var userAgent = regexp.MustCompile(`^DiscordBot \(https?://\S+, \d[\w.]*\)`)

// maxBody is Discord's own limit and some room for the form round the files.
const maxBody = 26 << 20

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		write(w, Failure(http.StatusRequestEntityTooLarge, 40005, "Request entity too large", nil))
		return
	}
	if !userAgent.MatchString(r.Header.Get("User-Agent")) {
		write(w, Response{Status: http.StatusForbidden, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>Access denied</html>"})
		return
	}
	route, values := s.find(r)
	switch {
	case route == nil:
		write(w, Failure(http.StatusNotFound, 0, "404: Not Found", nil))
		return
	case route.auth && r.Header.Get("Authorization") != "Bot "+s.app.BotToken:
		write(w, Failure(http.StatusUnauthorized, 0, "401: Unauthorized", nil))
		return
	case !route.auth && r.Header.Get("Authorization") != "": // a credential goes where it is needed, and nowhere else
		write(w, Failure(http.StatusBadRequest, 0, "400: Bad Request", nil))
		return
	}
	c := &call{values: values, request: Request{Name: route.name, Path: r.URL.Path, Header: r.Header.Clone()}}
	fault := c.read(route.body, r.Header.Get("Content-Type"), body)
	scripted := s.record(c.request)
	switch {
	case scripted != nil && scripted.Reset:
		reset(w)
	case scripted != nil:
		write(w, *scripted)
	case fault != nil:
		write(w, *fault)
	default:
		write(w, route.handle(s, c))
	}
}

// record keeps a request and takes the answer that a script has for it.
func (s *Server) record(request Request) *Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, request)
	queue := s.scripts[request.Name]
	if len(queue) == 0 {
		return nil
	}
	s.scripts[request.Name] = queue[1:]
	return &queue[0]
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

func write(w http.ResponseWriter, response Response) {
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	if response.Status != 0 {
		w.WriteHeader(response.Status)
	}
	if response.Status != http.StatusNoContent {
		_, _ = strings.NewReader(response.Body).WriteTo(w) // the client may have gone away
	}
}

// object decodes JSON as tests compare it.
func object(body []byte) map[string]any {
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	_ = decoder.Decode(&fields) // what is no object is refused later
	return fields
}
