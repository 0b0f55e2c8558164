package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/penstock/penstock/internal/verify"
)

// outcome is what a run gathered before the verdict.
type outcome struct {
	thresholdsCrossed bool
	outage            *outage
	postgres          *postgresOutage

	summary summary
	lines   consoleLines
	lookup  lookup
	verify  verify.SaleReport
}

// errFailed ends the program after the verdict was printed.
var errFailed = errors.New("the load test failed")

// judge gathers the evidence, prints the verdict and returns an error if
// anything is wrong.
func (t *test) judge(ctx context.Context) (err error) {
	o := &t.outcome
	if o.summary, err = readSummary(t.files.summary); err != nil {
		return err
	}
	if o.lines, err = readConsole(t.files.console); err != nil {
		return err
	}
	t.printf("\nwaiting for the log to drain, then auditing …\n")
	if o.verify, err = t.verify(ctx); err != nil {
		return err
	}
	if o.lookup, err = t.lookUp(ctx, o.lines.accepted); err != nil {
		return err
	}
	faults := t.faults()
	t.printVerdict(faults)
	if len(faults) > 0 {
		return errFailed
	}
	return nil
}

// faults lists everything that must not be.
func (t *test) faults() []string {
	o := &t.outcome
	var faults []string
	fail := func(when bool, format string, args ...any) {
		if when {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	fail(o.thresholdsCrossed, "k6: a threshold was crossed (see above)")
	fail(len(o.lookup.missing) > 0, "LOST: accepted orders that are not in the ledger: %s", some(o.lookup.missing))
	fail(len(o.lookup.duplicated) > 0, "orders in the ledger more than once: %s", some(o.lookup.duplicated))
	fail(len(o.lookup.notShown) > 0, "accepted orders that GET /v1/orders/{id} does not show as committed: %s", some(o.lookup.notShown))
	fail(int64(o.lookup.accepted) != o.summary.count("orders_accepted"),
		"k6 counted %d accepted orders and recorded %d", o.summary.count("orders_accepted"), o.lookup.accepted)
	fail(t.created && o.lookup.unheard > 0 && !t.opts.outage(),
		"%d orders in the ledger that no visitor heard of, although nothing was killed", o.lookup.unheard)
	for _, check := range o.verify.Checks {
		fail(!check.OK, "verify: %s: %s", check.Name, check.Detail)
	}
	fail(!o.verify.OK, "penstock verify failed")
	fail(t.created && o.verify.Sold > t.opts.stock, "OVERSOLD: %d of %d units", o.verify.Sold, t.opts.stock)
	fail(o.verify.Lost > 0 || o.verify.Duplicates > 0, "verify: %d lost, %d duplicates", o.verify.Lost, o.verify.Duplicates)
	fail(t.opts.killAfter > 0 && o.outage == nil, "nothing was killed: the crowd was gone before --kill-after; make the sale last longer (--rate, --stock)")
	fail(t.opts.stopPostgres > 0 && o.postgres == nil, "Postgres was not stopped: the crowd was gone before --stop-postgres-at; make the sale last longer (--rate, --stock)")
	if p := o.postgres; p != nil {
		_, orders, _ := p.during("without")
		fail(orders == 0, "no order was accepted while Postgres was gone")
	}
	return faults
}

// some shows the first few of many.
func some(list []string) string {
	const shown = 5
	if len(list) <= shown {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:shown], ", "), len(list)-shown)
}
