package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// StockChange says what is to become of the units that are allocated to an item: SetTo of them, or else By
// more than there are, fewer when it is negative.
type StockChange struct {
	SKU   string
	By    int64
	SetTo *int64
	// Expected, when given, must be allocated now.
	Expected *int64
	// Taken are the units that may not be taken away, by the counters of Redis. Zero when they are not known.
	Taken TakenUnits
}

// TakenUnits are the units of an item that are not free.
type TakenUnits struct{ Held, Sold, Withheld int64 }

func (t TakenUnits) sum() int64 { return t.Held + t.Sold + t.Withheld }

// StockStep is what a change makes of the units that are allocated to an item.
type StockStep struct {
	SKU      string
	From, To int64
	// Err says why the change is refused.
	Err error
}

// ChangeStock makes the changes of a sale's items, of each item once, all or none of them. More units are
// allocated with its return; fewer are written down as a target (see above), but those of a draft, which
// nobody was offered. The sale's version rises, so that the leader sees it. A dry run changes nothing.
//
// The steps are in the order of the changes; done is false when one of them is refused. Codes of the steps:
// unknown_sku, invalid_quantity, stock_conflict (not what was expected, or the units are sold), and
// conflict while another change of the item is pending. Code of the call: unknown_sale.
func (l *Ledger) ChangeStock(ctx context.Context, saleID string, changes []StockChange, dryRun bool) (steps []StockStep, done bool, err error) {
	err = l.inSaleChange(ctx, saleID, func(ctx context.Context, c *saleChange) error {
		items, err := c.plan(ctx, changes, &steps)
		if err != nil {
			return err
		}
		done = !slices.ContainsFunc(steps, func(s StockStep) bool { return s.Err != nil })
		if !done || dryRun || len(items) == 0 {
			return errNothingToDo
		}
		return c.apply(ctx, items)
	})
	if err != nil {
		return nil, false, err
	}
	return steps, done, nil
}

// plannedStock is a change of an item that is in order.
type plannedStock struct {
	*stockChange
	to int64
}

// plan works out the steps, and returns the items that change.
func (c *saleChange) plan(ctx context.Context, changes []StockChange, steps *[]StockStep) (items []plannedStock, err error) {
	*steps = make([]StockStep, len(changes))
	for i := range changes {
		step := &(*steps)[i]
		step.SKU = changes[i].SKU
		one, err := c.item(ctx, step.SKU)
		if errors.Is(err, problem.UnknownSKU) {
			step.Err = err
			continue
		}
		if err != nil {
			return nil, err
		}
		step.From = one.allocated
		if step.To, step.Err = one.target(&changes[i]); step.Err == nil && step.To != step.From {
			items = append(items, plannedStock{one, step.To})
		}
	}
	return items, nil
}

// apply makes the changes. Rows are locked in the order of their SKU, as commits do it.
func (c *saleChange) apply(ctx context.Context, items []plannedStock) error {
	slices.SortFunc(items, func(a, b plannedStock) int { return cmp.Compare(a.sku, b.sku) })
	for _, item := range items {
		if item.to < item.allocated && !c.rec.Draft {
			if err := item.note(ctx, item.to); err != nil {
				return err
			}
			continue
		}
		if err := item.allocate(ctx, item.to); err != nil {
			return err
		}
	}
	return nil
}

// note writes down what is to be allocated once Redis has let go of the units.
func (c *stockChange) note(ctx context.Context, target int64) error {
	return c.exec(ctx, `UPDATE items SET pending = $1 WHERE sale = $2 AND sku = $3`, target, c.rec.ID, c.sku)
}

// target is what the change makes of the allocation. Codes: invalid_quantity, stock_conflict, conflict.
func (c *stockChange) target(change *StockChange) (int64, error) {
	to := c.allocated + change.By
	switch {
	case change.SetTo != nil:
		to = *change.SetTo
	case change.By == 0 || change.By > sale.MaxStock || change.By < -sale.MaxStock:
		return 0, problem.With(problem.InvalidQuantity, fmt.Sprintf("want a change of 1 to %d units, up or down", int64(sale.MaxStock)))
	}
	switch {
	case c.pending.Valid:
		return 0, stockPending(c.sku)
	case change.Expected != nil && *change.Expected != c.allocated:
		return 0, problem.With(problem.StockConflict,
			fmt.Sprintf("%d units are allocated, not %d", c.allocated, *change.Expected), problem.F("allocated", c.allocated))
	case to < 0 || to > sale.MaxStock:
		return 0, problem.With(problem.InvalidQuantity, fmt.Sprintf("the stock would become %d; want 0 to %d", to, int64(sale.MaxStock)))
	case to < c.allocated && (to < c.sold || to < change.Taken.sum()):
		return 0, c.takenConflict(change.Taken)
	}
	return to, nil
}

// takenConflict refuses to take units away that are not free.
func (c *stockChange) takenConflict(taken TakenUnits) error {
	taken.Sold = max(taken.Sold, c.sold)
	return StockTaken(c.sku, c.allocated, taken)
}

// StockTaken is the refusal to allocate fewer units than are taken. Code: stock_conflict.
func StockTaken(sku string, allocated int64, taken TakenUnits) error {
	return problem.With(problem.StockConflict,
		fmt.Sprintf("%d units of %s are sold, %d held and %d withheld; want %d or more", taken.Sold, sku, taken.Held, taken.Withheld, taken.sum()),
		problem.F("sku", sku), problem.F("allocated", allocated),
		problem.F("sold", taken.Sold), problem.F("held", taken.Held), problem.F("withheld", taken.Withheld))
}
