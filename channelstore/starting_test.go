package channelstore_test

import (
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/datasource"
)

// A server that has just been started takes connections, and says that it is not ready.
func TestPostgresThatIsStartingMayBeWaitedFor(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			backend := pgproto3.NewBackend(conn, conn)
			for {
				message, err := backend.ReceiveStartupMessage()
				if err != nil {
					break
				}
				if _, asksForTLS := message.(*pgproto3.SSLRequest); asksForTLS {
					_, _ = conn.Write([]byte("N"))
					continue
				}
				backend.Send(&pgproto3.ErrorResponse{
					Severity: "FATAL", Code: "57P03", Message: "the database system is not yet accepting connections",
				})
				_ = backend.Flush()
				break
			}
			_ = conn.Close()
		}
	}()
	defer func() { _ = listener.Close(); <-done }()
	_, err = channelstore.OpenPostgres(
		t.Context(), "postgres://u@"+listener.Addr().String()+"/d", newKeys(t, "k1"),
	)
	require.Error(t, err)
	require.True(t, datasource.MayPass(err), "%v", err)
}
