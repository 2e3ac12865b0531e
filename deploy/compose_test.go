package deploy_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// project reads compose.yaml as docker compose does.
func project(t *testing.T, env ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"compose.yaml"}, cli.WithEnv(env), cli.WithInterpolation(true))
	require.NoError(t, err)
	return options.LoadProject(t.Context())
}

// filledIn is example.env with a value for each name.
func filledIn(t *testing.T) []string {
	t.Helper()
	example, err := os.ReadFile("example.env")
	require.NoError(t, err)
	var env []string
	for line := range strings.Lines(string(example)) {
		if name, _, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(name, "#") {
			env = append(env, name+"=secret")
		}
	}
	require.NotEmpty(t, env)
	return env
}

func TestComposeFileIsValidAndNeedsItsSecrets(t *testing.T) {
	t.Parallel()
	env := filledIn(t)
	p, err := project(t, env...)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"switchboard", "nats", "postgres", "redis"}, p.ServiceNames())
	node := p.Services["switchboard"]
	require.True(t, node.ReadOnly)
	require.Equal(t, []string{"ALL"}, node.CapDrop)
	for name := range node.DependsOn {
		require.NotNil(t, p.Services[name].HealthCheck, name)
	}
	for _, service := range p.Services {
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "%s is published to the network", service.Name)
		}
	}
	for i, setting := range env {
		name, _, _ := strings.Cut(setting, "=")
		if name == "NAMESPACE" {
			continue
		}
		_, err := project(t, append(append([]string{}, env[:i]...), env[i+1:]...)...)
		require.ErrorContains(t, err, name, "it starts without a secret")
	}
}

func TestContainersGetEveryVariableOfTheirConfiguration(t *testing.T) {
	t.Parallel()
	config, err := os.ReadFile("config.yaml")
	require.NoError(t, err)
	p, err := project(t, filledIn(t)...)
	require.NoError(t, err)
	secret, err := os.ReadFile("kubernetes/secret.example.yaml")
	require.NoError(t, err)
	required := regexp.MustCompile(`\$\{([A-Z_]+)\}`).FindAllStringSubmatch(string(config), -1)
	require.Len(t, required, 4)
	for _, match := range required {
		require.Contains(t, p.Services["switchboard"].Environment, match[1])
		require.Contains(t, string(secret), "\n  "+match[1]+": ")
	}
}
