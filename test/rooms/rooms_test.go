// Package rooms holds the module to ARCHITECTURE.md: what each room may import.
package rooms

import (
	"os"
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
	for _, pkg := range []string{"integration", "mixins", "integration/httpapi", "integration/payload", "test/parrot"} {
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

// platforms are the packages that an author outside of the module could have written: fakes and tests included.
var platforms = []string{"discord", "line", "meta", "slack", "telegram", "whatsapp"}

func TestPlatformImportsNothingInternal(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f",
		`{{.ImportPath}} {{join .Imports " "}} {{join .TestImports " "}} {{join .XTestImports " "}}`, "./services/...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	checked := 0
	for line := range strings.Lines(string(out)) {
		paths := strings.Fields(line)
		name, _, _ := strings.Cut(strings.TrimPrefix(paths[0], module+"/services/"), "/")
		if !slices.Contains(platforms, name) {
			continue
		}
		checked++
		for _, path := range paths[1:] {
			require.NotContains(t, path, module+"/internal/", paths[0])
			require.NotContains(t, path, module+"/node", paths[0])
		}
	}
	require.GreaterOrEqual(t, checked, 9)
}

// The examples are modules of their own, outside of this module's path: an import of a package internal does not build
// there. Their names say which.
func TestExampleIsAModuleOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, example := range []string{"parrot", "sms", "notes"} {
		mod, err := os.ReadFile("../../examples/" + example + "/go.mod")
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(mod), "module example.com/"+example+"\n"), example)
	}
}

func TestProgramHasNoFakes(t *testing.T) {
	t.Parallel()
	for _, dep := range dependencies(t, module+"/cmd/node") {
		require.NotContains(t, dep, module+"/integration/fakeapi")
	}
}
