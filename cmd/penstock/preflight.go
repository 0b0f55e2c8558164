package main

import (
	"context"
	"net/http"

	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/preflight"
)

type preflightCommand struct {
	config.Client
	JSON bool `help:"Print JSON."`
}

// Run prints what of the stores' settings speaks against a sale; exit 1 when no sale can be armed.
func (c *preflightCommand) Run(ctx context.Context, out terminal) error {
	client, err := newAdminClient(&c.Client, adminTimeout)
	if err != nil {
		return err
	}
	var report preflight.Report
	if err := client.do(ctx, http.MethodGet, "/admin/v1/preflight", nil, &report); err != nil {
		return err
	}
	return printReport(out, report, c.JSON, report.OK)
}
