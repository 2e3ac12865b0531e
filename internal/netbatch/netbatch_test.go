package netbatch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sink is a connection that notes what is written to it.
type sink struct {
	net.Conn
	mu     sync.Mutex
	writes []string
	fails  error
	closed chan struct{}
}

func newSink() *sink { return &sink{closed: make(chan struct{})} }

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return 0, s.fails
	}
	if len(p) > 0 {
		s.writes = append(s.writes, string(p))
	}
	return len(p), nil
}

func (s *sink) SetWriteDeadline(time.Time) error { return nil }

func (s *sink) Close() error {
	select {
	case <-s.closed:
		return net.ErrClosed
	default:
		close(s.closed)
		return nil
	}
}

func (s *sink) written() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.writes...)
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	n, err := c.Write([]byte(text))
	require.NoError(t, err)
	require.Len(t, text, n)
}

func TestConnBatchesSmallWrites(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // nobody else runs before this goroutine waits
	s := newSink()
	c := newConn(s)
	for range 100 {
		write(t, c, "PING\r\n")
	}
	all := strings.Repeat("PING\r\n", 100)
	require.Eventually(t, func() bool { return strings.Join(s.written(), "") == all }, time.Minute, time.Millisecond)
	require.Less(t, len(s.written()), 10)
	require.NoError(t, c.Close())
}

func TestConnWritesLargeDataAtOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s := newSink()
	c := newConn(s)
	large := strings.Repeat("x", batchSize)
	write(t, c, "small")
	write(t, c, large)
	require.Equal(t, "small"+large, strings.Join(s.written(), ""))
	require.NoError(t, c.Close())
}

func TestCloseWritesWhatIsHeld(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	s := newSink()
	c := newConn(s)
	write(t, c, "the last words")
	require.NoError(t, c.Close())
	require.Equal(t, []string{"the last words"}, s.written())
	_, err := c.Write([]byte("more"))
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorIs(t, c.Close(), net.ErrClosed)
}

func TestFailedWriteEndsTheConnection(t *testing.T) {
	s := newSink()
	s.fails = errors.New("broken pipe")
	c := newConn(s)
	write(t, c, "taken") // and written by somebody else
	<-s.closed           // so that its reader hears of it
	_, err := c.Write([]byte("more"))
	require.ErrorIs(t, err, s.fails)
}

func TestCloseEndsAWriteThatNobodyReads(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _ = there.Close() }()
	c := newConn(here)
	stuck := make(chan error, 1)
	go func() {
		_, err := c.Write(make([]byte, batchSize))
		stuck <- err
	}()
	_, err := io.ReadFull(there, make([]byte, 1)) // it is under way
	require.NoError(t, err)
	_ = c.Close() // the write has closed it already
	require.Error(t, <-stuck)
}

func TestConnLosesAndReordersNothing(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	read := make(chan []byte, 1)
	go func() {
		peer, err := listener.Accept()
		if err != nil {
			close(read)
			return
		}
		all, _ := io.ReadAll(peer) // what is missing is seen
		read <- all
	}()
	c, err := (&Dialer{}).Dial("tcp", listener.Addr().String())
	require.NoError(t, err)

	const writers, messages = 8, 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range messages {
				text := fmt.Appendf(nil, "%d %d %s\n", w, i, strings.Repeat("x", length(i)))
				if _, err := c.Write(text); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, c.Close())

	next := [writers]int{}
	lines := bytes.Split(bytes.TrimSuffix(<-read, []byte("\n")), []byte("\n"))
	require.Len(t, lines, writers*messages)
	for _, line := range lines {
		var w, i int
		var rest string
		_, err := fmt.Sscan(string(line), &w, &i, &rest)
		require.NoError(t, err)
		require.Equal(t, next[w], i)
		require.Len(t, rest, length(i))
		next[w]++
	}
}

// length is that of a message: most are small, some are not.
func length(i int) int { return 1 + i*i%(2*batchSize)/(1+i%9) }

func TestDialerReportsAFailedDial(t *testing.T) {
	_, err := (&Dialer{Dialer: net.Dialer{Timeout: time.Nanosecond}}).Dial("tcp", "127.0.0.1:1")
	require.Error(t, err)
}

func TestDialerClosesTheConnectionThatItMadeBefore(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	var d Dialer
	first, err := d.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	second, err := d.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	_, err = first.Write([]byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = second.Write([]byte("x"))
	require.NoError(t, err)
	require.NoError(t, second.Close())
}
