package ledger

import (
	"context"
	"database/sql"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
)

// Orders reads up to limit (1 to 1000) orders of a sale, the oldest first, from
// after cursor; "" begins. The next cursor is "" after the last page. An order
// keeps its place, so that pages neither repeat nor skip what was there when
// reading began. Code: bad_request for a cursor that is none.
func (l *Ledger) Orders(ctx context.Context, saleID, cursor string, limit int) ([]checkout.Stored, string, error) {
	return orders(ctx, l.read, columns{orderColumns, scanOrder}, saleID, beforeAll, cursor, limit)
}

// ReportOrders is Orders for people's eyes: from the replica if there is one that is fresh enough, so that the last
// orders may be missing (see Options.MaxLag). Nothing may be decided by it.
func (l *Ledger) ReportOrders(ctx context.Context, saleID, cursor string, limit int) ([]checkout.Stored, string, error) {
	type page struct {
		orders []checkout.Stored
		next   string
	}
	p, err := readOld(ctx, l, func(ctx context.Context, db *sql.DB) (p page, err error) {
		p.orders, p.next, err = orders(ctx, db, columns{orderColumns, scanOrder}, saleID, beforeAll, cursor, limit)
		return p, err
	})
	return p.orders, p.next, err
}

// CursorAfter is the cursor of a listing that begins after an order of the sale. Code: bad_request when the sale
// has no such order in the ledger.
func (l *Ledger) CursorAfter(ctx context.Context, saleID, orderID string) (string, error) {
	unknown := problem.With(problem.BadRequest, "after: this sale has no order with that id in the ledger")
	if !storable(orderID) {
		return "", unknown
	}
	created, err := collect(ctx, l.read, queryTimeout, func(rows *sql.Rows) (createdMillis int64, err error) {
		err = rows.Scan(&createdMillis)
		return createdMillis, err
	}, `SELECT created_ms FROM orders WHERE id = $1 AND sale = $2`, orderID, saleID)
	createdMillis, err := one(created, err, unknown)
	if err != nil {
		return "", err
	}
	return position{createdMillis, orderID}.cursor(), nil
}

const bareColumns = `id, reservation, sale, customer, channel, drawn, status, epoch, created_ms, committed_ms`

func scanBare(rows *sql.Rows) (checkout.Stored, error) {
	var o checkout.Stored
	err := rows.Scan(&o.ID, &o.Reservation, &o.Sale, &o.Customer, &o.Channel, &o.Drawn, &o.Status, &o.Epoch, &o.CreatedAtMillis, &o.CommittedAtMillis)
	return o, err
}

// BareOrders is Orders without what the shop and its customer have said: the customer's document,
// the metadata and the payment's reference are left out. It begins no later than with the orders that
// were created at fromMillis (Unix ms); 0 begins with the first. Rebuilding Redis needs no more, and a page
// stays small however large the documents are.
func (l *Ledger) BareOrders(ctx context.Context, saleID string, fromMillis int64, cursor string, limit int) ([]checkout.Stored, string, error) {
	return orders(ctx, l.read, columns{bareColumns, scanBare}, saleID, fromMillis-1, cursor, limit)
}

// columns are what is read of each order, and how.
type columns struct {
	names string
	scan  func(*sql.Rows) (checkout.Stored, error)
}

// orders reads a page of orders with their lines; without a cursor it begins after startMillis.
func orders(ctx context.Context, db *sql.DB, what columns, saleID string, startMillis int64, cursor string, limit int) ([]checkout.Stored, string, error) {
	after, err := parseCursor(cursor, startMillis)
	if err != nil {
		return nil, "", err
	}
	rows, err := collect(ctx, db, queryTimeout, what.scan, `SELECT `+what.names+` FROM orders
		WHERE sale = $1 AND (created_ms, id) > ($2, $3) ORDER BY created_ms, id LIMIT $4`,
		saleID, after.millis, after.id, bounded(limit))
	if err != nil || len(rows) == 0 {
		return nil, "", err
	}
	last := rows[len(rows)-1]
	if err := addLines(ctx, db, rows); err != nil {
		return nil, "", err
	}
	return rows, nextCursor(len(rows), limit, position{last.CreatedAtMillis, last.ID}), nil
}

// addLines reads the lines of all orders of a page in one query. It names the orders: told the bounds of the page,
// Postgres misjudges how many lie between two positions of a large sale, and reads all lines of the table.
func addLines(ctx context.Context, db *sql.DB, page []checkout.Stored) error {
	at, ids := make(map[string]int, len(page)), make([]string, len(page))
	for i := range page {
		at[page[i].ID], ids[i] = i, page[i].ID
	}
	in, args := placeholders(1, ids)
	lines, err := collect(ctx, db, queryTimeout, scanLine, `SELECT `+lineColumns+` FROM order_lines l
		WHERE l.order_id IN (`+in+`) ORDER BY l.order_id, l.position`, args...)
	for _, line := range lines {
		i := at[line.order]
		page[i].Lines = append(page[i].Lines, line.Line)
	}
	return err
}
