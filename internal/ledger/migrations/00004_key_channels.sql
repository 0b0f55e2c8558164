-- The channels that a shop's key may sell from, separated by commas.

-- +goose Up
ALTER TABLE api_keys ADD COLUMN channels TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE api_keys DROP COLUMN channels;
