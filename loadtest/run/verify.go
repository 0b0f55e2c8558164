package main

import (
	"context"
	"os"

	"github.com/penstock/penstock/internal/verify"
)

// verify runs `penstock verify` and keeps what it printed.
func (t *test) verify(ctx context.Context) (verify.SaleReport, error) {
	report, text, err := t.client.Verify(ctx, t.penstock, t.sale)
	if err != nil {
		return report, err
	}
	return report, os.WriteFile(t.files.verify, text, 0o600)
}
