// Package rooms holds the module to ARCHITECTURE.md: what each room may import.
package rooms

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/hiliosai/switchboard"

// dependencies gives the import paths of all that a package needs.
func dependencies(t *testing.T, pkg string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", pkg)
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}

func TestPlatformNeedsNoDriver(t *testing.T) {
	t.Parallel()
	drivers := []string{
		"modernc.org/sqlite", "github.com/jackc/pgx", "github.com/jackc/puddle", "github.com/pressly/goose",
		"github.com/redis/go-redis", module + "/events/spool", module + "/datasource/", module + "/channelstore",
	}
	for _, pkg := range []string{"integration", "mixins", "integration/httpapi", "examples/parrot"} {
		deps := dependencies(t, module+"/"+pkg)
		require.Contains(t, deps, module+"/"+pkg)
		for _, driver := range drivers {
			i := slices.IndexFunc(deps, func(dep string) bool { return strings.HasPrefix(dep, driver) })
			if i >= 0 {
				require.Fail(t, "a platform must need no driver", "%s needs %s", pkg, deps[i])
			}
		}
	}
}
