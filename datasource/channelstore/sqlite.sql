CREATE TABLE IF NOT EXISTS channels (
	id          TEXT PRIMARY KEY,
	tenant_id   TEXT NOT NULL,
	platform    TEXT NOT NULL,
	name        TEXT NOT NULL,
	status      TEXT NOT NULL,
	credentials TEXT NOT NULL, -- JSON object of strings
	settings    TEXT NOT NULL, -- JSON object of strings
	created_at  INTEGER NOT NULL, -- ms since 1970
	updated_at  INTEGER NOT NULL  -- ms since 1970
) STRICT;
