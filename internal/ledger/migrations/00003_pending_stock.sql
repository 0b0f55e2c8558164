-- A decrease of an item's stock has two steps. Pending is what allocated becomes once Redis has let go
-- of the units; NULL when no decrease is under way.

-- +goose Up
ALTER TABLE items ADD COLUMN pending BIGINT;

-- +goose Down
ALTER TABLE items DROP COLUMN pending;
