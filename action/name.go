package action

import "strconv"

// FullName returns the full name of a service: its version and name, such as v2.posts for "2" and posts. With the
// setting $noVersionPrefix it is the name alone.
func FullName(name, version string, settings map[string]any) string {
	if off, _ := settings["$noVersionPrefix"].(bool); off || version == "" {
		return name
	}
	if n, err := strconv.Atoi(version); err == nil && strconv.Itoa(n) == version {
		version = "v" + version
	}
	return version + "." + name
}
