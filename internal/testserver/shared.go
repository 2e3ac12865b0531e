//go:build unix

package testserver

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Tests are the tests of a package and the servers that they share.
type Tests struct{ m *testing.M }

// Main wraps the tests of a package and ends their shared servers after them. Run the result by goleak.VerifyTestMain
// or by os.Exit(testserver.Main(m).Run()).
func Main(m *testing.M) *Tests { return &Tests{m} }

// Run runs the tests and returns the exit code.
func (t *Tests) Run() int {
	shared.begin()
	code := t.m.Run()
	if err := shared.end(); err != nil {
		fmt.Fprintln(os.Stderr, "testserver:", err)
		return max(code, 1)
	}
	return code
}

// shared are the servers of this process. They are global because the tests of a package have nothing else in common.
var shared sharedServers

type sharedServers struct {
	mu      sync.Mutex
	servers map[string]*Server // by the name of their kind; nil outside of Main
}

func (s *sharedServers) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.servers = map[string]*Server{}
}

// url returns the URL of the server of a kind, which the first call starts.
func (s *sharedServers) url(tb testing.TB, k kind) string {
	tb.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotNil(tb, s.servers, "this package shares servers among its tests: its TestMain must call testserver.Main")
	if s.servers[k.name] == nil {
		server, err := open(k)
		require.NoError(tb, err)
		s.servers[k.name] = server
	}
	return s.servers[k.name].URL()
}

func (s *sharedServers) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.close())
	}
	s.servers = nil
	return errors.Join(errs...)
}

// withDatabase puts a database's number into a Redis URL.
func withDatabase(tb testing.TB, server string, number int) string {
	tb.Helper()
	u, err := url.Parse(server)
	require.NoError(tb, err)
	u.Path = "/" + strconv.Itoa(number)
	return u.String()
}
