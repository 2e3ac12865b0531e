package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// goFiles calls do for every Go file of the repository, by its path from the root.
func goFiles(t *testing.T, do func(path, source string)) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if name != ".." && strings.HasPrefix(name, ".") || name == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		do(strings.TrimPrefix(filepath.ToSlash(path), "../"), string(source))
		return nil
	}))
	require.Greater(t, files, 100, "the repository has more Go files than that")
}

var citation = regexp.MustCompile(`(docs/[\w/.-]+\.md)(?: §(\d+))?`)

func TestCitationsInCodeLeadSomewhere(t *testing.T) {
	pages := map[string]string{}
	goFiles(t, func(path, source string) {
		for _, match := range citation.FindAllStringSubmatch(source, -1) {
			page, section := match[1], match[2]
			if _, read := pages[page]; !read {
				text, err := os.ReadFile(filepath.Join("..", page))
				require.NoError(t, err, "%s cites it", path)
				pages[page] = string(text)
			}
			if section != "" && !strings.Contains(pages[page], "\n## "+section+". ") {
				t.Errorf("%s cites %s §%s, which that page does not have", path, page, section)
			}
		}
	})
}

// outside finds citations of documents that are not part of the repository.
var outside = regexp.MustCompile(`(?i)\b(wire[ -]note|field[ -]notes?)\b`)

func TestCitationsInCodeStayInTheRepository(t *testing.T) {
	goFiles(t, func(path, source string) {
		if found := outside.FindString(source); found != "" {
			t.Errorf("%s cites %q, which is not in the repository", path, found)
		}
	})
}
