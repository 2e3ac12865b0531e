package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// withoutExample are public packages that need no example of their own, and why.
var withoutExample = map[string]string{
	"cache/rediscache":              "made by the configuration; ExampleMemoize shows what a service does with it",
	"claims/natsclaims":             "made by the configuration; claims has the example",
	"claims/redisclaims":            "as natsclaims",
	"claims/claimstest":             "the tests of natsclaims and redisclaims show it",
	"channelstore/channelstoretest": "the tests of channelstore show it",
	"cluster/wire":                  "its golden files show each packet",
	"datasource/postgres":           "datasource has the example, with SQLite",
	"datasource/redis":              "as postgres",
	"datasource/sqlite":             "as postgres",
	"events/order":                  "one type, which only integration needs",
}

var public = []string{
	"action", "cache", "channelstore", "claims", "cluster", "datasource", "events", "integration", "mixins", "node",
}

func TestPublicPackageHasAnExample(t *testing.T) {
	example := regexp.MustCompile(`(?m)^func Example`)
	packages, examples := map[string]bool{}, map[string]bool{}
	goFiles(t, func(path, source string) {
		folder := filepath.ToSlash(filepath.Dir(path))
		room, _, _ := strings.Cut(folder, "/")
		isPublic := false
		for _, name := range public {
			isPublic = isPublic || name == room
		}
		switch {
		// Nobody outside of this module needs node/bridge: by it the tests and benchmarks of this one reach node/internal.
		case !isPublic || strings.Contains(folder, "internal"), strings.HasPrefix(folder, "node/bridge/"):
		case strings.HasSuffix(path, "_test.go"):
			examples[folder] = examples[folder] || example.MatchString(source)
		default:
			packages[folder] = packages[folder] || !strings.Contains(source, "\npackage main\n")
		}
	})
	for folder, isPackage := range packages {
		if isPackage && withoutExample[folder] == "" {
			require.True(t, examples[folder], "%s needs an Example", folder)
		}
	}
	require.GreaterOrEqual(t, len(packages), 25)
	for folder := range withoutExample {
		require.True(t, packages[folder], "there is no package %s", folder)
		require.False(t, examples[folder], "%s has an example now", folder)
	}
}

// block finds the blocks of Go in a page.
var block = regexp.MustCompile("(?s)```go\n(.*?)```")

// spaces makes the indentation of a text not count.
var spaces = regexp.MustCompile(`\s+`)

// Code in a page compiles because it stands, word for word, in a file that is compiled.
func TestCodeOfPagesStandsInAFile(t *testing.T) {
	var files []string
	goFiles(t, func(_, source string) { files = append(files, spaces.ReplaceAllString(source, " ")) })
	for _, page := range []string{"writing-a-platform.md"} {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, match := range block.FindAllSubmatch(text, -1) {
			code := strings.TrimSpace(spaces.ReplaceAllString(string(match[1]), " "))
			found := false
			for _, source := range files {
				found = found || strings.Contains(source, code)
			}
			require.True(t, found, "%s: no Go file has this code:\n%s", page, match[1])
		}
	}
}
