-- The number of an order in its sale: the order in which shops read their orders. It is given after the
-- commit, when somebody reads, so that no order can take a number before one that was read. NULL until then.

-- +goose Up
ALTER TABLE orders ADD COLUMN number BIGINT;
-- Each commit writes to this index. The sale alone is cheap: equal keys are stored once.
CREATE INDEX orders_unnumbered ON orders (sale) WHERE number IS NULL;
CREATE UNIQUE INDEX orders_by_number ON orders (sale, number) WHERE number IS NOT NULL;
CREATE TABLE order_numbers (
    sale TEXT   PRIMARY KEY,
    last BIGINT NOT NULL
);

-- +goose Down
DROP TABLE order_numbers;
DROP INDEX orders_by_number;
DROP INDEX orders_unnumbered;
ALTER TABLE orders DROP COLUMN number;
