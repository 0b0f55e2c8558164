package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// ItemCount is how many units of an item are allocated, and how many are sold
// in committed orders.
type ItemCount struct {
	SKU       string
	Allocated int64
	Sold      int64
}

func scanItem(rows *sql.Rows) (ItemCount, error) {
	var item ItemCount
	err := rows.Scan(&item.SKU, &item.Allocated, &item.Sold)
	return item, err
}

// Items reads the counts of a sale's items in the order of its document. An
// unknown sale has none.
func (l *Ledger) Items(ctx context.Context, saleID string) ([]ItemCount, error) {
	return collect(ctx, l.read, queryTimeout, scanItem,
		`SELECT sku, allocated, sold FROM items WHERE sale = $1 ORDER BY position, sku`, saleID)
}

// stockConflict words the refusal of the constraint sold <= allocated.
func stockConflict(ctx context.Context, err error, sku string) error {
	err = classify(ctx, err)
	if errors.Is(err, ErrConstraint) {
		return problem.With(problem.StockConflict, fmt.Sprintf("more units of %s are sold than would be allocated", sku))
	}
	return err
}

// syncItems makes the rows of a sale's items those of its document. Rows are
// locked in the order of their SKU, as commits do it.
func syncItems(ctx context.Context, tx *sql.Tx, s sale.Sale) error {
	former, err := itemRows(ctx, tx, s.ID)
	if err != nil {
		return err
	}
	skus := slices.Collect(maps.Keys(former))
	for _, item := range s.Items {
		skus = append(skus, item.SKU)
	}
	slices.Sort(skus)
	for _, sku := range slices.Compact(skus) {
		if err := syncItem(ctx, tx, s, sku, former); err != nil {
			return err
		}
	}
	return nil
}

func syncItem(ctx context.Context, tx *sql.Tx, s sale.Sale, sku string, former map[string]itemRow) error {
	at := s.ItemIndex(sku)
	was, exists := former[sku]
	if exists && was.pending.Valid && (at < 0 || s.Items[at].Stock != was.allocated) {
		return stockPending(sku)
	}
	if at < 0 {
		return dropItem(ctx, tx, s.ID, sku)
	}
	if exists && was.position == at && was.allocated == s.Items[at].Stock {
		return nil
	}
	return putItem(ctx, tx, s.ID, sku, at, s.Items[at].Stock)
}

type itemRow struct {
	position  int
	allocated int64
	pending   sql.NullInt64
}

func itemRows(ctx context.Context, tx *sql.Tx, saleID string) (map[string]itemRow, error) {
	rows, err := tx.QueryContext(ctx, `SELECT sku, position, allocated, pending FROM items WHERE sale = $1`, saleID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	items := make(map[string]itemRow)
	for rows.Next() {
		var sku string
		var item itemRow
		if err := rows.Scan(&sku, &item.position, &item.allocated, &item.pending); err != nil {
			return nil, err
		}
		items[sku] = item
	}
	return items, rows.Err()
}

func putItem(ctx context.Context, tx *sql.Tx, saleID, sku string, position int, allocated int64) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO items (sale, sku, position, allocated) VALUES ($1, $2, $3, $4)
		ON CONFLICT (sale, sku) DO UPDATE SET position = excluded.position, allocated = excluded.allocated`,
		saleID, sku, position, allocated)
	if err != nil {
		return stockConflict(ctx, err, sku)
	}
	return nil
}

// dropItem removes an item that sold nothing.
func dropItem(ctx context.Context, tx *sql.Tx, saleID, sku string) error {
	result, err := tx.ExecContext(ctx, `DELETE FROM items WHERE sale = $1 AND sku = $2 AND sold = 0`, saleID, sku)
	if err != nil {
		return err
	}
	if changed, err := result.RowsAffected(); err != nil || changed == 1 {
		return err
	}
	return problem.With(problem.StockConflict, fmt.Sprintf("units of %s are sold; it cannot be removed", sku))
}
