package sales

import (
	"context"
	"slices"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// StockResult is what became of the change of an item. Allocated are its units now, or, with an error that is
// [Kept], as they are to be.
type StockResult struct {
	ledger.StockStep
	Allocated, Sold int64
}

// ChangeStock changes the units that are allocated to items of a sale: of each item once, all changes or
// none. The answer has a result for each change; done is false when nothing was changed, because a change was
// refused or because it was a dry run.
//
// More units are written to the ledger first, and then offered. Fewer are a change in two steps: the
// ledger notes what is to become of the item; the leader takes the units out of Redis, and then
// completes the change in the ledger. So Redis never offers a unit that the ledger would refuse,
// whoever dies at whatever line, and nothing puts the units back meanwhile. The leader may still refuse a
// decrease, when units were reserved meanwhile: that result alone then has an error.
//
// Codes of the results: unknown_sku, stock_conflict, invalid_quantity, conflict, and of changes that are
// [Kept] not_armed and unavailable. Codes of the call: unknown_sale, unavailable.
func (s *Sales) ChangeStock(ctx context.Context, id string, changes []ledger.StockChange, dryRun bool) (results []StockResult, done bool, err error) {
	rec, err := s.deps.Ledger.Sale(ctx, id)
	if err != nil {
		return nil, false, err
	}
	s.addTaken(ctx, rec, changes)
	steps, done, err := s.deps.Ledger.ChangeStock(ctx, id, changes, dryRun)
	if err != nil {
		return nil, false, err
	}
	results = make([]StockResult, len(steps))
	for i, step := range steps {
		results[i] = StockResult{StockStep: step, Allocated: step.From}
	}
	if done = done && !dryRun; !done {
		return results, false, nil
	}
	return results, true, s.awaitStock(ctx, rec, results)
}

// addTaken adds what Redis knows to be held and sold. Without it the leader finds out.
func (s *Sales) addTaken(ctx context.Context, rec sale.Record, changes []ledger.StockChange) {
	taken := s.taken(ctx, rec)
	for i := range changes {
		changes[i].Taken = taken[changes[i].SKU]
	}
}

// taken reads from Redis which units are not free, by SKU; nothing when it cannot be read.
func (s *Sales) taken(ctx context.Context, rec sale.Record) map[string]ledger.TakenUnits {
	entry := s.deps.Cache.Get(rec.ID)
	if entry == nil || !entry.Record().CreatedAt.Equal(rec.CreatedAt) || entry.Stock().Refresh(ctx) != nil {
		return nil
	}
	snapshot := entry.Stock().Snapshot()
	if !snapshot.Ready {
		return nil
	}
	taken := make(map[string]ledger.TakenUnits, len(snapshot.Items))
	for _, c := range snapshot.Items {
		taken[c.SKU] = ledger.TakenUnits{Held: c.Held, Sold: c.Sold, Withheld: c.Withheld}
	}
	return taken
}

// awaitStock waits until the changes are in Redis, or refused there, and completes the results.
func (s *Sales) awaitStock(ctx context.Context, was sale.Record, results []StockResult) error {
	more, fewer := direction(was, results)
	var kept error
	if len(more) > 0 {
		rec, err := s.deps.Ledger.Sale(ctx, was.ID)
		if err != nil {
			return err
		}
		kept = s.awaitCarried(ctx, rec)
	}
	settled := len(fewer) == 0 || s.awaitSettled(ctx, was.ID, results, fewer)
	items, err := s.deps.Ledger.Items(ctx, was.ID)
	if err != nil {
		return err
	}
	for i := range results {
		if at := slices.IndexFunc(items, func(c ledger.ItemCount) bool { return c.SKU == results[i].SKU }); at >= 0 {
			results[i].Allocated, results[i].Sold = items[at].Allocated, items[at].Sold
		}
	}
	for _, i := range more {
		results[i].Err = kept
	}
	s.judgeDecreases(ctx, was, results, fewer, settled)
	return nil
}

// direction finds the results of which units are offered, and of which units are taken out of Redis first.
func direction(was sale.Record, results []StockResult) (more, fewer []int) {
	for i := range results {
		switch {
		case results[i].To < results[i].From && !was.Draft:
			fewer = append(fewer, i)
		case results[i].To != results[i].From:
			more = append(more, i)
		}
	}
	return more, fewer
}

// awaitSettled waits until no decrease of the results is under way any more.
func (s *Sales) awaitSettled(ctx context.Context, id string, results []StockResult, fewer []int) bool {
	looks := 0
	return s.await(ctx, id, "fewer units", func() bool {
		if looks++; looks%settledEvery != 0 {
			return false
		}
		pending, err := s.deps.Ledger.PendingStock(ctx, id)
		return err == nil && !slices.ContainsFunc(fewer, func(i int) bool {
			_, decreasing := pending[results[i].SKU]
			return decreasing
		})
	})
}

// judgeDecreases tells decreases that were carried out from those that were refused and those that wait.
func (s *Sales) judgeDecreases(ctx context.Context, was sale.Record, results []StockResult, fewer []int, settled bool) {
	var all map[string]ledger.TakenUnits
	for _, i := range fewer {
		r := &results[i]
		switch {
		case r.Allocated <= r.To:
		case !settled:
			r.Allocated = r.To
			r.Err = keptError{problem.With(problem.Unavailable,
				"the change is noted and will be carried out as soon as redis and the ledger answer; look at the stock again")}
		default:
			if all == nil {
				all = s.taken(ctx, was)
			}
			taken := all[r.SKU]
			taken.Sold = max(taken.Sold, r.Sold)
			r.Err = ledger.StockTaken(r.SKU, r.Allocated, taken)
		}
	}
}
