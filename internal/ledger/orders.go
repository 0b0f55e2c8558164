package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
)

// MaxBatch bounds the orders of one transaction.
const MaxBatch = 10_000

// inserter is the part of a commit that differs: PostgreSQL takes a batch as
// arrays in one statement, SQLite row by row with a prepared statement.
type inserter interface {
	// orders inserts the orders that meet no other, by reservation or id, and returns their
	// reservations. Both are named: with ON CONFLICT (reservation) alone, PostgreSQL may come
	// upon the id first when the same order is being committed elsewhere, and fail.
	orders(ctx context.Context, tx *sql.Tx, batch []checkout.Order, committedAtMillis int64) ([]string, error)
	// stranger returns the id of an order of the batch whose reservation has no order, or "".
	stranger(ctx context.Context, tx *sql.Tx, batch []checkout.Order) (id string, err error)
	// lines inserts the lines of all given orders, except of those that failed before, and returns
	// how many.
	lines(ctx context.Context, tx *sql.Tx, batch []checkout.Order) (int64, error)
}

// CommitOrders writes all orders in one transaction, or none. An order whose
// reservation has one already is left out, so that a batch may be committed any
// number of times. The units of the new ones are added to what is sold. If that
// exceeds what is allocated, an item is unknown, or an order failed before, the
// whole batch is refused with an error for which IsPermanent holds.
func (l *Ledger) CommitOrders(ctx context.Context, orders []checkout.Order) (checkout.CommitResult, error) {
	batch, err := prepare(orders)
	if err != nil || len(batch) == 0 {
		return checkout.CommitResult{}, err
	}
	var inserted []string
	err = l.inTx(ctx, commitTimeout, func(ctx context.Context, tx *sql.Tx) (err error) {
		inserted, err = l.commitInTx(ctx, tx, batch, time.Now().UnixMilli())
		return err
	})
	if err != nil {
		return checkout.CommitResult{}, err
	}
	slices.Sort(inserted)
	return checkout.CommitResult{Inserted: inserted, Duplicate: len(orders) - len(inserted)}, nil
}

// commitInTx writes a prepared batch and returns the reservations whose order is new.
func (l *Ledger) commitInTx(ctx context.Context, tx *sql.Tx, batch []checkout.Order, nowMillis int64) ([]string, error) {
	inserted, err := l.insert.orders(ctx, tx, batch, nowMillis)
	if err != nil {
		return nil, err
	}
	fresh, skipped := split(batch, inserted)
	if err := l.checkSkipped(ctx, tx, skipped); err != nil || len(fresh) == 0 {
		return nil, err
	}
	want := 0
	for i := range fresh {
		want += len(fresh[i].Lines)
	}
	got, err := l.insert.lines(ctx, tx, fresh)
	if err != nil {
		return nil, err
	}
	if got != int64(want) {
		if err := findFailed(ctx, tx, fresh); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%d of %d order lines were inserted", got, want)
	}
	return inserted, addSold(ctx, tx, fresh)
}

// prepare checks the orders, drops repetitions and sorts by reservation, so
// that transactions that overlap lock in the same order and cannot deadlock.
func prepare(orders []checkout.Order) ([]checkout.Order, error) {
	if len(orders) > MaxBatch {
		return nil, refused("%d orders in a batch; at most %d", len(orders), MaxBatch)
	}
	for i := range orders {
		if err := check(&orders[i]); err != nil {
			return nil, err
		}
	}
	batch := slices.Clone(orders)
	slices.SortStableFunc(batch, func(a, b checkout.Order) int { return cmp.Compare(a.Reservation, b.Reservation) })
	return slices.CompactFunc(batch, func(a, b checkout.Order) bool { return a.Reservation == b.Reservation }), nil
}

// check applies the rules of an order, by which the desk judged what the shop sent before it
// accepted the order.
func check(o *checkout.Order) error {
	if err := o.Validate(); err != nil {
		return refused("order %q: %v", o.ID, err)
	}
	return nil
}

// split tells the orders that were inserted from those that were not.
func split(batch []checkout.Order, inserted []string) (fresh, skipped []checkout.Order) {
	if len(inserted) == len(batch) {
		return batch, nil
	}
	isNew := make(map[string]bool, len(inserted))
	for _, reservation := range inserted {
		isNew[reservation] = true
	}
	for _, o := range batch {
		if isNew[o.Reservation] {
			fresh = append(fresh, o)
		} else {
			skipped = append(skipped, o)
		}
	}
	return fresh, skipped
}

// checkSkipped makes sure that what was not inserted is there already. An order
// can also be skipped because its id belongs to another reservation: that one
// would be lost.
func (l *Ledger) checkSkipped(ctx context.Context, tx *sql.Tx, skipped []checkout.Order) error {
	if len(skipped) == 0 {
		return nil
	}
	id, err := l.insert.stranger(ctx, tx, skipped)
	if err != nil {
		return err
	}
	if id != "" {
		return refused("the order id %q belongs to another reservation", id)
	}
	return nil
}

type itemKey struct{ sale, sku string }

// addSold raises the counters, item by item in sorted order: the item's row is
// what concurrent commits wait for, and the last to be locked.
func addSold(ctx context.Context, tx *sql.Tx, fresh []checkout.Order) error {
	units := make(map[itemKey]int64)
	for _, o := range fresh {
		for _, line := range o.Lines {
			units[itemKey{o.Sale, line.SKU}] += line.Quantity
		}
	}
	keys := make([]itemKey, 0, len(units))
	for key := range units {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b itemKey) int {
		return cmp.Or(cmp.Compare(a.sale, b.sale), cmp.Compare(a.sku, b.sku))
	})
	for _, key := range keys {
		result, err := tx.ExecContext(ctx, `UPDATE items SET sold = sold + $1 WHERE sale = $2 AND sku = $3`,
			units[key], key.sale, key.sku)
		if err != nil {
			return fmt.Errorf("sell %d of %s in %s: %w", units[key], key.sku, key.sale, err)
		}
		changed, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if changed == 0 {
			return refused("sale %q has no item %q", key.sale, key.sku)
		}
	}
	return nil
}

const orderColumns = `id, reservation, sale, customer, channel, drawn, status, payment_ref, customer_doc, metadata, epoch, created_ms, committed_ms`

func scanOrder(rows *sql.Rows) (checkout.Stored, error) {
	var o checkout.Stored
	var customerDoc, metadata string
	err := rows.Scan(&o.ID, &o.Reservation, &o.Sale, &o.Customer, &o.Channel, &o.Drawn, &o.Status, &o.PaymentRef,
		&customerDoc, &metadata, &o.Epoch, &o.CreatedAtMillis, &o.CommittedAtMillis)
	o.CustomerDoc, o.Metadata = document(customerDoc), document(metadata)
	return o, err
}

// document is nil when nothing is kept: an empty RawMessage is not valid JSON.
func document(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

// Order reads one order, also one that failed. It ends with ctx, and after 5 s at the latest.
// Codes: unknown_order, unavailable.
func (l *Ledger) Order(ctx context.Context, id string) (checkout.Stored, error) {
	rows, err := collect(ctx, l.read, queryTimeout, scanOrder, `SELECT `+orderColumns+` FROM orders WHERE id = $1`, id)
	if err == nil && len(rows) == 0 {
		return l.failedOrder(ctx, id)
	}
	order, err := one(rows, err, problem.UnknownOrder)
	if err != nil {
		return checkout.Stored{}, err
	}
	lines, err := collect(ctx, l.read, queryTimeout, scanLine, `SELECT `+lineColumns+` FROM order_lines l WHERE l.order_id = $1 ORDER BY l.position`, id)
	for _, line := range lines {
		order.Lines = append(order.Lines, line.Line)
	}
	return order, err
}

const lineColumns = `l.order_id, l.sku, l.quantity, l.unit_amount, l.currency`

type orderLine struct {
	order string
	checkout.Line
}

func scanLine(rows *sql.Rows) (orderLine, error) {
	var line orderLine
	err := rows.Scan(&line.order, &line.SKU, &line.Quantity, &line.UnitAmount, &line.Currency)
	return line, err
}

// OrderStats is what a sale's orders add up to.
type OrderStats struct {
	Orders     int64
	Duplicates int64            // orders beyond the first of a reservation; the schema allows none
	Units      map[string]int64 // by SKU
	Counted    map[string]int64 // by SKU: the counter of sold units, of the same moment
}

// OrderStats adds up a sale's orders themselves, as of one moment. It reads all of them: a million in a second or two.
func (l *Ledger) OrderStats(ctx context.Context, saleID string) (OrderStats, error) {
	stats := OrderStats{Units: make(map[string]int64), Counted: make(map[string]int64)}
	duplicates, err := l.duplicates(ctx)
	if err != nil {
		return stats, err
	}
	type sum struct {
		sku                                string
		units, counted, orders, duplicates int64
	}
	sums, err := collect(ctx, l.read, reportTimeout, func(rows *sql.Rows) (sum, error) {
		var s sum
		err := rows.Scan(&s.sku, &s.units, &s.counted, &s.orders, &s.duplicates)
		return s, err
	}, `SELECT '' AS sku, 0 AS units, 0 AS counted, count(*), `+duplicates+` FROM orders WHERE sale = $1
		UNION ALL
		SELECT l.sku, CAST(sum(l.quantity) AS BIGINT), 0, 0, 0 FROM orders o JOIN order_lines l ON l.order_id = o.id
		WHERE o.sale = $1 GROUP BY l.sku
		UNION ALL
		SELECT sku, 0, sold, 0, 0 FROM items WHERE sale = $1`, saleID)
	for _, s := range sums {
		stats.Orders += s.orders
		stats.Duplicates += s.duplicates
		if s.sku != "" {
			stats.Units[s.sku] += s.units
			stats.Counted[s.sku] += s.counted
		}
	}
	return stats, err
}

// duplicates is the expression that counts the orders beyond the first of a reservation. While the schema has the
// constraint that forbids them there are none; counting them all the same would sort all orders.
func (l *Ledger) duplicates(ctx context.Context) (string, error) {
	query := `SELECT count(*) FROM pg_constraint WHERE conrelid = 'orders'::regclass AND conname = 'orders_one_a_reservation' AND contype = 'u'`
	if !l.postgres {
		query = `SELECT count(*) FROM pragma_index_list('orders') i WHERE i."unique" = 1 AND i.partial = 0
			AND (SELECT group_concat(name) FROM pragma_index_info(i.name)) = 'reservation'`
	}
	found, err := collect(ctx, l.read, queryTimeout, scanInt64, query)
	if err != nil || found[0] > 0 {
		return "0", err
	}
	return "count(*) - count(DISTINCT reservation)", nil
}
