package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

const verifyWait = "60s"

// SaleReport is what `penstock verify --json` prints of a sale, as far as it is used.
type SaleReport struct {
	Sale       string `json:"sale"`
	OK         bool   `json:"ok"`
	Allocated  int64  `json:"allocated"`
	Available  int64  `json:"available"`
	Held       int64  `json:"held"`
	Sold       int64  `json:"sold"`
	Orders     int64  `json:"orders"`
	Duplicates int64  `json:"duplicates"`
	Lost       int64  `json:"lost"`
	Undrained  int64  `json:"undrained"`
	Checks     []struct {
		Name   string `json:"name"`
		OK     bool   `json:"ok"`
		Detail string `json:"detail"`
	} `json:"checks"`
}

// Verify runs `penstock verify` as an operator does. Text is all that it printed.
func (c *Client) Verify(ctx context.Context, penstock, sale string) (report SaleReport, text []byte, err error) {
	cmd := exec.CommandContext(ctx, penstock, "verify", "--json", "--sale", sale, "--wait", verifyWait)
	cmd.Env = append(os.Environ(), "PENSTOCK_CONSOLE_URL="+c.ConsoleURL, "PENSTOCK_ADMIN_KEY="+c.Key)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	runErr := cmd.Run()
	var all struct {
		OK    bool         `json:"ok"`
		Sales []SaleReport `json:"sales"`
	}
	if err := json.Unmarshal(stdout.Bytes(), &all); err != nil {
		return report, nil, fmt.Errorf("penstock verify: %w: %s", errors.Join(runErr, err), strings.TrimSpace(stderr.String()))
	}
	for _, report := range all.Sales {
		if report.Sale == sale {
			report.OK = report.OK && all.OK && runErr == nil
			return report, stdout.Bytes(), nil
		}
	}
	return report, stdout.Bytes(), fmt.Errorf("penstock verify says nothing about sale %s", sale)
}
