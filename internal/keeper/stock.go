package keeper

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
// More units are written to the ledger first, fewer to Redis first: whatever a crash leaves
// behind, Redis never offers a unit that the ledger would refuse, and the loop brings the two
// together.
// Codes: unknown_sale, unknown_sku, stock_conflict, invalid_quantity, conflict.
func (k *Keeper) ChangeStock(ctx context.Context, id, sku string, changeBy int64, expected *int64) (ledger.ItemCount, error) {
	k.changes.Lock()
	defer k.changes.Unlock()
	for attempt := 1; ; attempt++ {
		err := k.changeStockOnce(ctx, id, sku, changeBy, expected)
		if errors.Is(err, problem.Conflict) && attempt < changeAttempts {
			continue // another node was faster; its change is counted from now
		}
		if err != nil {
			return ledger.ItemCount{}, err
		}
		return k.itemCount(ctx, id, sku)
	}
}

func (k *Keeper) changeStockOnce(ctx context.Context, id, sku string, changeBy int64, expected *int64) error {
	rec, err := k.deps.Ledger.Sale(ctx, id)
	if err != nil {
		return err
	}
	index := rec.ItemIndex(sku)
	if index < 0 {
		return problem.With(problem.UnknownSKU, fmt.Sprintf("the sale has no item %q", sku))
	}
	from := rec.Items[index].Stock
	if expected != nil && *expected != from {
		return problem.With(problem.StockConflict,
			fmt.Sprintf("%d units are allocated, not %d", from, *expected), problem.F("allocated", from))
	}
	if changeBy < -sale.MaxStock || changeBy > sale.MaxStock || from+changeBy < 0 || from+changeBy > sale.MaxStock {
		return problem.With(problem.InvalidQuantity, fmt.Sprintf("the stock would become %d", from+changeBy))
	}
	next := rec
	next.Items = append([]sale.Item(nil), rec.Items...)
	next.Items[index].Stock = from + changeBy
	return k.moveStock(ctx, next, rec, sku)
}

// moveStock goes on when the caller has left: a change that is half done is worse than either.
func (k *Keeper) moveStock(ctx context.Context, next, former sale.Record, sku string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), carryTimeout)
	defer cancel()
	to := next.Items[next.ItemIndex(sku)].Stock
	if to < former.Items[former.ItemIndex(sku)].Stock {
		if err := k.allot(ctx, next, sku, to); err != nil {
			return err
		}
	}
	// The record's version is the compare-and-set: two changes at once cannot both count from
	// the same stock. The allocation is written in the same transaction.
	if err := k.save(ctx, &next, former.Version); err != nil {
		return errors.Join(err, k.restoreAllocation(ctx, next.ID, sku))
	}
	return k.carry(ctx, next, k.update)
}

// restoreAllocation gives Redis back what the ledger allocates.
func (k *Keeper) restoreAllocation(ctx context.Context, id, sku string) error {
	rec, err := k.deps.Ledger.Sale(ctx, id)
	if err != nil || rec.ItemIndex(sku) < 0 {
		return err
	}
	return k.allot(ctx, rec, sku, rec.Items[rec.ItemIndex(sku)].Stock)
}

func (k *Keeper) allot(ctx context.Context, rec sale.Record, sku string, allocated int64) error {
	if rec.Draft {
		return nil
	}
	return k.deps.OpenStock(rec).Allot(ctx, sku, allocated, noTerm)
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
