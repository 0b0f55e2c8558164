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
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrate applies the migrations that the ledger at url lacks and names them.
// Several nodes may call it at once.
func Migrate(ctx context.Context, url string) (applied []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	provider, db, closeDB, err := migrationProvider(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeDB()) }()
	release, err := takeTurn(ctx, url, db)
	if err != nil {
		return nil, err
	}
	defer release()
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

func migrationProvider(ctx context.Context, url string) (*goose.Provider, *sql.DB, func() error, error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, nil, nil, fmt.Errorf("ledger: %w", err)
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(slog.DiscardHandler))}
	var db *sql.DB
	var closeDB func() error
	dialect := goose.DialectSQLite3
	if isPostgres(url) {
		dialect = goose.DialectPostgres
		if db, closeDB, err = openForMigration(ctx, url); err != nil {
			return nil, nil, nil, err
		}
	} else {
		if db, err = openSQLiteWriter(ctx, url); err != nil {
			return nil, nil, nil, err
		}
		closeDB = db.Close
	}
	provider, err := goose.NewProvider(dialect, db, files, options...)
	if err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("ledger: migrations: %w", err), closeDB())
	}
	return provider, db, closeDB, nil
}
