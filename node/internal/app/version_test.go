package app

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestVersionIsTheLinkersElseTheToolchains(t *testing.T) {
	t.Parallel()
	const revision = "0123456789abcdef0123456789abcdef01234567"
	vcs := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{
			{Key: "vcs.revision", Value: revision},
			{Key: "vcs.time", Value: "2026-12-01T00:00:00Z"},
			{Key: "vcs.modified", Value: modified},
		}
	}
	for name, test := range map[string]struct {
		linked, want Build
		info         debug.BuildInfo
	}{
		"all of the linker": {
			Build{Version: "v1.2.3", Commit: "abc", Date: "2026-01-01T00:00:00Z"},
			Build{Version: "v1.2.3", Commit: "abc", Date: "2026-01-01T00:00:00Z"},
			debug.BuildInfo{Main: debug.Module{Version: "v9"}, Settings: vcs("true")},
		},
		"go install of a version": {
			Build{}, Build{Version: "v1.2.3"}, debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}},
		},
		"go build in a checkout": {
			Build{},
			Build{Version: "dev-0123456789ab", Commit: revision, Date: "2026-12-01T00:00:00Z"},
			debug.BuildInfo{Main: debug.Module{Version: "(devel)"}, Settings: vcs("false")},
		},
		"go build of changed files": {
			Build{},
			Build{Version: "dev-0123456789ab", Commit: revision + "-dirty", Date: "2026-12-01T00:00:00Z"},
			debug.BuildInfo{Settings: vcs("true")},
		},
		"nothing noted": {Build{}, Build{Version: "dev"}, debug.BuildInfo{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.want.Go, test.want.Platform = runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH
			require.Equal(t, test.want, buildOf(test.linked, &test.info))
		})
	}
}
