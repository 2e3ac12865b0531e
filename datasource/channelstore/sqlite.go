// Package channelstore keeps channels, the tenants' accounts at platforms, in a database.
package channelstore

import (
	"context"
	"database/sql"
	_ "embed" // for the schema
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite", pure Go

	"github.com/hiliosai/switchboard/integration"
)

//go:embed sqlite.sql
var sqliteSchema string

// SQLite keeps channels in a file. Several processes may use it at once: a node and the commands
// that manage its channels. Safe for concurrent use.
type SQLite struct {
	db   *sql.DB
	byID *sql.Stmt
}

// connections bounds those to the file: more readers than this wait for their turn, which is short.
const connections = 8

// OpenSQLite opens the file at path, which only its owner may read, and creates it where missing.
func OpenSQLite(ctx context.Context, path string) (*SQLite, error) {
	s, err := openSQLite(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("open the channel store %s: %w", path, err)
	}
	return s, nil
}

func openSQLite(ctx context.Context, path string) (*SQLite, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// SQLite would create the file readable by all, and it holds credentials.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- the operator names the file
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	// As a URI a relative path has pitfalls: ":memory:" is no file, "//x" is a host.
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	options := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)"}, "_txlock": {"immediate"}}
	dsn := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections) // opening one costs more than a lookup
	s := &SQLite{db: db}
	_, err = db.ExecContext(ctx, sqliteSchema)
	if err == nil {
		s.byID, err = db.PrepareContext(ctx, `SELECT `+columns+` FROM channels WHERE id = ?`)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Close ends the use of the file.
func (s *SQLite) Close() error { return errors.Join(s.byID.Close(), s.db.Close()) }

const columns = `id, tenant_id, platform, name, status, credentials, settings`

// Channel implements [integration.ChannelStore].
func (s *SQLite) Channel(ctx context.Context, id string) (*integration.Channel, error) {
	ch, err := scan(s.byID.QueryRowContext(ctx, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, integration.ErrChannelNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read channel %s: %w", id, err)
	}
	return ch, nil
}

// List returns all channels in the order of their ids.
func (s *SQLite) List(ctx context.Context) ([]*integration.Channel, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+columns+` FROM channels ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	defer rows.Close()
	var list []*integration.Channel
	for rows.Next() {
		ch, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("list channels: %w", err)
		}
		list = append(list, ch)
	}
	return list, rows.Err()
}

// Apply creates or replaces the given channels, all or none of them.
func (s *SQLite) Apply(ctx context.Context, channels []*integration.Channel) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("apply channels: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	now := time.Now().UnixMilli()
	for _, ch := range channels {
		credentials, err := json.Marshal(nonNil(ch.Credentials))
		if err != nil {
			return fmt.Errorf("apply channel %s: %w", ch.ID, err)
		}
		settings, err := json.Marshal(nonNil(ch.Settings))
		if err != nil {
			return fmt.Errorf("apply channel %s: %w", ch.ID, err)
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO channels (id, tenant_id, platform, name, status, credentials, settings, created_at, updated_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET
				tenant_id = excluded.tenant_id, platform = excluded.platform, name = excluded.name, status = excluded.status,
				credentials = excluded.credentials, settings = excluded.settings, updated_at = excluded.updated_at`,
			ch.ID, ch.TenantID, ch.Platform, ch.Name, ch.Status, string(credentials), string(settings), now, now)
		if err != nil {
			return fmt.Errorf("apply channel %s: %w", ch.ID, err)
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("apply channels: %w", err)
	}
	return nil
}

// Remove deletes a channel; integration.ErrChannelNotFound says that there was none.
func (s *SQLite) Remove(ctx context.Context, id string) error {
	result, err := s.db.ExecContext(ctx, `DELETE FROM channels WHERE id = ?`, id)
	if err != nil {
		return fmt.Errorf("remove channel %s: %w", id, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, integration.ErrChannelNotFound)
	}
	return nil
}

type row interface{ Scan(dest ...any) error }

func scan(r row) (*integration.Channel, error) {
	var ch integration.Channel
	var credentials, settings string
	if err := r.Scan(&ch.ID, &ch.TenantID, &ch.Platform, &ch.Name, &ch.Status, &credentials, &settings); err != nil {
		return nil, err
	}
	// The text is not quoted in errors: it holds credentials.
	if json.Unmarshal([]byte(credentials), &ch.Credentials) != nil || json.Unmarshal([]byte(settings), &ch.Settings) != nil {
		return nil, fmt.Errorf("the record of channel %s is damaged", ch.ID)
	}
	return &ch, nil
}

func nonNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
