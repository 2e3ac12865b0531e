package deploy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/stretchr/testify/require"
)

func TestDockerfileMakesAnImageWithoutRightsThatTellsItsHealth(t *testing.T) {
	t.Parallel()
	file, err := os.Open("Dockerfile")
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	parsed, err := parser.Parse(file)
	require.NoError(t, err)
	require.Empty(t, parsed.Warnings)
	warn := func(rule, description, _, message string, _ []parser.Range) {
		t.Errorf("%s: %s: %s", rule, description, message)
	}
	stages, _, err := instructions.Parse(parsed.AST, linter.New(&linter.Config{Warn: warn}))
	require.NoError(t, err)
	image := stages[len(stages)-1]
	require.Equal(t, "scratch", image.BaseName)
	said := map[string]string{}
	for _, command := range image.Commands {
		said[command.Name()] = strings.Join(strings.Fields(command.(interface{ String() string }).String()), " ")
		if health, ok := command.(*instructions.HealthCheckCommand); ok {
			require.Equal(
				t, []string{"CMD", "/switchboard", "health", "--config", "/etc/switchboard/config.yaml"}, health.Health.Test,
			)
		}
	}
	require.Contains(t, said, "HEALTHCHECK")
	require.Equal(t, "USER 65532:65532", said["USER"])
	require.Equal(t, "COPY --from=build /rootfs /", said["COPY"])
}
