package config

import (
	"fmt"
	"path/filepath"
)

// Temporary returns the YAML of a node that needs nothing else running: with a NATS server of its own on a free port of
// this machine, and with all that it stores in one folder.
func Temporary(dir string) string {
	return fmt.Sprintf(`
nats: {servers: ["nats://127.0.0.1:0"], embedded: true, storeDir: %q}
channels: {dsn: %q}
events: {spool: {path: %q}}
`, filepath.Join(dir, "nats"), filepath.Join(dir, "channels.db"), filepath.Join(dir, "spool.db"))
}
