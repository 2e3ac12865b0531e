package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/config"
)

// startWith starts a node with a spool at a path, and gives what it logs.
func startWith(t *testing.T, path string) (*app.Node, *buffer) {
	t.Helper()
	c := settings(t)
	c.Events.Spool.Path = path
	log, secrets, out := logrus.New(), &redact.Secrets{}, &buffer{}
	app.ConfigureLog(log, out, config.Log{Level: "info", Format: "text"}, secrets)
	n, err := app.Start(t.Context(), c, app.Extensions{}, log, secrets)
	require.NoError(t, err)
	t.Cleanup(n.Stop)
	return n, out
}

func spoolHealth(t *testing.T, n *app.Node) datasource.Health {
	t.Helper()
	for _, h := range n.Health(t.Context()) {
		if h.Service == "" && h.Name == "spool" {
			return h.Health
		}
	}
	require.Fail(t, "no word of the spool")
	return datasource.Health{}
}

func TestHealthTellsWhatIsInTheSpool(t *testing.T) {
	n, _ := startWith(t, filepath.Join(t.TempDir(), "spool.db"))
	h := spoolHealth(t, n)
	require.Equal(t, datasource.Healthy, h.Status)
	require.Equal(t, map[string]any{"events": 0, "bytes": int64(0), "setAside": 0}, h.Details)
}

func TestSpoolThatTwoProcessesWantIsUnhealthyInOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	first, _ := startWith(t, path)
	second, log := startWith(t, path)
	require.Equal(t, datasource.Healthy, spoolHealth(t, first).Status)
	h := spoolHealth(t, second)
	require.Equal(t, datasource.Unhealthy, h.Status)
	require.Equal(t, "Another process uses the spool's file.", h.Message)
	require.Contains(t, log.String(), "is held by node app-test (process ")
}

func TestSpoolThatCannotBeMadeIsUnhealthyFromTheStart(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(folder, nil, 0o600))
	n, log := startWith(t, filepath.Join(folder, "spool.db"))
	h := spoolHealth(t, n)
	require.Equal(t, datasource.Unhealthy, h.Status)
	require.Equal(t, "The spool's file cannot be made or opened.", h.Message)
	require.Contains(t, log.String(), "the spool cannot be used")
	res, err := http.Get("http://" + n.Address() + "/-/ready")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode, "webhooks are taken in")
}

func TestEmbeddedServersFolderIsNotSharedByTwoNodes(t *testing.T) {
	first := settings(t)
	first.Node.ID = "first"
	second := *first
	second.Node.ID = "second"
	second.Events.Spool.Path = ""
	log, secrets := logrus.New(), &redact.Secrets{}
	app.ConfigureLog(log, t.Output(), config.Log{Level: "error"}, secrets)
	n, err := app.Start(t.Context(), first, app.Extensions{}, log, secrets)
	require.NoError(t, err)
	_, err = app.Start(t.Context(), &second, app.Extensions{}, log, secrets)
	require.ErrorContains(t, err, "nats.storeDir: "+first.NATS.StoreDir+"-lock is held by node first (process ")
	n.Stop()
	n, err = app.Start(t.Context(), &second, app.Extensions{}, log, secrets)
	require.NoError(t, err, "it is free again")
	n.Stop()
}
