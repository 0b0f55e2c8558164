package keeper

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
// More units are written to the ledger first, fewer to Redis first: whatever a crash leaves
// behind, Redis never offers a unit that the ledger would refuse.
// Codes: unknown_sale, unknown_sku, stock_conflict, invalid_quantity.
func (k *Keeper) ChangeStock(ctx context.Context, id, sku string, changeBy int64, expected *int64) (ledger.ItemCount, error) {
	rec, err := k.deps.Ledger.Sale(ctx, id)
	if err != nil {
		return ledger.ItemCount{}, err
	}
	index := rec.ItemIndex(sku)
	if index < 0 {
		return ledger.ItemCount{}, problem.With(problem.UnknownSKU, fmt.Sprintf("the sale has no item %q", sku))
	}
	from := rec.Items[index].Stock
	to := from + changeBy
	if expected != nil && *expected != from {
		return ledger.ItemCount{}, problem.With(problem.StockConflict,
			fmt.Sprintf("%d units are allocated, not %d", from, *expected), problem.F("allocated", from))
	}
	if changeBy < -sale.MaxStock || changeBy > sale.MaxStock || to < 0 || to > sale.MaxStock {
		return ledger.ItemCount{}, problem.With(problem.InvalidQuantity, fmt.Sprintf("the stock would become %d", to))
	}
	next := rec
	next.Items = append([]sale.Item(nil), rec.Items...)
	next.Items[index].Stock = to
	if err := k.moveStock(ctx, &next, rec.Version, sku, from, to); err != nil {
		return ledger.ItemCount{}, err
	}
	return k.itemCount(ctx, id, sku)
}

func (k *Keeper) moveStock(ctx context.Context, next *sale.Record, version int64, sku string, from, to int64) error {
	if to < from {
		if err := k.allot(ctx, *next, sku, to); err != nil {
			return err
		}
	}
	// The record's version is the compare-and-set: two changes at once cannot both count from
	// the same stock. The allocation is written in the same transaction.
	if err := k.save(ctx, next, version); err != nil {
		return err
	}
	if to > from {
		if err := k.allot(ctx, *next, sku, to); err != nil {
			return err
		}
	}
	return k.armSoon(ctx, *next)
}

func (k *Keeper) allot(ctx context.Context, rec sale.Record, sku string, allocated int64) error {
	if rec.Draft {
		return nil
	}
	return k.deps.OpenStock(rec).Allot(ctx, sku, allocated)
}

func (k *Keeper) itemCount(ctx context.Context, id, sku string) (ledger.ItemCount, error) {
	items, err := k.deps.Ledger.Items(ctx, id)
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
