// Package docs_test keeps the documentation true where that can be told by a program.
package docs_test

import (
	"bytes"
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

func TestParityTableNamesATestThatExistsInEveryRow(t *testing.T) {
	page, err := os.ReadFile("parity.md")
	require.NoError(t, err)
	page, _, _ = bytes.Cut(page, []byte("## How they differ"))
	found := row.FindAllSubmatch(page, -1)
	headings := strings.Count(string(page), "| SDK |")
	without := len(rows.FindAll(page, -1)) - headings - len(found) // a number, as a list of rows would be printed as bytes
	require.Zero(t, without, "rows that name no test")
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

func TestDifferencesFromTheSDKAreListedAsTheyAreTested(t *testing.T) {
	page, err := os.ReadFile("parity.md")
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(page), "## How they differ")
	var listed, tested []string
	for _, match := range regexp.MustCompile(`(?m)^\| ([^|]+) \| [^|]+ \| [^|]+ \|$`).FindAllStringSubmatch(table, -1) {
		listed = append(listed, match[1])
	}
	source, err := os.ReadFile("../test/interop/sdk_differences_test.go")
	require.NoError(t, err)
	difference := regexp.MustCompile(`\{(?:name: )?"([^"]+)", (?:at: )?at\(`)
	for _, match := range difference.FindAllStringSubmatch(string(source), -1) {
		tested = append(tested, match[1])
	}
	require.Equal(
		t, tested, slices.DeleteFunc(listed, func(name string) bool { return name == "difference" || name == "---" }),
	)
}

// errorCode finds codes that stand as texts where errors are made: as a field of one, behind the status of one, and in
// a row of an error table.
var errorCode = regexp.MustCompile(
	`(?:Code: +|http\.Status[A-Za-z]+, |asError\([^"]*|integration\.Fault[A-Za-z]+, )"([A-Z]+(?:_[A-Z]+)+)"`,
)

func TestErrorCodesAreConstantsOfPackageCodes(t *testing.T) {
	for _, root := range []string{
		"action", "cache", "channelstore", "claims", "cluster", "datasource", "events", "integration", "internal", "mixins",
		"node", "services",
	} {
		require.NoError(t, filepath.WalkDir(filepath.Join("..", root), func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil || entry.IsDir() && strings.HasSuffix(entry.Name(), "test"): // such as integrationtest
				return cmp.Or(err, filepath.SkipDir)
			case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			source, err := os.ReadFile(path)
			for _, match := range errorCode.FindAllSubmatch(source, -1) {
				require.Fail(t, string(match[1])+" needs a constant in action/codes", path)
			}
			return err
		}))
	}
}

func TestTheCommandIsCalledByItsName(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	platforms, err := filepath.Glob("platforms/*.md")
	require.NoError(t, err)
	for _, page := range append(append(pages, platforms...), "../README.md", "../config.yaml") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		require.NotRegexp(t, "(?m)(^ *|`)(bin/)?node (run|call|services|channels|events|dlq) ", string(text), page)
	}
}

func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	require.NoError(t, err)
	platforms, err := filepath.Glob("platforms/*.md")
	require.NoError(t, err)
	design, err := filepath.Glob("design/*.md")
	require.NoError(t, err)
	pages = slices.Concat(pages, platforms, design)
	for _, page := range append(pages, "../README.md", "../CONTRIBUTING.md", "../SECURITY.md", "../CHANGELOG.md",
		"../examples/gateway/README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, match := range link.FindAllSubmatch(code.ReplaceAll(text, nil), -1) {
			target := filepath.Join(filepath.Dir(page), string(match[1]))
			_, err := os.Stat(target)
			require.NoError(t, err, "%s links to %s", page, target)
		}
	}
}
