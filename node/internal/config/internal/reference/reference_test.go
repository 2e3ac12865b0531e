package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/hiliosai/switchboard/node/internal/config"
)

const root = "../../../../../"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReferenceIsUpToDate(t *testing.T) {
	file, err := os.ReadFile(root + "docs/configuration.md")
	require.NoError(t, err)
	if string(file) != markdown(reference(t, defaults(t))) { // not require.Equal, which would print both as a whole
		require.Fail(t, "docs/configuration.md is stale; write it anew with: go generate ./node/internal/config")
	}
}

func TestShippedFileHasEveryKeyOfTheReference(t *testing.T) {
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

func TestShippedFileDiffersFromDefaultsOnlyWhereItSaysSo(t *testing.T) {
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

func TestReferenceReadsLikeOne(t *testing.T) {
	meanings := map[string]string{}
	for _, s := range reference(t, defaults(t)) {
		name := s.key[strings.LastIndex(s.key, ".")+1:]
		first, _, _ := strings.Cut(s.meaning, " ")
		require.False(t, strings.EqualFold(first, name), "%s begins with its own name: %s", s.key, s.meaning)
		require.NotRegexp(t, `(?i)\bdefault (""|\[.*?\]|[^\s,]+?)\.`, s.meaning, "%s repeats the column of defaults", s.key)
		section, _, _ := strings.Cut(s.key, ".")
		require.NotEqual(t, meanings[section+s.meaning], s.meaning, "%s says what another key says", s.key)
		meanings[section+s.meaning] = s.meaning
	}
}

func TestConfigurationKeyNeedsAComment(t *testing.T) {
	docs, err := readComments(root + "node/internal/config/config.go")
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
	docs, err := readComments(root + "node/internal/config/config.go")
	require.NoError(t, err)
	list, err := settings(c, docs)
	require.NoError(t, err)
	return list
}
