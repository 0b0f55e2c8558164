-- Orders that were accepted and that the ledger refused for good. An order is in orders or in
-- failed_orders, never in both. The order itself is the record of its dead letter.

-- +goose Up
CREATE TABLE failed_orders (
    id          TEXT   PRIMARY KEY,
    sale        TEXT   NOT NULL,
    reservation TEXT   NOT NULL,
    letter      TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    oversold    BIGINT NOT NULL, -- 1: the item had no units left; 0: anything else
    created_ms  BIGINT NOT NULL
);
CREATE INDEX failed_orders_by_sale ON failed_orders (sale, created_ms, id);

-- +goose Down
DROP TABLE failed_orders;
