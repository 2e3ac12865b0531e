// Package slacktest is a fake of Slack's Web API, on loopback, for tests and demonstrations. It is stricter than
// Slack: it refuses parameters that Slack does not document, and messages that would not say what they mean.
package slacktest

import (
	"mime"
	"net/http"
	"strings"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// Names of the routes that are no methods of the Web API. The others have the name of their method.
const (
	Upload   = "upload"       // of a file's content
	Download = "download"     // of a file's content
	Respond  = "response_url" // see [Server.ResponseURL]
)

// Names of the app and its workspace.
const (
	TeamID = "T0000TEAM"
	UserID = "U0000BOT"
	BotID  = "B0000BOT"
)

// Server is the Web API for one app. Safe for concurrent use.
type Server struct {
	*fakeapi.Server
	Socket   *SocketMode // the app's Socket Mode, which is off until it has an App-Level Token
	token    string
	scopes   string
	identity map[string]any
	messages map[string]map[string]bool // the reactions of each, by channel:ts
	files    map[string]*file
	app      app
	answers  int // at the response_url
	count    int // of ids
}

// Response is a scripted answer.
type Response = fakeapi.Answer

// NewServer starts a server for the app with this token. Close it after use.
func NewServer(token string) *Server {
	s := New(token)
	s.Listen()
	return s
}

// New makes a server without an address.
func New(token string) *Server {
	s := &Server{
		token: token, Socket: newSocketMode(),
		scopes: "chat:write,files:read,files:write,reactions:read,reactions:write",
		identity: map[string]any{
			"url": "https://test.slack.com/", "team": "Test team", "team_id": TeamID, "user": "test_app", "user_id": UserID,
			"bot_id": BotID,
		},
		messages: map[string]map[string]bool{}, files: map[string]*file{},
	}
	s.Server = fakeapi.New(s.api())
	return s
}

func (s *Server) api() fakeapi.API {
	return fakeapi.API{Routes: s.routes(), Admit: s.admit, Refuse: refuse}
}

// Close ends all connections.
func (s *Server) Close() {
	s.Socket.shut()
	s.Server.Close()
}

// URL is the root to use as a channel's settings.apiBase.
func (s *Server) URL() string { return s.Server.URL() + "/api" }

// ResponseURL is one to answer at, five times.
func (s *Server) ResponseURL() string { return s.Server.URL() + "/actions/" + TeamID + "/1/abc" }

// SetScopes sets what the token is allowed to do, as the header of answers has it.
func (s *Server) SetScopes(scopes string) { s.Locked(func() { s.scopes = scopes }) }

// SetIdentity changes a member of what auth.test answers.
func (s *Server) SetIdentity(name, value string) { s.Locked(func() { s.identity[name] = value }) }

// AddMessage makes a message of the app that can be changed and reacted to.
func (s *Server) AddMessage(channel, ts string) {
	s.Locked(func() { s.messages[channel+":"+ts] = map[string]bool{} })
}

// Failure is a refusal. more is added to it and may be nil.
func Failure(code string, more map[string]any) Response {
	body := map[string]any{"ok": false, "error": code}
	for k, v := range more {
		body[k] = v
	}
	return fakeapi.JSON(http.StatusOK, body)
}

// RateLimited is the refusal of a call that came too soon.
func RateLimited(retryAfter string) Response {
	r := Failure("ratelimited", nil)
	r.Status = http.StatusTooManyRequests
	r.Header.Set("Retry-After", retryAfter)
	return r
}

func success(body map[string]any) Response {
	body["ok"] = true
	return fakeapi.JSON(http.StatusOK, body)
}

// admit checks the token of the methods, and how often the response_url was used.
func (s *Server) admit(r *fakeapi.Request) *Response {
	authorization := r.Header.Get("Authorization")
	token, ok := strings.CutPrefix(authorization, "Bearer ")
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var refusal Response
	switch isMethod := strings.HasPrefix(r.Path, "/api/"); {
	case r.Route == Respond:
		if s.answers++; s.answers <= maxAnswers && authorization == "" {
			return nil
		}
		refusal = Failure("used_url", nil)
		refusal.Status = http.StatusNotFound
	case !isMethod:
		return nil
	case !ok:
		refusal = Failure("not_authed", nil)
	case r.Route == "apps.connections.open" && !s.Socket.takes(token),
		isManifest(r.Route) && (s.app.token == "" || token != s.app.token),
		r.Route != "apps.connections.open" && !isManifest(r.Route) && token != s.token:
		refusal = Failure("invalid_auth", nil)
	case kind == "application/json" && !strings.EqualFold(params["charset"], "utf-8"):
		refusal = Failure("missing_charset", nil) // of which Slack itself only warns
	default:
		return nil
	}
	return &refusal
}

// refuse is Slack's answer to a request that is wrong: HTTP 200 for methods, whatever is wrong.
func refuse(r *fakeapi.Request, f *is.Fault) Response {
	messages := map[string]any{"response_metadata": map[string]any{"messages": []string{"[ERROR] " + f.String()}}}
	switch {
	case f.Says != "":
		return Failure(f.Says, messages)
	case r.Route == Respond:
		return Response{Status: http.StatusInternalServerError, Body: "invalid_payload"}
	case f.Kind == is.NoRoute && strings.HasPrefix(r.Path, "/api/"):
		return Failure("unknown_method", map[string]any{"req_method": strings.TrimPrefix(r.Path, "/api/")})
	case f.Kind == is.NoRoute:
		return Response{Status: http.StatusNotFound}
	case f.Kind == is.WrongFormat && r.Header.Get("Content-Type") == "":
		return Failure("missing_post_type", nil)
	case f.Kind == is.WrongFormat:
		return Failure("invalid_post_type", nil)
	case strings.HasPrefix(f.Path, "blocks"):
		return Failure("invalid_blocks", messages)
	default:
		return Failure("invalid_arguments", messages)
	}
}
