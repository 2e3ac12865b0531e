package discordtest

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// callbackTime is how long an interaction can be answered for the first time.
const callbackTime = 3 * time.Second

// callback is an interaction that came over the Gateway.
type callback struct {
	id       string
	deadline time.Time
	kind     int // of the answer; 0 before it
}

// PublishInteraction sends an interaction over the Gateway, and expects its answer within 3 s.
func (s *Server) PublishInteraction(guildID, id, token string, data map[string]any) {
	s.Locked(func() { s.callbacks[token] = &callback{id: id, deadline: time.Now().Add(callbackTime)} })
	data["id"], data["token"], data["application_id"], data["version"] = id, token, s.app.ApplicationID, 1
	s.Gateway.Publish(guildID, "INTERACTION_CREATE", data)
}

// Answer returns the type of the answer to an interaction that came over the Gateway, 0 if it has none yet.
func (s *Server) Answer(token string) (kind int) {
	s.Locked(func() {
		if c := s.callbacks[token]; c != nil {
			kind = c.kind
		}
	})
	return kind
}

// callBack is "Create Interaction Response": once, and in time.
func (s *Server) callBack(r *fakeapi.Request) Response {
	c := s.callbacks[r.Values["token"]]
	switch {
	case c == nil || c.id != r.Values["interaction"] || time.Now().After(c.deadline):
		return Failure(http.StatusNotFound, 10062, "Unknown interaction", nil)
	case c.kind != 0:
		return Failure(http.StatusBadRequest, 40060, "Interaction has already been acknowledged.", nil)
	}
	kind, err := is.At[json.Number](r.Body, "type").Int64()
	if err != nil {
		return Failure(http.StatusBadRequest, 50035, "Invalid Form Body", nil)
	}
	c.kind = int(kind)
	s.interactions[r.Values["token"]] = kind == deferredMessage
	return nothing(r)
}

const deferredMessage = 5 // "Interaction Callback Type"
