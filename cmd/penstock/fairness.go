package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/fairness"
)

type fairnessCommand struct {
	config.Client
	Sale string `help:"The sale, which has ended." required:"" placeholder:"ID"`
	JSON bool   `help:"Print the report as it is published, byte for byte."`
}

func (c *fairnessCommand) Run(ctx context.Context, out terminal) error {
	client, err := newAdminClient(&c.Client, adminTimeout)
	if err != nil {
		return err
	}
	body, err := client.send(ctx, http.MethodGet, "/admin/v1/sales/"+url.PathEscape(c.Sale)+"/fairness", typeJSON, typeJSON, nil)
	if err != nil {
		return err
	}
	var report fairness.Report
	if err := json.Unmarshal(body, &report); err != nil || report.Format != fairness.Format {
		return fmt.Errorf("the answer is no report that this version can read: it is a %q", report.Format)
	}
	if c.JSON {
		out.printf("%s", body)
	} else if err := report.WriteText(out.stdout); err != nil {
		return err
	}
	if !report.OK() {
		return verdictError{}
	}
	return nil
}
