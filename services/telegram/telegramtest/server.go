// Package telegramtest is a fake of the Bot API, on loopback, for tests and demonstrations. It is
// stricter than Telegram: it refuses parameters that the Bot API does not document.
package telegramtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// Server is a Bot API for one bot or many. It records the calls that bring the right token, but for the polls, of which
// each bot has its last ones. Safe for concurrent use.
type Server struct {
	*fakeapi.Server
	first       string // the token of the bot that NewServer was given
	bots        map[string]*bot
	files       map[string]fakeapi.File // Name is the path
	answered    map[string]bool         // queries; each takes one answer
	lastMessage int64
}

// Request is a call. Its route is the name of the method.
type Request = fakeapi.Request

// Response is a scripted answer.
type Response = fakeapi.Answer

// WebhookInfo has the fields of the Bot API's object that platforms read.
type WebhookInfo struct {
	URL                string   `json:"url"`
	PendingUpdateCount int      `json:"pending_update_count"`
	LastErrorDate      int64    `json:"last_error_date,omitempty"` // seconds since 1970
	LastErrorMessage   string   `json:"last_error_message,omitempty"`
	AllowedUpdates     []string `json:"allowed_updates,omitempty"`
	MaxConnections     int      `json:"max_connections,omitempty"`
	CustomCertificate  bool     `json:"has_custom_certificate"`
}

// Download is the route of the download of a file.
const Download = "file"

// NewServer starts a server for the bot with this token. The caller closes it.
func NewServer(token string) *Server {
	s := New(token)
	s.Listen()
	return s
}

// New makes a server without an address.
func New(token string) *Server {
	s := &Server{
		first: token, bots: map[string]*bot{token: newBot()}, files: map[string]fakeapi.File{}, answered: map[string]bool{},
	}
	s.Server = fakeapi.New(s.api())
	return s
}

func (s *Server) api() fakeapi.API {
	return fakeapi.API{Routes: s.routes(), Admit: s.admit, Refuse: refuse, Value: value}
}

// Next returns the next request that sends a message, and waits for it. Each request is returned once. When the server
// is closed, Next returns [fakeapi.ErrClosed].
func (s *Server) Next(ctx context.Context) (Request, error) {
	return s.Server.Next(ctx, func(r *Request) bool {
		return strings.HasPrefix(r.Route, "send") && r.Route != "sendChatAction"
	})
}

// AddFile makes a file available to getFile by its file_id, and for download by its file_path.
func (s *Server) AddFile(id, path string, content []byte) {
	s.Locked(func() { s.files[id] = fakeapi.File{Name: path, Content: content} })
}

// SetWebhookInfo sets the answer of getWebhookInfo for the bot that NewServer was given. Before that it has no webhook.
func (s *Server) SetWebhookInfo(info WebhookInfo) {
	s.Locked(func() { s.bots[s.first].webhook = info })
}

// WebhookSecret returns the secret_token that setWebhook was given last for the bot that NewServer was given.
func (s *Server) WebhookSecret() (secret string) {
	s.Locked(func() { secret = s.bots[s.first].secret })
	return secret
}

// Failure is an answer with ok false. parameters may be nil.
func Failure(code int, description string, parameters map[string]any) Response {
	body := map[string]any{"ok": false, "error_code": code, "description": description}
	if parameters != nil {
		body["parameters"] = parameters
	}
	return fakeapi.JSON(code, body)
}

func success(result any) Response {
	return fakeapi.JSON(http.StatusOK, map[string]any{"ok": true, "result": result})
}

// admit checks the token in the path.
func (s *Server) admit(r *Request) *Response {
	token, ok := strings.CutPrefix(r.Values["bot"], "bot")
	switch {
	case !ok || !strings.Contains(token, ":"):
		return new(Failure(http.StatusNotFound, "Not Found", nil))
	case s.bots[token] == nil:
		return new(Failure(http.StatusUnauthorized, "Unauthorized", nil))
	}
	return nil
}

// refuse returns the Bot API's answer to an invalid request.
func refuse(_ *Request, f *is.Fault) Response {
	switch {
	case f.Kind == is.TooLarge:
		return Failure(http.StatusRequestEntityTooLarge, "Request Entity Too Large", nil)
	case f.Kind == is.NoRoute:
		return Failure(http.StatusNotFound, "Not Found", nil)
	case f.Says != "":
		return Failure(http.StatusBadRequest, "Bad Request: "+f.Says, nil)
	default:
		return Failure(http.StatusBadRequest, "Bad Request: can't parse the parameters: "+f.String(), nil)
	}
}

// textParams are the parameters that are texts. A form has the others as JSON.
var textParams = strings.Fields(`business_connection_id text parse_mode message_effect_id caption photo video animation
	audio document voice video_note sticker emoji title address phone_number first_name last_name vcard question`)

// value reads a field of a form.
func value(name, text string) (any, error) {
	if slices.Contains(textParams, name) || name == "chat_id" && !json.Valid([]byte(text)) {
		return text, nil
	}
	var v any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&v) != nil {
		return nil, errors.New("can't parse the parameter " + name)
	}
	return v, nil
}

// tokenOf returns the token that a request brings.
func tokenOf(r *Request) string { return strings.TrimPrefix(r.Values["bot"], "bot") }

func botUser(r *Request) map[string]any {
	id, _, _ := strings.Cut(tokenOf(r), ":")
	return map[string]any{"id": json.Number(id), "is_bot": true, "first_name": "Test bot", "username": "test_bot"}
}

func (s *Server) getFile(r *Request) Response {
	id := is.At[string](r.Body, "file_id")
	f, ok := s.files[id]
	if !ok {
		return Failure(http.StatusBadRequest, "Bad Request: invalid file_id", nil)
	}
	return success(map[string]any{
		"file_id": id, "file_unique_id": "unique-" + id, "file_size": len(f.Content), "file_path": f.Name,
	})
}

func (s *Server) download(r *Request) Response {
	for _, f := range s.files {
		if f.Name == r.Values["path"] {
			return fakeapi.Bytes("application/octet-stream", f.Content)
		}
	}
	return Failure(http.StatusNotFound, "Not Found", nil)
}

// message returns the message that a request names, or else a new one.
func (s *Server) message(r *Request) map[string]any {
	chat, _ := chatOf(r.Body["chat_id"])
	m := map[string]any{"from": botUser(r), "chat": chat, "date": time.Now().Unix(), "message_id": r.Body["message_id"]}
	for _, name := range []string{"text", "caption", "message_thread_id"} {
		if v, there := r.Body[name]; there {
			m[name] = v
		}
	}
	if m["message_id"] != nil {
		m["edit_date"] = m["date"]
		return m
	}
	s.lastMessage++
	m["message_id"], m["is_topic_message"] = s.lastMessage, r.Body["message_thread_id"] != nil
	kind := strings.ToLower(strings.TrimPrefix(r.Route, "send"))
	m[kind] = map[string]any{"id": fmt.Sprintf("%s-%d", kind, s.lastMessage), "file_id": "sent-" + kind}
	return m
}

func (s *Server) sent(r *Request) Response { return success(s.message(r)) }

func (s *Server) sentGroup(r *Request) Response {
	var messages []any
	for range is.At[[]any](r.Body, "media") {
		m := s.message(r)
		m["media_group_id"] = "group"
		messages = append(messages, m)
	}
	return success(messages)
}

func done(*Request) Response { return success(true) }

func (s *Server) routes() fakeapi.Routes {
	send := func(check func(*Request) *is.Fault) fakeapi.Route { return fakeapi.Route{Check: check, Answer: s.sent} }
	text := send(func(r *Request) *is.Fault { return textFault(r.Body, "text", "entities", 4096) })
	caption := send(func(r *Request) *is.Fault { return captionFault(r.Body) })
	files := fakeapi.Route{Files: fakeapi.FileOf(maxUpload), Check: mediaFault, Answer: s.sent}
	album := files
	album.Answer = s.sentGroup
	routes := fakeapi.Routes{
		"sendMessage": text, "sendPhoto": caption, "sendVideo": caption, "sendAnimation": caption, "sendAudio": caption,
		"sendDocument": caption, "sendVoice": caption, "sendVideoNote": send(nil), "sendSticker": send(nil),
		"sendMediaGroup": album, "sendLocation": send(nil), "sendVenue": send(nil), "sendContact": send(nil),
		"sendPoll": send(pollFault), "editMessageText": text, "editMessageCaption": caption, "editMessageMedia": files,
		"editMessageReplyMarkup": send(nil), "deleteMessage": {Answer: done}, "setMessageReaction": {Answer: done},
		"sendChatAction": {Answer: done}, "answerCallbackQuery": {Check: s.callbackFault, Answer: done},
		"answerGuestQuery": {Check: s.guestFault, Answer: func(r *Request) Response {
			return success(map[string]any{"inline_message_id": "inline-" + is.At[string](r.Body, "guest_query_id")})
		}},
		"getMe":          {Answer: func(r *Request) Response { return success(botUser(r)) }},
		"getUpdates":     {Answer: s.getUpdates, Unrecorded: true},
		"setWebhook":     {Answer: s.setWebhook},
		"deleteWebhook":  {Answer: s.deleteWebhook},
		"getWebhookInfo": {Answer: func(r *Request) Response { return success(s.bots[tokenOf(r)].info()) }},
		"getFile":        {Answer: s.getFile},
	}
	all := fakeapi.Routes{"/file/{bot}/{path...}": {Name: Download, Answer: s.download}}
	for name, route := range routes {
		route.Name, route.Body, route.Takes = name, shapes[name], fakeapi.FormatJSON|fakeapi.FormatMultipart
		all["/{bot}/"+name] = route
	}
	return all
}
