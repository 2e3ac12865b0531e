package discordtest

import (
	"net/http"
	"strconv"
	"strings"
)

const flagLoading = 128

// createMessage is "Create Message". With enforce_nonce a repeated call makes nothing new.
func (s *Server) createMessage(c *call) Response {
	m, fault := c.message(newMessage)
	if fault != nil {
		return *fault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Nonce != nil {
		if earlier, ok := s.nonces[*m.Nonce]; ok {
			return answer(http.StatusOK, earlier)
		}
	}
	made := s.made(c.values["channel"], 0)
	if m.Nonce != nil {
		s.nonces[*m.Nonce] = made
	}
	return answer(http.StatusOK, made)
}

// made is a "Message Object". The caller holds the lock.
func (s *Server) made(channelID string, flags int) map[string]any {
	return map[string]any{
		"id": s.nextID(), "channel_id": channelID, "type": 0, "content": "", "timestamp": "2026-01-02T03:04:05.678000+00:00", "flags": flags,
		"author": map[string]any{"id": s.app.ApplicationID, "username": "test_bot", "bot": true},
	}
}

func (s *Server) getMessage(c *call) Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.made(c.values["channel"], 0)
	m["id"] = c.values["message"]
	reactions := make([]any, len(s.reactions))
	for i, r := range s.reactions {
		name, id, custom := strings.Cut(r.Emoji, ":")
		emoji := map[string]any{"name": name, "id": nil}
		if custom {
			emoji["id"] = id
		}
		reactions[i] = map[string]any{"count": 1, "me": r.Mine, "emoji": emoji}
	}
	m["reactions"] = reactions
	return answer(http.StatusOK, m)
}

func (s *Server) editMessage(c *call) Response {
	if _, fault := c.message(edit); fault != nil {
		return *fault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.made(c.values["channel"], 0)
	m["id"] = c.values["message"]
	return answer(http.StatusOK, m)
}

// waits says whether an interaction waits for its first answer. Those that are not known have expired.
func (s *Server) waits(c *call) (bool, *Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	waits, known := s.interactions[c.values["token"]]
	if !known || c.values["app"] != s.app.ApplicationID {
		return false, new(Failure(http.StatusNotFound, 10015, "Unknown Webhook", nil))
	}
	return waits, nil
}

// Original is the channel of all answers to interactions.
const Original = "1300000000000000001"

func (s *Server) getOriginal(c *call) Response {
	waits, fault := s.waits(c)
	if fault != nil {
		return *fault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	flags := 0
	if waits {
		flags = flagLoading
	}
	return answer(http.StatusOK, s.made(Original, flags))
}

func (s *Server) editOriginal(c *call) Response {
	if _, fault := s.waits(c); fault != nil {
		return *fault
	}
	if _, fault := c.message(firstAnswer); fault != nil {
		return *fault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interactions[c.values["token"]] = false
	return answer(http.StatusOK, s.made(Original, 0))
}

func (s *Server) editFollowUp(c *call) Response {
	if _, fault := s.waits(c); fault != nil {
		return *fault
	}
	if _, fault := c.message(edit); fault != nil {
		return *fault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.made(Original, 0)
	m["id"] = c.values["message"]
	return answer(http.StatusOK, m)
}

func (s *Server) followUp(c *call) Response {
	waits, fault := s.waits(c)
	if fault != nil {
		return *fault
	}
	if waits { // Discord would take it for the first answer, and calls that deprecated
		return Failure(http.StatusBadRequest, 0, "the interaction waits for its first answer", nil)
	}
	if _, fault := c.message(laterAnswer); fault != nil {
		return *fault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return answer(http.StatusOK, s.made(Original, 0))
}

// invalidForm is error 50035 about a field, whose name is a path of dots.
func invalidForm(field, code, message string) Response {
	var errors any = map[string]any{"_errors": []any{map[string]any{"code": code, "message": message}}}
	if field != "" {
		words := strings.Split(field, ".")
		for i := len(words) - 1; i >= 0; i-- {
			errors = map[string]any{words[i]: errors}
		}
	}
	return Failure(http.StatusBadRequest, 50035, "Invalid Form Body", errors)
}

func tooLong(field string, most int) *Response {
	return new(invalidForm(field, "BASE_TYPE_MAX_LENGTH", "Must be "+strconv.Itoa(most)+" or fewer in length."))
}

func required(field string) *Response {
	return new(invalidForm(field, "BASE_TYPE_REQUIRED", "This field is required"))
}
