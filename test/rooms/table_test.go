package rooms

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var quoted = regexp.MustCompile("`([^`]+)`")

// readTable gives what each room may import, as ARCHITECTURE.md has it.
func readTable(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../../ARCHITECTURE.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "| room | may import |")
	require.True(t, found)
	rooms := map[string][]string{}
	for line := range strings.Lines(strings.TrimSpace(table)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		paths := quoted.FindAllStringSubmatch(line, -1)
		rooms[paths[0][1]] = []string{}
		for _, path := range paths[1:] {
			rooms[paths[0][1]] = append(rooms[paths[0][1]], path[1])
		}
	}
	require.Greater(t, len(rooms), 10)
	return rooms
}

// permits says whether a path of the table covers a package.
func permits(path, pkg string) bool {
	if folder, deep := strings.CutSuffix(path, "/"); deep {
		return pkg == folder || strings.HasPrefix(pkg, path)
	}
	return pkg == path
}

func TestRoomImportsWhatTheTableSays(t *testing.T) {
	t.Parallel()
	rooms := readTable(t)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	require.NoError(t, err)
	for line := range strings.Lines(string(out)) {
		paths := strings.Fields(strings.ReplaceAll(line, module+"/", "@"))
		pkg, top := strings.TrimPrefix(paths[0], "@"), ""
		for room := range rooms {
			if permits(room, pkg) {
				top = room
			}
		}
		if top == "" {
			require.Regexp(t, `^(bench|test|examples|docs)(/|$)`, pkg, "a package in no room")
			continue
		}
		for _, path := range paths[1:] {
			path, ours := strings.CutPrefix(path, "@")
			allowed := func(a string) bool { return permits(a, path) }
			if ours && !permits(top, path) && !slices.ContainsFunc(rooms[top], allowed) {
				t.Errorf("%s imports %s, which the table of ARCHITECTURE.md does not have", pkg, path)
			}
		}
	}
}

func TestLinterHoldsTheTable(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("../../.golangci.yml")
	require.NoError(t, err)
	var config struct {
		Linters struct {
			Settings struct {
				Depguard struct {
					Rules map[string]struct {
						Mode  string `yaml:"list-mode"`
						Files []string
						Allow []string
						Deny  []struct{ Pkg string }
					}
				}
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(file, &config))
	rules := config.Linters.Settings.Depguard.Rules
	rooms := readTable(t)
	require.Len(t, rules, len(rooms)+1) // and the one for prometheus
	for room, allowed := range rooms {
		folder := strings.TrimSuffix(room, "/")
		rule, found := rules[strings.ReplaceAll(folder, "/", "-")]
		require.True(t, found, "a rule for %s", room)
		want := []string{}
		for _, path := range append([]string{room}, allowed...) {
			if deep, ok := strings.CutSuffix(path, "/"); ok {
				want = append(want, module+"/"+deep)
			} else {
				want = append(want, module+"/"+path+"$")
			}
		}
		require.Equal(t, want, rule.Allow, room)
		require.Equal(t, "lax", rule.Mode)
		require.Equal(t, []string{"${base-path}/" + folder + "/**", "!$test"}, rule.Files)
		require.Len(t, rule.Deny, 1)
		require.Equal(t, module, rule.Deny[0].Pkg)
	}
}
