package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
)

// statusFailed is the status of an order that was accepted and that the ledger refused for good.
const statusFailed = "failed"

// oversoldConstraint is the constraint sold <= allocated of an item.
const oversoldConstraint = "items_never_oversold"

// IsOversold reports whether the ledger refused an order because the item has no units left, and not
// because of the order's data. The units of such an order must not be offered again: the ledger has
// none for them.
func IsOversold(err error) bool {
	if before, ok := errors.AsType[*failedBefore](err); ok {
		return before.oversold
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.ConstraintName == oversoldConstraint
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return strings.Contains(lite.Error(), oversoldConstraint)
	}
	return false
}

// failedBefore refuses an order that failed already: its units were given back.
type failedBefore struct {
	id, reason string
	oversold   bool
}

func (f *failedBefore) Error() string {
	return fmt.Sprintf("the order %q failed before: %s", f.id, f.reason)
}

// markFailed notes, in the transaction that keeps its dead letter, that an order failed, and returns
// whether it is so. It is not when the order is in the ledger, or is being written to it: whoever
// writes its reservation first wins, and the other one waits for it.
func markFailed(ctx context.Context, tx *sql.Tx, o *checkout.Order, letter, reason string, oversold bool, nowMillis int64) (bool, error) {
	if !storable(o.ID, o.Sale, o.Reservation) {
		return false, nil
	}
	// The placeholder makes a commit of the same order wait until this transaction ends. That commit
	// then sees the failure when it inserts the lines.
	result, err := tx.ExecContext(ctx, `INSERT INTO orders (id, reservation, sale, customer, channel, payment_ref, customer_doc, metadata, epoch, created_ms, committed_ms)
		VALUES ($1, $2, $3, '', '', '', '', '', 0, 0, 0) ON CONFLICT DO NOTHING`, o.ID, o.Reservation, o.Sale)
	if err != nil {
		return false, err
	}
	if placed, err := result.RowsAffected(); err != nil || placed == 0 {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM orders WHERE id = $1`, o.ID); err != nil {
		return false, err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO failed_orders (id, sale, reservation, letter, reason, oversold, created_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING`,
		o.ID, o.Sale, o.Reservation, letter, reason, flag(oversold), nowMillis)
	return err == nil, err
}

func flag(set bool) int64 {
	if set {
		return 1
	}
	return 0
}

// findFailed returns the refusal of the first order that failed before, or nil.
func findFailed(ctx context.Context, tx *sql.Tx, orders []checkout.Order) error {
	for _, o := range orders {
		before := failedBefore{id: o.ID}
		var oversold int64
		err := tx.QueryRowContext(ctx, `SELECT reason, oversold FROM failed_orders WHERE id = $1`, o.ID).Scan(&before.reason, &oversold)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		before.oversold = oversold != 0
		return refused("%w", &before)
	}
	return nil
}

// failedOrder reads an order that failed. Code: unknown_order.
func (l *Ledger) failedOrder(ctx context.Context, id string) (checkout.Stored, error) {
	rows, err := collect(ctx, l.read, queryTimeout, scanFailed, `SELECT `+failedColumns+` WHERE f.id = $1`, id)
	failed, err := one(rows, err, problem.UnknownOrder)
	return failed.Stored, err
}

// FailedOrder is an order that was accepted and that the ledger refused for good.
type FailedOrder struct {
	checkout.Stored
	// Oversold says that the item had no units left for it; see IsOversold.
	Oversold bool

	failedAtMillis int64
}

// FailedOrders reads up to limit orders of a sale that failed, as Orders does those that did not.
func (l *Ledger) FailedOrders(ctx context.Context, saleID, cursor string, limit int) ([]FailedOrder, string, error) {
	after, err := parseCursor(cursor, beforeAll)
	if err != nil {
		return nil, "", err
	}
	rows, err := collect(ctx, l.read, queryTimeout, scanFailed, `SELECT `+failedColumns+`
		WHERE f.sale = $1 AND (f.created_ms, f.id) > ($2, $3) ORDER BY f.created_ms, f.id LIMIT $4`,
		saleID, after.millis, after.id, bounded(limit))
	if err != nil || len(rows) == 0 {
		return nil, "", err
	}
	last := rows[len(rows)-1]
	return rows, nextCursor(len(rows), limit, position{last.failedAtMillis, last.ID}), nil
}

const failedColumns = `f.id, f.sale, f.reservation, f.created_ms, f.oversold, d.raw
	FROM failed_orders f LEFT JOIN dead_letters d ON d.id = f.letter`

func scanFailed(rows *sql.Rows) (FailedOrder, error) {
	o := FailedOrder{Stored: checkout.Stored{Status: statusFailed}}
	var oversold int64
	var raw []byte
	if err := rows.Scan(&o.ID, &o.Sale, &o.Reservation, &o.failedAtMillis, &oversold, &raw); err != nil {
		return o, err
	}
	o.Oversold, o.CreatedAtMillis = oversold != 0, o.failedAtMillis
	if whole, err := checkout.DecodeOrder(raw); err == nil {
		o.Order = whole
	}
	return o, nil
}

// AddDeadLetter keeps a record that cannot be committed, for a person, with the refusal. The same
// record again is the same dead letter, open again if it was resolved. When the record is an order,
// the order is failed from the same moment on, and failed is true; only an order that the ledger has
// under the same id or reservation is not.
func (l *Ledger) AddDeadLetter(ctx context.Context, raw []byte, refusal error) (failed bool, err error) {
	if raw == nil {
		raw = []byte{}
	}
	id, reason, now := letterID(raw), printable(refusal.Error(), maxReasonBytes), time.Now().UnixMilli()
	order, notOrder := checkout.DecodeOrder(raw)
	err = l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO dead_letters (id, raw, reason, times, created_ms) VALUES ($1, $2, $3, 1, $4)
			ON CONFLICT (id) DO UPDATE SET reason = excluded.reason, times = dead_letters.times + 1, resolved_ms = NULL`,
			id, raw, reason, now)
		if err != nil || notOrder != nil {
			return err
		}
		failed, err = markFailed(ctx, tx, &order, id, reason, IsOversold(refusal), now)
		return err
	})
	return failed && err == nil, err
}
