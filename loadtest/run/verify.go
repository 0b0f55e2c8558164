package main

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

// verifyReport is what `penstock verify --json` prints, as far as it is used.
type verifyReport struct {
	OK    bool         `json:"ok"`
	Sales []saleReport `json:"sales"`
}

type saleReport struct {
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

const verifyWait = "60s"

// verify runs `penstock verify` as an operator does.
func (t *test) verify(ctx context.Context) (report saleReport, err error) {
	cmd := exec.CommandContext(ctx, t.penstock, "verify", "--json", "--sale", t.sale, "--wait", verifyWait)
	cmd.Env = append(os.Environ(), "PENSTOCK_CONSOLE_URL="+t.client.ConsoleURL, "PENSTOCK_ADMIN_KEY="+t.client.Key)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	runErr := cmd.Run()
	var all verifyReport
	if err := json.Unmarshal(stdout.Bytes(), &all); err != nil {
		return report, fmt.Errorf("penstock verify: %w: %s", errors.Join(runErr, err), strings.TrimSpace(stderr.String()))
	}
	if err := os.WriteFile(t.files.verify, stdout.Bytes(), 0o600); err != nil {
		return report, err
	}
	for _, report := range all.Sales {
		if report.Sale == t.sale {
			report.OK = report.OK && all.OK && runErr == nil
			return report, nil
		}
	}
	return report, fmt.Errorf("penstock verify says nothing about sale %s", t.sale)
}
