// Package telegramtest stands in for the Bot API, on loopback, for tests and demonstrations. It is
// stricter than Telegram: it refuses parameters that the Bot API does not document.
package telegramtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"
)

// Server is a Bot API for one bot. Safe for concurrent use.
type Server struct {
	token   string
	http    *httptest.Server
	closing chan struct{}
	close   sync.Once

	mu          sync.Mutex
	requests    []Request
	sends       []Request     // those that send a message and that Next has not returned yet
	sent        chan struct{} // closed and replaced when sends grows
	scripts     map[string][]Response
	files       map[string]file
	answered    map[string]bool // queries, which take one answer each
	webhookInfo WebhookInfo
	lastMessage int64
}

// Request is a call that brought the right token, in the order of arrival.
type Request struct {
	Method string
	Body   map[string]any // the parameters, whatever they came as; numbers are json.Number
	Files  map[string]File
}

// Response is a canned answer. The zero value is 200 without a body.
type Response struct {
	Status int
	Header http.Header
	Body   string
	Delay  time.Duration
	Hang   bool // give no answer before the server closes
	Reset  bool // reset the connection after the request has been read
}

// WebhookInfo is the Bot API's object of that name, as far as it matters here.
type WebhookInfo struct {
	URL                string   `json:"url"`
	PendingUpdateCount int      `json:"pending_update_count"`
	LastErrorDate      int64    `json:"last_error_date,omitempty"` // seconds since 1970
	LastErrorMessage   string   `json:"last_error_message,omitempty"`
	AllowedUpdates     []string `json:"allowed_updates,omitempty"`
}

// Download is the method name under which [Server.Script] and [Server.Requests] know the download of
// a file.
const Download = "file"

// ErrClosed is what [Server.Next] returns once the server is closed.
var ErrClosed = errors.New("telegramtest: the server is closed")

// NewServer starts a server for the bot with this token. Close it after use.
func NewServer(token string) *Server {
	s := &Server{
		token:    token,
		closing:  make(chan struct{}),
		sent:     make(chan struct{}),
		scripts:  map[string][]Response{},
		files:    map[string]file{},
		answered: map[string]bool{},
	}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

// URL is the root to use as a channel's settings.apiBase.
func (s *Server) URL() string { return s.http.URL }

// Close ends all connections. Closing again does nothing.
func (s *Server) Close() {
	s.close.Do(func() {
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

// Next returns the next request that sends a message, each once, and waits for it where there is none yet.
func (s *Server) Next(ctx context.Context) (Request, error) {
	for {
		s.mu.Lock()
		if len(s.sends) > 0 {
			r := s.sends[0]
			s.sends = s.sends[1:]
			s.mu.Unlock()
			return r, nil
		}
		sent := s.sent
		s.mu.Unlock()
		select {
		case <-sent:
		case <-ctx.Done():
			return Request{}, ctx.Err()
		case <-s.closing:
			return Request{}, ErrClosed
		}
	}
}

// Script makes the next calls of a method be answered with responses, in their order, instead of
// in the usual way.
func (s *Server) Script(method string, responses ...Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[method] = append(s.scripts[method], responses...)
}

// AddFile makes a file available to getFile under its file_id, and for download under its file_path.
func (s *Server) AddFile(id, path string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[id] = file{path, content}
}

// SetWebhookInfo sets what getWebhookInfo answers; without it the bot has no webhook.
func (s *Server) SetWebhookInfo(info WebhookInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhookInfo = info
}

// Failure is an answer with ok false. parameters may be nil.
func Failure(code int, description string, parameters map[string]any) Response {
	body := map[string]any{"ok": false, "error_code": code, "description": description}
	if parameters != nil {
		body["parameters"] = parameters
	}
	return response(code, body)
}

func success(result any) Response {
	return response(http.StatusOK, map[string]any{"ok": true, "result": result})
}

func response(status int, body map[string]any) Response {
	encoded, err := json.Marshal(body)
	if err != nil { // of parameters that JSON cannot hold
		return Response{Status: http.StatusInternalServerError, Body: err.Error()}
	}
	return Response{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: string(encoded)}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
		write(w, Failure(http.StatusRequestEntityTooLarge, "Request Entity Too Large", nil))
		return
	}
	path, isFile := strings.CutPrefix(r.URL.Path, "/file")
	token, method, ok := strings.Cut(strings.TrimPrefix(path, "/bot"), "/")
	switch {
	case !ok || !strings.Contains(token, ":"):
		write(w, Failure(http.StatusNotFound, "Not Found", nil))
		return
	case token != s.token:
		write(w, Failure(http.StatusUnauthorized, "Unauthorized", nil))
		return
	}
	filePath := method
	if isFile {
		method = Download
	}
	in, err := readInput(r.Header.Get("Content-Type"), body.Bytes())
	if err != nil {
		write(w, badRequest("%v", err))
		return
	}
	scripted := s.record(method, in)
	switch {
	case scripted != nil:
		s.play(w, r, *scripted)
	case isFile:
		write(w, s.download(filePath))
	default:
		write(w, s.answer(method, in))
	}
}

// record keeps a request and takes the answer that a script has for it.
func (s *Server) record(method string, in *input) *Response {
	request := Request{Method: method, Files: in.files}
	decoder := json.NewDecoder(bytes.NewReader(in.params))
	decoder.UseNumber()
	_ = decoder.Decode(&request.Body) // a body that is no object is refused later
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, request)
	if strings.HasPrefix(method, "send") && method != "sendChatAction" {
		s.sends = append(s.sends, request)
		close(s.sent)
		s.sent = make(chan struct{})
	}
	queue := s.scripts[method]
	if len(queue) == 0 {
		return nil
	}
	s.scripts[method] = queue[1:]
	return &queue[0]
}

func (s *Server) play(w http.ResponseWriter, r *http.Request, response Response) {
	var answerAt <-chan time.Time // never, for Hang
	if !response.Hang {
		timer := time.NewTimer(response.Delay)
		defer timer.Stop()
		answerAt = timer.C
	}
	select {
	case <-answerAt:
	case <-s.closing:
		response.Reset = true
	case <-r.Context().Done():
		return
	}
	if response.Reset {
		reset(w)
		return
	}
	write(w, response)
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
	_, _ = w.Write([]byte(response.Body)) // the client may have gone away
}
