// Package docs_test keeps the documentation true where that can be told by a program.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	row  = regexp.MustCompile("(?m)^\\|.*\\| `([^ `|]+) (Test[A-Za-z0-9]+)` \\|$")
	rows = regexp.MustCompile(`(?m)^\| [^-].*\|$`)
	code = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
	link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
)

func TestEveryRowOfTheParityTableNamesATestThatExists(t *testing.T) {
	page, err := os.ReadFile("parity.md")
	require.NoError(t, err)
	found := row.FindAllSubmatch(page, -1)
	headings := strings.Count(string(page), "| SDK |")
	require.Len(t, rows.FindAll(page, -1), len(found)+headings, "a row names no test")
	var missing []string
	tests := map[string]string{} // source of the tests of a folder
	for _, match := range found {
		folder, name := string(match[1]), string(match[2])
		if _, read := tests[folder]; !read {
			files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
			require.NoError(t, err)
			for _, file := range files {
				source, err := os.ReadFile(file)
				require.NoError(t, err)
				tests[folder] += string(source)
			}
		}
		if !strings.Contains(tests[folder], "func "+name+"(t *testing.T) {") { // require.Contains would print the folder
			missing = append(missing, name+" in "+folder)
		}
	}
	require.Empty(t, missing)
}

var errorCode = regexp.MustCompile(`"([A-Z]+(?:_[A-Z]+)+)"`)

func TestEveryErrorCodeOfAPlatformIsExplained(t *testing.T) {
	page, err := os.ReadFile("errors.md")
	require.NoError(t, err)
	files, err := filepath.Glob("../services/*/errors.go")
	require.NoError(t, err)
	require.Len(t, files, 5)
	for _, file := range append(files, "../integration/httpapi/classify.go", "../integration/httpapi/download.go") {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, match := range errorCode.FindAllSubmatch(source, -1) {
			require.Contains(t, string(page), "`"+string(match[1])+"`", "of %s", file)
		}
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	platforms, err := filepath.Glob("platforms/*.md")
	require.NoError(t, err)
	pages = append(pages, platforms...)
	for _, page := range append(pages, "../README.md", "../examples/gateway/README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, match := range link.FindAllSubmatch(code.ReplaceAll(text, nil), -1) {
			target := filepath.Join(filepath.Dir(page), string(match[1]))
			_, err := os.Stat(target)
			require.NoError(t, err, "%s links to %s", page, target)
		}
	}
}
