package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/fairness"
	"github.com/penstock/penstock/internal/verify"
)

type verifyCommand struct {
	config.Client
	Sale string        `help:"Only this sale; all when empty." placeholder:"ID"`
	JSON bool          `help:"Print JSON."`
	Wait time.Duration `help:"How long accepted orders may take to reach the ledger before the verdict: 0s to 2m." default:"30s"`
}

func (c *verifyCommand) Run(ctx context.Context, out terminal) error {
	if c.Wait < 0 || c.Wait > verify.MaxWait {
		return usageError{fmt.Sprintf("--wait: is %s, use 0s to %s", c.Wait, verify.MaxWait)}
	}
	client, err := newAdminClient(&c.Client, c.Wait+adminTimeout)
	if err != nil {
		return err
	}
	path := "/admin/v1/verify"
	if c.Sale != "" {
		path = "/admin/v1/sales/" + url.PathEscape(c.Sale) + "/verify"
	}
	var result verify.Report
	if err := client.do(ctx, http.MethodGet, path+"?wait="+c.Wait.String(), nil, &result); err != nil {
		return err
	}
	err = printReport(out, result, c.JSON, result.OK)
	if errors.Is(err, verdictError{}) && result.Verdict == fairness.Unknown {
		return verdictError{code: exitUnknown}
	}
	return err
}
