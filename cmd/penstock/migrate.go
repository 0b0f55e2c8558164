package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/ledger"
)

type migrateCommand struct {
	config.Config
}

func (c *migrateCommand) Run(ctx context.Context, out terminal) error {
	url := ledgerURL(&c.Config)
	if c.PostgresURL == "" {
		if err := os.MkdirAll(filepath.Dir(url), 0o700); err != nil {
			return err
		}
	}
	applied, err := ledger.Migrate(ctx, url)
	if err != nil {
		return err
	}
	if len(applied) == 0 {
		out.printf("the ledger's schema is up to date\n")
		return nil
	}
	for _, name := range applied {
		out.printf("applied %s\n", name)
	}
	return nil
}
