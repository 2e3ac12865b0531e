package discordtest

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

func (s *Server) routes() fakeapi.Routes {
	const messages = "/channels/{channel}/messages"
	const reaction = messages + "/{message}/reactions/{emoji}/@me"
	const answers, original = "/webhooks/{app}/{token}", "/webhooks/{app}/{token}/messages/@original"
	posted := func(name string, answer func(*fakeapi.Request) Response, checks ...check) fakeapi.Route {
		return fakeapi.Route{
			Name: name, Body: shapes[name], Takes: fakeapi.FormatJSON | fakeapi.FormatMultipart, JSONPart: "payload_json",
			Files: fakeapi.FileOf(maxBody), Check: all(append(checks, messageFault)), Answer: answer,
		}
	}
	plain := func(name string, answer func(*fakeapi.Request) Response, checks ...check) fakeapi.Route {
		return fakeapi.Route{Name: name, Takes: fakeapi.NoBody, Check: all(checks), Answer: answer}
	}
	calls := fakeapi.Routes{
		"POST " + messages:                         posted(CreateMessage, s.createMessage),
		"GET " + messages + "/{message}":           plain(GetMessage, s.getMessage),
		"PATCH " + messages + "/{message}":         posted(EditMessage, s.changed),
		"DELETE " + messages + "/{message}":        plain(DeleteMessage, nothing),
		"PUT " + reaction:                          plain(CreateReaction, nothing, emojiFault),
		"DELETE " + reaction:                       plain(DeleteReaction, nothing, emojiFault),
		"POST /channels/{channel}/typing":          plain(Typing, nothing),
		"GET /users/@me":                           plain(GetUser, s.getUser),
		"GET /applications/@me":                    plain(GetApplication, s.getApplication),
		"GET " + original:                          plain(GetOriginal, s.getOriginal, s.unknown),
		"PATCH " + original:                        posted(EditOriginal, s.editOriginal, s.unknown),
		"PATCH " + answers + "/messages/{message}": posted(EditFollowUp, s.changed, s.unknown),
		"POST " + answers:                          posted(FollowUp, s.changed, s.unknown, s.early),
		"POST /users/@me/channels": {
			Name: CreateDM, Body: shapes[CreateDM], Answer: createDM,
		},
		"POST /attachments/refresh-urls": {
			Name: RefreshURLs, Body: shapes[RefreshURLs], Answer: refreshURLs,
		},
	}
	calls["PATCH /applications/@me"] = fakeapi.Route{
		Name: EditApplication, Body: shapes[EditApplication], Answer: s.editApplication,
	}
	calls["GET /applications/{app}/commands"] = plain(GetCommands, s.getCommands, s.foreign)
	calls["PUT /applications/{app}/commands"] = fakeapi.Route{
		Name: SetCommands, Takes: fakeapi.FormatRaw, Check: all([]check{s.foreign, commandsFault}), Answer: s.setCommands,
	}
	calls["GET /gateway/bot"] = plain(GetGateway, s.Gateway.getGateway)
	calls["POST /interactions/{interaction}/{token}/callback"] = fakeapi.Route{
		Name: InteractionCallback, Body: shapes[InteractionCallback], Answer: s.callBack,
	}
	connect := func(*fakeapi.Request) Response { return Response{Handler: s.Gateway} }
	routes := fakeapi.Routes{
		"GET /{path...}":     plain(Download, s.download),
		"GET " + gatewayPath: {Name: ConnectGateway, Takes: fakeapi.NoBody, Answer: connect},
	}
	for pattern, route := range calls {
		routes[strings.Replace(pattern, " ", " "+Root, 1)] = route
	}
	return routes
}

type check = func(*fakeapi.Request) *is.Fault

func all(checks []check) check {
	return func(r *fakeapi.Request) *is.Fault {
		for _, c := range checks {
			if fault := c(r); fault != nil {
				return fault
			}
		}
		return nil
	}
}

func nothing(*fakeapi.Request) Response { return Response{Status: http.StatusNoContent} }

// createMessage makes nothing new for a nonce that came before.
func (s *Server) createMessage(r *fakeapi.Request) Response {
	nonce := is.At[string](r.Body, "nonce")
	made, again := s.nonces[nonce]
	if !again || nonce == "" {
		made = s.made(r, 0)
		s.nonces[nonce] = made
	}
	return fakeapi.JSON(http.StatusOK, made)
}

// made is a "Message Object": the one that the path names, or a new one.
func (s *Server) made(r *fakeapi.Request, flags int) map[string]any {
	id, channel := r.Values["message"], r.Values["channel"]
	if id == "" {
		s.lastID++
		id = strconv.FormatInt(s.lastID, 10)
	}
	if channel == "" {
		channel = Original
	}
	return map[string]any{
		"id": id, "channel_id": channel, "type": 0, "content": "", "timestamp": "2026-01-02T03:04:05.678000+00:00",
		"flags": flags, "author": map[string]any{"id": s.app.ApplicationID, "username": "test_bot", "bot": true},
	}
}

func (s *Server) changed(r *fakeapi.Request) Response {
	return fakeapi.JSON(http.StatusOK, s.made(r, 0))
}

func (s *Server) getMessage(r *fakeapi.Request) Response {
	m := s.made(r, 0)
	reactions := make([]any, len(s.reactions))
	for i, reaction := range s.reactions {
		name, id, custom := strings.Cut(reaction.Emoji, ":")
		emoji := map[string]any{"name": name, "id": nil}
		if custom {
			emoji["id"] = id
		}
		reactions[i] = map[string]any{"count": 1, "me": reaction.Mine, "emoji": emoji}
	}
	m["reactions"] = reactions
	return fakeapi.JSON(http.StatusOK, m)
}

// unknown is for an interaction that is not known: it has expired.
func (s *Server) unknown(r *fakeapi.Request) *is.Fault {
	if _, known := s.interactions[r.Values["token"]]; !known || r.Values["app"] != s.app.ApplicationID {
		return refusal(http.StatusNotFound, 10015, "Unknown Webhook")
	}
	return nil
}

// early is for an interaction that waits for its first answer. Discord would take a later answer for the first one, and
// calls that deprecated.
func (s *Server) early(r *fakeapi.Request) *is.Fault {
	if s.interactions[r.Values["token"]] {
		return refusal(http.StatusBadRequest, 0, "the interaction waits for its first answer")
	}
	return nil
}

// Original is the channel of all answers to interactions.
const Original = "1300000000000000001"

func (s *Server) getOriginal(r *fakeapi.Request) Response {
	flags := 0
	if s.interactions[r.Values["token"]] {
		flags = flagLoading
	}
	return fakeapi.JSON(http.StatusOK, s.made(r, flags))
}

func (s *Server) editOriginal(r *fakeapi.Request) Response {
	s.interactions[r.Values["token"]] = false
	return s.changed(r)
}

var customEmoji = regexp.MustCompile(`^\w+:\d+$`)

func emojiFault(r *fakeapi.Request) *is.Fault {
	if emoji := r.Values["emoji"]; emoji[0] < 0x80 && !customEmoji.MatchString(emoji) {
		return refusal(http.StatusBadRequest, 10014, "Unknown Emoji")
	}
	return nil
}

// DMChannel is the channel of a user's direct messages.
func DMChannel(userID string) string { return "9" + userID[:min(len(userID), 18)] }

func createDM(r *fakeapi.Request) Response {
	recipient := is.At[string](r.Body, "recipient_id")
	users := []any{map[string]any{"id": recipient}}
	return fakeapi.JSON(http.StatusOK, map[string]any{"id": DMChannel(recipient), "type": 1, "recipients": users})
}

func (s *Server) getUser(*fakeapi.Request) Response {
	return fakeapi.JSON(http.StatusOK, map[string]any{"id": s.app.ApplicationID, "username": "test_bot", "bot": true})
}

func (s *Server) getApplication(*fakeapi.Request) Response {
	return fakeapi.JSON(http.StatusOK, map[string]any{
		"id": s.app.ApplicationID, "name": "Test app", "verify_key": s.app.PublicKey,
		"interactions_endpoint_url": s.app.InteractionsEndpointURL, "event_webhooks_url": s.app.EventWebhooksURL,
		"event_webhooks_status": s.app.EventWebhooksStatus, "flags": s.Gateway.applicationFlags(),
	})
}

func (s *Server) download(r *fakeapi.Request) Response {
	f, ok := s.files[r.Path]
	if !ok || strings.Contains(r.Path, "attachments/") && !signed(r.Query) {
		text := http.Header{"Content-Type": {"text/plain"}}
		return Response{Status: http.StatusNotFound, Header: text, Body: "This content is no longer available."}
	}
	return fakeapi.Bytes(f.ContentType, f.Content)
}

// signed says whether a link has a signature whose end, in hexadecimal seconds since 1970, is to come.
func signed(query url.Values) bool {
	seconds, err := strconv.ParseInt(query.Get("ex"), 16, 64)
	return err == nil && time.Unix(seconds, 0).After(time.Now()) && query.Get("is") != "" && query.Get("hm") != ""
}

func refreshURLs(r *fakeapi.Request) Response {
	fresh := []any{}
	for _, link := range is.At[[]any](r.Body, "attachment_urls") {
		bare, _, _ := strings.Cut(link.(string), "?")
		fresh = append(fresh, map[string]any{"original": link, "refreshed": bare + "?ex=7fffffff&is=1&hm=2"})
	}
	return fakeapi.JSON(http.StatusOK, map[string]any{"refreshed_urls": fresh})
}
