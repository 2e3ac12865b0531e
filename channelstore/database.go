package channelstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hiliosai/switchboard/integration"
)

// Database keeps channels in a SQL database, sealed; see [OpenSQLite] and [OpenPostgres]. Its statements work on both.
// Safe for concurrent use.
type Database struct {
	db   *sql.DB
	keys atomic.Pointer[Keyring]
	// tidy removes old data that a rotation leaves in the files, if the database does not do so itself.
	tidy func(ctx context.Context) error
	// release closes the pool below db.
	release func()
	files   files // of a SQLite database
}

var _ Store = (*Database)(nil)

// Close implements [Store].
func (d *Database) Close() error {
	err := d.db.Close()
	d.release()
	return err
}

// Check implements [Store]. It returns an [ErrAllSealed] if there are channels and none of them can be opened.
func (d *Database) Check(ctx context.Context) error {
	if err := d.files.check(); err != nil {
		return err
	}
	return d.check(ctx, d.ring())
}

// UseKeys replaces the keys. They stay as they are where there are channels and the new keys open none of them: the
// error is an [ErrAllSealed] then.
func (d *Database) UseKeys(ctx context.Context, keys *Keyring) error {
	err := d.check(ctx, keys)
	if err == nil {
		d.keys.Store(keys)
	}
	return err
}

func (d *Database) ring() *Keyring { return d.keys.Load() }

func (d *Database) check(ctx context.Context, keys *Keyring) error {
	readable, sealed, err := d.sample(ctx, keys, "")
	if err != nil || readable || sealed == nil {
		return unavailable("check the channel store", err)
	}
	// The first ones cannot be opened. Others may be sealed with other keys.
	for _, id := range keys.IDs() {
		readable, _, err := d.sample(ctx, keys, id)
		if err != nil || readable {
			return unavailable("check the channel store", err)
		}
	}
	return &AllSealedError{sealed}
}

// sampleSize is how many records of a key are tried.
const sampleSize = 10

// sample tries to open some records of a key; "" means any key. sealed says why the first of them cannot be opened, and
// is nil if there are no records.
func (d *Database) sample(
	ctx context.Context, keys *Keyring, keyID string,
) (readable bool, sealed *SealedError, err error) {
	records, err := d.records(
		ctx, `SELECT `+columns+` FROM switchboard_channels WHERE ($1 = '' OR key_id = $1) ORDER BY id LIMIT $2`, keyID,
		sampleSize,
	)
	if err != nil {
		return false, nil, err
	}
	for _, r := range records {
		_, err := keys.openBytes(r)
		if err == nil {
			return true, nil, nil
		}
		if sealed == nil {
			sealed, _ = errors.AsType[*SealedError](err)
		}
	}
	return false, sealed, nil
}

const columns = `id, tenant_id, platform, name, status, key_id, sealed`

// Channel implements [integration.ChannelStore].
func (d *Database) Channel(ctx context.Context, id string) (*integration.Channel, error) {
	r, err := d.record(ctx, id)
	if err != nil {
		return nil, err
	}
	ch, err := d.ring().open(r)
	if err != nil {
		return nil, err
	}
	return ch, nil
}

func (d *Database) record(ctx context.Context, id string) (*record, error) {
	if !possible(id) {
		return nil, integration.ErrChannelNotFound
	}
	r, err := scan(d.db.QueryRowContext(ctx, `SELECT `+columns+` FROM switchboard_channels WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, integration.ErrChannelNotFound
	}
	return r, unavailable("read channel "+id, err)
}

// List implements [Store].
func (d *Database) List(ctx context.Context, q Query) ([]Entry, error) {
	if !isText(q.TenantID + q.Platform + q.After) {
		return nil, nil
	}
	records, err := d.records(ctx, `SELECT `+columns+` FROM switchboard_channels
		WHERE ($1 = '' OR tenant_id = $1) AND ($2 = '' OR platform = $2) AND id > $3 ORDER BY id LIMIT $4`,
		q.TenantID, q.Platform, q.After, limit(q.Limit))
	if err != nil {
		return nil, unavailable("list channels", err)
	}
	entries := make([]Entry, len(records))
	for i, r := range records {
		entries[i].Channel, entries[i].Err = d.ring().open(r)
	}
	return entries, nil
}

func limit(n int) int64 {
	if n <= 0 {
		return math.MaxInt64
	}
	return int64(n)
}

func (d *Database) records(ctx context.Context, query string, args ...any) ([]*record, error) {
	rows, err := d.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var records []*record
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, rows.Err()
}

func scan(row interface{ Scan(dest ...any) error }) (*record, error) {
	var r record
	err := row.Scan(&r.id, &r.tenantID, &r.platform, &r.name, &r.status, &r.keyID, &r.sealed)
	return &r, err
}

const insert = `INSERT INTO switchboard_channels
	(id, tenant_id, platform, name, status, key_id, sealed, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT (id) `

func (r *record) args() []any {
	return []any{r.id, r.tenantID, r.platform, r.name, r.status, r.keyID, r.sealed, time.Now().UnixMilli()}
}

// sealNew checks and seals a channel before it is written.
func (d *Database) sealNew(ch *integration.Channel) (*record, error) {
	if err := check(ch); err != nil {
		return nil, err
	}
	r, err := d.ring().seal(ch)
	if err != nil {
		return nil, fmt.Errorf("seal channel %s: %w", ch.ID, err)
	}
	return r, nil
}

// Apply implements [Store].
func (d *Database) Apply(ctx context.Context, channels []*integration.Channel) error {
	if err := d.files.check(); err != nil {
		return err
	}
	records := make([]*record, len(channels))
	for i, ch := range channels {
		r, err := d.sealNew(ch)
		if err != nil {
			return err
		}
		records[i] = r
	}
	// All transactions lock their records in this order, so that they cannot deadlock.
	slices.SortStableFunc(records, func(a, b *record) int { return strings.Compare(a.id, b.id) })
	return unavailable("apply channels", d.transact(ctx, func(tx *sql.Tx) error {
		for _, r := range records {
			_, err := tx.ExecContext(ctx, insert+`DO UPDATE SET
				tenant_id = excluded.tenant_id, platform = excluded.platform, name = excluded.name, status = excluded.status,
				key_id = excluded.key_id, sealed = excluded.sealed, updated_at = excluded.updated_at`, r.args()...)
			if err != nil {
				return fmt.Errorf("channel %s: %w", r.id, err)
			}
		}
		return nil
	}))
}

func (d *Database) transact(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Create implements [Store].
func (d *Database) Create(ctx context.Context, ch *integration.Channel) error {
	if err := d.files.check(); err != nil {
		return err
	}
	r, err := d.sealNew(ch)
	if err != nil {
		return err
	}
	done, err := changed(d.db.ExecContext(ctx, insert+`DO NOTHING`, r.args()...))
	if err == nil && !done {
		return exists(ch.ID)
	}
	return unavailable("create channel "+ch.ID, err)
}

// Update implements [Store].
func (d *Database) Update(
	ctx context.Context, id string, change func(*integration.Channel) error,
) (*integration.Channel, error) {
	if err := d.files.check(); err != nil {
		return nil, err
	}
	for {
		old, err := d.record(ctx, id)
		if err != nil {
			return nil, err
		}
		ch, err := d.ring().open(old)
		if err != nil {
			return nil, err
		}
		if err := change(ch); err != nil {
			return nil, err
		}
		ch.ID = id
		r, err := d.sealNew(ch)
		if err != nil {
			return nil, err
		}
		// Sealed bytes are never the same twice, so they show whether the record has changed since it was read.
		done, err := changed(d.db.ExecContext(ctx, `UPDATE switchboard_channels SET
			tenant_id = $2, platform = $3, name = $4, status = $5, key_id = $6, sealed = $7, updated_at = $8
			WHERE id = $1 AND sealed = $9`, append(r.args(), old.sealed)...))
		if err != nil {
			return nil, unavailable("update channel "+id, err)
		}
		if done {
			return ch, nil
		}
	}
}

// Remove implements [Store].
func (d *Database) Remove(ctx context.Context, id string) error {
	if err := d.files.check(); err != nil {
		return err
	}
	if !possible(id) {
		return integration.ErrChannelNotFound
	}
	done, err := changed(d.db.ExecContext(ctx, `DELETE FROM switchboard_channels WHERE id = $1`, id))
	if err == nil && !done {
		return integration.ErrChannelNotFound
	}
	return unavailable("remove channel "+id, err)
}

// changed says whether a statement changed a record.
func changed(result sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

func unavailable(op string, err error) error {
	if err == nil {
		return nil
	}
	return &UnavailableError{op, err}
}
