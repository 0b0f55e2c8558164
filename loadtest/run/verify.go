package main

import (
	"context"
	"os"

	"github.com/penstock/penstock/loadtest/internal/admin"
)

// verify runs `penstock verify` and keeps what it printed.
func (t *test) verify(ctx context.Context) (admin.SaleReport, error) {
	report, text, err := t.client.Verify(ctx, t.penstock, t.sale)
	if err != nil {
		return report, err
	}
	return report, os.WriteFile(t.files.verify, text, 0o600)
}
