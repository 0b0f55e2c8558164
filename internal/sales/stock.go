package sales

import (
	"context"
	"errors"
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
// completes the change in the ledger. So Redis never offers a unit that the ledger would refuse, whoever dies at whatever
// line, and nothing puts the units back meanwhile.
// Codes: unknown_sale, unknown_sku, stock_conflict, invalid_quantity, conflict, unavailable.
func (s *Sales) ChangeStock(ctx context.Context, id, sku string, changeBy int64, expected *int64) (ledger.ItemCount, error) {
	for attempt := 1; ; attempt++ {
		count, err := s.changeStockOnce(ctx, id, sku, changeBy, expected)
		if errors.Is(err, problem.Conflict) && attempt < changeAttempts {
			continue // another node was faster; its change is counted from now
		}
		return count, err
	}
}

func (s *Sales) changeStockOnce(ctx context.Context, id, sku string, changeBy int64, expected *int64) (ledger.ItemCount, error) {
	rec, err := s.deps.Ledger.Sale(ctx, id)
	if err != nil {
		return ledger.ItemCount{}, err
	}
	index := rec.ItemIndex(sku)
	if index < 0 {
		return ledger.ItemCount{}, problem.With(problem.UnknownSKU, fmt.Sprintf("the sale has no item %q", sku))
	}
	from := rec.Items[index].Stock
	if expected != nil && *expected != from {
		return ledger.ItemCount{}, problem.With(problem.StockConflict,
			fmt.Sprintf("%d units are allocated, not %d", from, *expected), problem.F("allocated", from))
	}
	if changeBy < -sale.MaxStock || changeBy > sale.MaxStock || from+changeBy < 0 || from+changeBy > sale.MaxStock {
		return ledger.ItemCount{}, problem.With(problem.InvalidQuantity, fmt.Sprintf("the stock would become %d", from+changeBy))
	}
	if changeBy < 0 && !rec.Draft {
		return s.decrease(ctx, rec, sku, changeBy)
	}
	next := rec
	next.Items = append([]sale.Item(nil), rec.Items...)
	next.Items[index].Stock = from + changeBy
	// The record's version is the compare-and-set: two changes at once cannot both count from
	// the same stock. The allocation is written in the same transaction.
	if err := s.save(ctx, &next, rec.Version); err != nil {
		return ledger.ItemCount{}, err
	}
	if err := s.awaitCarried(ctx, next); err != nil {
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
func (s *Sales) decrease(ctx context.Context, rec sale.Record, sku string, changeBy int64) (ledger.ItemCount, error) {
	from := rec.Items[rec.ItemIndex(sku)].Stock
	target, err := s.deps.Ledger.BeginStockDecrease(ctx, rec.ID, sku, -changeBy, &from)
	if err != nil {
		return ledger.ItemCount{}, err
	}
	var lookErr error
	done := s.await(ctx, rec.ID, "fewer units of "+sku, func() bool {
		var pending map[string]int64
		if pending, lookErr = s.deps.Ledger.PendingStock(ctx, rec.ID); lookErr != nil {
			return errors.Is(lookErr, context.Canceled)
		}
		_, still := pending[sku]
		return !still
	})
	if !done || lookErr != nil {
		return ledger.ItemCount{}, errors.Join(lookErr, problem.With(problem.Unavailable,
			"the change is noted and will be carried out as soon as redis and the ledger answer; look at the stock again"))
	}
	count, err := s.itemCount(ctx, rec.ID, sku)
	if err == nil && count.Allocated > target {
		return count, problem.With(problem.StockConflict, "more units are held and sold", problem.F("sku", sku), problem.F("allocated", count.Allocated))
	}
	return count, err
}
