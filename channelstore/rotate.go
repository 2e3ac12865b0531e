package channelstore

import (
	"context"
	"database/sql"
	"errors"
)

// rotateBatch is how many records one transaction seals again. Writers wait for no more than that.
const rotateBatch = 100

// Rotate implements [Store].
func (d *Database) Rotate(ctx context.Context) (Rotation, error) {
	var result Rotation
	if err := d.files.check(); err != nil {
		return result, err
	}
	first := d.ring().first().id
	err := d.db.QueryRowContext(ctx, `SELECT count(*) FROM switchboard_channels WHERE key_id = $1`, first).
		Scan(&result.Already)
	for again := true; err == nil && again; {
		again, err = d.rotateAll(ctx, first, &result)
	}
	if err == nil {
		err = d.tidy(ctx)
	}
	return result, unavailable("rotate the channels' keys", err)
}

// rotateAll goes through all records once. again says that a record was written meanwhile, maybe with the old key.
func (d *Database) rotateAll(ctx context.Context, first string, result *Rotation) (again bool, err error) {
	result.Failed = 0
	for after := ""; ; {
		records, err := d.records(ctx, `SELECT `+columns+` FROM switchboard_channels
			WHERE key_id <> $1 AND id > $2 ORDER BY id LIMIT $3`, first, after, rotateBatch)
		if err != nil || len(records) == 0 {
			return again, err
		}
		after = records[len(records)-1].id
		resealed, failed := 0, 0
		err = d.transact(ctx, func(tx *sql.Tx) error {
			for _, r := range records {
				done, err := d.reseal(ctx, tx, *r)
				switch {
				case errors.Is(err, ErrSealed):
					failed++
				case err != nil:
					return err
				case done:
					resealed++
				default:
					again = true
				}
			}
			return nil
		})
		if err != nil {
			return again, err
		}
		result.Resealed += resealed
		result.Failed += failed
	}
}

// reseal seals a record again unless it has changed since it was read. It does not check the content.
func (d *Database) reseal(ctx context.Context, tx *sql.Tx, r record) (bool, error) {
	old := r.sealed
	plain, err := d.ring().openBytes(&r)
	if err != nil {
		return false, err
	}
	d.ring().sealBytes(&r, plain)
	return changed(
		tx.ExecContext(
			ctx, `UPDATE switchboard_channels SET key_id = $2, sealed = $3 WHERE id = $1 AND sealed = $4`, r.id, r.keyID,
			r.sealed, old,
		),
	)
}
