package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/shadow"
)

type shadowCommand struct {
	config.Client
	Sale     string `help:"The sale, which has shadow: true." required:"" placeholder:"ID"`
	Examples int    `help:"How many of the first differences to print: 1 to 1000." default:"100"`
	JSON     bool   `help:"Print JSON."`
}

func (c *shadowCommand) Run(ctx context.Context, out terminal) error {
	if c.Examples < 1 || c.Examples > shadow.MaxExamples {
		return usageError{fmt.Sprintf("--examples: is %d, use 1 to %d", c.Examples, shadow.MaxExamples)}
	}
	client, err := newAdminClient(&c.Client, adminTimeout)
	if err != nil {
		return err
	}
	path := fmt.Sprintf("/admin/v1/sales/%s/shadow?examples=%d", url.PathEscape(c.Sale), c.Examples)
	var result shadow.Report
	if err := client.do(ctx, http.MethodGet, path, nil, &result); err != nil {
		return err
	}
	return printReport(out, result, c.JSON, result.OK())
}
