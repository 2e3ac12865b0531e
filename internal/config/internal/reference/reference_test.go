package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/hiliosai/switchboard/internal/config"
)

const root = "../../../../"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTheReferenceIsUpToDate(t *testing.T) {
	file, err := os.ReadFile(root + "docs/configuration.md")
	require.NoError(t, err)
	if string(file) != markdown(reference(t, defaults(t))) { // not require.Equal, which would print both as a whole
		require.Fail(t, "docs/configuration.md is stale; write it anew with: go generate ./internal/config")
	}
}

func TestTheShippedFileHasEveryKeyOfTheReference(t *testing.T) {
	data, err := os.ReadFile(root + "config.yaml")
	require.NoError(t, err)
	var file map[string]any
	require.NoError(t, yaml.Unmarshal(data, &file))

	for _, s := range reference(t, defaults(t)) {
		var value any = file
		for name := range strings.SplitSeq(s.key, ".") {
			require.Contains(t, value, name, "config.yaml lacks %s", s.key)
			value = value.(map[string]any)[name]
		}
	}
}

func TestTheShippedFileDiffersFromTheDefaultsOnlyWhereItSaysSo(t *testing.T) {
	want := reference(t, defaults(t))
	shipped, err := config.Load(root + "config.yaml")
	require.NoError(t, err)

	var differing []string
	for i, s := range reference(t, shipped) {
		if s.value != want[i].value {
			differing = append(differing, s.key)
		}
	}
	require.Equal(t, []string{"nats.embedded", "http.listen"}, differing)
}

// statedDefault finds the value in sentences that end in "default 30s." or go on after a comma.
var statedDefault = regexp.MustCompile(`(?i)\bdefault (""|\[.*?\]|[^\s,]+?)(, |\.$)`)

func TestTheCommentsStateTheDefaults(t *testing.T) {
	want := reference(t, defaults(t))
	for i, s := range want {
		if s.kind == section {
			continue
		}
		t.Run(s.key, func(t *testing.T) {
			require.Contains(t, strings.ToLower(s.meaning), "default")
			stated := statedDefault.FindStringSubmatch(s.meaning)
			if stated == nil {
				return // said in words, as in "sqlite, the default"
			}
			file := filepath.Join(t.TempDir(), "config.yaml")
			nested := strings.ReplaceAll(s.key, ".", ": {") + ": " + stated[1] + strings.Repeat("}", strings.Count(s.key, "."))
			require.NoError(t, os.WriteFile(file, []byte(nested), 0o600))
			c, err := config.Load(file)
			require.NoError(t, err)
			require.Equal(t, s, reference(t, c)[i])
		})
	}
}

func TestEveryKeyNeedsWords(t *testing.T) {
	docs, err := readComments(root + "internal/config/config.go")
	require.NoError(t, err)
	delete(docs, "Log.Level")
	_, err = settings(defaults(t), docs)
	require.EqualError(t, err, "log.level: Log.Level has no comment")
}

// defaults gives the defaults of a machine that has nothing set.
func defaults(t *testing.T) *config.Config {
	t.Helper()
	t.Setenv("NAMESPACE", "")
	return config.Default()
}

func reference(t *testing.T, c *config.Config) []setting {
	t.Helper()
	docs, err := readComments(root + "internal/config/config.go")
	require.NoError(t, err)
	list, err := settings(c, docs)
	require.NoError(t, err)
	return list
}
