package console

import (
	"net/http"
	"strings"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
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

// getOrders gives a page of the orders as JSON, or all that follow as CSV or NDJSON.
func (c *Console) getOrders(w http.ResponseWriter, r *http.Request, who caller) error {
	cursor, limit, err := page(r)
	if err != nil {
		return err
	}
	saleID, after := r.PathValue("sale"), r.URL.Query().Get("after")
	if cursor != "" && after != "" {
		return problem.With(problem.BadRequest, "either cursor or after, not both")
	}
	format := preferred(r, typeCSV, typeNDJSON)
	bom, err := flagOf(r, "bom")
	if err != nil {
		return err
	}
	if bom && (format != typeCSV || after != "") {
		return problem.With(problem.BadRequest, "bom: only a CSV has a byte order mark, and only at its beginning")
	}
	if _, err := c.deps.Sales.Sale(r.Context(), saleID); err != nil {
		return err
	}
	if after != "" {
		if cursor, err = c.deps.Ledger.CursorAfter(r.Context(), saleID, after); err != nil {
			return err
		}
	}
	if format != typeJSON {
		return c.exportOrders(w, r, who, export{sale: saleID, format: format, cursor: cursor, bom: bom, continued: after != ""})
	}
	orders, next, err := c.deps.Ledger.ReportOrders(r.Context(), saleID, cursor, limit)
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

func wantsCSV(r *http.Request) bool { return preferred(r, typeCSV) == typeCSV }

// preferred is the first media type that the request accepts and that is JSON or among those offered; JSON,
// when it names none of them.
func preferred(r *http.Request, offered ...string) string {
	for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		kind, _, _ := strings.Cut(part, ";")
		if kind = strings.ToLower(strings.TrimSpace(kind)); kind == typeJSON || contains(offered, kind) {
			return kind
		}
	}
	return typeJSON
}
