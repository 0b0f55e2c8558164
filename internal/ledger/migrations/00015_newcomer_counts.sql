-- How many newcomers of each sale got a place, were noticed, or were turned away, and by which rule.

-- +goose Up
-- A few dozen rows for each sale. Rule is '' for those who were not noticed.
CREATE TABLE newcomer_counts (
    sale    TEXT   NOT NULL,
    rule    TEXT   NOT NULL,
    outcome TEXT   NOT NULL,
    n       BIGINT NOT NULL,
    PRIMARY KEY (sale, rule, outcome)
);

-- +goose Down
DROP TABLE newcomer_counts;
