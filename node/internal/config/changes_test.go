package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/node/internal/config"
	"github.com/hiliosai/switchboard/node/internal/strictyaml"
)

func TestChangesNameTheSettingsThatDiffer(t *testing.T) {
	a, b := config.Default(), config.Default()
	require.Empty(t, config.Changes(a, b))
	b.Log.Level, b.Services, b.Events.Spool.MaxAge = "debug", []string{"slack"}, time.Hour
	b.Channels.Keys = []strictyaml.Secret{"k1:canary"}
	prefix := ""
	b.Events.Prefix = &prefix
	require.Equal(
		t, []string{"events.prefix", "events.spool.maxAge", "channels.keys", "services", "log.level"}, config.Changes(a, b),
	)
}

func TestConfigurationIsReadAgainFromWhereItCame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte("log: {level: warn}\nnode: {id: a}\n"), 0o600))
	c, err := config.LoadWith(path, "node: {id: b}")
	require.NoError(t, err)
	again, err := c.Again()
	require.NoError(t, err)
	require.Empty(t, config.Changes(c, again))
	require.Equal(t, "b", again.Node.ID)
	require.NoError(t, os.WriteFile(path, []byte("log: {level: debug}\nnode: {id: c}\n"), 0o600))
	again, err = c.Again()
	require.NoError(t, err)
	require.Equal(t, []string{"log.level"}, config.Changes(c, again))

	unnamed, err := config.LoadWith("", "log: {level: error}")
	require.NoError(t, err)
	again, err = unnamed.Again()
	require.NoError(t, err)
	require.Equal(t, "error", again.Log.Level)
}
