-- Which units of an order are of the shares of other channels; '' when none are.

-- +goose Up
ALTER TABLE orders ADD COLUMN drawn TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE orders DROP COLUMN drawn;
