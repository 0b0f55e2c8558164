package ledger

import (
	"context"
	"database/sql"
	"errors"

	"github.com/penstock/penstock/checkout"
)

// postgresInserter sends a whole batch as arrays: one statement, however many
// rows, where a statement a row costs a round trip each.
type postgresInserter struct{}

func (postgresInserter) orders(ctx context.Context, tx *sql.Tx, batch []checkout.Order, committedAtMillis int64) ([]string, error) {
	n := len(batch)
	ids, reservations, sales := make([]string, n), make([]string, n), make([]string, n)
	customers, channels, drawn, payments := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	documents, metadata := make([]string, n), make([]string, n)
	epochs, created := make([]int64, n), make([]int64, n)
	for i, o := range batch {
		ids[i], reservations[i], sales[i] = o.ID, o.Reservation, o.Sale
		customers[i], channels[i], drawn[i], payments[i] = o.Customer, o.Channel, string(o.Drawn), o.PaymentRef
		documents[i], metadata[i] = string(o.CustomerDoc), string(o.Metadata)
		epochs[i], created[i] = o.Epoch, o.CreatedAtMillis
	}
	rows, err := tx.QueryContext(ctx, `
		INSERT INTO orders (id, reservation, sale, customer, channel, drawn, payment_ref, customer_doc, metadata, epoch, created_ms, committed_ms)
		SELECT *, $12::bigint FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[], $11::bigint[])
		ON CONFLICT DO NOTHING
		RETURNING reservation`,
		ids, reservations, sales, customers, channels, drawn, payments, documents, metadata, epochs, created, committedAtMillis)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	inserted := make([]string, 0, n)
	for rows.Next() {
		var reservation string
		if err := rows.Scan(&reservation); err != nil {
			return nil, err
		}
		inserted = append(inserted, reservation)
	}
	return inserted, rows.Err()
}

func (postgresInserter) stranger(ctx context.Context, tx *sql.Tx, batch []checkout.Order) (string, error) {
	ids, reservations := make([]string, len(batch)), make([]string, len(batch))
	for i, o := range batch {
		ids[i], reservations[i] = o.ID, o.Reservation
	}
	var id string
	err := tx.QueryRowContext(ctx, `
		SELECT b.id FROM unnest($1::text[], $2::text[]) AS b(id, reservation)
		WHERE NOT EXISTS (SELECT FROM orders o WHERE o.reservation = b.reservation) LIMIT 1`,
		ids, reservations).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}

func (postgresInserter) lines(ctx context.Context, tx *sql.Tx, batch []checkout.Order) (int64, error) {
	var orders, skus, currencies []string
	var positions, quantities, amounts []int64
	for _, o := range batch {
		for i, line := range o.Lines {
			orders, skus, currencies = append(orders, o.ID), append(skus, line.SKU), append(currencies, line.Currency)
			positions, quantities, amounts = append(positions, int64(i)), append(quantities, line.Quantity), append(amounts, line.UnitAmount)
		}
	}
	result, err := tx.ExecContext(ctx, `
		INSERT INTO order_lines (order_id, position, sku, quantity, unit_amount, currency)
		SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[]) AS b(order_id)
		WHERE NOT EXISTS (SELECT FROM failed_orders f WHERE f.id = b.order_id)`,
		orders, positions, skus, quantities, amounts, currencies)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}
