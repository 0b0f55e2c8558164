package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/pressly/goose/v3/lock"
)

// turnEvery is how often a node asks whether it is its turn to migrate.
const turnEvery = 200 * time.Millisecond

// takeTurn lets nodes that start together migrate one after the other, and returns what ends the
// turn. On SQLite there is one process.
//
// The lock is one of a transaction, which stays open meanwhile: a lock of the session would be left
// behind on some connection of a pooler in transaction mode. A node that dies gives it back, because
// its transaction ends. It has goose's number, so that older nodes, which take it for their session,
// wait as well.
func takeTurn(ctx context.Context, url string, db *sql.DB) (release func(), err error) {
	if !isPostgres(url) {
		return func() {}, nil
	}
	for {
		tx, mine, err := tryTurn(ctx, db)
		if err != nil {
			return nil, fmt.Errorf("ledger: migrate: %w", oneLine(err))
		}
		if mine {
			return func() { _ = tx.Rollback() }, nil
		}
		wait := time.NewTimer(turnEvery/2 + rand.N(turnEvery))
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil, fmt.Errorf("ledger: migrate: another node is still migrating: %w", ctx.Err())
		case <-wait.C:
		}
	}
}

// tryTurn holds no connection when it is not this node's turn: a pooler has few of them.
func tryTurn(ctx context.Context, db *sql.DB) (tx *sql.Tx, mine bool, err error) {
	tx, err = db.BeginTx(ctx, nil)
	if err != nil {
		return nil, false, err
	}
	err = tx.QueryRowContext(ctx, `SELECT pg_try_advisory_xact_lock($1)`, lock.DefaultLockID).Scan(&mine)
	if err != nil || !mine {
		_ = tx.Rollback() // if this fails, the connection is gone and the lock with it
		return nil, false, err
	}
	return tx, true, nil
}
