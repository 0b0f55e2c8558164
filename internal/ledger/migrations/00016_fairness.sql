-- The reports on ended sales, as they are published.

-- +goose Up
-- A report is about the sale that was created at created_ms and ended by ends_ms. Body is its JSON, byte for byte.
CREATE TABLE fairness_reports (
    sale       TEXT   PRIMARY KEY,
    created_ms BIGINT NOT NULL,
    ends_ms    BIGINT NOT NULL,
    made_ms    BIGINT NOT NULL,
    body       TEXT   NOT NULL
);

-- +goose Down
DROP TABLE fairness_reports;
