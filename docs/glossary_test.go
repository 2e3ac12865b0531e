package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// synonym is a word that names in Go code do not use, because docs/glossary.md has another word for the thing.
type synonym struct {
	word    string
	instead string
	except  string // a regular expression of names in which the word has another meaning, "" for none
}

// synonyms are looked for in every Go file.
var synonyms = []synonym{
	{"aloft", "in flight", ""},
	{"bench", "harness or benchmark", "^bench$"}, // the folder bench
	{"bury", "dead letter", ""},
	{"crowd", "parallel, or what it is", ""},
	{"flight", "in flight, publish queue", `(?i)in_?flight|singleflight`}, // in flight is JetStream's word
	{"flights", "publish queue", ""},
	{"flock", "batch platform", "^Flock$"}, // the system call
	{"forsake", "drain", ""},
	{"further", "message action", ""},
	{"gather", "batch", "^Gather$"}, // of Prometheus
	{"gathering", "barrier, or what it is", ""},
	{"grounded", "blocked", ""},
	{"lane", "fast queue, limiter", ""},
	{"lanes", "limiters", ""},
	{"outbox", "spool", ""},
	{"settle", "ack, resolve, finish", ""},
	{"settled", "acked, resolved, finished", ""},
	{"strangers", "unusable senders", ""},
	{"unaware", "not acknowledged", ""},
	{"verdict", "error row, error kind", ""},
	{"verdicts", "error rows", ""},
	{"waitless", "async", ""},
}

// words splits a name such as MaxInFlight or in_flight into lower-case words.
func words(name string) []string {
	found := nameWord.FindAllString(name, -1)
	for i := range found {
		found[i] = strings.ToLower(found[i])
	}
	return found
}

var nameWord = regexp.MustCompile(`[A-Z]+(?:[^a-zA-Z]|$)|[A-Z]?[a-z]+|[A-Z]+`)

// uses returns the synonym that a name uses, nil if it uses none.
func uses(list []synonym, name string) *synonym {
	parts := words(name)
	for i, s := range list {
		if slices.Contains(parts, s.word) && (s.except == "" || !regexp.MustCompile(s.except).MatchString(name)) {
			return &list[i]
		}
	}
	return nil
}

func TestGlossaryWordsAreUsedInNames(t *testing.T) {
	files := token.NewFileSet()
	goFiles(t, func(file, source string) {
		report := func(what, name string) {
			if s := uses(synonyms, name); s != nil {
				t.Errorf("%s: %s %s: the glossary's word is not %q but %q", file, what, name, s.word, s.instead)
			}
		}
		for _, part := range strings.Split(strings.TrimSuffix(file, ".go"), "/") {
			report("path", part)
		}
		tree, err := parser.ParseFile(files, file, source, parser.SkipObjectResolution)
		require.NoError(t, err)
		seen := map[string]bool{}
		ast.Inspect(tree, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && !seen[id.Name] {
				seen[id.Name] = true
				report("name", id.Name)
			}
			return true
		})
	})
}

func TestGlossarySplitsNamesIntoWords(t *testing.T) {
	require.Equal(t, []string{"max", "in", "flight"}, words("MaxInFlight"))
	require.Equal(t, []string{"in", "flight"}, words("in_flight"))
	require.NotNil(t, uses(synonyms, "newFlight"))
	require.Nil(t, uses(synonyms, "MaxInFlight"))
	require.Nil(t, uses(synonyms, "unsettling"))
	require.Equal(t, "lane", uses(synonyms, "fastLane").word)
}

func TestGlossaryNamesPlacesThatExist(t *testing.T) {
	page, err := os.ReadFile("glossary.md")
	require.NoError(t, err)
	place := regexp.MustCompile("`([^`]+)`")
	rows := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 || strings.Contains(cells[1], "---") || strings.TrimSpace(cells[1]) == "word" {
			continue
		}
		rows++
		for _, match := range place.FindAllStringSubmatch(cells[3], -1) {
			_, err := os.Stat(filepath.Join("..", filepath.FromSlash(path.Clean(match[1]))))
			require.NoError(t, err, "the place of %s", strings.TrimSpace(cells[1]))
		}
	}
	require.Greater(t, rows, 30)
}
