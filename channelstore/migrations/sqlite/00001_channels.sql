-- +goose Up
CREATE TABLE IF NOT EXISTS switchboard_channels (
	id         TEXT PRIMARY KEY,
	tenant_id  TEXT NOT NULL,
	platform   TEXT NOT NULL,
	name       TEXT NOT NULL,
	status     TEXT NOT NULL,
	key_id     TEXT NOT NULL, -- of the key that sealed is sealed with
	sealed     BLOB NOT NULL, -- credentials and settings
	created_at INTEGER NOT NULL, -- ms since 1970
	updated_at INTEGER NOT NULL  -- ms since 1970
) STRICT;
CREATE INDEX IF NOT EXISTS switchboard_channels_by_tenant ON switchboard_channels (tenant_id, id);
