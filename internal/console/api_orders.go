package console

import (
	"encoding/csv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/sheet"
)

const (
	// exportTimeout bounds a list of orders; as CSV it may be all of a large sale.
	exportTimeout = 10 * time.Minute
	// exportPage is how many orders an export reads at a time.
	exportPage = 1000
	// pageWriteTimeout is how long the client may take to accept one page of an export.
	pageWriteTimeout = time.Minute
)

func atMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// viewOrder shows an order, without its customer to those who need not know.
func viewOrder(o checkout.Stored, who caller) checkout.View {
	view := checkout.ViewOf(o)
	if who.MaySeeCustomers() {
		return view
	}
	return view.WithoutCustomer()
}

// getOrders gives a page of the orders as JSON, or from the cursor on all of them as CSV.
func (c *Console) getOrders(w http.ResponseWriter, r *http.Request, who caller) error {
	cursor, limit, err := page(r)
	if err != nil {
		return err
	}
	saleID := r.PathValue("sale")
	if _, err := c.deps.Sales.Sale(r.Context(), saleID); err != nil {
		return err
	}
	if wantsCSV(r) {
		return c.exportOrders(w, r, who, saleID, cursor)
	}
	orders, next, err := c.deps.Ledger.Orders(r.Context(), saleID, cursor, limit)
	if err != nil {
		return err
	}
	views := make([]checkout.View, len(orders))
	for i, o := range orders {
		views[i] = viewOrder(o, who)
	}
	return writeJSON(w, http.StatusOK, listOf("orders", views, next))
}

// listOf is a page of a list; "next" is there while there is more.
func listOf(name string, entries any, next string) map[string]any {
	list := map[string]any{name: entries}
	if next != "" {
		list["next"] = next
	}
	return list
}

func wantsCSV(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		kind, _, _ := strings.Cut(part, ";")
		switch strings.TrimSpace(kind) {
		case "text/csv":
			return true
		case typeJSON:
			return false
		}
	}
	return false
}

var csvHeader = []string{
	"order", "sale", "reservation", "status", "channel", "sku", "quantity", "unit_amount", "currency",
	"payment_ref", "created_at", "committed_at", "customer",
}

// exportOrders writes one row for each line of each order. The first page is read before the first
// byte is sent; a failure after that ends the answer abruptly, so that nobody takes half a file for
// a whole one.
func (c *Console) exportOrders(w http.ResponseWriter, r *http.Request, who caller, saleID, cursor string) error {
	orders, next, err := c.deps.Ledger.ReportOrders(r.Context(), saleID, cursor, exportPage)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8; header=present")
	w.Header().Set("Content-Disposition", `attachment; filename="orders-`+saleID+`.csv"`)
	out := csv.NewWriter(w)
	_ = out.Write(csvHeader) // errors stay in the writer until the flush
	for {
		allowMoreTime(w, pageWriteTimeout)
		writeRows(out, orders, who)
		if out.Flush(); out.Error() != nil || next == "" {
			return nil
		}
		orders, next, err = c.deps.Ledger.ReportOrders(r.Context(), saleID, next, exportPage)
		if err != nil {
			c.deps.Log.ErrorContext(r.Context(), "an export of orders broke off", "sale", saleID, "error", err)
			panic(http.ErrAbortHandler)
		}
	}
}

func writeRows(out *csv.Writer, orders []checkout.Stored, who caller) {
	for _, o := range orders {
		view := viewOrder(o, who)
		for _, item := range view.Items {
			row := []string{
				view.ID, view.Sale, view.Reservation, view.Status, view.Channel, item.SKU,
				strconv.FormatInt(item.Quantity, 10), strconv.FormatInt(item.UnitAmount, 10), item.Currency,
				view.PaymentRef, timeCell(view.CreatedAt), timeCell(view.CommittedAt), string(view.Customer),
			}
			for i := range row {
				row[i] = sheet.Safe(row[i])
			}
			_ = out.Write(row)
		}
	}
}

func timeCell(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}
