package ledger

import (
	"context"
	"database/sql"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
)

// NewOrders reads up to limit (1 to 1000) orders of a sale in the order of their numbers, from after
// cursor; "" begins. The next cursor is never "": it is good for the orders that come later too.
//
// An order gets its number after it was committed, under a lock of the sale. So all readers see the same
// sequence, and whoever goes on from the last cursor sees each order exactly once, however late it came to
// the ledger. Failed orders are not among them. Codes: bad_request for a cursor that is none of the sale's,
// unavailable.
func (l *Ledger) NewOrders(ctx context.Context, saleID, cursor string, limit int) ([]checkout.Stored, string, error) {
	after, err := parseNumber(saleID, cursor)
	if err != nil {
		return nil, "", err
	}
	page, err := l.numbered(ctx, saleID, after, limit)
	if err == nil && len(page) < bounded(limit) {
		if given, numberErr := l.numberOrders(ctx, saleID); numberErr != nil {
			err = numberErr
		} else if given {
			page, err = l.numbered(ctx, saleID, after, limit)
		}
	}
	if err != nil {
		return nil, "", err
	}
	if len(page) == 0 {
		return nil, formatNumber(saleID, after), l.checkNumber(ctx, saleID, after)
	}
	last := page[len(page)-1].number
	orders := make([]checkout.Stored, len(page))
	for i, one := range page {
		orders[i] = one.Stored
	}
	err = addLines(ctx, l.read, orders)
	if err != nil {
		return nil, "", err
	}
	return orders, formatNumber(saleID, last), nil
}

type numberedOrder struct {
	checkout.Stored
	number int64
}

func scanNumbered(rows *sql.Rows) (numberedOrder, error) {
	var n numberedOrder
	var customerDoc, metadata string
	o := &n.Stored
	err := rows.Scan(&o.ID, &o.Reservation, &o.Sale, &o.Customer, &o.Channel, &o.Drawn, &o.Status, &o.PaymentRef,
		&customerDoc, &metadata, &o.Epoch, &o.CreatedAtMillis, &o.CommittedAtMillis, &n.number)
	o.CustomerDoc, o.Metadata = document(customerDoc), document(metadata)
	return n, err
}

func (l *Ledger) numbered(ctx context.Context, saleID string, after int64, limit int) ([]numberedOrder, error) {
	return collect(ctx, l.read, queryTimeout, scanNumbered, `SELECT `+orderColumns+`, number FROM orders
		WHERE sale = $1 AND number > $2 ORDER BY number LIMIT $3`, saleID, after, bounded(limit))
}

// numberOrders gives numbers to up to maxPage orders that have none, and reports whether there were any.
// Which of them come first matters to nobody; among those of one call it is the order of the commits.
func (l *Ledger) numberOrders(ctx context.Context, saleID string) (given bool, err error) {
	waiting, err := collect(ctx, l.read, queryTimeout, scanInt64, `SELECT 1 FROM orders WHERE sale = $1 AND number IS NULL LIMIT 1`, saleID)
	if err != nil || len(waiting) == 0 {
		return false, err
	}
	err = l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) error {
		// This locks the row until the transaction ends. What follows sees every number that was given before.
		var last int64
		err := tx.QueryRowContext(ctx, `INSERT INTO order_numbers (sale, last) VALUES ($1, 0)
			ON CONFLICT (sale) DO UPDATE SET last = order_numbers.last RETURNING last`, saleID).Scan(&last)
		if err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `UPDATE orders SET number = n.number FROM (
				SELECT id, $2 + row_number() OVER (ORDER BY committed_ms, id) AS number FROM (
					SELECT id, committed_ms FROM orders WHERE sale = $1 AND number IS NULL LIMIT $3
				) AS chosen
			) AS n WHERE n.id = orders.id`, saleID, last, maxPage)
		if err != nil {
			return err
		}
		count, err := result.RowsAffected()
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE order_numbers SET last = last + $1 WHERE sale = $2`, count, saleID)
		return err
	})
	return err == nil, err
}

// checkNumber refuses a cursor beyond the last number. It was given by a ledger that had more orders than
// this one has, as before a backup was restored; going on from there would pass orders over.
func (l *Ledger) checkNumber(ctx context.Context, saleID string, number int64) error {
	last, err := collect(ctx, l.read, queryTimeout, scanInt64, `SELECT coalesce(max(last), 0) FROM order_numbers WHERE sale = $1`, saleID)
	if err == nil && number > last[0] {
		return badNumber()
	}
	return err
}

func scanInt64(rows *sql.Rows) (n int64, err error) {
	err = rows.Scan(&n)
	return n, err
}

// formatNumber makes a cursor of a number. It names the sale, since a number means nothing in another one.
func formatNumber(saleID string, number int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(number, 10) + " " + saleID))
}

// parseNumber reads what formatNumber wrote; "" is before all numbers.
func parseNumber(saleID, cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, badNumber()
	}
	digits, named, _ := strings.Cut(string(text), " ")
	number, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || number < 0 || named != saleID {
		return 0, badNumber()
	}
	return number, nil
}

func badNumber() error {
	return problem.With(problem.BadRequest, "after: not a cursor that was given out for this sale")
}
