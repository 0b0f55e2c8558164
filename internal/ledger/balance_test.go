package ledger

import (
	"errors"
	"math"
	"testing"
)

func TestTheBalanceTellsWhatWasSoldByAMoment(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 100, "a", "b")
		newSale(t, l, "other", 100, "a")
		orders := append(orderRange("drop", "a", 0, 10), orderRange("other", "a", 0, 10)...)
		orders[9].CreatedAtMillis = orders[8].CreatedAtMillis
		commit(t, l, orders...)
		newest := orders[8].CreatedAtMillis
		for cut, want := range map[int64]struct{ before, upTo int64 }{
			0: {0, 0}, newest - 1: {7, 8}, newest: {8, 10}, newest + 1: {10, 10}, math.MaxInt64: {10, 10},
		} {
			b, err := l.Balance(t.Context(), "drop", cut)
			if err != nil || len(b.Items) != 2 || b.Version < 1 || b.NewestMillis != newest || b.Failed != 0 {
				t.Fatalf("balance %+v: %v", b, err)
			}
			if a := b.ByItem()["a"]; a.Allocated != 100 || a.Sold != 10 || a.SoldBefore != want.before || a.SoldUpTo != want.upTo || a.Pending != nil {
				t.Errorf("by %d: %+v, want %+v", cut, a, want)
			}
			if other := b.ByItem()["b"]; other.Sold != 0 || other.SoldUpTo != 0 {
				t.Errorf("an item without orders: %+v", other)
			}
		}
	})
}

func TestTheBalanceCountsOrdersThatFailedAndKnowsOfADecrease(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "a")
		o := order("drop", "a", 1)
		if _, failed := keepRefused(t, l, o, errors.New("refused")); !failed {
			t.Fatal("the order did not fail")
		}
		if _, _, err := l.ChangeStock(t.Context(), "drop", []StockChange{{SKU: "a", By: -4}}, false); err != nil {
			t.Fatal(err)
		}
		b, err := l.Balance(t.Context(), "drop", 0)
		if err != nil || b.Failed != 1 || b.NewestMillis != 0 || b.Items[0].Allocated != 10 || b.Items[0].Pending == nil || *b.Items[0].Pending != 6 {
			t.Fatalf("balance %+v: %v", b, err)
		}
		if b, err := l.Balance(t.Context(), "none", 0); err != nil || len(b.Items) != 0 {
			t.Fatalf("an unknown sale: %+v, %v", b, err)
		}
	})
}
