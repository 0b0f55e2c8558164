-- Invites to invite-only sales: what is stored tells nobody the code.

-- +goose Up
-- Holder is who used it, in a form that says nothing of them; '' also when whoever used it said nothing. The times are
-- 0 until it happens.
CREATE TABLE invites (
    sale       TEXT   NOT NULL,
    code       TEXT   NOT NULL,
    batch      TEXT   NOT NULL,
    created_ms BIGINT NOT NULL,
    used_ms    BIGINT NOT NULL DEFAULT 0,
    holder     TEXT   NOT NULL DEFAULT '',
    revoked_ms BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (sale, code)
);
CREATE INDEX invites_by_batch ON invites (sale, batch);

-- +goose Down
DROP TABLE invites;
