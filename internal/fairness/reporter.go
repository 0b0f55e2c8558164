package fairness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

const (
	// Every is how often the leader looks for sales that have ended.
	Every = 2 * time.Second
	// settleFor is how long after the end the report is made at the earliest: longer than a node waits for the
	// journal to have a pass.
	settleFor = 10 * time.Second
	// journalWait is how long after the end the journal may lack what Redis has counted, before the report is made
	// without it, and says so.
	journalWait = 2 * time.Minute
	// makeTimeout bounds the making of one report.
	makeTimeout = 2 * time.Minute
	// retryFirst and retryMost bound the pause before a report is tried again.
	retryFirst = 2 * time.Second
	retryMost  = time.Minute
	// journalMargin is how much earlier than the journal's limit a record is taken to be forgotten.
	journalMargin = 10 * time.Minute
)

// Deps is what the reporter works with.
type Deps struct {
	Sales   *salecache.Cache
	Ledger  *ledger.Ledger
	Redis   rueidis.Client
	Journal *checkout.Journal
	Log     *slog.Logger
}

// Reporter makes the report on each sale that has ended, once, and keeps it in the ledger. It works under the leader:
// its step is repeated, and each step may be.
type Reporter struct {
	deps  Deps
	term  int64
	known map[edition]attempt
}

// edition is one end of one sale.
type edition struct {
	id            string
	created, ends int64
}

func editionOf(rec *sale.Record) edition {
	return edition{id: rec.ID, created: rec.CreatedAt.UnixMilli(), ends: rec.EndsAt.UnixMilli()}
}

// attempt is how far the report on a sale is.
type attempt struct {
	kept    bool
	pause   time.Duration
	retryAt time.Time
}

// NewReporter returns a reporter.
func NewReporter(deps Deps) *Reporter { return &Reporter{deps: deps, known: make(map[edition]attempt)} }

// Step makes the reports that are due. The error joins those of the sales; the others are made all the same.
func (r *Reporter) Step(ctx context.Context, term int64) error {
	ended, err := r.ended(ctx, term)
	if err != nil {
		return err
	}
	known := make(map[edition]attempt, len(ended))
	var failed []error
	for i := range ended {
		rec := &ended[i]
		one := r.known[editionOf(rec)]
		if !one.kept && !time.Now().Before(one.retryAt) {
			if err := r.make(ctx, rec); err != nil {
				one.pause = min(max(2*one.pause, retryFirst), retryMost)
				one.retryAt = time.Now().Add(one.pause)
				failed = append(failed, fmt.Errorf("report on %s: %w", rec.ID, err))
			} else {
				one.kept = true
			}
		}
		known[editionOf(rec)] = one
	}
	r.known, r.term = known, term
	return errors.Join(failed...)
}

// ended lists the sales that have ended a while ago. In the first step of a term these are also those of the ledger
// that no node serves any more, as far back as the journal goes.
func (r *Reporter) ended(ctx context.Context, term int64) (ended []sale.Record, err error) {
	there := make(map[string]bool)
	for _, entry := range r.deps.Sales.All() {
		rec := entry.Record()
		there[rec.ID] = true
		if entry.Phase() == sale.PhaseEnded && entry.Now().Sub(endOf(&rec)) >= settleFor {
			ended = append(ended, rec)
		}
	}
	if term == r.term || !r.deps.Sales.Complete() {
		return ended, nil
	}
	all, err := r.deps.Ledger.Sales(ctx)
	now := time.Now()
	for i := range all {
		over := now.Sub(endOf(&all[i]))
		if !there[all[i].ID] && !all[i].Draft && over >= settleFor && over < checkout.JournalMaxAge {
			ended = append(ended, all[i])
		}
	}
	return ended, err
}

// endOf is when a sale ended, or, of one that the operator ended, when it was changed last.
func endOf(rec *sale.Record) time.Time {
	if rec.Ended && rec.UpdatedAt.Before(rec.EndsAt) {
		return rec.UpdatedAt
	}
	return rec.EndsAt
}

// errNotWhole says that the journal still lacks what Redis has counted.
var errNotWhole = errors.New("the journal does not have all admissions yet")

func (r *Reporter) make(ctx context.Context, rec *sale.Record) error {
	ctx, cancel := context.WithTimeout(ctx, makeTimeout)
	defer cancel()
	kept, found, err := r.deps.Ledger.FairnessHead(ctx, rec.ID)
	if err != nil || found && kept.CreatedMillis == rec.CreatedAt.UnixMilli() && kept.EndsMillis == rec.EndsAt.UnixMilli() {
		return err
	}
	evidence, err := r.read(ctx, rec)
	if err != nil {
		return err
	}
	if evidence.Room.Ready && evidence.Account.Admitted < evidence.Room.Claimed && evidence.MadeAt.Sub(endOf(rec)) < journalWait {
		return errNotWhole
	}
	report := Judge(evidence)
	body, err := json.Marshal(&report)
	if err != nil {
		return err
	}
	stored, err := r.deps.Ledger.SaveFairness(ctx, &ledger.FairnessReport{
		Sale: rec.ID, CreatedMillis: rec.CreatedAt.UnixMilli(), EndsMillis: rec.EndsAt.UnixMilli(),
		MadeMillis: evidence.MadeAt.UnixMilli(), Body: string(body) + "\n",
	})
	if err == nil && stored {
		r.deps.Log.Info("the fairness of an ended sale was reported", "sale", rec.ID, "verdict", string(report.Verdict), "admitted", report.Line.Admitted)
	}
	return err
}

// read gathers what is known of an ended sale.
func (r *Reporter) read(ctx context.Context, rec *sale.Record) (e Evidence, err error) {
	e.Record, e.MadeAt = *rec, time.Now().UTC().Truncate(time.Millisecond)
	e.JournalFrom = e.MadeAt.Add(journalMargin - checkout.JournalMaxAge)
	if e.Room, err = queue.Stats(ctx, r.deps.Redis, rec.ID); err != nil {
		return e, err
	}
	reading := queue.NewAccounting(rec.ID, rec.StartsAt.UnixMilli())
	for record, err := range r.deps.Journal.Replay(ctx, rec.ID, time.Time{}) {
		if err != nil {
			return e, err
		}
		reading.Add(record)
	}
	e.Account = reading.Account()
	newcomers, err := r.deps.Ledger.Newcomers(ctx, rec.ID)
	e.Bots = BotsOf(newcomers)
	return e, err
}
