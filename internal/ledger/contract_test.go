package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// onEach runs a test of the contract against an empty ledger on each engine.
func onEach(t *testing.T, test func(t *testing.T, l *Ledger)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, open(t, filepath.Join(t.TempDir(), "ledger ü?.db"))) })
	t.Run("postgres", func(t *testing.T) { test(t, open(t, testenv.Postgres(t).URL)) })
}

func open(t testing.TB, url string) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), url, quiet(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

// newSale creates a sale with an item of the given stock for each SKU.
func newSale(t testing.TB, l *Ledger, id string, stock int64, skus ...string) sale.Record {
	t.Helper()
	rec := record(id, stock, skus...)
	if err := l.CreateSale(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

func record(id string, stock int64, skus ...string) sale.Record {
	at := time.UnixMilli(1_900_000_000_000).UTC()
	rec := sale.Record{Version: 1, Epoch: 1, CreatedAt: at, UpdatedAt: at}
	rec.Sale = sale.Sale{ID: id, Name: "A sale", StartsAt: at, EndsAt: at.Add(time.Hour)}.WithDefaults()
	for _, sku := range skus {
		rec.Items = append(rec.Items, sale.Item{SKU: sku, Name: sku, Stock: stock})
	}
	return rec
}

// order is the order number n of a sale: one unit of sku.
func order(saleID, sku string, n int) checkout.Order {
	return checkout.Order{
		ID: fmt.Sprintf("ord_%s_%06d", saleID, n), Sale: saleID, Reservation: fmt.Sprintf("rsv_%s_%06d", saleID, n),
		Customer: fmt.Sprintf("c%d", n), CreatedAtMillis: 1_900_000_000_000 + int64(n), Epoch: 1,
		Lines: []checkout.Line{{SKU: sku, Quantity: 1, UnitAmount: 12900, Currency: "EUR"}},
	}
}

func orderRange(saleID, sku string, from, to int) []checkout.Order {
	var orders []checkout.Order
	for n := from; n < to; n++ {
		orders = append(orders, order(saleID, sku, n))
	}
	return orders
}

func commit(t testing.TB, l *Ledger, orders ...checkout.Order) checkout.CommitResult {
	t.Helper()
	result, err := l.CommitOrders(t.Context(), orders)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// checkSold fails unless the counter and the orders themselves agree on want.
func checkSold(t *testing.T, l *Ledger, saleID, sku string, want int64) {
	t.Helper()
	items, err := l.Items(t.Context(), saleID)
	if err != nil {
		t.Fatal(err)
	}
	stats, err := l.OrderStats(t.Context(), saleID)
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		if item.SKU == sku && item.Sold != want {
			t.Errorf("the counter of %s says %d sold, want %d", sku, item.Sold, want)
		}
	}
	if stats.Units[sku] != want {
		t.Errorf("the orders hold %d of %s, want %d", stats.Units[sku], sku, want)
	}
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
