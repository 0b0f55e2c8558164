// Package verify gives the verdict on the invariants, for which all the stores are read side by
// side, and the live figures of a sale.
package verify

import (
	"context"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/fairness"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/sales"
	"github.com/penstock/penstock/reservation"
)

// Deps are the stores that are read.
type Deps struct {
	Sales  *sales.Sales
	Ledger *ledger.Ledger
	Redis  rueidis.Client
	Broker *checkout.Broker
	Board  *degrade.Board
	// OpenStock builds this node's side of a sale's stock.
	OpenStock func(sale.Record) *reservation.Stock
}

// Verifier is safe for concurrent use.
type Verifier struct{ deps Deps }

// New returns a verifier.
func New(deps Deps) *Verifier { return &Verifier{deps: deps} }

const (
	// MaxWait is how long [Verifier.Verify] may be asked to wait.
	MaxWait = 2 * time.Minute
	// verifyPoll is the pause between two looks.
	verifyPoll = 250 * time.Millisecond
)

// Verify checks the invariants of one sale, or of all with an empty id. It is right on a busy sale as well: it waits
// until the orders that were accepted by the time of the look have reached the ledger, for as long as wait, and 1 s
// at least. What does not hold is looked at again until the wait is over, and at least once: broken is what the last
// two looks found. What could not be measured is unknown.
func (v *Verifier) Verify(ctx context.Context, saleID string, wait time.Duration) (Report, error) {
	deadline := time.Now().Add(wait)
	var before *Report
	for {
		found, err := v.verifyOnce(ctx, saleID, deadline)
		if err != nil {
			return Report{}, err
		}
		report := confirmed(before, found)
		again := found.Verdict == fairness.Broken && before == nil
		if report.OK || !again && !time.Now().Before(deadline) {
			return report, nil
		}
		before = &found
		select {
		case <-ctx.Done():
			return report, ctx.Err()
		case <-time.After(verifyPoll):
		}
	}
}

func (v *Verifier) verifyOnce(ctx context.Context, saleID string, deadline time.Time) (Report, error) {
	records, err := v.recordsToVerify(ctx, saleID)
	if err != nil {
		return Report{}, err
	}
	looks := make([]evidence, len(records))
	for i, rec := range records {
		if looks[i], err = v.look(ctx, rec, deadline); err != nil {
			return Report{}, err
		}
	}
	dead, err := v.openDeadLetters(ctx)
	if err != nil {
		return Report{}, err
	}
	report := Report{OK: true, Verdict: fairness.Holds, Sales: make([]SaleReport, 0, len(records))}
	for i := range looks {
		e := &looks[i]
		e.dead = dead[e.rec.ID]
		e.dead.orders += dead[unreadable].orders
		report.add(e.judge(v.deps.Sales.Phase(e.rec)))
	}
	return report, nil
}

func (v *Verifier) recordsToVerify(ctx context.Context, saleID string) ([]sale.Record, error) {
	if saleID == "" {
		return v.deps.Ledger.Sales(ctx)
	}
	rec, err := v.deps.Ledger.Sale(ctx, saleID)
	return []sale.Record{rec}, err
}
