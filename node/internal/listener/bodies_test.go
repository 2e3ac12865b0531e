package listener_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/node/internal/listener"
)

const (
	mb = 1 << 20
	// maxBodies is what the bodies under way may have in tests; 9 MB of it are for large ones.
	maxBodies = 12 * mb
)

// begin sends a webhook of size bytes to a channel, but for its last byte, which end sends.
func (b *harness) begin(size int) (end func() int) {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.Address())
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(
		conn, "POST /parrot/c1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s}", size,
		"{"+strings.Repeat(" ", size-3),
	)
	require.NoError(b.t, err)
	return func() int {
		_, err := io.WriteString(conn, " ")
		require.NoError(b.t, err)
		answer, err := io.ReadAll(conn)
		require.NoError(b.t, err)
		var status int
		_, err = fmt.Sscanf(string(answer), "HTTP/1.1 %d", &status)
		require.NoError(b.t, err)
		return status
	}
}

// held waits until the bodies under way have so many bytes.
func (b *harness) held(bytes int64) {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return b.Held() == bytes }, generous, time.Millisecond)
}

func TestBodyBytesAreBounded(t *testing.T) {
	b := newHarness(t)
	var ends []func() int
	for range 3 {
		ends = append(ends, b.begin(3*mb-1))
	}
	b.held(9 * mb)

	large := "{" + strings.Repeat(" ", mb) + "}"
	for range 3 {
		a := b.post(large)
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.Equal(t, "1", a.header.Get("Retry-After"))
		require.Equal(t, "TOO_MANY_BODIES", decode(t, a)["type"])
	}
	require.Len(t, b.logs.AllEntries(), 1, "many are refused, and one line says so")
	require.Equal(t, http.StatusOK, b.post("{}").status, "small ones have room of their own")
	b.held(9 * mb)

	for _, end := range ends {
		require.Equal(t, http.StatusOK, end())
	}
	b.held(0)
	require.Equal(t, http.StatusOK, b.post(large).status)
	b.held(0)
}

func TestBodyTakesRoomOnlyAsItArrives(t *testing.T) {
	b := newHarness(t)
	var conns []net.Conn
	for range 20 { // of 3 MB each
		conn, err := net.Dial("tcp", b.Address())
		require.NoError(t, err)
		conns = append(conns, conn)
		_, err = fmt.Fprintf(conn, "POST /parrot/c1 HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n{", 3*mb)
		require.NoError(t, err)
	}
	b.held(20 * 64 << 10)
	require.Equal(t, http.StatusOK, b.post("{"+strings.Repeat(" ", 3*mb-2)+"}").status)
	for _, conn := range conns {
		require.NoError(t, conn.Close())
	}
	b.held(0)
}

func TestBodyIsReadWithAnyContentLength(t *testing.T) {
	for _, size := range []int{2, 64<<10 - 1, 64 << 10, 64<<10 + 1, 128<<10 + 1, mb, 3 * mb} {
		b := newHarness(t)
		body := "{" + strings.Repeat(" ", size-2) + "}"
		require.Equal(t, http.StatusOK, b.post(body).status, size)
		// in chunks
		res, err := b.client.Post(
			"http://"+b.Address()+"/parrot/c1", "application/json", io.MultiReader(strings.NewReader(body)),
		)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode, size)
		for _, c := range b.calls {
			require.Equal(t, body, text(t, c.params["rawBody"]))
		}
		b.held(0)
	}
}

func TestUnknownChannelIsRefusedBeforeTheBodyIsRead(t *testing.T) {
	b := newHarness(t)
	conn, err := net.Dial("tcp", b.Address())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	// and not a byte of it
	_, err = fmt.Fprintf(conn, "POST /parrot/nobody HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", 3*mb)
	require.NoError(t, err)
	answer := make([]byte, len("HTTP/1.1 404"))
	_, err = io.ReadFull(conn, answer)
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 404", string(answer))
	require.Zero(t, b.Held())
	require.Empty(t, b.calls)
}

func TestWebhookThatHangsIsAnsweredAfterFifteenSeconds(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		synctest.Test(t, func(t *testing.T) {
			log, _ := test.NewNullLogger()
			hangs := &node{answer: func(ctx context.Context) (string, string, error) {
				<-ctx.Done()
				return "", "", ctx.Err()
			}}
			began, w := time.Now(), httptest.NewRecorder()
			listener.Handler(hangs, logrus.NewEntry(log)).
				ServeHTTP(w, httptest.NewRequest(method, "/parrot/c1", strings.NewReader("{}")))
			require.Equal(t, http.StatusGatewayTimeout, w.Code)
			require.Equal(t, 15*time.Second, time.Since(began)) // of the bubble's clock
		})
	}
}
