package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// defaultMaxConns bounds the connections of one node, unless the URL sets
	// pool_max_conns. Commits come one batch at a time; the rest are an operator's reads.
	defaultMaxConns = 8
	connectTimeout  = 5 * time.Second
	maxConnIdle     = 5 * time.Minute
	maxConnLifetime = time.Hour
)

func openPostgres(ctx context.Context, url string, opts Options, log *slog.Logger) (*Ledger, error) {
	config, err := poolConfig(url)
	if err != nil {
		return nil, err
	}
	pooled, err := behindPooler(ctx, config.ConnConfig)
	if err != nil {
		return nil, err
	}
	if !pooled && !namesExecMode(url) {
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", oneLine(err))
	}
	primary := stdlib.OpenDBFromPool(pool)
	l := &Ledger{write: primary, read: primary, insert: postgresInserter{}, postgres: true, pooled: pooled}
	l.closer = func() error { err := primary.Close(); pool.Close(); return err }
	if opts.ReadURL == "" {
		return l, nil
	}
	replicas, err := newPool(ctx, opts.ReadURL)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	l.replica = follow(ctx, stdlib.OpenDBFromPool(replicas), primary, opts.MaxLag, log)
	closePrimary := l.closer
	l.closer = func() error { err := l.replica.close(); replicas.Close(); return errors.Join(err, closePrimary()) }
	return l, nil
}

// behindPooler reports whether something stands between this node and Postgres that gives a
// connection of its own to several clients, such as PgBouncer. It then names another process than
// the one that answers.
func behindPooler(ctx context.Context, config *pgx.ConnConfig) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, config.Copy())
	if err != nil {
		return false, unreachable(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var pid int64
	if err := conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
		return false, unreachable(err)
	}
	return pid != int64(conn.PgConn().PID()), nil
}

// newPool prepares a pool that works behind a pooler; it connects on first use.
func newPool(ctx context.Context, url string) (*pgxpool.Pool, error) {
	config, err := poolConfig(url)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", oneLine(err))
	}
	return pool, nil
}

// poolConfig reads the URL. The parser's own error is not shown: for a malformed URL it cannot tell
// the password from the rest.
//
// A pooler in transaction mode gives each transaction another connection to the server, so nothing
// may be kept on one: without another word no named statement is prepared. Named statements spare
// Postgres the planning, a third of the time of a small commit, so that they are used where no
// pooler is.
func poolConfig(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("ledger: the Postgres URL cannot be read; want postgres://user:password@host:port/database?sslmode=…, with special characters in the password as %XX")
	}
	if !strings.Contains(url, "pool_max_conns=") {
		config.MaxConns = defaultMaxConns
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if !namesExecMode(url) {
		config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
	config.MaxConnIdleTime, config.MaxConnLifetime = maxConnIdle, maxConnLifetime
	config.MaxConnLifetimeJitter = maxConnLifetime / 10
	config.ConnConfig.RuntimeParams["application_name"] = "penstock"
	return config, nil
}

// namesExecMode reports whether the operator chose how statements are sent.
func namesExecMode(url string) bool { return strings.Contains(url, "default_query_exec_mode=") }

func pingPostgres(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	if err := pool.Ping(ctx); err != nil {
		return unreachable(err)
	}
	return nil
}

func unreachable(err error) error {
	return fmt.Errorf("ledger: cannot reach Postgres: %w", oneLine(err))
}

// oneLine keeps an error's identity and folds its text, which for Postgres has
// a line for each address tried, into one.
func oneLine(err error) error { return flat{err} }

type flat struct{ error }

func (f flat) Error() string { return strings.Join(strings.Fields(f.error.Error()), " ") }
func (f flat) Unwrap() error { return f.error }

// openForMigration is one plain connection pool without a ledger around it.
func openForMigration(ctx context.Context, url string) (*sql.DB, func() error, error) {
	pool, err := newPool(ctx, url)
	if err != nil {
		return nil, nil, err
	}
	if err := pingPostgres(ctx, pool); err != nil {
		pool.Close()
		return nil, nil, err
	}
	db := stdlib.OpenDBFromPool(pool)
	return db, func() error { err := db.Close(); pool.Close(); return err }, nil
}
