//go:build unix

package testserver

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// natsStart bounds the start of a NATS server.
const natsStart = 30 * time.Second

// NATS starts a NATS server with JetStream in this process, on a free port, for one test.
func NATS(tb testing.TB) *server.Server {
	tb.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: tb.TempDir(),
	})
	if err != nil {
		tb.Fatalf("make a NATS server: %v", err)
	}
	tb.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	s.Start()
	if !s.ReadyForConnections(natsStart) {
		tb.Fatal("the NATS server does not start")
	}
	return s
}
