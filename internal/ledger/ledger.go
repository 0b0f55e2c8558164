// Package ledger keeps what must never be lost: sales, the stock sold, orders and
// those that failed, dead letters, the audit trail and API keys. What Redis has
// lost is rebuilt from it.
//
// It runs on PostgreSQL and on SQLite with the same schema and the same SQL;
// only the insertion of a batch of orders differs (see inserter). Refusals are
// codes of package problem. A database that does not answer is
// problem.Unavailable; see IsPermanent for the other errors.
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Each call is bounded by its caller's context and by one of these.
const (
	openTimeout    = 10 * time.Second
	queryTimeout   = 5 * time.Second
	commitTimeout  = 15 * time.Second // a batch of orders
	reportTimeout  = 30 * time.Second // sums over all orders of a sale
	migrateTimeout = 5 * time.Minute
)

// Ledger is an open ledger. It is safe for concurrent use.
type Ledger struct {
	write   *sql.DB  // the primary; a single connection on SQLite
	read    *sql.DB  // as current as write
	replica *replica // nil if there is none; see readOld
	insert  inserter
	closer  func() error

	postgres bool // and not SQLite
	pooled   bool // a pooler is between this node and Postgres
	oldReads oldReads
}

// Options are what Open may be told besides the address.
type Options struct {
	// ReadURL names a Postgres replica for what may be a little old: lists, exports
	// and reports. Nothing that decides anything is read from it. Empty means the primary.
	ReadURL string
	// MaxLag is how old that may be; while the replica is further behind, or it is not known how far, the
	// primary is read. 0 is DefaultMaxLag.
	MaxLag time.Duration
}

// Open opens the ledger at a postgres:// URL, or else the SQLite file at that
// path, and applies the migrations it lacks. Errors never show a password.
func Open(ctx context.Context, url string, log *slog.Logger, opts Options) (*Ledger, error) {
	applied, err := Migrate(ctx, url)
	if err != nil {
		return nil, err
	}
	if len(applied) > 0 {
		log.Info("the ledger's schema was brought up to date", "applied", strings.Join(applied, " "))
	}
	if isPostgres(url) {
		return openPostgres(ctx, url, opts, log)
	}
	if opts.ReadURL != "" {
		return nil, errors.New("ledger: a read URL needs a Postgres URL beside it")
	}
	return openSQLite(ctx, url)
}

// Ping reports whether the primary answers.
func (l *Ledger) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var one int
	return classify(ctx, l.write.QueryRowContext(ctx, "SELECT 1").Scan(&one))
}

// Close waits for running statements and closes all connections.
func (l *Ledger) Close() error { return l.closer() }

// inTx runs do in one transaction on the primary, committed if do succeeds.
func (l *Ledger) inTx(ctx context.Context, timeout time.Duration, do func(ctx context.Context, tx *sql.Tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tx, err := l.write.BeginTx(ctx, nil)
	if err != nil {
		return classify(ctx, err)
	}
	err = l.syncCommit(ctx, tx)
	if err == nil {
		err = do(ctx, tx)
	}
	if err != nil {
		_ = tx.Rollback() // if this fails, the connection is gone and the transaction with it
		return classify(ctx, err)
	}
	return classify(ctx, tx.Commit())
}

// syncCommit makes the transaction's commit wait for the disk where Postgres is set not to wait: the log forgets
// an order once it is committed, and a Postgres that is killed loses its last lazy commits. Every other setting
// waits at least for the local disk and is left as the operator chose it.
func (l *Ledger) syncCommit(ctx context.Context, tx *sql.Tx) error {
	if !l.postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, `SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'`)
	return err
}

// exec runs one statement on the primary and returns how many rows it changed.
func (l *Ledger) exec(ctx context.Context, query string, args ...any) (changed int64, err error) {
	err = l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		changed, err = result.RowsAffected()
		return err
	})
	return changed, err
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, db *sql.DB, timeout time.Duration, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, classify(ctx, err)
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		row, err := scan(rows)
		if err != nil {
			return nil, classify(ctx, err)
		}
		all = append(all, row)
	}
	return all, classify(ctx, rows.Err())
}

// numbers reads rows of a name and a number.
func numbers(ctx context.Context, db *sql.DB, query string, args ...any) (map[string]int64, error) {
	type named struct {
		name   string
		number int64
	}
	rows, err := collect(ctx, db, queryTimeout, func(rows *sql.Rows) (n named, err error) {
		err = rows.Scan(&n.name, &n.number)
		return n, err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]int64, len(rows))
	for _, row := range rows {
		byName[row.name] = row.number
	}
	return byName, nil
}

// one returns the only row, or missing if there is none.
func one[T any](rows []T, err, missing error) (T, error) {
	var none T
	if err != nil {
		return none, err
	}
	if len(rows) == 0 {
		return none, missing
	}
	return rows[0], nil
}

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// checkPath refuses what is neither a Postgres URL nor a path, without
// repeating it: it may hold a password.
func checkPath(path string) error {
	if path == "" {
		return errors.New("ledger: neither a Postgres URL nor a file is given")
	}
	if scheme, _, isURL := strings.Cut(path, "://"); isURL {
		return fmt.Errorf("ledger: a URL that begins with %q is not understood; want postgres://", scheme+"://")
	}
	return nil
}
