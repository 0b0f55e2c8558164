package ledger

import (
	"context"
	"database/sql"
)

// SaleBalance is what the ledger has of a sale at one moment.
type SaleBalance struct {
	Version int64
	// NewestMillis is when the newest order was accepted, by the clock of Redis; 0 when there is none.
	NewestMillis int64
	Failed       int64 // orders that failed, and were not driven again
	Items        []ItemBalance
}

// ItemBalance is what the ledger has of an item.
type ItemBalance struct {
	ItemCount
	// Pending is what is to be allocated, of a decrease that is under way; nil when there is none.
	Pending *int64
	// SoldBefore are the sold units of orders that were accepted before the cut, SoldUpTo those of the cut too.
	SoldBefore, SoldUpTo int64
}

// Balance reads the counters of a sale, and which of its sold units are of orders that were accepted by a moment
// of Redis' clock. It is one statement, and so of one moment, and reads none of the orders before the cut.
// An unknown sale has no items.
func (l *Ledger) Balance(ctx context.Context, saleID string, cutMillis int64) (SaleBalance, error) {
	var b SaleBalance
	items, err := collect(ctx, l.read, reportTimeout, func(rows *sql.Rows) (i ItemBalance, err error) {
		var from, after int64
		err = rows.Scan(&i.SKU, &i.Allocated, &i.Pending, &i.Sold, &from, &after, &b.Version, &b.NewestMillis, &b.Failed)
		i.SoldBefore, i.SoldUpTo = i.Sold-from, i.Sold-after
		return i, err
	}, `SELECT i.sku, i.allocated, i.pending, i.sold,
			CAST(coalesce(later.units_from, 0) AS BIGINT), CAST(coalesce(later.units_after, 0) AS BIGINT),
			s.version, coalesce((SELECT max(created_ms) FROM orders WHERE sale = $1), 0),
			(SELECT count(*) FROM failed_orders WHERE sale = $1)
		FROM items i JOIN sales s ON s.id = i.sale
		LEFT JOIN (
			SELECT l.sku, sum(l.quantity) AS units_from, sum(CASE WHEN o.created_ms > $2 THEN l.quantity ELSE 0 END) AS units_after
			FROM orders o JOIN order_lines l ON l.order_id = o.id
			WHERE o.sale = $1 AND o.created_ms >= $2 GROUP BY l.sku
		) later ON later.sku = i.sku
		WHERE i.sale = $1 ORDER BY i.position, i.sku`, saleID, cutMillis)
	b.Items = items
	return b, err
}

// ByItem are the items by SKU.
func (b SaleBalance) ByItem() map[string]ItemBalance {
	items := make(map[string]ItemBalance, len(b.Items))
	for _, item := range b.Items {
		items[item.SKU] = item
	}
	return items
}
