package console

import (
	"encoding/csv"
	"io"
	"net/http"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/sheet"
)

// orderColumns are the columns of the CSV, which has a row for each line of an order. The row whose line is
// lines is the last of its order.
func orderColumns() []string {
	return []string{
		"order", "line", "lines", "sale", "reservation", "status", "channel", columnSKU, "quantity", "unit_amount", "currency",
		"payment_ref", "created_at", "committed_at",
		"customer_email", "customer_name", "customer_phone", "customer_other", "metadata",
	}
}

// orderTable writes orders as CSV.
type orderTable struct {
	to  *http.ResponseController
	csv *csv.Writer
}

func newOrderTable(w http.ResponseWriter, wanted export) *orderTable {
	t := &orderTable{to: http.NewResponseController(w), csv: csv.NewWriter(w)}
	if wanted.continued {
		return t
	}
	if wanted.bom {
		_, _ = io.WriteString(w, sheet.ByteOrderMark) // an error comes again with the first page
	}
	_ = t.csv.Write(orderColumns())
	return t
}

// headerParameter is whether the first row has the names of the columns, as RFC 4180 says it.
func headerParameter(continued bool) string {
	if continued {
		return "absent"
	}
	return "present"
}

func (t *orderTable) page(orders []checkout.View) error {
	for i := range orders {
		t.order(&orders[i])
	}
	t.csv.Flush()
	if err := t.csv.Error(); err != nil {
		return err
	}
	return t.to.Flush()
}

// order writes the rows of one order. An error stays in the writer.
func (t *orderTable) order(o *checkout.View) {
	customer, metadata := customerOf(o.Customer), readable(members(o.Metadata))
	for i, item := range o.Items {
		row := []string{
			o.ID, decimal(int64(i + 1)), decimal(int64(len(o.Items))), o.Sale, o.Reservation, o.Status, o.Channel,
			item.SKU, decimal(item.Quantity), decimal(item.UnitAmount), item.Currency,
			o.PaymentRef, timeCell(o.CreatedAt), timeCell(o.CommittedAt),
			customer.email, customer.name, customer.phone, customer.other, metadata,
		}
		for i := range row {
			row[i] = sheet.Safe(row[i])
		}
		_ = t.csv.Write(row)
	}
}

func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}
