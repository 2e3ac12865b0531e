package slacktest

import (
	"fmt"
	"strings"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// method is one of the Web API's. Those that are formOnly take no JSON, as their pages say.
type method struct {
	body     is.Rule
	formOnly bool
	check    func(*fakeapi.Request) *is.Fault
	answer   func(*fakeapi.Request) Response
}

func (s *Server) methods() map[string]method {
	done := func(*fakeapi.Request) Response { return success(map[string]any{}) }
	reaction := is.Object{"channel!": conversation, "timestamp!": item, "name!": emojiName}
	return map[string]method{
		"auth.test":        {body: is.Object{}, answer: s.authTest},
		"chat.postMessage": {body: postMessage, answer: s.postMessage},
		"chat.update":      {body: update, check: s.absent, answer: s.update},
		"chat.delete": {
			body:  is.Object{"channel!": conversation, "ts!": timestamp},
			check: s.absent, answer: s.deleteMessage,
		},
		"reactions.add":    {body: reaction, check: s.absent, answer: s.addReaction},
		"reactions.remove": {body: reaction, check: s.absent, answer: s.removeReaction},
		"reactions.get": {
			body:     is.Object{"channel!": conversation, "timestamp!": item, "full": is.OneOf("true", "false")},
			formOnly: true, check: s.absent, answer: s.getReactions,
		},
		"assistant.threads.setStatus": {
			body:   is.Object{"channel_id!": conversation, "thread_ts!": threadTS, "status!": is.String(1000)},
			answer: done,
		},
		"files.info": {body: is.Object{"file!": fileID}, formOnly: true, answer: s.fileInfo},
		"files.getUploadURLExternal": {
			body:     is.Object{"filename!": is.Text(255), "length!": is.Match(`^[1-9]\d*$`)},
			formOnly: true, answer: s.getUploadURL,
		},
		"files.completeUploadExternal": {body: completeUpload, answer: s.completeUpload},
	}
}

// routes are those of the methods, and of the links that they tell.
func (s *Server) routes() fakeapi.Routes {
	routes := fakeapi.Routes{
		"POST /upload/v1/{id}": {
			Name: Upload, Takes: fakeapi.FormatRaw, Check: s.uploadFault, Answer: s.upload,
		},
		"/files-pri/{id}/{name...}": {Name: Download, Check: s.downloadFault, Answer: s.download},
		"POST /actions/{link...}": {Name: Respond, Body: respond, Answer: func(*fakeapi.Request) Response {
			return fakeapi.Bytes("text/html", []byte("ok"))
		}},
	}
	for name, m := range s.methods() {
		route := fakeapi.Route{Name: name, Body: m.body, Takes: fakeapi.FormatForm, Check: m.check}
		if !m.formOnly {
			route.Takes |= fakeapi.FormatJSON
		}
		route.Answer = func(r *fakeapi.Request) Response {
			answer := m.answer(r)
			answer.Header.Set("X-OAuth-Scopes", s.scopes)
			return answer
		}
		routes["POST /api/"+name] = route
	}
	return routes
}

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
