package discordtest

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Kinds of bodies that calls have.
const (
	noBody = iota
	jsonBody
	jsonOrForm
)

// route is one of the API's calls.
type route struct {
	name   string
	method string
	path   []string // a colon stands before what varies
	auth   bool
	body   int
	handle func(*Server, *call) Response
}

var routes = []route{
	{CreateMessage, http.MethodPost, split("channels/:channel/messages"), true, jsonOrForm, (*Server).createMessage},
	{GetMessage, http.MethodGet, split("channels/:channel/messages/:message"), true, noBody, (*Server).getMessage},
	{EditMessage, http.MethodPatch, split("channels/:channel/messages/:message"), true, jsonOrForm, (*Server).editMessage},
	{DeleteMessage, http.MethodDelete, split("channels/:channel/messages/:message"), true, noBody, nothing},
	{CreateReaction, http.MethodPut, split("channels/:channel/messages/:message/reactions/:emoji/@me"), true, noBody, (*Server).react},
	{DeleteReaction, http.MethodDelete, split("channels/:channel/messages/:message/reactions/:emoji/@me"), true, noBody, (*Server).react},
	{Typing, http.MethodPost, split("channels/:channel/typing"), true, noBody, nothing},
	{CreateDM, http.MethodPost, split("users/@me/channels"), true, jsonBody, (*Server).createDM},
	{GetUser, http.MethodGet, split("users/@me"), true, noBody, (*Server).getUser},
	{GetApplication, http.MethodGet, split("applications/@me"), true, noBody, (*Server).getApplication},
	{RefreshURLs, http.MethodPost, split("attachments/refresh-urls"), true, jsonBody, (*Server).refreshURLs},
	{GetOriginal, http.MethodGet, split("webhooks/:app/:token/messages/@original"), false, noBody, (*Server).getOriginal},
	{EditOriginal, http.MethodPatch, split("webhooks/:app/:token/messages/@original"), false, jsonOrForm, (*Server).editOriginal},
	{EditFollowUp, http.MethodPatch, split("webhooks/:app/:token/messages/:message"), false, jsonOrForm, (*Server).editFollowUp},
	{FollowUp, http.MethodPost, split("webhooks/:app/:token"), false, jsonOrForm, (*Server).followUp},
}

var download = route{Download, http.MethodGet, nil, false, noBody, (*Server).download}

func split(path string) []string { return strings.Split(path, "/") }

// snowflake is an id.
var snowflake = regexp.MustCompile(`^\d{1,20}$`)

// find finds the call that a request is. Ids that are none belong to no call.
func (s *Server) find(r *http.Request) (*route, map[string]string) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), Root+"/")
	if !ok {
		if r.Method != http.MethodGet {
			return nil, nil
		}
		return &download, map[string]string{"link": r.URL.RequestURI()}
	}
	words := split(rest)
	for i := range routes {
		if values, ok := routes[i].match(r.Method, words); ok {
			return &routes[i], values
		}
	}
	return nil, nil
}

func (r *route) match(method string, words []string) (map[string]string, bool) {
	if method != r.method || len(words) != len(r.path) {
		return nil, false
	}
	values := map[string]string{}
	for i, word := range r.path {
		name, varies := strings.CutPrefix(word, ":")
		if !varies {
			if words[i] != word {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(words[i])
		if err != nil || value == "" || name != "emoji" && name != "token" && !snowflake.MatchString(value) {
			return nil, false
		}
		values[name] = value
	}
	return values, true
}

// call is a request on its way through the server.
type call struct {
	request Request
	values  map[string]string // of the path
	raw     []byte            // JSON
}

// read takes the body apart and says what is wrong with its form.
func (c *call) read(kind int, contentType string, body []byte) *Response {
	mediaType, params, _ := mime.ParseMediaType(contentType)
	switch {
	case kind == noBody:
		if len(body) > 0 {
			return new(invalidForm("", "BASE_TYPE_BAD", "this call has no body"))
		}
		return nil
	case mediaType == "application/json":
		c.raw = body
	case mediaType == "multipart/form-data" && kind == jsonOrForm:
		if err := c.readForm(body, params["boundary"]); err != nil {
			return new(invalidForm("", "BASE_TYPE_BAD", err.Error()))
		}
	default:
		return new(invalidForm("", "CONTENT_TYPE_INVALID", `Expected "Content-Type" header to be one of {'application/json'}.`))
	}
	c.request.Body = object(c.raw)
	if c.request.Body == nil {
		return new(Failure(http.StatusBadRequest, 50109, "The request body contains invalid JSON.", nil))
	}
	return nil
}

func (c *call) readForm(body []byte, boundary string) error {
	c.request.Files = map[string][]byte{}
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for {
		part, err := reader.NextPart()
		if err == io.EOF { //nolint:errorlint // as its documentation has it
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		if part.FormName() == "payload_json" {
			c.raw = content
			continue
		}
		c.request.Files[part.FormName()+" "+part.FileName()+" "+part.Header.Get("Content-Type")] = content
	}
}

func nothing(*Server, *call) Response { return Response{Status: http.StatusNoContent} }

// nextID makes an id. The caller holds the lock.
func (s *Server) nextID() string {
	s.lastID++
	return strconv.FormatInt(s.lastID, 10)
}

func (s *Server) react(c *call) Response {
	emoji := c.values["emoji"]
	if custom := regexp.MustCompile(`^\w+:\d+$`); emoji[0] < 0x80 && !custom.MatchString(emoji) {
		return Failure(http.StatusBadRequest, 10014, "Unknown Emoji", nil)
	}
	return Response{Status: http.StatusNoContent}
}

func (s *Server) createDM(c *call) Response {
	recipient, _ := c.request.Body["recipient_id"].(string)
	if !snowflake.MatchString(recipient) || len(c.request.Body) != 1 {
		return invalidForm("recipient_id", "NUMBER_TYPE_COERCE", "Value is not snowflake.")
	}
	return answer(http.StatusOK, map[string]any{"id": DMChannel(recipient), "type": 1, "recipients": []any{map[string]any{"id": recipient}}})
}

// DMChannel is the channel of a user's direct messages.
func DMChannel(userID string) string { return "9" + userID[:min(len(userID), 18)] }

func (s *Server) getUser(*call) Response {
	return answer(http.StatusOK, map[string]any{"id": s.app.ApplicationID, "username": "test_bot", "bot": true})
}

func (s *Server) getApplication(*call) Response {
	return answer(http.StatusOK, map[string]any{
		"id": s.app.ApplicationID, "name": "Test app", "verify_key": s.app.PublicKey,
		"interactions_endpoint_url": s.app.InteractionsEndpointURL, "event_webhooks_url": s.app.EventWebhooksURL,
		"event_webhooks_status": s.app.EventWebhooksStatus,
	})
}

func (s *Server) download(c *call) Response {
	s.mu.Lock()
	f, ok := s.files[c.request.Path]
	s.mu.Unlock()
	link, err := url.Parse(c.values["link"])
	if !ok || err != nil || strings.Contains(c.request.Path, "attachments/") && !signed(link.Query()) {
		return Response{Status: http.StatusNotFound, Header: http.Header{"Content-Type": {"text/plain"}}, Body: "This content is no longer available."}
	}
	return Response{Header: http.Header{"Content-Type": {f.mimeType}}, Body: string(f.content)}
}

// signed says whether a link has a signature whose end, in hexadecimal seconds since 1970, is to come.
func signed(query url.Values) bool {
	seconds, err := strconv.ParseInt(query.Get("ex"), 16, 64)
	return err == nil && time.Unix(seconds, 0).After(time.Now()) && query.Get("is") != "" && query.Get("hm") != ""
}

func (s *Server) refreshURLs(c *call) Response {
	links, _ := c.request.Body["attachment_urls"].([]any)
	if len(links) == 0 {
		return invalidForm("attachment_urls", "BASE_TYPE_REQUIRED", "This field is required")
	}
	fresh := make([]any, len(links))
	for i, l := range links {
		link, _ := l.(string)
		bare, _, _ := strings.Cut(link, "?")
		fresh[i] = map[string]any{"original": link, "refreshed": bare + "?ex=7fffffff&is=1&hm=2"}
	}
	return answer(http.StatusOK, map[string]any{"refreshed_urls": fresh})
}
