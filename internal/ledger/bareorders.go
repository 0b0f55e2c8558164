package ledger

import (
	"context"
	"database/sql"

	"github.com/penstock/penstock/checkout"
)

const bareColumns = `id, reservation, sale, customer, channel, status, epoch, created_ms, committed_ms`

func scanBare(rows *sql.Rows) (checkout.Stored, error) {
	var o checkout.Stored
	err := rows.Scan(&o.ID, &o.Reservation, &o.Sale, &o.Customer, &o.Channel, &o.Status, &o.Epoch, &o.CreatedAtMillis, &o.CommittedAtMillis)
	return o, err
}

// BareOrders is Orders without what the shop and its customer have said: the customer's document,
// the metadata and the payment's reference are left out. It begins no later than with the orders that
// were created at fromMillis (Unix ms); 0 begins with the first. Rebuilding Redis needs no more, and a page
// stays small however large the documents are.
func (l *Ledger) BareOrders(ctx context.Context, saleID string, fromMillis int64, cursor string, limit int) ([]checkout.Stored, string, error) {
	after, err := parseCursor(cursor, fromMillis-1)
	if err != nil {
		return nil, "", err
	}
	rows, err := collect(ctx, l.read, queryTimeout, scanBare, `SELECT `+bareColumns+` FROM orders
		WHERE sale = $1 AND (created_ms, id) > ($2, $3) ORDER BY created_ms, id LIMIT $4`,
		saleID, after.millis, after.id, bounded(limit))
	if err != nil || len(rows) == 0 {
		return nil, "", err
	}
	last := rows[len(rows)-1]
	end := position{last.CreatedAtMillis, last.ID}
	if err := addLines(ctx, l.read, rows, saleID, after, end); err != nil {
		return nil, "", err
	}
	return rows, nextCursor(len(rows), limit, end), nil
}
