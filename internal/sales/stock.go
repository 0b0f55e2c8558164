package sales

import (
	"context"
	"fmt"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// ChangeStock adds units to an item of a sale, or takes free ones away. With expected given, it
// does so only when that many units are allocated now.
//
// More units are written to the ledger first, and then offered. Fewer are a change in two steps: the
// ledger notes what is to become of the item; the leader takes the units out of Redis, and then
// completes the change in the ledger. So Redis never offers a unit that the ledger would refuse,
// whoever dies at whatever line, and nothing puts the units back meanwhile. With an error that is
// [Kept] the units to be allocated come back: more of them are in the ledger, fewer are noted there.
// Codes: unknown_sale, unknown_sku, stock_conflict, invalid_quantity, conflict, unavailable.
func (s *Sales) ChangeStock(ctx context.Context, id, sku string, changeBy int64, expected *int64) (ledger.ItemCount, error) {
	rec, err := s.deps.Ledger.Sale(ctx, id)
	if err != nil {
		return ledger.ItemCount{}, err
	}
	if changeBy < 0 && !rec.Draft {
		return s.decrease(ctx, rec, sku, -changeBy, expected)
	}
	if changeBy < 0 {
		return s.decreaseDraft(ctx, id, sku, -changeBy, expected)
	}
	allocated, err := s.deps.Ledger.IncreaseStock(ctx, id, sku, changeBy, expected)
	if err != nil {
		return ledger.ItemCount{}, err
	}
	count, err := s.carried(ctx, id, sku)
	if err != nil {
		return ledger.ItemCount{SKU: sku, Allocated: allocated}, keptError{err}
	}
	return count, nil
}

// decreaseDraft takes units away that were never offered.
func (s *Sales) decreaseDraft(ctx context.Context, id, sku string, by int64, expected *int64) (ledger.ItemCount, error) {
	target, err := s.deps.Ledger.BeginStockDecrease(ctx, id, sku, by, expected)
	if err != nil {
		return ledger.ItemCount{}, err
	}
	if err := s.deps.Ledger.FinishStockDecrease(ctx, id, sku, target); err != nil {
		return ledger.ItemCount{}, err
	}
	return s.itemCount(ctx, id, sku)
}

// carried waits until a change of stock is in Redis, and reads the item.
func (s *Sales) carried(ctx context.Context, id, sku string) (ledger.ItemCount, error) {
	rec, err := s.deps.Ledger.Sale(ctx, id)
	if err != nil {
		return ledger.ItemCount{}, err
	}
	if err := s.awaitCarried(ctx, rec); err != nil {
		return ledger.ItemCount{}, err
	}
	return s.itemCount(ctx, id, sku)
}

func (s *Sales) itemCount(ctx context.Context, id, sku string) (ledger.ItemCount, error) {
	items, err := s.deps.Ledger.Items(ctx, id)
	if err != nil {
		return ledger.ItemCount{}, err
	}
	for _, item := range items {
		if item.SKU == sku {
			return item, nil
		}
	}
	return ledger.ItemCount{}, problem.With(problem.UnknownSKU, fmt.Sprintf("the ledger has no item %q", sku))
}

// decrease notes the change in the ledger and waits until the leader has carried it out, or refused.
func (s *Sales) decrease(ctx context.Context, rec sale.Record, sku string, by int64, expected *int64) (ledger.ItemCount, error) {
	target, err := s.deps.Ledger.BeginStockDecrease(ctx, rec.ID, sku, by, expected)
	if err != nil {
		return ledger.ItemCount{}, err
	}
	looks := 0
	done := s.await(ctx, rec.ID, "fewer units of "+sku, func() bool {
		looks++
		return looks%settledEvery == 0 && s.settled(ctx, rec.ID, sku)
	})
	if !done {
		return ledger.ItemCount{SKU: sku, Allocated: target}, keptError{problem.With(problem.Unavailable,
			"the change is noted and will be carried out as soon as redis and the ledger answer; look at the stock again")}
	}
	count, err := s.itemCount(ctx, rec.ID, sku)
	if err == nil && count.Allocated > target {
		return count, problem.With(problem.StockConflict, "more units are held and sold", problem.F("sku", sku), problem.F("allocated", count.Allocated))
	}
	return count, err
}

// settled reports that no decrease of the item is under way any more.
func (s *Sales) settled(ctx context.Context, id, sku string) bool {
	pending, err := s.deps.Ledger.PendingStock(ctx, id)
	_, decreasing := pending[sku]
	return err == nil && !decreasing
}
