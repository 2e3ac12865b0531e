// Package discordtest is a fake of Discord's REST API and of its Gateway, on loopback, for tests and demonstrations. It
// is stricter than Discord: it refuses what is not documented, and texts that could notify somebody. What a client of
// the Gateway does against the rules is counted, see [GatewayCounts].
package discordtest

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
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

// Server is Discord's API for one app. It records the requests that were let in. Safe for concurrent use.
type Server struct {
	*fakeapi.Server
	// Gateway is the app's Gateway; "Get Gateway Bot" leads there.
	Gateway *Gateway

	app          App
	callbacks    map[string]*callback // of interactions that came over the Gateway, by their tokens
	interactions map[string]bool      // by their tokens; true while one waits for its first answer
	nonces       map[string]map[string]any
	files        map[string]fakeapi.File
	commands     []map[string]any // the app's global ones
	reactions    []Reaction
	lastID       int64
}

// Response is a scripted answer.
type Response = fakeapi.Answer

// Reaction is an emoji on every message.
type Reaction struct {
	Emoji string // a character, or NAME:ID
	Mine  bool
}

// Names of calls, as scripts and requests have them.
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

	EditApplication = "edit application"
	GetCommands     = "get commands"
	SetCommands     = "set commands"

	RefreshURLs  = "refresh urls"
	GetOriginal  = "get original"
	EditOriginal = "edit original"
	EditFollowUp = "edit follow-up"
	FollowUp     = "follow-up"
	Download     = "download"
)

// New makes a server without an address of its own: a handler for those who bring one.
func New(app App) *Server {
	s := &Server{
		Gateway: newGateway(app), app: app, callbacks: map[string]*callback{}, interactions: map[string]bool{},
		nonces: map[string]map[string]any{}, files: map[string]fakeapi.File{},
		lastID: 1_400_000_000_000_000_000,
	}
	s.Server = fakeapi.New(s.api())
	return s
}

// NewServer starts a server for an app. Close it after use.
func NewServer(app App) *Server {
	s := New(app)
	s.Listen()
	return s
}

// maxBody is Discord's own limit and some room for the form round the files.
const maxBody = 26 << 20

func (s *Server) api() fakeapi.API {
	return fakeapi.API{Routes: s.routes(), Admit: s.admit, Refuse: refuse, MaxBody: maxBody}
}

// Close ends all connections, those to the Gateway too.
func (s *Server) Close() {
	s.Gateway.shut()
	s.Server.Close()
}

// Root is where the API begins below the server's URL.
const Root = "/api/v10"

// URL is the root to use as a channel's settings.apiBase.
func (s *Server) URL() string { return s.Server.URL() + Root }

// CDN is the root to use as a channel's settings.cdnBase.
func (s *Server) CDN() string { return s.Server.URL() }

// AddInteraction makes an interaction known by its token. One that thinks was told so, and waits for its first answer.
func (s *Server) AddInteraction(token string, thinks bool) {
	s.Locked(func() { s.interactions[token] = thinks })
}

// AddFile puts an attachment on the server, at that path, to be fetched with a signature that has not ended.
func (s *Server) AddFile(path, mimeType string, content []byte) {
	s.Locked(func() { s.files[path] = fakeapi.File{ContentType: mimeType, Content: content} })
}

// SetReactions puts emojis on every message.
func (s *Server) SetReactions(reactions ...Reaction) { s.Locked(func() { s.reactions = reactions }) }

// Failure is an error as Discord has it. errors, the details of a form's faults, may be nil.
func Failure(status, code int, message string, errors any) Response {
	body := map[string]any{"message": message, "code": code}
	if errors != nil {
		body["errors"] = errors
	}
	return fakeapi.JSON(status, body)
}

var (
	// userAgent is the form that Discord asks for.
	userAgent = regexp.MustCompile(`^DiscordBot \(https?://\S+, \d[\w.]*\)`)
	digits    = regexp.MustCompile(`^\d{1,20}$`)
)

// admit refuses paths that name no ids, and a credential that is wrong, or that is not needed.
func (s *Server) admit(r *fakeapi.Request) *Response {
	authorization := r.Header.Get("Authorization")
	needed := r.Route != Download && r.Route != ConnectGateway && !strings.HasPrefix(r.Path, Root+"/webhooks/") &&
		!strings.HasPrefix(r.Path, Root+"/interactions/")
	found := r.Route != "" && (r.Route != Download || !strings.HasPrefix(r.Path, Root+"/"))
	for _, name := range []string{"channel", "message", "app", "interaction"} {
		if id, ok := r.Values[name]; ok && !digits.MatchString(id) {
			found = false
		}
	}
	var refusal Response
	switch {
	case r.Route != ConnectGateway && !userAgent.MatchString(r.Header.Get("User-Agent")):
		refusal = fakeapi.Bytes("text/html", []byte("<html>Access denied</html>"))
		refusal.Status = http.StatusForbidden
	case !found:
		refusal = Failure(http.StatusNotFound, 0, "404: Not Found", nil)
	case needed && authorization != "Bot "+s.app.BotToken:
		refusal = Failure(http.StatusUnauthorized, 0, "401: Unauthorized", nil)
	case !needed && authorization != "": // a credential goes where it is needed, and nowhere else
		refusal = Failure(http.StatusBadRequest, 0, "400: Bad Request", nil)
	default:
		return nil
	}
	return &refusal
}

// refuse is Discord's answer to a request that is wrong: mostly error 50035, about a field.
func refuse(_ *fakeapi.Request, f *is.Fault) Response {
	code, message := "BASE_TYPE_BAD", f.Why
	switch f.Kind {
	case is.TooLarge:
		return Failure(http.StatusRequestEntityTooLarge, 40005, "Request entity too large", nil)
	case is.Unreadable:
		return Failure(http.StatusBadRequest, 50109, "The request body contains invalid JSON.", nil)
	case is.Invalid, is.WrongType, is.NoRoute: // code and message stay
	case is.WrongFormat:
		code = "CONTENT_TYPE_INVALID"
	case is.Unknown:
		message = "this call has no such field"
	case is.Missing:
		code, message = "BASE_TYPE_REQUIRED", "This field is required"
	case is.TooLong:
		code, message = "BASE_TYPE_MAX_LENGTH", "Must be "+strconv.Itoa(f.Limit)+" or fewer in length."
	}
	if f.Says != "" {
		message = f.Says
	}
	var errors any = map[string]any{"_errors": []any{map[string]any{"code": code, "message": message}}}
	words := strings.FieldsFunc(f.Path, func(c rune) bool { return strings.ContainsRune(".[]", c) })
	for _, word := range slices.Backward(words) {
		errors = map[string]any{word: errors}
	}
	return Failure(http.StatusBadRequest, 50035, "Invalid Form Body", errors)
}
