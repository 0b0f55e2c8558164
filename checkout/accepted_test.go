package checkout_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/reservation"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// stocked is a sale that never sells out, in both ledgers.
func stocked() sale.Record {
	at := time.UnixMilli(1_900_000_000_000).UTC()
	rec := sale.Record{Version: 1, Epoch: 1, CreatedAt: at, UpdatedAt: at}
	rec.Sale = sale.Sale{ID: "drop", Name: "Drop", StartsAt: at, EndsAt: at.Add(time.Hour), Items: []sale.Item{
		{SKU: "SHOE", Name: "Shoe", Stock: sale.MaxStock, Price: &sale.Price{Amount: 12900, Currency: "EUR"}},
		{SKU: "HAT", Name: "Hat", Stock: sale.MaxStock},
	}}.WithDefaults()
	return rec
}

// bothLedgers opens an empty SQLite and an empty Postgres ledger with the sale.
func bothLedgers(t testing.TB, rec sale.Record) map[string]*ledger.Ledger {
	t.Helper()
	ledgers := map[string]*ledger.Ledger{}
	for name, url := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "l.db"), "postgres": testenv.Postgres(t).URL} {
		l, err := ledger.Open(t.Context(), url, quiet(), ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		if err := l.CreateSale(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		ledgers[name] = l
	}
	return ledgers
}

func reservationNumber(n int64) reservation.Reservation {
	return reservation.Reservation{
		ID: fmt.Sprintf("rsv_drop_1_%022d", n), Sale: "drop", Customer: "hash", Channel: "web", Epoch: 1,
		Lines: []reservation.Line{{SKU: "SHOE", Quantity: 1}, {SKU: "HAT", Quantity: 2}}, OrderedAt: time.UnixMilli(1_900_000_000_000 + n),
	}
}

// oddOrders are the ways in which an order was accepted and refused later, and their neighbours.
func oddOrders() []struct{ customer, metadata, payment string } {
	type one = struct{ customer, metadata, payment string }
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	return []one{
		{`{}`, ``, ``},
		{`{}`, ``, "a\x00b"},
		{`{}`, ``, "\xff"},
		{`{}`, ``, strings.Repeat("t", 513)},
		{`{}`, ``, strings.Repeat("\x01", 512)},
		{`{}`, ``, "\u2028\u2029<>&" + `"\`},
		{`{"html":"` + strings.Repeat("<", 60_000) + `"}`, ``, ``},
		{`{"html":"` + strings.Repeat("&>", 30_000) + `"}`, `{"m":"` + strings.Repeat("<", 60_000) + `"}`, ``},
		{`{"a":"` + strings.Repeat("x", 64<<10) + `"}`, ``, ``},
		{`{` + strings.Repeat(" ", 70_000) + `"a" : 1 }`, ``, ``},
		{"{\"a\":\"\xff\"}", ``, ``},
		{"{\"a\":\"\x00\"}", ``, ``},
		{`{"a":"\u0000"}`, ``, ``},
		{`{"a":"\ud800"}`, `{"a":"\udc00\ud800"}`, ``},
		{`{"a":1e999999999}`, `{"b":-0.` + strings.Repeat("0", 5000) + `1}`, ``},
		{`{"a":` + strings.Repeat("9", 20_000) + `}`, ``, ``},
		{deep(499), ``, ``},
		{deep(500), ``, ``},
		{deep(9_999), ``, ``},
		{deep(10_001), ``, ``},
		{`{"a":1,"a":2}`, `[]`, ``},
		{`null`, `null`, ``},
		{`{`, ``, ``},
		{`{} {}`, ``, ``},
		{"{\"\u2028\":\"\u2029\"}", ``, ``},
		{"\ufeff{}", ``, ``},
	}
}

// What is accepted here is what the front answers with 202. Both ledgers must take it, with the very
// bytes that were checked.
func FuzzWhatIsAcceptedIsCommitted(f *testing.F) {
	rec := stocked()
	ledgers := bothLedgers(f, rec)
	for _, odd := range oddOrders() {
		f.Add([]byte(odd.customer), []byte(odd.metadata), odd.payment, 256<<10)
		f.Add([]byte(odd.customer), []byte(odd.metadata), odd.payment, 64<<10)
	}
	var made atomic.Int64
	made.Store(time.Now().UnixNano()) // a corpus entry may run again in the same database
	f.Fuzz(func(t *testing.T, customer, metadata []byte, payment string, maxBytes int) {
		req := checkout.OrderRequest{CustomerDoc: customer, Metadata: metadata, PaymentRef: payment}
		record, err := checkout.Compose(req, reservationNumber(made.Add(1)), rec, maxBytes)
		if err != nil {
			if !errors.Is(err, problem.BadRequest) && !errors.Is(err, problem.BodyTooLarge) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if len(record) > maxBytes {
			t.Fatalf("a record of %d bytes where %d fit", len(record), maxBytes)
		}
		o, err := checkout.DecodeOrder(record)
		if err != nil {
			t.Fatal(err)
		}
		for field, pair := range map[string][2][]byte{"customer": {customer, o.CustomerDoc}, "metadata": {metadata, o.Metadata}} {
			var want bytes.Buffer
			if len(pair[0]) > 0 && json.Compact(&want, pair[0]) != nil || !bytes.Equal(want.Bytes(), pair[1]) {
				t.Fatalf("%s %q became %q", field, pair[0], pair[1])
			}
		}
		if o.PaymentRef != payment {
			t.Fatalf("payment %q became %q", payment, o.PaymentRef)
		}
		for name, l := range ledgers {
			checkCommitted(t, name, l, o)
		}
	})
}

func checkCommitted(t *testing.T, name string, l *ledger.Ledger, o checkout.Order) {
	t.Helper()
	if result, err := l.CommitOrders(t.Context(), []checkout.Order{o}); err != nil || len(result.Inserted) != 1 {
		t.Fatalf("%s: accepted, and then %+v, %v", name, result, err)
	}
	stored, err := l.Order(t.Context(), o.ID)
	if err != nil || fmt.Sprint(stored.Order) != fmt.Sprint(o) {
		t.Fatalf("%s: stored %+v, %v; want %+v", name, stored, err, o)
	}
}

// The same through the whole path: reservation, desk, log, drain and both ledgers.
func TestWhatTheDeskAcceptsIsInBothLedgers(t *testing.T) {
	rec := stocked()
	ledgers := bothLedgers(t, rec)
	desk := openDesk(t, rec, ledgers)
	accepted := map[string]bool{}
	for i, odd := range oddOrders() {
		id := desk.reserve(t, i)
		o, err := desk.Accept(t.Context(), desk.stock, rec, checkout.OrderRequest{
			Reservation: id, IdempotencyKey: id, By: reservation.Proof{Proved: true},
			CustomerDoc: json.RawMessage(odd.customer), Metadata: json.RawMessage(odd.metadata), PaymentRef: odd.payment,
		})
		if err == nil {
			accepted[o.ID] = true
			continue
		}
		if !errors.Is(err, problem.BadRequest) && !errors.Is(err, problem.BodyTooLarge) {
			t.Errorf("order %d: refused with %v", i, err)
		}
		if r, err := desk.stock.Get(t.Context(), id); err != nil || r.OrderID != "" {
			t.Errorf("order %d is refused, and its reservation is %+v, %v", i, r, err)
		}
	}
	if len(accepted) < 10 || len(accepted) > len(oddOrders())-8 {
		t.Errorf("%d of %d odd orders were accepted", len(accepted), len(oddOrders()))
	}
	for name, l := range ledgers {
		for id := range accepted {
			testenv.Eventually(t, 20*time.Second, "order "+id+" in "+name, func() bool {
				_, err := l.Order(context.Background(), id)
				return err == nil
			})
		}
		if letters, _, err := l.DeadLetters(t.Context(), "", 10); err != nil || len(letters) > 0 {
			t.Errorf("%s has the dead letters %+v, %v", name, letters, err)
		}
	}
}
