package mixins_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"
)

// patience bounds every wait for what must happen.
const patience = 30 * time.Second

// natsServer is that of all tests; each has a namespace of its own on it.
var natsServer = sync.OnceValues(func() (*server.Server, error) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		return nil, err
	}
	running = s
	s.Start()
	if !s.ReadyForConnections(patience) {
		return nil, errors.New("the NATS server does not start")
	}
	return s, nil
})

var running *server.Server

func TestMain(m *testing.M) { goleak.VerifyTestMain(withServer{m}) }

// withServer runs the tests and stops the server that they share.
type withServer struct{ *testing.M }

func (m withServer) Run() int {
	code := m.M.Run()
	if running != nil {
		running.Shutdown()
		running.WaitForShutdown()
	}
	return code
}
