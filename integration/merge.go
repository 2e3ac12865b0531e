package integration

import (
	"maps"
	"slices"

	"github.com/moleculer-go/moleculer"
)

// merged returns a definition with the settings, metadata, dependencies, actions and events of its mixins.
// moleculer-go's own merge loses some of them. It still merges the lifecycle functions.
func merged(def ServiceDefinition) ServiceDefinition {
	def.Actions, def.Events = slices.Clone(def.Actions), slices.Clone(def.Events)
	for _, m := range def.Mixins {
		def.Settings = withSecrecy(withDefaults(def.Settings, m.Settings), def.Settings, m.Settings)
		def.Metadata = withDefaults(def.Metadata, m.Metadata)
		def.Dependencies = append(slices.Clone(m.Dependencies), def.Dependencies...)
		for _, a := range m.Actions {
			if !slices.ContainsFunc(def.Actions, func(own moleculer.Action) bool { return own.Name == a.Name }) {
				def.Actions = append(def.Actions, a)
			}
		}
		def.Events = append(def.Events, m.Events...)
	}
	return def
}

// secureSettings is the setting that names the settings that are not announced.
const secureSettings = "$secureSettings"

// withSecrecy returns merged with the secret settings of all sides still marked as secret.
func withSecrecy(merged map[string]any, sides ...map[string]any) map[string]any {
	var names []any
	for _, settings := range sides {
		switch list := settings[secureSettings].(type) {
		case []any:
			names = append(names, list...)
		case []string:
			for _, name := range list {
				names = append(names, name)
			}
		}
	}
	if len(names) > 0 {
		merged = maps.Clone(merged)
		merged[secureSettings] = names
	}
	return merged
}

// withDefaults adds missing values from defaults, also within objects.
func withDefaults(values, defaults map[string]any) map[string]any {
	if len(defaults) == 0 {
		return values
	}
	all := maps.Clone(defaults)
	for k, v := range values {
		own, isMap := v.(map[string]any)
		inner, both := all[k].(map[string]any)
		if isMap && both {
			v = withDefaults(own, inner)
		}
		all[k] = v
	}
	return all
}
