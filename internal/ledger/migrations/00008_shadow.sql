-- What the shop decided in sales in shadow mode, and what Penstock would have decided.

-- +goose Up
-- One row for each call of the shop that was decided. Code is why Penstock would have refused, '' when it would have
-- sold. Differs is 1 when the two did not agree. Cancelled is 1 once the units came back.
CREATE TABLE shadow_calls (
    sale      TEXT   NOT NULL,
    call      TEXT   NOT NULL,
    payload   TEXT   NOT NULL,
    at_ms     BIGINT NOT NULL,
    outcome   TEXT   NOT NULL,
    code      TEXT   NOT NULL,
    reference TEXT   NOT NULL,
    units     TEXT   NOT NULL,
    differs   BIGINT NOT NULL,
    cancelled BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (sale, call)
);
CREATE INDEX shadow_calls_by_reference ON shadow_calls (sale, reference) WHERE reference <> '';
CREATE INDEX shadow_calls_differing ON shadow_calls (sale, at_ms, call) WHERE differs = 1;
-- The same, added up. A row with sku '' counts the calls, the others the units of an item.
CREATE TABLE shadow_counts (
    sale    TEXT   NOT NULL,
    outcome TEXT   NOT NULL,
    code    TEXT   NOT NULL,
    sku     TEXT   NOT NULL,
    n       BIGINT NOT NULL,
    PRIMARY KEY (sale, outcome, code, sku)
);
-- What each run of a process has counted that is no row above. Ended is 1 when nothing is missing in it.
CREATE TABLE shadow_runs (
    sale    TEXT   NOT NULL,
    run     TEXT   NOT NULL,
    counts  TEXT   NOT NULL,
    seen_ms BIGINT NOT NULL,
    ended   BIGINT NOT NULL,
    PRIMARY KEY (sale, run)
);

-- +goose Down
DROP TABLE shadow_runs;
DROP TABLE shadow_counts;
DROP TABLE shadow_calls;
