package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// sqliteReaders bounds the connections that read beside the one that writes.
const sqliteReaders = 4

func openSQLite(ctx context.Context, path string) (*Ledger, error) {
	writer, err := openSQLiteWriter(ctx, path)
	if err != nil {
		return nil, err
	}
	readers, err := sql.Open("sqlite", sqliteDSN(path, "query_only(1)"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: open %s: %w", path, err), writer.Close())
	}
	readers.SetMaxOpenConns(sqliteReaders)
	readers.SetMaxIdleConns(sqliteReaders)
	return &Ledger{
		write: writer, read: readers, insert: sqliteInserter{},
		closer: func() error { return errors.Join(readers.Close(), writer.Close()) },
	}, nil
}

// openSQLiteWriter opens the one connection that writes: SQLite has one writer
// at a time anyway, and waiting for it in Go keeps the order and heeds contexts.
func openSQLiteWriter(ctx context.Context, path string) (*sql.DB, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("ledger: the directory of %s: %w", path, err)
	}
	db, err := sql.Open("sqlite", sqliteDSN(path, "journal_mode(WAL)"))
	if err != nil {
		return nil, fmt.Errorf("ledger: open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("ledger: open %s: %w", path, err), db.Close())
	}
	return db, nil
}

// sqliteDSN turns on what durability and several connections need:
// synchronous(FULL) syncs the write-ahead log at each commit.
func sqliteDSN(path string, pragma string) string {
	query := url.Values{
		"_pragma": {"busy_timeout(5000)", pragma, "synchronous(FULL)", "foreign_keys(1)"},
		"_txlock": {"immediate"},
	}
	return "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath() + "?" + query.Encode()
}
