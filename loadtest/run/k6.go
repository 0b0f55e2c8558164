package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/penstock/penstock/loadtest/internal/stand"
)

// thresholdsCrossed is k6's exit status for a run that went through and failed.
const thresholdsCrossed = 99

// drop lets the crowd come, breaks what is to be broken meanwhile, and reads
// what k6 has to say.
func (t *test) drop(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	crowd, crowdGone := context.WithCancel(ctx)
	defer crowdGone()
	broken := make(chan error, 1)
	go func() {
		err := t.breakThings(ctx, crowd)
		if err != nil {
			cancel(err) // without its server the crowd has nothing to do here
		}
		broken <- err
	}()
	t.printf("%d visitors come over %d s to %d units of sale %s\n", t.opts.visitors, t.opts.arrivalSeconds, t.opts.stock, t.sale)
	k6Err := t.runK6(ctx)
	crowdGone()
	if err := <-broken; err != nil {
		return fmt.Errorf("while breaking things on purpose: %w", err)
	}
	return k6Err
}

// breakThings does what --kill-after and --stop-postgres ask for, counted from
// the start of the sale. What it breaks it mends, even if the crowd is gone
// meanwhile.
func (t *test) breakThings(ctx, crowd context.Context) error {
	if (t.opts.killAfter > 0 || t.opts.stopPostgres > 0) && !stand.Pause(crowd, time.Until(t.startsAt)) {
		return nil
	}
	switch {
	case t.opts.killAfter > 0:
		return t.killAndRestart(ctx, crowd)
	case t.opts.stopPostgres > 0:
		return t.stopPostgres(ctx, crowd)
	default:
		return nil
	}
}

func (t *test) runK6(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, t.k6, "run",
		"--address", "", "--no-usage-report", "--log-format", "raw",
		"--console-output", t.files.console, "--summary-export", t.files.summary,
		filepath.Join(t.root, "loadtest", "drop.js"))
	cmd.Stdout, cmd.Stderr = t.out, os.Stderr
	cmd.Env = append(os.Environ(), t.k6Environment()...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it still writes its reports
	cmd.WaitDelay = 30 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err := cmd.Run()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == thresholdsCrossed {
		t.outcome.thresholdsCrossed = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("k6: %w", err)
	}
	return nil
}

func (t *test) k6Environment() []string {
	return []string{
		"BASE_URL=" + t.client.FrontURL, "SALE=" + t.sale, "SKU=" + t.sku, "RUN=" + t.id,
		"VISITORS=" + strconv.Itoa(t.opts.visitors), "VISITORS_PER_VU=" + strconv.Itoa(visitorsPerVU),
		"ARRIVAL_SECONDS=" + strconv.Itoa(t.opts.arrivalSeconds), "ARRIVAL=" + t.opts.arrival,
		"PATIENCE_SECONDS=" + strconv.Itoa(int(t.opts.patience.Seconds())),
		"STOCK=" + t.knownStock(), "PER_CUSTOMER=" + strconv.Itoa(perCustomer),
		"ALLOW_OUTAGE=" + strconv.FormatBool(t.opts.outage()), "LOG_ACCEPTED=true",
		"K6_WEB_DASHBOARD=true", "K6_WEB_DASHBOARD_PORT=-1", // it listens nowhere, and writes its report
		"K6_WEB_DASHBOARD_PERIOD=1s", "K6_WEB_DASHBOARD_EXPORT=" + t.files.html,
	}
}

// knownStock is what k6 holds accepted orders against; a sale of unknown stock
// is left to the verdict.
func (t *test) knownStock() string {
	if !t.created {
		return "0"
	}
	return strconv.FormatInt(t.opts.stock, 10)
}
