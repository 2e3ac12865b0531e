-- +goose Up
CREATE TABLE switchboard_channels (
	id         TEXT COLLATE "C" PRIMARY KEY, -- in the order of bytes, as in SQLite
	tenant_id  TEXT NOT NULL,
	platform   TEXT NOT NULL,
	name       TEXT NOT NULL,
	status     TEXT NOT NULL,
	key_id     TEXT NOT NULL,   -- of the key that sealed is sealed with
	sealed     BYTEA NOT NULL,  -- credentials and settings
	created_at BIGINT NOT NULL, -- ms since 1970
	updated_at BIGINT NOT NULL  -- ms since 1970
);
CREATE INDEX switchboard_channels_by_tenant ON switchboard_channels (tenant_id, id);
