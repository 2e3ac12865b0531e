package discord

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

var _ integration.Installer = (*platform)(nil)

// PlanSetup compares the app's Interactions Endpoint URL and its global commands with what is wanted. Without a URL, as
// for a channel that receives over the Gateway, the endpoint stays as it is.
func (p *platform) PlanSetup(
	ctx context.Context, ch *integration.Channel, wanted integration.Setup,
) (*integration.SetupPlan, error) {
	a := p.api(ch.Credentials, ch.Settings)
	app, err := a.self(ctx)
	if err != nil {
		return nil, err
	}
	if string(app.ID) != ch.Credentials[fieldApplicationID] {
		return nil, integration.SetupInvalid("id", "the channel's botToken is that of another app than its applicationId")
	}
	plan := &integration.SetupPlan{URL: app.InteractionsEndpointURL}
	switch {
	case wanted.URL != "":
		plan.Change("interactions_endpoint_url", app.InteractionsEndpointURL, wanted.URL, wanted.Force)
	case app.InteractionsEndpointURL != "":
		plan.Notes = append(plan.Notes, "interactions go to the app's Interactions Endpoint URL and not over the Gateway")
	}
	setEndpoint, setCommands := len(plan.Changes) > 0, false
	if wanted.Commands != nil {
		if err := a.compareCommands(ctx, plan, wanted); err != nil {
			return nil, err
		}
		setCommands = len(plan.Changes) > 1 || len(plan.Changes) == 1 && !setEndpoint
	}
	plan.Install = func(ctx context.Context) ([]string, error) {
		if setEndpoint {
			if err := a.setEndpoint(ctx, wanted.URL); err != nil {
				return nil, err
			}
		}
		if setCommands {
			return nil, a.setCommands(ctx, wanted.Commands)
		}
		return nil, nil
	}
	return plan, nil
}

// setEndpoint sets the app's Interactions Endpoint URL, "Edit Current Application". Discord calls it at once, and takes
// it only if it checks signatures.
func (a *api) setEndpoint(ctx context.Context, link string) error {
	return a.Change(ctx, httpapi.Call{
		Name: "edit application", Method: http.MethodPatch, Path: "/applications/@me",
		JSON: map[string]any{"interactions_endpoint_url": link},
	})
}

func (a *api) commandsPath() string {
	return "/applications/" + url.PathEscape(a.application) + "/commands"
}

// setCommands replaces all global commands, "Bulk Overwrite Global Application Commands".
func (a *api) setCommands(ctx context.Context, commands json.RawMessage) error {
	return a.Change(ctx, httpapi.Call{
		Name: "set commands", Method: http.MethodPut, Path: a.commandsPath(), JSON: commands,
	})
}

// compareCommands adds a change for each global command that differs, is new, or is not wanted any more.
func (a *api) compareCommands(ctx context.Context, plan *integration.SetupPlan, wanted integration.Setup) error {
	theirs, err := readCommands(wanted.Commands)
	if err != nil {
		return err
	}
	var list []json.RawMessage
	call := httpapi.Get("get commands", a.commandsPath()+"?with_localizations=true")
	if _, err := a.Ask(ctx, call, &list); err != nil {
		return err
	}
	encoded, err := json.Marshal(list)
	if err != nil {
		return err
	}
	there, err := readCommands(encoded)
	if err != nil {
		return httpapi.Repeatable(httpapi.Unreadable("discord get commands", http.StatusOK, err))
	}
	names := maps.Clone(there)
	maps.Copy(names, theirs)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		old, value := there[name], theirs[name]
		for key := range givenByDiscord {
			if _, said := value[key]; !said {
				delete(old, key) // of the app's settings, or an id
			}
		}
		if !reflect.DeepEqual(old, value) {
			plan.Change(name, shownCommand(old), shownCommand(value), true)
		}
	}
	return nil
}

// givenByDiscord are members of a command that Discord adds where a file does not have them.
var givenByDiscord = map[string]bool{
	"id": true, "application_id": true, "guild_id": true, "version": true, "default_permission": true,
	"dm_permission": true, "integration_types": true, "contexts": true, "handler": true,
}

// commandKinds are the types of commands, "Application Command Types".
var commandKinds = map[string]string{
	"1": "command /", "2": "user command ", "3": "message command ", "4": "entry point ",
}

// readCommands reads an array of commands, by a name for people. Members with a value that is the default are left out.
func readCommands(data json.RawMessage) (map[string]map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var list []map[string]any
	if err := decoder.Decode(&list); err != nil || list == nil {
		return nil, integration.SetupInvalid("commands", "expects a JSON array of Discord's application commands")
	}
	commands := make(map[string]map[string]any, len(list))
	for i, command := range list {
		name, _ := command["name"].(string)
		number, _ := command["type"].(json.Number)
		kind := commandKinds[cmp.Or(number.String(), "1")]
		switch {
		case name == "" || kind == "":
			return nil, integration.SetupInvalid("commands", "the command at position %d has no name or no known type", i+1)
		case commands[kind+name] != nil:
			return nil, integration.SetupInvalid("commands", "there are two of %s%s", kind, name)
		}
		if number == "1" {
			delete(command, "type")
		}
		withoutDefaults(command)
		commands[kind+name] = command
	}
	return commands, nil
}

// withoutDefaults removes members that say as much as no member: null, false, and what is empty.
func withoutDefaults(object map[string]any) {
	for name, v := range object {
		switch v := v.(type) {
		case map[string]any:
			withoutDefaults(v)
		case []any:
			for _, item := range v {
				if member, ok := item.(map[string]any); ok {
					withoutDefaults(member)
				}
			}
		}
		if isDefault(object[name]) {
			delete(object, name)
		}
	}
}

func isDefault(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	default:
		return false
	}
}

func shownCommand(command map[string]any) string {
	if command == nil {
		return ""
	}
	text, err := json.Marshal(command)
	if err != nil { // of decoded JSON there is none
		return fmt.Sprint(command)
	}
	return string(text)
}
