package app

import (
	"io"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/config"
)

// logTime is RFC 3339 with milliseconds, as Moleculer for Node.js logs.
const logTime = "2006-01-02T15:04:05.000Z07:00"

// ConfigureLog sets a logger up as the configuration says, and lets no secret pass it.
func ConfigureLog(log *logrus.Logger, out io.Writer, c config.Log, secrets *redact.Secrets) {
	log.SetOutput(out)
	setLog(log, c)
	log.AddHook(secrets)
}

// setLog sets the level and the form of the lines.
func setLog(log *logrus.Logger, c config.Log) {
	if level, err := logrus.ParseLevel(c.Level); err == nil { // the configuration has been validated
		log.SetLevel(level)
	}
	if c.Format == "json" {
		log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: logTime})
	} else {
		log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true, TimestampFormat: logTime})
	}
}

// configSecrets are the values of the configuration that no log line may hold.
func configSecrets(c *config.Config) []string {
	secrets := []string{c.NATS.Password.Reveal(), c.NATS.Token.Reveal(), c.NATS.NKey.Reveal()}
	for _, u := range append([]config.URL{c.Channels.DSN, c.Cache.URL, c.Claims.URL}, c.NATS.Servers...) {
		secrets = append(secrets, u.Secrets()...)
	}
	for _, key := range c.Channels.Keys {
		_, material, _ := strings.Cut(key.Reveal(), ":")
		secrets = append(secrets, material)
	}
	return secrets
}
