package slacktest

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// AppID is the id of the app.
const AppID = "A0000APP"

// app is what the manifest methods read and write.
type app struct {
	token    string // the configuration token; "" lets nobody in
	manifest map[string]any
}

// SetManifest makes the methods apps.manifest.export and update available with a configuration token. The manifest is
// JSON. It panics where it is none.
func (s *Server) SetManifest(configurationToken, manifest string) {
	parsed, fault := parseManifest(manifest)
	if fault != nil {
		panic("slacktest: " + fault.String()) //nolint:forbidigo // the test is at fault
	}
	s.Locked(func() { s.app = app{configurationToken, parsed} })
}

// Manifest returns the manifest of the app.
func (s *Server) Manifest() (manifest map[string]any) {
	s.Locked(func() { manifest = maps.Clone(s.app.manifest) })
	return manifest
}

// ManifestFault says what Slack would refuse in a manifest, "" for nothing.
func ManifestFault(manifest string) string {
	_, fault := parseManifest(manifest)
	if fault == nil {
		return ""
	}
	return fault.String()
}

func isManifest(route string) bool { return strings.HasPrefix(route, "apps.manifest.") }

func (s *Server) appFault(r *fakeapi.Request) *is.Fault {
	if is.At[string](r.Body, "app_id") != AppID {
		return is.Saying("app_not_found")
	}
	return nil
}

func (s *Server) exportManifest(*fakeapi.Request) Response {
	return success(map[string]any{"manifest": s.app.manifest})
}

func (s *Server) updateManifest(r *fakeapi.Request) Response {
	manifest, fault := parseManifest(is.At[string](r.Body, "manifest"))
	if fault != nil {
		return Failure("invalid_manifest", map[string]any{"errors": []any{
			map[string]any{"message": fault.String(), "pointer": "/" + strings.ReplaceAll(fault.Path, ".", "/")},
		}})
	}
	s.app.manifest = manifest
	return success(map[string]any{"app_id": AppID, "permissions_updated": false})
}

// parseManifest reads a manifest and checks it as Slack does.
func parseManifest(text string) (map[string]any, *is.Fault) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var manifest map[string]any
	if err := decoder.Decode(&manifest); err != nil {
		return nil, is.Wrong("", "%v", err)
	}
	if fault, _ := is.Check(shapes["manifest"], manifest); fault != nil {
		return nil, fault
	}
	settings, _ := manifest["settings"].(map[string]any)
	socket := is.At[bool](settings, "socket_mode_enabled")
	link := func(name string) string {
		part, _ := settings[name].(map[string]any)
		return is.At[string](part, "request_url")
	}
	interactivity, _ := settings["interactivity"].(map[string]any)
	switch {
	case settings["event_subscriptions"] != nil && link("event_subscriptions") == "" && !socket:
		return nil, is.Wrong("settings.event_subscriptions", "requires either Request URL or Socket Mode Enabled")
	case is.At[bool](interactivity, "is_enabled") && link("interactivity") == "" && !socket:
		return nil, is.Wrong("settings.interactivity", "Interactivity requires a Request URL")
	}
	return manifest, nil
}
