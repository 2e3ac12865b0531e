package slacktest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// formOnly are the methods that take no JSON, as their pages say.
var formOnly = []string{"reactions.get", "files.info", "files.getUploadURLExternal"}

// routes are those of the methods, and of the links that they tell.
func (s *Server) routes() fakeapi.Routes {
	about := func(answer func(*fakeapi.Request) Response) fakeapi.Route {
		return fakeapi.Route{Check: s.absent, Answer: answer}
	}
	routes := fakeapi.Routes{
		"POST /upload/v1/{id}":      {Name: Upload, Takes: fakeapi.FormatRaw, Check: s.uploadFault, Answer: s.upload},
		"/files-pri/{id}/{name...}": {Name: Download, Check: s.downloadFault, Answer: s.download},
		"POST /actions/{link...}":   {Name: Respond, Body: shapes[Respond], Answer: responded},
		"GET " + socketPath: {Name: "socket", Takes: fakeapi.NoBody, Answer: func(*fakeapi.Request) Response {
			return Response{Handler: s.Socket}
		}},
	}
	methods := fakeapi.Routes{
		"apps.connections.open":        {Answer: s.Socket.open},
		"apps.manifest.export":         {Check: s.appFault, Answer: s.exportManifest},
		"apps.manifest.update":         {Check: s.appFault, Answer: s.updateManifest},
		"auth.test":                    {Answer: s.authTest},
		"chat.postMessage":             {Answer: s.postMessage},
		"chat.update":                  about(s.update),
		"chat.delete":                  about(s.deleteMessage),
		"reactions.add":                about(s.addReaction),
		"reactions.remove":             about(s.removeReaction),
		"reactions.get":                about(s.getReactions),
		"assistant.threads.setStatus":  {Answer: done},
		"files.info":                   {Answer: s.fileInfo},
		"files.getUploadURLExternal":   {Answer: s.getUploadURL},
		"files.completeUploadExternal": {Answer: s.completeUpload},
	}
	for name, route := range methods {
		route.Name, route.Body, route.Takes = name, shapes[name], fakeapi.FormatForm
		if !slices.Contains(formOnly, name) {
			route.Takes |= fakeapi.FormatJSON
		}
		answer := route.Answer
		route.Answer = func(r *fakeapi.Request) Response {
			a := answer(r)
			a.Header.Set("X-OAuth-Scopes", s.scopes)
			return a
		}
		routes["POST /api/"+name] = route
	}
	return routes
}

func done(*fakeapi.Request) Response { return success(map[string]any{}) }

func responded(*fakeapi.Request) Response { return fakeapi.Bytes("text/html", []byte("ok")) }

// key is how a message is kept.
func key(r *fakeapi.Request) string {
	ts := is.At[string](r.Body, "ts") + is.At[string](r.Body, "timestamp")
	return is.At[string](r.Body, "channel") + ":" + ts
}

// absent refuses a call about a message that is not there.
func (s *Server) absent(r *fakeapi.Request) *is.Fault {
	if s.messages[key(r)] == nil {
		return is.Saying("message_not_found")
	}
	return nil
}

func (s *Server) postMessage(r *fakeapi.Request) Response {
	channel := is.At[string](r.Body, "channel")
	switch {
	case strings.HasPrefix(channel, "#"):
		channel = "C0000NAMED"
	case strings.ContainsAny(channel[:1], "UW"): // the conversation of the direct messages
		channel = "D" + channel[1:]
	}
	s.count++
	ts := fmt.Sprintf("1700000000.%06d", s.count)
	s.messages[channel+":"+ts] = map[string]bool{}
	message := map[string]any{"type": "message", "text": r.Body["text"], "user": UserID, "bot_id": BotID, "ts": ts}
	return success(map[string]any{"channel": channel, "ts": ts, "message": message})
}

func (s *Server) update(r *fakeapi.Request) Response {
	return success(map[string]any{"channel": r.Body["channel"], "ts": r.Body["ts"], "text": r.Body["text"]})
}

func (s *Server) deleteMessage(r *fakeapi.Request) Response {
	delete(s.messages, key(r))
	return success(map[string]any{"channel": r.Body["channel"], "ts": r.Body["ts"]})
}

func (s *Server) addReaction(r *fakeapi.Request) Response {
	names, name := s.messages[key(r)], is.At[string](r.Body, "name")
	if names[name] {
		return Failure("already_reacted", nil)
	}
	names[name] = true
	return success(map[string]any{})
}

func (s *Server) removeReaction(r *fakeapi.Request) Response {
	names, name := s.messages[key(r)], is.At[string](r.Body, "name")
	if !names[name] {
		return Failure("no_reaction", nil)
	}
	delete(names, name)
	return success(map[string]any{})
}

func (s *Server) getReactions(r *fakeapi.Request) Response {
	list := []map[string]any{{"name": "eyes", "users": []string{"U0SOMEONE"}, "count": 1}}
	for name := range s.messages[key(r)] {
		list = append(list, map[string]any{"name": name, "users": []string{"U0SOMEONE", UserID}, "count": 2})
	}
	message := map[string]any{"ts": r.Body["timestamp"], "reactions": list}
	return success(map[string]any{"type": "message", "channel": r.Body["channel"], "message": message})
}

func (s *Server) authTest(*fakeapi.Request) Response {
	me := map[string]any{}
	for k, v := range s.identity {
		me[k] = v
	}
	return success(me)
}
