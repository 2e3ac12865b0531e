package action

import "strconv"

// FullName is what the cluster calls a service: a version goes before the name, "2" as v2, unless the
// settings say $noVersionPrefix.
func FullName(name, version string, settings map[string]any) string {
	if off, _ := settings["$noVersionPrefix"].(bool); off || version == "" {
		return name
	}
	if n, err := strconv.Atoi(version); err == nil && strconv.Itoa(n) == version {
		version = "v" + version
	}
	return version + "." + name
}
