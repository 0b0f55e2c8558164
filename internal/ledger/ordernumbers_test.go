package ledger

import (
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
)

// follower reads the orders of a sale in the order of their numbers.
type follower struct {
	ledger *Ledger
	sale   string
	cursor string
	seen   []string
}

// read takes one page and returns how many orders it had.
func (f *follower) read(t *testing.T, limit int) int {
	t.Helper()
	page, next, err := f.ledger.NewOrders(t.Context(), f.sale, f.cursor, limit)
	if err != nil {
		t.Error(err)
		return 0
	}
	for _, o := range page {
		f.seen = append(f.seen, o.ID)
		if len(o.Lines) != 1 || o.Lines[0].SKU != "a" {
			t.Errorf("order %s has the lines %v", o.ID, o.Lines)
		}
	}
	f.cursor = next
	return len(page)
}

func TestAnOrderThatReachesTheLedgerLateIsReadLate(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 100, "a")
		newSale(t, l, "other", 100, "a")
		commit(t, l, order("other", "a", 7))
		f := follower{ledger: l, sale: "drop"}
		if f.read(t, 10) != 0 || f.cursor == "" {
			t.Fatalf("before the first order: %v, cursor %q", f.seen, f.cursor)
		}
		commit(t, l, order("drop", "a", 5))
		f.read(t, 10)
		commit(t, l, order("drop", "a", 1)) // accepted before the other
		f.read(t, 10)
		f.read(t, 10)
		if want := []string{order("drop", "a", 5).ID, order("drop", "a", 1).ID}; !slices.Equal(f.seen, want) {
			t.Fatalf("seen %v, want %v", f.seen, want)
		}
		from0 := follower{ledger: l, sale: "drop"}
		from0.read(t, 10)
		if !slices.Equal(from0.seen, f.seen) {
			t.Fatalf("another reader sees %v", from0.seen)
		}
	})
}

func TestANewOrderIsReadAsItWasCommitted(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "a", "b")
		one := order("drop", "a", 1)
		one.Lines = append(one.Lines, checkout.Line{SKU: "b", Quantity: 2})
		one.Channel, one.PaymentRef, one.CustomerDoc, one.Metadata = "web", "pi_1", json.RawMessage(`{"a":1}`), json.RawMessage(`{}`)
		one.Drawn = "a=1,b=1,b=1@app"
		commit(t, l, one)
		page, _, err := l.NewOrders(t.Context(), "drop", "", 1)
		if err != nil || len(page) != 1 {
			t.Fatalf("%v, %v", page, err)
		}
		want, err := l.Order(t.Context(), one.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got := page[0]; len(got.Lines) != 2 || got.Lines[1] != want.Lines[1] || string(got.CustomerDoc) != `{"a":1}` ||
			got.Drawn != one.Drawn || want.Drawn != one.Drawn || got.PaymentRef != "pi_1" || got.Channel != "web" || got.CommittedAtMillis != want.CommittedAtMillis || got.Status != "committed" {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
		bare, _, err := l.BareOrders(t.Context(), "drop", 0, "", 1)
		if err != nil || bare[0].Drawn != one.Drawn {
			t.Fatalf("bare %+v, %v", bare, err)
		}
	})
}

// Several drains commit, and several shops read at the same time.
func TestReadersMissNoOrderWhileDrainsCommit(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		const drains, batches, size, readers = 4, 12, 15, 3
		const total = drains * batches * size
		newSale(t, l, "drop", total, "a")
		var work sync.WaitGroup
		for d := range drains {
			work.Go(func() {
				for b := range batches {
					from := (b*drains + d) * size
					if _, err := l.CommitOrders(t.Context(), orderRange("drop", "a", from, from+size)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		followers := make([]follower, readers)
		for i := range followers {
			followers[i] = follower{ledger: l, sale: "drop"}
			work.Go(func() {
				for len(followers[i].seen) < total && !t.Failed() {
					followers[i].read(t, 7+i*50)
				}
			})
		}
		work.Wait()
		for _, f := range followers {
			if !slices.Equal(f.seen, followers[0].seen) {
				t.Fatal("two readers saw two sequences")
			}
		}
		sorted := slices.Sorted(slices.Values(followers[0].seen))
		if len(slices.Compact(sorted)) != total || len(followers[0].seen) != total {
			t.Fatalf("%d orders seen, %d different ones, want %d", len(followers[0].seen), len(slices.Compact(sorted)), total)
		}
	})
}

func TestACursorOfAnotherSaleOrLedgerIsRefused(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "a")
		newSale(t, l, "other", 10, "a")
		commit(t, l, order("drop", "a", 1))
		_, good, err := l.NewOrders(t.Context(), "drop", "", 10)
		if err != nil {
			t.Fatal(err)
		}
		for name, cursor := range map[string]string{
			"nonsense": "!!", "no number": "YWJj", "negative": formatNumber("drop", -1), "of the other list": nextCursor(1, 1, position{5, "ord_x"}),
			"ahead of the ledger": formatNumber("drop", 2),
		} {
			if _, _, err := l.NewOrders(t.Context(), "drop", cursor, 10); !errors.Is(err, problem.BadRequest) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, _, err := l.NewOrders(t.Context(), "other", good, 10); !errors.Is(err, problem.BadRequest) {
			t.Errorf("of another sale: %v", err)
		}
	})
}

func FuzzParseNumber(f *testing.F) {
	f.Add("drop", "")
	f.Add("drop", formatNumber("drop", 7))
	f.Fuzz(func(t *testing.T, saleID, cursor string) {
		number, err := parseNumber(saleID, cursor)
		if err != nil {
			if !errors.Is(err, problem.BadRequest) {
				t.Errorf("%q: %v", cursor, err)
			}
			return
		}
		if again, err := parseNumber(saleID, formatNumber(saleID, number)); err != nil || again != number || number < 0 {
			t.Errorf("%q: %d became %d, %v", cursor, number, again, err)
		}
	})
}
