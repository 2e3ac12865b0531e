package slacktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

// method is one of the Web API's.
type method struct {
	run func(*Server, *http.Request, []byte) Response
	// formOnly methods take no JSON, as their pages say.
	formOnly bool
}

var methods = map[string]method{
	"auth.test":                    {run: (*Server).authTest},
	"chat.postMessage":             {run: (*Server).postMessage},
	"chat.update":                  {run: (*Server).update},
	"chat.delete":                  {run: (*Server).deleteMessage},
	"reactions.add":                {run: (*Server).addReaction},
	"reactions.remove":             {run: (*Server).removeReaction},
	"reactions.get":                {run: (*Server).getReactions, formOnly: true},
	"assistant.threads.setStatus":  {run: (*Server).setStatus},
	"files.info":                   {run: (*Server).fileInfo, formOnly: true},
	"files.getUploadURLExternal":   {run: (*Server).getUploadURL, formOnly: true},
	"files.completeUploadExternal": {run: (*Server).completeUpload},
}

// api answers a method, with HTTP 200 whatever the answer is.
func (s *Server) api(r *http.Request, name string, body []byte) Response {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	m, known := methods[name]
	kind, params, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case !known:
		return Failure("unknown_method", map[string]any{"req_method": name})
	case r.Method != http.MethodPost:
		return Failure("method_not_supported_for_channel_type", nil)
	case !ok:
		return Failure("not_authed", nil)
	case token != s.token:
		return Failure("invalid_auth", nil)
	case kind == "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return Failure("invalid_form_data", nil)
		}
		fields := map[string]string{}
		for k := range form {
			fields[k] = form.Get(k)
		}
		body, _ = json.Marshal(fields) // which texts always are
	case kind == "" && len(body) > 0:
		return Failure("missing_post_type", nil)
	case kind != "application/json" || m.formOnly:
		return Failure("invalid_post_type", nil)
	case !strings.EqualFold(params["charset"], "utf-8"):
		return Failure("missing_charset", nil) // of which Slack itself only warns
	}
	return m.run(s, r, body)
}

var (
	conversation = regexp.MustCompile(`^[CGD][A-Z0-9]{2,}$`)
	user         = regexp.MustCompile(`^[UW][A-Z0-9]{2,}$`)
	channelName  = regexp.MustCompile(`^#[^\s:]+$`)
	timestamp    = regexp.MustCompile(`^\d{10}\.\d{6}$`)
	emojiName    = regexp.MustCompile(`^[a-z0-9_+'-]+(::skin-tone-[2-6])?$`)
)

// post holds the documented parameters of chat.postMessage and chat.update.
type post struct {
	Channel      string            `json:"channel"`
	TS           string            `json:"ts"`
	Text         string            `json:"text"`
	MarkdownText string            `json:"markdown_text"`
	Blocks       []json.RawMessage `json:"blocks"`
	ThreadTS     string            `json:"thread_ts"`
	Mrkdwn       *bool             `json:"mrkdwn"`
	UnfurlLinks  *bool             `json:"unfurl_links"`
	UnfurlMedia  *bool             `json:"unfurl_media"`
	Metadata     *struct {
		EventType    string                     `json:"event_type"`
		EventPayload map[string]json.RawMessage `json:"event_payload"`
	} `json:"metadata"`
}

func (s *Server) postMessage(_ *http.Request, body []byte) Response {
	var p post
	if err := decode(body, &p); err != nil {
		return invalidArguments(err)
	}
	channel, ok := s.channelOf(p.Channel)
	switch {
	case !ok:
		return Failure("channel_not_found", nil)
	case p.TS != "":
		return invalidArguments(fmt.Errorf("ts is for chat.update"))
	case p.ThreadTS != "" && !timestamp.MatchString(p.ThreadTS):
		return Failure("invalid_thread_ts", nil)
	}
	if refusal := p.fault(40_000); refusal != nil {
		return *refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	ts := fmt.Sprintf("%d.%06d", now.Unix(), s.count)
	s.messages[channel+":"+ts] = true
	message := map[string]any{"type": "message", "text": p.Text, "user": UserID, "bot_id": BotID, "ts": ts}
	return success(map[string]any{"channel": channel, "ts": ts, "message": message})
}

func (s *Server) update(_ *http.Request, body []byte) Response {
	var p post
	if err := decode(body, &p); err != nil {
		return invalidArguments(err)
	}
	if refusal := s.absent(p.Channel, p.TS); refusal != nil {
		return *refusal
	}
	if p.ThreadTS != "" || p.Mrkdwn != nil || p.UnfurlLinks != nil || p.UnfurlMedia != nil {
		return invalidArguments(fmt.Errorf("thread_ts, mrkdwn and unfurl_… are for chat.postMessage"))
	}
	if refusal := p.fault(4000); refusal != nil {
		return *refusal
	}
	return success(map[string]any{"channel": p.Channel, "ts": p.TS, "text": p.Text})
}

// fault is what Slack would complain about, or nil.
func (p *post) fault(maxText int) *Response {
	var f Response
	switch m := p.Metadata; {
	case p.MarkdownText != "" && (p.Text != "" || len(p.Blocks) > 0):
		f = Failure("markdown_text_conflict", nil)
	case strings.TrimSpace(p.Text+p.MarkdownText) == "": // which Slack advises where there are blocks
		f = Failure("no_text", nil)
	case utf8.RuneCountInString(p.Text) > maxText || utf8.RuneCountInString(p.MarkdownText) > 12_000:
		f = Failure("msg_too_long", nil)
	case m != nil && (m.EventType == "" || len(m.EventPayload) == 0):
		f = Failure("invalid_metadata_format", nil)
	default:
		err := checkBlocks(p.Blocks)
		if err == nil {
			return nil
		}
		f = Failure("invalid_blocks", map[string]any{"response_metadata": map[string]any{"messages": []string{"[ERROR] " + err.Error()}}})
	}
	return &f
}

// channelOf is the conversation that a channel is: for a user that of the direct messages.
func (s *Server) channelOf(channel string) (string, bool) {
	switch {
	case conversation.MatchString(channel):
		return channel, true
	case user.MatchString(channel):
		return "D" + channel[1:], true
	default:
		return "C0000NAMED", channelName.MatchString(channel)
	}
}

// absent refuses a call about a message that is not there.
func (s *Server) absent(channel, ts string) *Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	var f Response
	switch {
	case !conversation.MatchString(channel):
		f = Failure("channel_not_found", nil)
	case !s.messages[channel+":"+ts]:
		f = Failure("message_not_found", nil)
	default:
		return nil
	}
	return &f
}

func (s *Server) deleteMessage(_ *http.Request, body []byte) Response {
	var p struct{ Channel, TS string }
	if err := decode(body, &p); err != nil {
		return invalidArguments(err)
	}
	if refusal := s.absent(p.Channel, p.TS); refusal != nil {
		return *refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.messages, p.Channel+":"+p.TS)
	return success(map[string]any{"channel": p.Channel, "ts": p.TS})
}

// reaction holds the documented parameters of reactions.add, reactions.remove and reactions.get.
type reaction struct{ Channel, Timestamp, Name, Full string }

func (s *Server) reacting(body []byte, do func(names map[string]bool, p reaction) Response) Response {
	var p reaction
	if err := decode(body, &p); err != nil {
		return invalidArguments(err)
	}
	if p.Timestamp == "" {
		return Failure("no_item_specified", nil)
	}
	if refusal := s.absent(p.Channel, p.Timestamp); refusal != nil {
		return *refusal
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := p.Channel + ":" + p.Timestamp
	if s.reactions[id] == nil {
		s.reactions[id] = map[string]bool{}
	}
	return do(s.reactions[id], p)
}

func (s *Server) addReaction(_ *http.Request, body []byte) Response {
	return s.reacting(body, func(names map[string]bool, p reaction) Response {
		switch {
		case !emojiName.MatchString(p.Name):
			return Failure("invalid_name", nil)
		case names[p.Name]:
			return Failure("already_reacted", nil)
		}
		names[p.Name] = true
		return success(map[string]any{})
	})
}

func (s *Server) removeReaction(_ *http.Request, body []byte) Response {
	return s.reacting(body, func(names map[string]bool, p reaction) Response {
		if !names[p.Name] {
			return Failure("no_reaction", nil)
		}
		delete(names, p.Name)
		return success(map[string]any{})
	})
}

func (s *Server) getReactions(_ *http.Request, body []byte) Response {
	return s.reacting(body, func(names map[string]bool, p reaction) Response {
		list := []map[string]any{{"name": "eyes", "users": []string{"U0SOMEONE"}, "count": 1}}
		for name := range names {
			list = append(list, map[string]any{"name": name, "users": []string{"U0SOMEONE", UserID}, "count": 2})
		}
		return success(map[string]any{"type": "message", "channel": p.Channel, "message": map[string]any{"ts": p.Timestamp, "reactions": list}})
	})
}

func (s *Server) setStatus(_ *http.Request, body []byte) Response {
	var p struct {
		ChannelID string  `json:"channel_id"`
		ThreadTS  string  `json:"thread_ts"`
		Status    *string `json:"status"`
	}
	switch err := decode(body, &p); {
	case err != nil:
		return invalidArguments(err)
	case !conversation.MatchString(p.ChannelID):
		return Failure("channel_not_found", nil)
	case !timestamp.MatchString(p.ThreadTS):
		return Failure("invalid_thread_ts", nil)
	case p.Status == nil:
		return invalidArguments(fmt.Errorf("status is missing"))
	}
	return success(map[string]any{})
}

func (s *Server) authTest(_ *http.Request, _ []byte) Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	me := map[string]any{}
	for k, v := range s.identity {
		me[k] = v
	}
	return success(me)
}

// decode is strict: every member must be known and of the documented type.
func decode(body []byte, params any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	return decoder.Decode(params)
}

func invalidArguments(err error) Response {
	return Failure("invalid_arguments", map[string]any{"response_metadata": map[string]any{"messages": []string{"[ERROR] " + err.Error()}}})
}
