-- The lane in which an invite gives a place.

-- +goose Up
-- Empty is the lane of everybody.
ALTER TABLE invites ADD COLUMN lane TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE invites DROP COLUMN lane;
