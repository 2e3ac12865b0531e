package app_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/config"
)

func TestLogLineTellsItsTimeInMilliseconds(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log := logrus.New()
		app.ConfigureLog(log, &out, config.Log{Level: "info", Format: format}, &redact.Secrets{})
		log.WithTime(time.Date(2026, 11, 30, 14, 53, 10, 123_456_789, time.UTC)).WithField("wait", 1500*time.Millisecond).
			Info("hello")
		require.Contains(t, out.String(), "2026-11-30T14:53:10.123Z")
		if format == "json" {
			var line map[string]any
			require.NoError(t, json.Unmarshal(out.Bytes(), &line))
			require.EqualValues(t, 1500, line["wait"])
		}
	}
}

func TestConfiguredPasswordsAreSecretsAtAnyLength(t *testing.T) {
	c := config.Default()
	c.Channels.DSN = config.URL(filepath.Join(t.TempDir(), "channels.db"))
	c.NATS.Token, c.NATS.Servers = "k9", []config.URL{"nats://:p@h:4222"}
	secrets := &redact.Secrets{}
	channels, err := app.OpenChannels(t.Context(), c, app.Extensions{}, logrus.New(), secrets)
	require.NoError(t, err)
	require.NoError(t, channels.Close())
	require.Equal(t, redact.Placeholder+" or "+redact.Placeholder, secrets.Redact("k9 or p"))
}
