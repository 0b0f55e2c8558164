package ledger

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

func TestOrderIsReadAsItWasCommitted(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "a", "b")
		want := order("drop", "b", 1)
		want.Lines = append(want.Lines, checkout.Line{SKU: "a", Quantity: 2})
		want.Channel, want.PaymentRef = "web", "pi_1"
		want.CustomerDoc = json.RawMessage(`{"name":"Zoë \u0000","n":1.0}`)
		before := time.Now().UnixMilli()
		result := commit(t, l, want)
		if !reflect.DeepEqual(result, checkout.CommitResult{Inserted: []string{want.Reservation}}) {
			t.Errorf("result %+v", result)
		}
		got, err := l.Order(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Order, want) {
			t.Errorf("got  %+v\nwant %+v", got.Order, want)
		}
		if got.Status != "committed" || got.CommittedAtMillis < before || got.CommittedAtMillis > time.Now().UnixMilli() {
			t.Errorf("status %q at %d", got.Status, got.CommittedAtMillis)
		}
		checkSold(t, l, "drop", "a", 2)
		checkSold(t, l, "drop", "b", 1)
		if _, err := l.Order(t.Context(), "ord_none"); !errors.Is(err, problem.UnknownOrder) {
			t.Errorf("an unknown order: %v", err)
		}
	})
}

func TestSameBatchTwiceCountsOnce(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 100, "a")
		batch := orderRange("drop", "a", 0, 20)
		if got := commit(t, l, batch...); len(got.Inserted) != 20 || got.Duplicate != 0 {
			t.Errorf("first: %d inserted, %d duplicates", len(got.Inserted), got.Duplicate)
		}
		if got := commit(t, l, append(batch, order("drop", "a", 20), order("drop", "a", 20))...); len(got.Inserted) != 1 || got.Duplicate != 21 {
			t.Errorf("again, with a new one twice: %d inserted, %d duplicates", len(got.Inserted), got.Duplicate)
		}
		checkSold(t, l, "drop", "a", 21)
		if got := commit(t, l); len(got.Inserted) != 0 {
			t.Errorf("an empty batch inserted %v", got.Inserted)
		}
	})
}

func TestOverlappingBatchesAtOnceCountOnce(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		const writers, total, size = 6, 300, 120
		newSale(t, l, "drop", total, "a", "b")
		all := append(orderRange("drop", "a", 0, total/2), orderRange("drop", "b", total/2, total)...)
		var inserted atomic.Int64
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				for range 4 {
					batch := slices.Clone(all)
					rand.Shuffle(total, func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
					result, err := l.CommitOrders(t.Context(), batch[:size])
					if err != nil {
						t.Errorf("commit: %v", err)
						return
					}
					inserted.Add(int64(len(result.Inserted)))
				}
			})
		}
		wg.Wait()
		inserted.Add(int64(len(commit(t, l, all...).Inserted)))
		if inserted.Load() != total {
			t.Errorf("%d orders were reported as new, want %d", inserted.Load(), total)
		}
		checkSold(t, l, "drop", "a", total/2)
		checkSold(t, l, "drop", "b", total/2)
		stats, err := l.OrderStats(t.Context(), "drop")
		if err != nil || stats.Orders != total || stats.Duplicates != 0 {
			t.Errorf("stats %+v, %v", stats, err)
		}
	})
}

// An order that two drains commit at the same moment is a duplicate for one of
// them, never an error: it would end as a dead letter although it is in the
// ledger. A slow index between the two unique ones holds the moment open.
func TestSameOrderAtTheSameMomentIsADuplicate(t *testing.T) {
	l := open(t, testenv.Postgres(t).URL)
	const drains = 3
	newSale(t, l, "drop", drains, "a")
	for _, statement := range []string{
		`CREATE FUNCTION slow(t TEXT) RETURNS TEXT IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.2); RETURN t; END'`,
		`CREATE INDEX orders_slow ON orders (slow(id))`,
		`ALTER TABLE orders DROP CONSTRAINT orders_one_a_reservation`,
		`ALTER TABLE orders ADD CONSTRAINT orders_one_a_reservation UNIQUE (reservation)`,
	} {
		if _, err := l.write.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	var inserted atomic.Int64
	var wg sync.WaitGroup
	for range drains {
		wg.Go(func() {
			result, err := l.CommitOrders(t.Context(), []checkout.Order{order("drop", "a", 1)})
			if err != nil {
				t.Error(err)
			}
			inserted.Add(int64(len(result.Inserted)))
		})
	}
	wg.Wait()
	if inserted.Load() != 1 {
		t.Errorf("the order was new %d times", inserted.Load())
	}
	checkSold(t, l, "drop", "a", 1)
}

func TestOversellIsRefusedWholeAndForGood(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "a")
		commit(t, l, orderRange("drop", "a", 0, 8)...)
		_, err := l.CommitOrders(t.Context(), orderRange("drop", "a", 8, 11))
		if !errors.Is(err, ErrConstraint) || !IsPermanent(err) {
			t.Errorf("three more of ten: %v", err)
		}
		checkSold(t, l, "drop", "a", 8)
		commit(t, l, orderRange("drop", "a", 8, 10)...)
		checkSold(t, l, "drop", "a", 10)
	})
}

func TestManyBuyersAtOnceNeverOversell(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		const stock, buyers = 25, 60
		newSale(t, l, "drop", stock, "a")
		var sold, refusals atomic.Int64
		var wg sync.WaitGroup
		for n := range buyers {
			wg.Go(func() {
				_, err := l.CommitOrders(t.Context(), []checkout.Order{order("drop", "a", n)})
				switch {
				case err == nil:
					sold.Add(1)
				case IsPermanent(err):
					refusals.Add(1)
				default:
					t.Errorf("order %d: %v", n, err)
				}
			})
		}
		wg.Wait()
		if sold.Load() != stock || refusals.Load() != buyers-stock {
			t.Errorf("%d sold and %d refused, want %d and %d", sold.Load(), refusals.Load(), stock, buyers-stock)
		}
		checkSold(t, l, "drop", "a", stock)
	})
}

func TestBadOrdersAreRefusedForGoodAndTakeNothingWithThem(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "a")
		commit(t, l, order("drop", "a", 1))
		for name, spoil := range map[string]func(*checkout.Order){
			"unknown sale":     func(o *checkout.Order) { o.Sale = "other" },
			"unknown item":     func(o *checkout.Order) { o.Lines[0].SKU = "z" },
			"id of another":    func(o *checkout.Order) { o.ID = order("drop", "a", 1).ID },
			"no reservation":   func(o *checkout.Order) { o.Reservation = "" },
			"no lines":         func(o *checkout.Order) { o.Lines = nil },
			"no units":         func(o *checkout.Order) { o.Lines[0].Quantity = 0 },
			"negative units":   func(o *checkout.Order) { o.Lines[0].Quantity = -1 },
			"NUL":              func(o *checkout.Order) { o.PaymentRef = "a\x00b" },
			"not UTF-8":        func(o *checkout.Order) { o.Channel = "\xff" },
			"document no JSON": func(o *checkout.Order) { o.CustomerDoc = json.RawMessage("{") },
			"document too long": func(o *checkout.Order) {
				o.Metadata = json.RawMessage(`"` + strings.Repeat("x", checkout.MaxDocumentBytes) + `"`)
			},
		} {
			t.Run(name, func(t *testing.T) {
				bad := order("drop", "a", 3)
				spoil(&bad)
				_, err := l.CommitOrders(t.Context(), []checkout.Order{order("drop", "a", 2), bad})
				if !IsPermanent(err) || !errors.Is(err, ErrConstraint) {
					t.Errorf("got %v", err)
				}
				checkSold(t, l, "drop", "a", 1)
			})
		}
		_, err := l.CommitOrders(t.Context(), make([]checkout.Order, MaxBatch+1))
		if !IsPermanent(err) {
			t.Errorf("a batch that is too large: %v", err)
		}
	})
}

func TestPagesNeitherRepeatNorSkip(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 1000, "a")
		newSale(t, l, "other", 1000, "a")
		commit(t, l, order("other", "a", 5))
		first := orderRange("drop", "a", 100, 125)
		for i := range first {
			first[i].CreatedAtMillis = 1000 + int64(i/4) // several share a time
		}
		commit(t, l, first...)
		var got []string
		cursor, pages := "", 0
		for {
			page, next, err := l.Orders(t.Context(), "drop", cursor, 5)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page {
				got = append(got, o.ID)
				if len(o.Lines) != 1 {
					t.Errorf("order %s has the lines %v", o.ID, o.Lines)
				}
			}
			pages++
			if next == "" {
				break
			}
			cursor = next
			// What comes while someone reads must disturb nothing: one before, one after.
			early, late := order("drop", "a", pages), order("drop", "a", 500+pages)
			early.CreatedAtMillis = 1
			late.CreatedAtMillis = 2000
			commit(t, l, early)
			if pages == 1 {
				commit(t, l, late)
			}
		}
		var want []string
		for _, o := range first {
			want = append(want, o.ID)
		}
		want = append(want, order("drop", "a", 501).ID)
		if !slices.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
		for _, cursor := range []string{"x", "!!", "YWJj", "MSBh/w"} {
			if _, _, err := l.Orders(t.Context(), "drop", cursor, 5); !errors.Is(err, problem.BadRequest) {
				t.Errorf("cursor %q: %v", cursor, err)
			}
		}
	})
}

func TestStatsOfASaleWithoutOrders(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		stats, err := l.OrderStats(t.Context(), "none")
		if err != nil || !reflect.DeepEqual(stats, OrderStats{Units: map[string]int64{}, Counted: map[string]int64{}}) {
			t.Errorf("stats %+v, %v", stats, err)
		}
		page, next, err := l.Orders(t.Context(), "none", "", 10)
		if err != nil || len(page) != 0 || next != "" {
			t.Errorf("page %v, next %q, %v", page, next, err)
		}
	})
}

// Where somebody has dropped the constraint, the stats count what it no longer forbids.
func TestStatsCountDuplicatesWhereTheSchemaNoLongerForbidsThem(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "a")
		commit(t, l, orderRange("drop", "a", 1, 4)...)
		if expression, err := l.duplicates(t.Context()); err != nil || expression != "0" {
			t.Errorf("counted by %q, %v", expression, err)
		}
		drop := []string{`ALTER TABLE orders DROP CONSTRAINT orders_one_a_reservation`}
		if !l.postgres { // which cannot drop it: another table without it takes the place
			drop = []string{`ALTER TABLE orders RENAME TO former`, `CREATE TABLE orders AS SELECT * FROM former`}
		}
		second := `INSERT INTO orders (id, reservation, sale, customer, channel, status, payment_ref, customer_doc, metadata, epoch, created_ms, committed_ms)
			SELECT id || '_2', reservation, sale, customer, channel, status, payment_ref, customer_doc, metadata, epoch, created_ms, committed_ms
			FROM orders WHERE id = 'ord_drop_000002'`
		for _, statement := range append(drop, second) {
			if _, err := l.write.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		stats, err := l.OrderStats(t.Context(), "drop")
		if err != nil || stats.Orders != 4 || stats.Duplicates != 1 || stats.Units["a"] != 3 {
			t.Errorf("stats %+v, %v", stats, err)
		}
	})
}

func FuzzParseCursor(f *testing.F) {
	f.Add("")
	f.Add(nextCursor(1, 1, position{-5, "ord_x"}))
	f.Fuzz(func(t *testing.T, cursor string) {
		p, err := parseCursor(cursor, beforeAll)
		if err != nil {
			if !errors.Is(err, problem.BadRequest) {
				t.Errorf("%q: %v", cursor, err)
			}
			return
		}
		if cursor != "" {
			if again, err := parseCursor(nextCursor(1, 1, p), beforeAll); err != nil || again != p {
				t.Errorf("%q: %+v became %+v, %v", cursor, p, again, err)
			}
		}
	})
}

func TestAListingGoesOnAfterAnOrder(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "a")
		newSale(t, l, "other", 10, "a")
		orders := orderRange("drop", "a", 1, 5)
		orders[1].CreatedAtMillis = orders[2].CreatedAtMillis // told apart by their ids
		commit(t, l, orders...)
		commit(t, l, order("other", "a", 1))
		for i := range orders {
			cursor, err := l.CursorAfter(t.Context(), "drop", orders[i].ID)
			if err != nil {
				t.Fatal(err)
			}
			rest, _, err := l.Orders(t.Context(), "drop", cursor, 10)
			if err != nil || len(rest) != len(orders)-1-i || len(rest) > 0 && rest[0].ID != orders[i+1].ID {
				t.Errorf("after %s: %v, %v", orders[i].ID, rest, err)
			}
		}
		for _, id := range []string{"ord_none", "ord_other_000001", "\x00", "\xff"} {
			if _, err := l.CursorAfter(t.Context(), "drop", id); !errors.Is(err, problem.BadRequest) {
				t.Errorf("after %q: %v", id, err)
			}
		}
	})
}
