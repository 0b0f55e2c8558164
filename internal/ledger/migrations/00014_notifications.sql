-- Visitors who asked to be told when it is their turn. A row is removed once its visitor is told, has left or has
-- opted out, and with the end of the sale.

-- +goose Up
-- Ticket is the number in the line. Receiver names who gets the call: a push service, or the shop. Seq grows with each
-- row, in the order of the commits. Sealed has what is personal, encrypted.
CREATE TABLE notifications (
    sale     TEXT   NOT NULL,
    ticket   BIGINT NOT NULL,
    way      TEXT   NOT NULL,
    receiver TEXT   NOT NULL,
    seq      BIGINT NOT NULL,
    sealed   TEXT   NOT NULL,
    PRIMARY KEY (sale, ticket, way)
);
CREATE UNIQUE INDEX notifications_by_seq ON notifications (seq);
-- How many rows a sale has.
CREATE TABLE notification_counts (
    sale TEXT   PRIMARY KEY,
    n    BIGINT NOT NULL
);
-- The last seq that was given. Whoever adds rows locks it until the commit.
CREATE TABLE notification_seq (
    one  BIGINT PRIMARY KEY CHECK (one = 1),
    last BIGINT NOT NULL
);
INSERT INTO notification_seq (one, last) VALUES (1, 0);

-- +goose Down
DROP TABLE notification_seq;
DROP TABLE notification_counts;
DROP TABLE notifications;
