-- The sales that a shop's key may act on, separated by commas; empty: all. Who made a key, and when it was
-- last seen, to about a minute; 0: never, or not known.

-- +goose Up
ALTER TABLE api_keys ADD COLUMN sales TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN used_ms BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE api_keys DROP COLUMN used_ms;
ALTER TABLE api_keys DROP COLUMN created_by;
ALTER TABLE api_keys DROP COLUMN sales;
