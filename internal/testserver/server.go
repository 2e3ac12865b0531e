//go:build unix

// Package testserver gives tests real servers, NATS, PostgreSQL and Redis, and with them their faults: a
// server that is killed, that hangs, that comes back.
//
// [Postgres] and [Redis] give a database each on servers that all tests of a package share;
// [StartPostgres] and [StartRedis] start a server of the test's own to be broken. These need the
// programs of the Debian packages postgresql and redis-server; a test fails where they are missing.
//
// A package whose tests share servers says so once, and nothing is left behind:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(testserver.Main(m)) }
package testserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// startTimeout bounds the start of a server. It is long because the machine may be busy.
	startTimeout = time.Minute
	// interval is the time between two checks whether a server is ready.
	interval = 20 * time.Millisecond
)

// kind says how servers of one kind are run.
type kind struct {
	name    string
	init    func(s *Server) error // prepares the folder, once; may be nil
	command func(s *Server) (program string, args []string)
	url     func(port int) string
	ping    func(ctx context.Context, url string) error
	user    func() (*syscall.Credential, error) // the user that runs it; nil means the user of the tests
	quit    syscall.Signal                      // ends it at once, with all that it has answered on disk
	env     []string                            // nil means that of the tests
}

// Server is a server process with a folder and a port on 127.0.0.1. Its methods fail the test that it was started for.
// Not safe for concurrent use.
type Server struct {
	kind   kind
	dir    string
	user   *syscall.Credential
	port   int
	guard  *guard
	cmd    *exec.Cmd
	runs   int
	exited chan struct{} // closed when cmd has ended; nil when it is not running
	tb     testing.TB
}

// URL returns the URL of the server, also while it does not run.
func (s *Server) URL() string { return s.kind.url(s.port) }

// Stop kills the server: connections break, and new ones are refused.
func (s *Server) Stop() {
	s.tb.Helper()
	require.NoError(s.tb, s.stop())
}

// Start runs a stopped server again, on the same port, with the same data.
func (s *Server) Start() {
	s.tb.Helper()
	require.NoError(s.tb, s.launch())
}

// Pause makes the server hang: connections stay open, the system accepts new ones, and nothing is answered.
func (s *Server) Pause() {
	s.tb.Helper()
	require.NoError(s.tb, s.pause())
}

// Resume ends a pause.
func (s *Server) Resume() {
	s.tb.Helper()
	require.NoError(s.tb, s.resume())
}

// start starts a server for a test and ends it with the test.
func start(tb testing.TB, k kind) *Server {
	tb.Helper()
	s, err := open(k)
	require.NoError(tb, err)
	s.tb = tb
	tb.Cleanup(func() { require.NoError(tb, s.close()) })
	return s
}

// open starts a server in a new folder, on a free port.
func open(k kind) (*Server, error) {
	s := &Server{kind: k}
	if k.user != nil {
		var err error
		if s.user, err = k.user(); err != nil {
			return nil, err
		}
	}
	var err error
	if s.dir, err = os.MkdirTemp("", "switchboard-"+k.name+"-"); err != nil {
		return nil, err
	}
	if s.guard, err = newGuard(s.dir, k.quit); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	if s.user != nil {
		err = os.Chown(s.dir, int(s.user.Uid), int(s.user.Gid))
	}
	if err == nil && k.init != nil {
		err = k.init(s)
	}
	if err == nil {
		err = s.launchAnywhere()
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// launchAnywhere tries ports until one is not taken.
func (s *Server) launchAnywhere() error {
	var err error
	for range 100 {
		// Below those that systems give to outgoing connections: a client that keeps dialling a stopped
		// server must not take its port.
		s.port = 12000 + rand.IntN(20000)
		var listener net.Listener
		if listener, err = (&net.ListenConfig{}).Listen(
			context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		); err != nil {
			continue
		}
		listener.Close()
		if err = s.launch(); !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	return fmt.Errorf("no port is free: %w", err)
}

// launch runs the server and waits until it answers. syscall.EADDRINUSE says that its port is taken.
func (s *Server) launch() error {
	if s.exited != nil {
		return fmt.Errorf("%s is running already", s.kind.name)
	}
	name := filepath.Join(s.dir, "log")
	if s.runs++; s.runs > 1 {
		if err := os.Rename(name, fmt.Sprintf("%s.%04d", name, s.runs-1)); err != nil {
			return err
		}
	}
	logfile, err := os.Create(name) // #nosec G304 -- a folder of our own
	if err != nil {
		return err
	}
	defer func() { _ = logfile.Close() }()
	program, args := s.kind.command(s)
	s.cmd = exec.CommandContext(context.Background(), program, args...) // #nosec G204 -- a program that we looked for
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr, s.cmd.Env = s.dir, logfile, logfile, s.kind.env
	// A group of its own, so that Ctrl-C ends the tests and these end the server.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.user}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		defer close(exited)
		_ = cmd.Wait() // killed, as a rule
	}(s.cmd, s.exited)
	err = s.guard.watch(s.cmd.Process.Pid)
	if err == nil {
		err = s.awaitReady()
	}
	if err != nil {
		return errors.Join(err, s.stop())
	}
	return nil
}

func (s *Server) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		err := s.kind.ping(ctx, s.URL())
		if err == nil {
			return nil
		}
		select {
		case <-ticker.C:
			continue
		case <-ctx.Done():
			err = fmt.Errorf("%s does not answer: %w", s.kind.name, err)
		case <-s.exited:
			err = fmt.Errorf("%s ended at its start", s.kind.name)
		}
		said, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		if strings.Contains(string(said), "Address already in use") {
			return syscall.EADDRINUSE
		}
		return fmt.Errorf("%w; it said: %s", err, said)
	}
}

func (s *Server) stop() error {
	if s.exited == nil {
		return nil
	}
	err := s.cmd.Process.Signal(s.kind.quit)
	if resumed := s.resume(); err == nil || errors.Is(err, os.ErrProcessDone) {
		err = resumed // a paused process takes no other signal
	}
	if err != nil {
		return err
	}
	<-s.exited
	s.exited = nil
	return s.guard.watch()
}

func (s *Server) pause() error {
	pid := s.cmd.Process.Pid
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	// Now it starts no more children.
	children, err := childrenOf(pid)
	if err != nil {
		return err
	}
	if err := s.guard.watch(append([]int{pid}, children...)...); err != nil {
		return err
	}
	return signal(syscall.SIGSTOP, children...)
}

func (s *Server) resume() error {
	pid := s.cmd.Process.Pid
	children, err := childrenOf(pid)
	if err != nil {
		return err
	}
	return signal(syscall.SIGCONT, append(children, pid)...)
}

// close ends the server and removes its folder.
func (s *Server) close() error { return errors.Join(s.stop(), s.guard.close()) }

// signal sends a signal to processes, of which some may have ended.
func signal(sig syscall.Signal, pids ...int) error {
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// childrenOf lists the processes that a process has started.
func childrenOf(parent int) ([]int, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	if len(stats) == 0 {
		return nil, errors.New("no processes are listed in /proc, which this needs")
	}
	var children []int
	for _, name := range stats {
		stat, err := os.ReadFile(name) // #nosec G304 -- of the system
		if err != nil {
			continue // it has ended
		}
		// pid (name, which may hold anything) state parent …
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(parent) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			if err != nil {
				return nil, err
			}
			children = append(children, pid)
		}
	}
	return children, nil
}

// guard is a process that outlives the tests, however they end (a panic, a timeout, a kill), by as
// long as it takes to kill the server and to remove its folder.
type guard struct {
	cmd      *exec.Cmd
	lifeline io.Closer // the guard acts when this is closed, as the system does at our end
	pids     string    // the file with the processes to kill
}

// guardScript: the standard input ends when the tests do. $1 is the folder, $2 the signal.
const guardScript = `cat >/dev/null
pids=$(cat "$1/pids")
if [ -n "$pids" ]; then kill -s "$2" $pids; kill -s CONT $pids; sleep 1; fi
rm -rf -- "$1"`

func newGuard(dir string, quit syscall.Signal) (*guard, error) {
	g := &guard{pids: filepath.Join(dir, "pids")}
	if err := g.watch(); err != nil {
		return nil, err
	}
	number := strconv.Itoa(int(quit))
	args := []string{"-c", guardScript, "guard", dir, number}
	g.cmd = exec.CommandContext(context.Background(), "/bin/sh", args...) // #nosec G204 -- our own script
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := g.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	g.lifeline = stdin
	return g, g.cmd.Start()
}

// watch names the processes to kill.
func (g *guard) watch(pids ...int) error {
	return os.WriteFile(g.pids, []byte(strings.Trim(fmt.Sprint(pids), "[]")), 0o600)
}

func (g *guard) close() error { return errors.Join(g.lifeline.Close(), g.cmd.Wait()) }
