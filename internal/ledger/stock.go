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
//  1. ChangeStock writes down the target. Nothing else changes yet.
//  2. The leader makes it the allocation in Redis, which may refuse: too many units are held or sold.
//  3. FinishStockDecrease makes it the allocation here; CancelStockDecrease forgets it.
//
// Whoever dies between two steps leaves the target behind, and PendingStock tells the leader what is
// to be finished or cancelled. More units are the one step of ChangeStock, and go to Redis afterwards.

// PendingStock lists the decreases of a sale that are under way: SKU → what its allocation becomes.
func (l *Ledger) PendingStock(ctx context.Context, saleID string) (map[string]int64, error) {
	return numbers(ctx, l.read, `SELECT sku, pending FROM items WHERE sale = $1 AND pending IS NOT NULL`, saleID)
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

// errNothingToDo ends a transaction without a change and without an error.
var errNothingToDo = errors.New("nothing to do")

// stockChange is a transaction that holds the rows of a sale and of one of its items.
type stockChange struct {
	*saleChange
	sku       string
	allocated int64
	sold      int64
	pending   sql.NullInt64
}

// saleChange is a transaction that holds the row of a sale.
type saleChange struct {
	tx  *sql.Tx
	rec sale.Record // with the new version
}

// inSaleChange raises the sale's version first: its row is what two changes wait for, and SaveSale too.
func (l *Ledger) inSaleChange(ctx context.Context, saleID string, do func(ctx context.Context, c *saleChange) error) error {
	err := l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) error {
		c := &saleChange{tx: tx}
		if err := c.lock(ctx, saleID); err != nil {
			return err
		}
		return do(ctx, c)
	})
	if errors.Is(err, errNothingToDo) {
		return nil
	}
	return err
}

func (l *Ledger) inStockChange(ctx context.Context, saleID, sku string, do func(ctx context.Context, c *stockChange) error) error {
	return l.inSaleChange(ctx, saleID, func(ctx context.Context, of *saleChange) error {
		c, err := of.item(ctx, sku)
		if err != nil {
			return err
		}
		return do(ctx, c)
	})
}

func (c *saleChange) lock(ctx context.Context, saleID string) error {
	rec, err := readSale(c.tx.QueryRowContext(ctx, `UPDATE sales SET version = version + 1, updated_ms = $1 WHERE id = $2
		RETURNING `+saleColumns, time.Now().UnixMilli(), saleID))
	if errors.Is(err, sql.ErrNoRows) {
		return problem.UnknownSale
	}
	c.rec = rec
	return err
}

// item reads an item of the sale. Code: unknown_sku.
func (c *saleChange) item(ctx context.Context, sku string) (*stockChange, error) {
	one := &stockChange{saleChange: c, sku: sku}
	err := c.tx.QueryRowContext(ctx, `SELECT allocated, sold, pending FROM items WHERE sale = $1 AND sku = $2`, c.rec.ID, sku).
		Scan(&one.allocated, &one.sold, &one.pending)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, problem.With(problem.UnknownSKU, fmt.Sprintf("the sale has no item %.64q", sku))
	}
	return one, err
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

func (c *saleChange) exec(ctx context.Context, query string, args ...any) error {
	_, err := c.tx.ExecContext(ctx, query, args...)
	return err
}
