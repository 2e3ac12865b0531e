package slack

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

var _ integration.Installer = (*platform)(nil)

// object is a part of an "App manifest".
type object = map[string]any

// botEvents and botScopes are those of a new app, "Events" and "Scopes".
var (
	botEvents = []any{
		"app_mention", "app_uninstalled", "member_joined_channel", "member_left_channel", "message.channels",
		"message.groups", "message.im", "message.mpim", "reaction_added", "reaction_removed", "tokens_revoked",
	}
	botScopes = []any{
		"app_mentions:read", "channels:history", "channels:read", "chat:write", "files:read", "files:write",
		"groups:history", "groups:read", "im:history", "mpim:history", "reactions:read", "reactions:write",
	}
)

var appIDPattern = regexp.MustCompile(`^A[A-Z0-9]{1,31}$`)

// PlanSetup makes a manifest for a new app. With an app's id and a configuration token it compares the app's manifest
// with what is wanted instead, "Configuring apps with app manifests". What else the manifest has stays as it is.
func (p *platform) PlanSetup(
	ctx context.Context, ch *integration.Channel, wanted integration.Setup,
) (*integration.SetupPlan, error) {
	socket := overSocket(ch.Settings)
	switch {
	case wanted.Commands != nil:
		return nil, integration.SetupInvalid("commands", "Slack's commands are a part of the app's manifest")
	case socket && wanted.URL != "":
		return nil, integration.SetupInvalid("url", "the channel receives over a socket; leave the URL out")
	case (wanted.AppID == "") != (wanted.AppToken == ""):
		return nil, integration.SetupInvalid("appId", "goes with appToken")
	case wanted.AppToken == "":
		return manifestPlan(ch, wanted.URL, socket)
	case !appIDPattern.MatchString(wanted.AppID):
		return nil, integration.SetupInvalid("appId", "is not the id of an app, which begins with A")
	case !botTokenPattern.MatchString(wanted.AppToken):
		return nil, integration.SetupInvalid("appToken", "is not a configuration token, which begins with xoxe.xoxp-")
	}
	a := p.api(map[string]string{fieldBotToken: wanted.AppToken}, ch.Settings)
	answer, _, err := ask[struct {
		Manifest payload.Tree `json:"manifest"`
	}](ctx, a, "apps.manifest.export", url.Values{"app_id": {wanted.AppID}})
	if err != nil {
		return nil, err
	}
	manifest := answer.Manifest
	if len(manifest) == 0 {
		return nil, httpapi.Repeatable(httpapi.Unreadable("slack apps.manifest.export", http.StatusOK, nil))
	}
	plan := &integration.SetupPlan{URL: manifest.Text("settings.event_subscriptions.request_url")}
	adapt(plan, manifest, wanted, socket)
	plan.Install = func(ctx context.Context) ([]string, error) {
		text, err := json.Marshal(manifest)
		if err != nil {
			return nil, httpapi.Unreadable("slack apps.manifest.export", http.StatusOK, err)
		}
		return nil, change(ctx, a, "apps.manifest.update", url.Values{
			"app_id": {wanted.AppID}, "manifest": {string(text)},
		})
	}
	return plan, nil
}

// manifestPlan is for a person who makes a new app.
func manifestPlan(ch *integration.Channel, link string, socket bool) (*integration.SetupPlan, error) {
	name := cutName(cmp.Or(ch.Name, ch.ID))
	manifest := object{
		"display_information": object{"name": name},
		"features": object{
			"bot_user": object{"display_name": name, "always_online": true},
			"app_home": object{"messages_tab_enabled": true, "messages_tab_read_only_enabled": false},
		},
		"oauth_config": object{"scopes": object{"bot": botScopes}},
		"settings":     object{"org_deploy_enabled": false, "token_rotation_enabled": false},
	}
	adapt(&integration.SetupPlan{}, manifest, integration.Setup{URL: link}, socket)
	text, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return nil, integration.SetupInvalid("id", "the manifest cannot be written: %v", err)
	}
	return &integration.SetupPlan{Manifest: string(text), Notes: []string{
		"paste the manifest at https://api.slack.com/apps: Create New App, From a manifest; for an app that is there give " +
			"--app-id and --app-token",
	}}, nil
}

// cutName shortens a name to the 35 characters that Slack takes.
func cutName(name string) string {
	if runes := []rune(name); len(runes) > 35 {
		return strings.TrimSpace(string(runes[:35]))
	}
	return name
}

// adapt sets in a manifest what is wanted, and adds to the plan what that changes.
func adapt(plan *integration.SetupPlan, manifest object, wanted integration.Setup, socket bool) {
	settings := part(manifest, "settings")
	subscriptions, interactivity := part(settings, "event_subscriptions"), part(settings, "interactivity")
	set := func(in object, path, name string, value any) {
		old := shown(in[name])
		plan.Change(path+name, old, shown(value), wanted.Force && value != nil)
		if value == nil {
			delete(in, name)
		} else {
			in[name] = value
		}
	}
	var link any
	if !socket {
		link = wanted.URL
	}
	set(settings, "settings.", "socket_mode_enabled", socket)
	set(subscriptions, "settings.event_subscriptions.", "request_url", link)
	if events, _ := subscriptions["bot_events"].([]any); len(events) == 0 {
		set(subscriptions, "settings.event_subscriptions.", "bot_events", botEvents)
	}
	set(interactivity, "settings.interactivity.", "is_enabled", true)
	set(interactivity, "settings.interactivity.", "request_url", link)
	if socket || interactivity["message_menu_options_url"] != nil {
		set(interactivity, "settings.interactivity.", "message_menu_options_url", link)
	}
	features, _ := manifest["features"].(object)
	commands, _ := features["slash_commands"].([]any)
	for _, item := range commands {
		if command, ok := item.(object); ok {
			set(command, fmt.Sprintf("slash command %v, ", command["command"]), "url", link)
		}
	}
}

// part returns an object of a manifest, and makes it where there is none.
func part(manifest object, name string) object {
	found, ok := manifest[name].(object)
	if !ok {
		found = object{}
		manifest[name] = found
	}
	return found
}

// shown is a value of a manifest as a text; false is the same as none.
func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case bool:
		if !v {
			return ""
		}
	case string:
		return v
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
