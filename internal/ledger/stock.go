package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// Fewer units go to Redis first and to the ledger then, so that Redis never offers a unit that the
// ledger would refuse:
//
//  1. BeginStockDecrease writes down the target. Nothing else changes yet.
//  2. The leader makes it the allocation in Redis, which may refuse: too many units are held or sold.
//  3. FinishStockDecrease makes it the allocation here; CancelStockDecrease forgets it.
//
// Whoever dies between two steps leaves the target behind, and PendingStock tells the leader what is
// to be finished or cancelled. More units are one step, IncreaseStock, and go to Redis afterwards.

// PendingStock lists the decreases of a sale that are under way: SKU → what its allocation becomes.
func (l *Ledger) PendingStock(ctx context.Context, saleID string) (map[string]int64, error) {
	return numbers(ctx, l.read, `SELECT sku, pending FROM items WHERE sale = $1 AND pending IS NOT NULL`, saleID)
}

// BeginStockDecrease writes down that an item is to have by fewer units, and returns the target. The
// sale's version rises, so that the leader sees it. With expected given, that many units must be
// allocated now. Codes: unknown_sale, unknown_sku, invalid_quantity, stock_conflict, and conflict while
// another change is pending.
func (l *Ledger) BeginStockDecrease(ctx context.Context, saleID, sku string, by int64, expected *int64) (target int64, err error) {
	err = l.inStockChange(ctx, saleID, sku, func(ctx context.Context, c *stockChange) error {
		if err := c.check(by, expected); err != nil {
			return err
		}
		target = c.allocated - by
		switch {
		case target < 0:
			return problem.With(problem.InvalidQuantity, fmt.Sprintf("the stock would become %d", target))
		case target < c.sold:
			return problem.With(problem.StockConflict, fmt.Sprintf("%d units of %s are sold", c.sold, sku), problem.F("allocated", c.allocated))
		}
		return c.exec(ctx, `UPDATE items SET pending = $1 WHERE sale = $2 AND sku = $3`, target, saleID, sku)
	})
	return target, err
}

// FinishStockDecrease makes the target the item's allocation, in the sale's document as well. Again is
// fine. Codes: unknown_sale, unknown_sku, stock_conflict when more is sold, and conflict when this
// target is not pending.
func (l *Ledger) FinishStockDecrease(ctx context.Context, saleID, sku string, target int64) error {
	return l.inStockChange(ctx, saleID, sku, func(ctx context.Context, c *stockChange) error {
		if !c.pending.Valid && c.allocated == target {
			return errNothingToDo
		}
		if err := c.pendingIs(target); err != nil {
			return err
		}
		return c.allocate(ctx, target)
	})
}

// CancelStockDecrease forgets the target. Again is fine. Codes: unknown_sale, unknown_sku, and conflict
// when another target is pending.
func (l *Ledger) CancelStockDecrease(ctx context.Context, saleID, sku string, target int64) error {
	return l.inStockChange(ctx, saleID, sku, func(ctx context.Context, c *stockChange) error {
		if !c.pending.Valid {
			return errNothingToDo
		}
		if err := c.pendingIs(target); err != nil {
			return err
		}
		return c.exec(ctx, `UPDATE items SET pending = NULL WHERE sale = $1 AND sku = $2`, saleID, sku)
	})
}

// IncreaseStock allocates by more units to an item, in the sale's document as well, and returns the
// new allocation. Codes as of BeginStockDecrease.
func (l *Ledger) IncreaseStock(ctx context.Context, saleID, sku string, by int64, expected *int64) (allocated int64, err error) {
	err = l.inStockChange(ctx, saleID, sku, func(ctx context.Context, c *stockChange) error {
		if err := c.check(by, expected); err != nil {
			return err
		}
		allocated = c.allocated + by
		if allocated > sale.MaxStock {
			return problem.With(problem.InvalidQuantity, fmt.Sprintf("the stock would become %d; at most %d", allocated, int64(sale.MaxStock)))
		}
		return c.allocate(ctx, allocated)
	})
	return allocated, err
}

// errNothingToDo ends a transaction without a change and without an error.
var errNothingToDo = errors.New("nothing to do")

// stockChange is a transaction that holds the rows of a sale and of one of its items.
type stockChange struct {
	tx        *sql.Tx
	rec       sale.Record // with the new version
	sku       string
	nowMillis int64
	allocated int64
	sold      int64
	pending   sql.NullInt64
}

// inStockChange raises the sale's version first: its row is what two changes wait for, and SaveSale too.
func (l *Ledger) inStockChange(ctx context.Context, saleID, sku string, do func(ctx context.Context, c *stockChange) error) error {
	err := l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) error {
		c, err := lockStock(ctx, tx, saleID, sku)
		if err != nil {
			return err
		}
		return do(ctx, c)
	})
	if errors.Is(err, errNothingToDo) {
		return nil
	}
	return err
}

// lockStock begins a change within a transaction.
func lockStock(ctx context.Context, tx *sql.Tx, saleID, sku string) (*stockChange, error) {
	c := &stockChange{tx: tx, sku: sku, nowMillis: time.Now().UnixMilli()}
	return c, c.lock(ctx, saleID)
}

func (c *stockChange) lock(ctx context.Context, saleID string) error {
	rec, err := readSale(c.tx.QueryRowContext(ctx, `UPDATE sales SET version = version + 1, updated_ms = $1 WHERE id = $2
		RETURNING `+saleColumns, c.nowMillis, saleID))
	if errors.Is(err, sql.ErrNoRows) {
		return problem.UnknownSale
	}
	if err != nil {
		return err
	}
	c.rec = rec
	err = c.tx.QueryRowContext(ctx, `SELECT allocated, sold, pending FROM items WHERE sale = $1 AND sku = $2`, saleID, c.sku).
		Scan(&c.allocated, &c.sold, &c.pending)
	if errors.Is(err, sql.ErrNoRows) {
		return problem.With(problem.UnknownSKU, fmt.Sprintf("the sale has no item %q", c.sku))
	}
	return err
}

func (c *stockChange) check(by int64, expected *int64) error {
	switch {
	case by < 1 || by > sale.MaxStock:
		return problem.With(problem.InvalidQuantity, fmt.Sprintf("want a change of 1 to %d units", int64(sale.MaxStock)))
	case c.pending.Valid:
		return stockPending(c.sku)
	case expected != nil && *expected != c.allocated:
		return problem.With(problem.StockConflict,
			fmt.Sprintf("%d units are allocated, not %d", c.allocated, *expected), problem.F("allocated", c.allocated))
	}
	return nil
}

func (c *stockChange) pendingIs(target int64) error {
	if !c.pending.Valid || c.pending.Int64 != target {
		return problem.With(problem.Conflict, fmt.Sprintf("no decrease of %s to %d units is pending", c.sku, target))
	}
	return nil
}

func stockPending(sku string) error {
	return problem.With(problem.Conflict, fmt.Sprintf("another change of the stock of %s is under way", sku))
}

// allocate writes an allocation into the item's row and into the sale's document.
func (c *stockChange) allocate(ctx context.Context, units int64) error {
	at := c.rec.ItemIndex(c.sku)
	if at < 0 {
		return fmt.Errorf("the document of sale %q has no item %q", c.rec.ID, c.sku)
	}
	c.rec.Items[at].Stock = units
	if err := c.exec(ctx, `UPDATE items SET allocated = $1, pending = NULL WHERE sale = $2 AND sku = $3`, units, c.rec.ID, c.sku); err != nil {
		return stockConflict(ctx, err, c.sku)
	}
	return c.exec(ctx, `UPDATE sales SET doc = $1 WHERE id = $2`, string(sale.EncodeRecord(c.rec)), c.rec.ID)
}

func (c *stockChange) exec(ctx context.Context, query string, args ...any) error {
	_, err := c.tx.ExecContext(ctx, query, args...)
	return err
}
