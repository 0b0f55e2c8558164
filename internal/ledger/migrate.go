package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Nodes that start together take turns; each tries once a second.
const (
	lockEverySeconds = 1
	lockTries        = 120
)

// Migrate applies the migrations that the ledger at url lacks and names them.
// Several nodes may call it at once.
func Migrate(ctx context.Context, url string) (applied []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	provider, closeDB, err := migrationProvider(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeDB()) }()
	results, err := provider.Up(ctx)
	for _, result := range results {
		if result.Error == nil {
			applied = append(applied, path.Base(result.Source.Path))
		}
	}
	if err != nil {
		return applied, fmt.Errorf("ledger: migrate: %w", oneLine(err))
	}
	return applied, nil
}

func migrationProvider(ctx context.Context, url string) (*goose.Provider, func() error, error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, nil, fmt.Errorf("ledger: %w", err)
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler))}
	var db *sql.DB
	var closeDB func() error
	dialect := goose.DialectSQLite3
	if isPostgres(url) {
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockEverySeconds, lockTries))
		if err != nil {
			return nil, nil, fmt.Errorf("ledger: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
		if db, closeDB, err = openForMigration(ctx, url); err != nil {
			return nil, nil, err
		}
	} else {
		if db, err = openSQLiteWriter(ctx, url); err != nil {
			return nil, nil, err
		}
		closeDB = db.Close
	}
	provider, err := goose.NewProvider(dialect, db, files, options...)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("ledger: migrations: %w", err), closeDB())
	}
	return provider, closeDB, nil
}
