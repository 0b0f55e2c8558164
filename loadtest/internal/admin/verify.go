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

	"github.com/penstock/penstock/internal/verify"
)

const verifyWait = "60s"

// Verify runs `penstock verify` as an operator does. Text is all that it printed.
func (c *Client) Verify(ctx context.Context, penstock, sale string) (report verify.SaleReport, text []byte, err error) {
	cmd := exec.CommandContext(ctx, penstock, "verify", "--json", "--sale", sale, "--wait", verifyWait)
	cmd.Env = append(os.Environ(), "PENSTOCK_CONSOLE_URL="+c.ConsoleURL, "PENSTOCK_ADMIN_KEY="+c.Key)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	runErr := cmd.Run()
	var all verify.Report
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
