package console

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/penstock/penstock/checkout"
)

const (
	typeNDJSON = "application/x-ndjson"
	// ordersTrailer follows an export that is whole, with the number of its orders.
	ordersTrailer = "Penstock-Orders"
)

const (
	// exportTimeout bounds a list of orders; an export may be all of a large sale.
	exportTimeout = 10 * time.Minute
	// firstExportPage and exportPage are how many orders an export reads at a time. The first page is small so
	// that the first row comes soon.
	firstExportPage, exportPage = 100, 1000
	// pageWriteTimeout is how long the client may take to accept one page of an export.
	pageWriteTimeout = time.Minute
)

// export says what is wanted of a sale's orders: those after the cursor.
type export struct {
	sale, format, cursor string
	bom                  bool // a byte order mark, by which spreadsheets know UTF-8
	continued            bool // to be appended to an earlier file: without mark and column names
}

// orderWriter writes orders in one format.
type orderWriter interface {
	// page writes whole orders and hands them to the client.
	page(orders []checkout.View) error
}

// exportOrders writes all orders of a sale after a cursor, page by page. The first page is read before the first
// byte is sent. An export that cannot be finished is cut off: the answer has no proper end and no trailer, so
// that nobody takes half a file for a whole one.
func (c *Console) exportOrders(w http.ResponseWriter, r *http.Request, who caller, wanted export) error {
	orders, next, err := c.deps.Ledger.ReportOrders(r.Context(), wanted.sale, wanted.cursor, firstExportPage)
	if err != nil {
		return err
	}
	out := startExport(w, wanted)
	if r.Method == http.MethodHead {
		return nil
	}
	count := 0
	for {
		allowMoreTime(w, pageWriteTimeout)
		if err := out.page(viewOrders(orders, who)); err != nil {
			c.cutOff(r.Context(), wanted.sale, count, err)
		}
		count += len(orders)
		if next == "" {
			break
		}
		if orders, next, err = c.deps.Ledger.ReportOrders(r.Context(), wanted.sale, next, exportPage); err != nil {
			c.cutOff(r.Context(), wanted.sale, count, err)
		}
	}
	w.Header().Set(ordersTrailer, strconv.Itoa(count))
	return nil
}

// cutOff ends an answer that has begun without its proper end.
func (c *Console) cutOff(ctx context.Context, saleID string, count int, err error) {
	c.deps.Log.WarnContext(ctx, "an export of orders broke off", "sale", saleID, "orders", count, "error", err)
	panic(http.ErrAbortHandler)
}

func startExport(w http.ResponseWriter, wanted export) orderWriter {
	h := w.Header()
	h.Set("Trailer", ordersTrailer)
	if wanted.format == typeNDJSON {
		h.Set("Content-Type", typeNDJSON)
		h.Set("Content-Disposition", `attachment; filename="orders-`+wanted.sale+`.ndjson"`)
		return newOrderLines(w)
	}
	h.Set("Content-Type", "text/csv; charset=utf-8; header="+headerParameter(wanted.continued))
	h.Set("Content-Disposition", `attachment; filename="orders-`+wanted.sale+`.csv"`)
	return newOrderTable(w, wanted)
}

func viewOrders(orders []checkout.Stored, who caller) []checkout.View {
	views := make([]checkout.View, len(orders))
	for i, o := range orders {
		views[i] = viewOrder(o, who)
	}
	return views
}
