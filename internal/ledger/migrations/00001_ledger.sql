-- One schema for PostgreSQL and SQLite. Times are Unix milliseconds; JSON is kept as text, because
-- it comes from shops and jsonb refuses what JSON allows (an escaped NUL).

-- +goose Up
CREATE TABLE sales (
    id         TEXT   PRIMARY KEY,
    doc        TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    epoch      BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL
);

CREATE TABLE items (
    sale      TEXT    NOT NULL,
    sku       TEXT    NOT NULL,
    position  INTEGER NOT NULL,
    allocated BIGINT  NOT NULL,
    sold      BIGINT  NOT NULL DEFAULT 0,
    PRIMARY KEY (sale, sku),
    CONSTRAINT items_allocated_not_negative CHECK (allocated >= 0),
    CONSTRAINT items_sold_not_negative CHECK (sold >= 0),
    CONSTRAINT items_never_oversold CHECK (sold <= allocated)
);

CREATE TABLE orders (
    id           TEXT   PRIMARY KEY,
    reservation  TEXT   NOT NULL,
    sale         TEXT   NOT NULL,
    customer     TEXT   NOT NULL,
    channel      TEXT   NOT NULL,
    status       TEXT   NOT NULL DEFAULT 'committed',
    payment_ref  TEXT   NOT NULL,
    customer_doc TEXT   NOT NULL,
    metadata     TEXT   NOT NULL,
    epoch        BIGINT NOT NULL,
    created_ms   BIGINT NOT NULL,
    committed_ms BIGINT NOT NULL,
    CONSTRAINT orders_one_a_reservation UNIQUE (reservation),
    CONSTRAINT orders_status_known CHECK (status IN ('committed', 'payment_pending', 'paid', 'declined', 'failed'))
);
CREATE INDEX orders_by_time ON orders (sale, created_ms, id);

CREATE TABLE order_lines (
    order_id    TEXT    NOT NULL,
    position    INTEGER NOT NULL,
    sku         TEXT    NOT NULL,
    quantity    BIGINT  NOT NULL,
    unit_amount BIGINT  NOT NULL,
    currency    TEXT    NOT NULL,
    PRIMARY KEY (order_id, position),
    CONSTRAINT order_lines_quantity_positive CHECK (quantity > 0)
);

CREATE TABLE dead_letters (
    id          TEXT   PRIMARY KEY,
    raw         BYTEA  NOT NULL,
    reason      TEXT   NOT NULL,
    times       BIGINT NOT NULL,
    created_ms  BIGINT NOT NULL,
    resolved_ms BIGINT
);
CREATE INDEX dead_letters_open ON dead_letters (created_ms, id) WHERE resolved_ms IS NULL;

CREATE TABLE audit (
    id     TEXT   PRIMARY KEY,
    at_ms  BIGINT NOT NULL,
    actor  TEXT   NOT NULL,
    role   TEXT   NOT NULL,
    action TEXT   NOT NULL,
    sale   TEXT   NOT NULL,
    detail TEXT   NOT NULL,
    ip     TEXT   NOT NULL
);
CREATE INDEX audit_by_time ON audit (at_ms, id);
CREATE INDEX audit_by_sale ON audit (sale, at_ms, id);

CREATE TABLE api_keys (
    id         TEXT   PRIMARY KEY,
    name       TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    created_ms BIGINT NOT NULL,
    CONSTRAINT api_keys_hash_once UNIQUE (hash)
);

-- +goose Down
DROP TABLE api_keys;
DROP TABLE audit;
DROP TABLE dead_letters;
DROP TABLE order_lines;
DROP TABLE orders;
DROP TABLE items;
DROP TABLE sales;
