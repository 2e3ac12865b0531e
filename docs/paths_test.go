package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// These find what a page names in backquotes.
var (
	quoted   = regexp.MustCompile("`([^`\n]+)`")
	pathLike = regexp.MustCompile(`^[a-z][\w-]*(/[\w.-]+)*/?$|^[\w-]+\.(go|md|yaml|mod)$`)
	funcLike = regexp.MustCompile(`^[A-Za-z]\w+$`)
)

// notPaths are names that look like paths of the repository and are none.
var notPaths = []string{
	"data/switchboard.db", "data/switchboard.db.key", "data/spool.db", "data/nats",
	"testing/synctest",
}

// isPath says whether a name in backquotes is meant as a path of the repository.
func isPath(name string) bool {
	for _, other := range notPaths {
		if name == other {
			return false
		}
	}
	return pathLike.MatchString(name) && strings.ContainsAny(name, "/.")
}

func TestPathsInPagesExist(t *testing.T) {
	for page, least := range map[string]int{"ARCHITECTURE.md": 60, "CONTRIBUTING.md": 5} {
		text, err := os.ReadFile(filepath.Join("..", page))
		require.NoError(t, err)
		found := 0
		for _, match := range quoted.FindAllStringSubmatch(string(text), -1) {
			if !isPath(match[1]) {
				continue
			}
			found++
			_, err := os.Stat(filepath.Join("..", filepath.FromSlash(match[1])))
			require.NoError(t, err, "%s names %s", page, match[1])
		}
		require.GreaterOrEqual(t, found, least, page)
	}
}

// A row of a path in ARCHITECTURE.md names functions and the files that they are in.
func TestFunctionsOfThePathsAreInTheirFiles(t *testing.T) {
	page, err := os.ReadFile("../ARCHITECTURE.md")
	require.NoError(t, err)
	_, paths, _ := strings.Cut(string(page), "## A webhook comes in")
	paths, _, _ = strings.Cut(paths, "## What is kept where")
	rows := 0
	for line := range strings.Lines(paths) {
		cells := strings.Split(line, "|") // nothing, step, functions, files, nothing
		if len(cells) != 5 {
			continue
		}
		var source strings.Builder
		for _, file := range quoted.FindAllStringSubmatch(cells[3], -1) {
			content, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(file[1])))
			require.NoError(t, err)
			source.Write(content)
		}
		for _, function := range quoted.FindAllStringSubmatch(cells[2], -1) {
			if funcLike.MatchString(function[1]) {
				rows++
				declared := regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + function[1] + `\(`)
				require.True(t, declared.MatchString(source.String()), "%s is not in%s", function[1], cells[3])
			}
		}
	}
	require.GreaterOrEqual(t, rows, 40)
}
