package cli

import (
	"io"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/node/internal/app"
)

// withoutOutput are the commands that need no --output, with why.
var withoutOutput = map[string]string{
	"run":                    "has no result",
	"channels apply":         "changes channels",
	"channels create":        "changes channels",
	"channels update":        "changes channels",
	"channels remove":        "changes channels",
	"channels get":           "is always JSON",
	"channels keys generate": "prints one key",
	"channels keys rotate":   "changes channels",
	"events tail":            "is always JSON",
	"events replay":          "changes streams",
	"dlq show":               "is always JSON",
	"dlq replay":             "changes streams",
	"dlq drop":               "changes streams",
	"call":                   "is always JSON",
	"completion":             "prints a script",
	"health":                 "prints one word",
	"init":                   "writes files",
	"new-platform":           "writes files",
}

func TestEveryListingHasOutputJSON(t *testing.T) {
	t.Parallel()
	parser, err := newParser(&commands{}, app.Extensions{})
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, leaf := range parser.Model.Leaves(true) {
		name := commandPath(leaf)
		seen[name] = true
		var output *kong.Flag
		for _, flag := range leaf.Flags {
			if flag.Name == "output" {
				output = flag
			}
		}
		why, without := withoutOutput[name]
		if without {
			require.Nil(t, output, "%s %s", name, why)
			continue
		}
		require.NotNil(t, output, "%s: give it outputFlag, or say here why not", name)
		require.Equal(t, "text,json", output.Enum, name)
	}
	for name := range withoutOutput {
		require.True(t, seen[name], "there is no command %q", name)
	}
	parser.Stdout, parser.Stderr = io.Discard, io.Discard
	_, err = parser.Parse([]string{"services", "--output", "yaml"})
	require.ErrorContains(t, err, `--output must be one of "text","json"`)
}
