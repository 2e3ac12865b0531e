package discordtest

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// SetEndpoint sets the app's Interactions Endpoint URL, as somebody does in the developer portal.
func (s *Server) SetEndpoint(link string) { s.Locked(func() { s.app.InteractionsEndpointURL = link }) }

// Endpoint returns the app's Interactions Endpoint URL.
func (s *Server) Endpoint() (link string) {
	s.Locked(func() { link = s.app.InteractionsEndpointURL })
	return link
}

// editApplication does not call the endpoint, as Discord does.
func (s *Server) editApplication(r *fakeapi.Request) Response {
	s.app.InteractionsEndpointURL = is.At[string](r.Body, "interactions_endpoint_url")
	return s.getApplication(r)
}

// foreign refuses another app than the token's.
func (s *Server) foreign(r *fakeapi.Request) *is.Fault {
	if r.Values["app"] != s.app.ApplicationID {
		return refusal(http.StatusForbidden, 20012, "You are not authorized to perform this action on this application")
	}
	return nil
}

func (s *Server) getCommands(r *fakeapi.Request) Response {
	list := []any{}
	for _, command := range s.commands {
		shown := maps.Clone(command)
		if r.Query.Get("with_localizations") != "true" {
			delete(shown, "name_localizations")
			delete(shown, "description_localizations")
		}
		list = append(list, shown)
	}
	return fakeapi.JSON(http.StatusOK, list)
}

// commandsOf reads a body, which is an array.
func commandsOf(r *fakeapi.Request) ([]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(r.Raw))
	decoder.UseNumber()
	var list []any
	err := decoder.Decode(&list)
	return list, err
}

func commandsFault(r *fakeapi.Request) *is.Fault {
	list, err := commandsOf(r)
	if err != nil || list == nil {
		return refusal(http.StatusBadRequest, 50109, "The request body contains invalid JSON.")
	}
	if fault, _ := is.Check(shapes[SetCommands], map[string]any{"commands": list}); fault != nil {
		return fault
	}
	for _, command := range list {
		kind := is.At[json.Number](command, "type")
		if described := is.At[string](command, "description") != ""; described != (kind == "" || kind == "1") {
			return is.Wrong("description", "only slash commands have a description, and they have one")
		}
	}
	return nil
}

// setCommands keeps the commands as Discord does, with members of its own.
func (s *Server) setCommands(r *fakeapi.Request) Response {
	list, _ := commandsOf(r) // it has been checked
	s.commands = nil
	for _, item := range list {
		s.lastID++
		id := strconv.FormatInt(s.lastID, 10)
		command := map[string]any{
			"id": id, "application_id": s.app.ApplicationID, "version": id, "type": 1, "description": "", "nsfw": false,
			"default_member_permissions": nil, "dm_permission": true, "contexts": nil, "integration_types": []any{0},
			"name_localizations": nil, "description_localizations": nil,
		}
		maps.Copy(command, item.(map[string]any))
		s.commands = append(s.commands, command)
	}
	return s.getCommands(r)
}
