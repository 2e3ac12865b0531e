package channelstore_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/datasource"
	"github.com/hiliosai/switchboard/internal/testserver"
)

func openURL(t *testing.T, url string, keys *channelstore.Keyring) *channelstore.Database {
	t.Helper()
	store, err := channelstore.OpenPostgres(t.Context(), url, keys)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) })
	return conn
}

func postgresHarness(t *testing.T) *harness {
	t.Helper()
	url := testserver.Postgres(t)
	return &harness{
		T: t,
		tryOpen: func(keys *channelstore.Keyring) (*channelstore.Database, error) {
			return channelstore.OpenPostgres(t.Context(), url, keys)
		},
		dump: func() string {
			rows, err := connect(t, url).Query(
				t.Context(), `SELECT c::text || encode(sealed, 'escape') FROM switchboard_channels c`,
			)
			require.NoError(t, err)
			all, err := pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			return strings.Join(all, "\n")
		},
		exec: func(statement string, args ...any) int64 {
			tag, err := connect(t, url).Exec(t.Context(), statement, args...)
			require.NoError(t, err)
			return tag.RowsAffected()
		},
	}
}

func TestPostgresNeedsKeys(t *testing.T) {
	_, err := channelstore.OpenPostgres(t.Context(), "postgres://nowhere.invalid", nil)
	require.ErrorContains(
		t, err, `there is no key: put one into channels.keys, such as the output of: echo "k1:$(openssl rand -base64 32)"`,
	)
}

func TestPostgresErrorsQuoteNoPassword(t *testing.T) {
	for _, url := range []string{
		"postgres://me:CANARY@127.0.0.1:1/db?sslmode=disable", "postgres://me:CANARY@%zz/db",
		"postgres://me:CANARY@host:port/db",
		"host=127.0.0.1 port=x password=CANARY", "postgres://me:CANARY@127.0.0.1:1/db?sslmode=CANARYno",
		"postgres://me:CAN ARY@h/db?password=CANARY",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := channelstore.OpenPostgres(ctx, url, newKeys(t, "k1"))
		cancel()
		require.ErrorContains(t, err, "open the channel store: ")
		require.NotContains(t, strings.ReplaceAll(err.Error(), "CANARYno", ""), "CANARY", url)
	}
}

func TestPostgresIsOpenedByManyNodesAtOnce(t *testing.T) {
	url, keys := testserver.Postgres(t), newKeys(t, "k1")
	stores, errs := make([]*channelstore.Database, 3), make([]error, 3)
	var all sync.WaitGroup
	for i := range stores {
		all.Go(func() { stores[i], errs[i] = channelstore.OpenPostgres(t.Context(), url, keys) })
	}
	all.Wait()
	for i, store := range stores {
		require.NoError(t, errs[i])
		require.NoError(t, store.Check(t.Context()))
		require.NoError(t, store.Close())
	}
}

func TestPostgresOutageIsOvercome(t *testing.T) {
	server := testserver.StartPostgres(t)
	store := openURL(t, server.URL(), newKeys(t, "k1"))
	apply(t, store, newChannel("c1"))
	requireAway := func() { // while the server hangs, only the context ends the wait
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := store.Channel(ctx, "c1")
		requireUnavailable(t, err)
		require.NotContains(t, fmt.Sprintf("%+v", err), canary)
		requireUnavailable(t, store.Remove(ctx, "c1"))
		requireUnavailable(t, store.Check(ctx))
	}
	requireBack := func() {
		t.Helper()
		require.Eventually(t, func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			ch, err := store.Channel(ctx, "c1")
			return err == nil && ch.Name == "Polly"
		}, time.Minute, 50*time.Millisecond)
		require.NoError(t, store.Check(t.Context()))
	}
	server.Pause()
	requireAway()
	server.Resume()
	requireBack()
	server.Stop()
	requireAway()
	_, err := channelstore.OpenPostgres(t.Context(), server.URL(), newKeys(t, "k1"))
	require.ErrorContains(t, err, "open the channel store: ")
	requireRetryable(t, datasource.AsError(err))
	server.Start()
	requireBack()
}

// requireRetryable says that whoever opens the store may wait for the server.
func requireRetryable(t *testing.T, err error) {
	t.Helper()
	require.True(t, action.AsError(err, "", "").Retryable)
}
