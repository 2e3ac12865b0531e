package app

import (
	"runtime"
	"runtime/debug"
)

// version, commit and date are set by the linker; see the Makefile.
var version, commit, date string

// Build says what this program was built from. Fields that nothing is known about are empty.
type Build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"` // the whole hash, with -dirty where files were changed
	Date     string `json:"date,omitempty"`   // of the commit, as RFC 3339 has it
	Go       string `json:"go"`               // such as go1.26.8
	Platform string `json:"platform"`         // such as linux/amd64
}

// ThisBuild is what the linker was told, and for the rest what the Go toolchain has noted.
func ThisBuild() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildOf(Build{Version: version, Commit: commit, Date: date}, info)
}

// Version is this build's version: the module's when it was installed by version, else the commit's.
func Version() string { return ThisBuild().Version }

// buildOf fills in what b leaves out.
func buildOf(b Build, info *debug.BuildInfo) Build {
	noted := map[string]string{}
	for _, s := range info.Settings {
		noted[s.Key] = s.Value
	}
	revision := noted["vcs.revision"]
	if b.Commit == "" && revision != "" {
		if b.Commit = revision; noted["vcs.modified"] == "true" {
			b.Commit += "-dirty"
		}
	}
	if b.Date == "" {
		b.Date = noted["vcs.time"]
	}
	if b.Version == "" {
		switch v := info.Main.Version; {
		case v != "" && v != "(devel)":
			b.Version = v
		case len(revision) >= 12:
			b.Version = "dev-" + revision[:12]
		default:
			b.Version = "dev"
		}
	}
	b.Go, b.Platform = runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH
	return b
}
