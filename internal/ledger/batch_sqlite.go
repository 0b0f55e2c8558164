package ledger

import (
	"context"
	"database/sql"
	"errors"

	"github.com/penstock/penstock/checkout"
)

// sqliteInserter prepares once and inserts row by row: there is no round trip
// to save, and the one sync comes with the transaction's end.
type sqliteInserter struct{}

func (sqliteInserter) orders(ctx context.Context, tx *sql.Tx, batch []checkout.Order, committedAtMillis int64) (inserted []string, err error) {
	insert, err := tx.PrepareContext(ctx, `
		INSERT INTO orders (id, reservation, sale, customer, channel, drawn, payment_ref, customer_doc, metadata, epoch, created_ms, committed_ms)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT DO NOTHING`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	inserted = make([]string, 0, len(batch))
	for _, o := range batch {
		result, err := insert.ExecContext(ctx, o.ID, o.Reservation, o.Sale, o.Customer, o.Channel, string(o.Drawn), o.PaymentRef,
			string(o.CustomerDoc), string(o.Metadata), o.Epoch, o.CreatedAtMillis, committedAtMillis)
		if err != nil {
			return nil, err
		}
		changed, err := result.RowsAffected()
		if err != nil {
			return nil, err
		}
		if changed == 1 {
			inserted = append(inserted, o.Reservation)
		}
	}
	return inserted, nil
}

func (sqliteInserter) stranger(ctx context.Context, tx *sql.Tx, batch []checkout.Order) (id string, err error) {
	query, err := tx.PrepareContext(ctx, `SELECT count(*) FROM orders WHERE reservation = $1`)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, query.Close()) }()
	for _, o := range batch {
		var orders int
		if err := query.QueryRowContext(ctx, o.Reservation).Scan(&orders); err != nil {
			return "", err
		}
		if orders == 0 {
			return o.ID, nil
		}
	}
	return "", nil
}

func (sqliteInserter) lines(ctx context.Context, tx *sql.Tx, batch []checkout.Order) (inserted int64, err error) {
	// The transaction has the database to itself, so one look tells whether any order ever failed.
	var anyFailed bool
	if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM failed_orders)`).Scan(&anyFailed); err != nil {
		return 0, err
	}
	statement := `INSERT INTO order_lines (order_id, position, sku, quantity, unit_amount, currency) VALUES ($1, $2, $3, $4, $5, $6)`
	if anyFailed {
		statement = `INSERT INTO order_lines (order_id, position, sku, quantity, unit_amount, currency)
			SELECT $1, $2, $3, $4, $5, $6 WHERE NOT EXISTS (SELECT 1 FROM failed_orders WHERE id = $1)`
	}
	insert, err := tx.PrepareContext(ctx, statement)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, insert.Close()) }()
	for _, o := range batch {
		for i, line := range o.Lines {
			result, err := insert.ExecContext(ctx, o.ID, i, line.SKU, line.Quantity, line.UnitAmount, line.Currency)
			if err != nil {
				return inserted, err
			}
			changed, err := result.RowsAffected()
			if err != nil {
				return inserted, err
			}
			inserted += changed
		}
	}
	return inserted, nil
}
