package ledger

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
)

// changeBy changes the stock of one item, and returns what it will be.
func changeBy(t testing.TB, l *Ledger, saleID, sku string, by int64, expected *int64) (int64, error) {
	t.Helper()
	steps, done, err := l.ChangeStock(t.Context(), saleID, []StockChange{{SKU: sku, By: by, Expected: expected}}, false)
	if err != nil {
		return 0, err
	}
	if done != (steps[0].Err == nil) {
		t.Fatalf("done is %v with %+v", done, steps)
	}
	return steps[0].To, steps[0].Err
}

func TestADecreaseTakesEffectWhenItIsFinished(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "a", "b")
		commit(t, l, orderRange("drop", "a", 0, 4)...)
		target, err := changeBy(t, l, "drop", "a", -3, nil)
		if err != nil || target != 7 {
			t.Fatalf("target %d, %v", target, err)
		}
		pending, err := l.PendingStock(t.Context(), "drop")
		if want := map[string]int64{"a": 7}; err != nil || !reflect.DeepEqual(pending, want) {
			t.Errorf("pending %+v, %v", pending, err)
		}
		if items, err := l.Items(t.Context(), "drop"); err != nil || items[0] != (ItemCount{"a", 10, 4}) {
			t.Errorf("the item is %+v already, %v", items, err)
		}
		if pending, err := l.PendingStock(t.Context(), "other"); err != nil || len(pending) != 0 {
			t.Errorf("pending of another sale %+v, %v", pending, err)
		}
		if versions, err := l.SaleVersions(t.Context()); err != nil || versions["drop"] != 2 {
			t.Errorf("versions %v, %v: the leader would not see it", versions, err)
		}
		rec, err := l.Sale(t.Context(), "drop")
		if err != nil || rec.Items[0].Stock != 10 {
			t.Errorf("the document has %d already, %v", rec.Items[0].Stock, err)
		}
		if _, err := changeBy(t, l, "drop", "a", -1, nil); !errors.Is(err, problem.Conflict) {
			t.Errorf("a second change: %v", err)
		}
		if _, err := changeBy(t, l, "drop", "a", 1, nil); !errors.Is(err, problem.Conflict) {
			t.Errorf("an increase meanwhile: %v", err)
		}
		for name, stock := range map[string]int64{"changed": 9, "the target": 7} {
			changed := rec
			changed.Items = append(changed.Items[:0:0], rec.Items...)
			changed.Items[0].Stock = stock
			if _, err := l.SaveSale(t.Context(), changed, rec.Version); !errors.Is(err, problem.Conflict) {
				t.Errorf("a document with the stock %s: %v", name, err)
			}
		}
		rec.Name = "Another name"
		if _, err := l.SaveSale(t.Context(), rec, rec.Version); err != nil {
			t.Errorf("a document with the same stock: %v", err)
		}
		if err := l.FinishStockDecrease(t.Context(), "drop", "a", 6); !errors.Is(err, problem.Conflict) {
			t.Errorf("another target: %v", err)
		}
		for range 2 { // again is fine
			if err := l.FinishStockDecrease(t.Context(), "drop", "a", 7); err != nil {
				t.Fatal(err)
			}
		}
		got, err := l.Sale(t.Context(), "drop")
		if err != nil || got.Items[0].Stock != 7 || got.Version != 4 || got.Name != "Another name" {
			t.Errorf("the record is %+v, %v", got, err)
		}
		if pending, err := l.PendingStock(t.Context(), "drop"); err != nil || len(pending) != 0 {
			t.Errorf("pending %+v, %v", pending, err)
		}
	})
}

func TestStockChangesAreRefusedByName(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "a")
		commit(t, l, orderRange("drop", "a", 0, 4)...)
		nine := int64(9)
		for name, row := range map[string]struct {
			sale, sku string
			by        int64
			expected  *int64
			want      problem.Code
		}{
			"unknown sale":         {"other", "a", 1, nil, problem.UnknownSale},
			"unknown item":         {"drop", "z", 1, nil, problem.UnknownSKU},
			"nothing":              {"drop", "a", 0, nil, problem.InvalidQuantity},
			"below zero":           {"drop", "a", 11, nil, problem.InvalidQuantity},
			"below what is sold":   {"drop", "a", 7, nil, problem.StockConflict},
			"not what is expected": {"drop", "a", 1, &nine, problem.StockConflict},
		} {
			if _, err := changeBy(t, l, row.sale, row.sku, -row.by, row.expected); !errors.Is(err, row.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got, err := l.Sale(t.Context(), "drop"); err != nil || got.Version != 1 {
			t.Errorf("refusals left version %d, %v", got.Version, err)
		}
	})
}

func TestOfManyDecreasesAtOnceOneBegins(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "a")
		var began atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				_, err := changeBy(t, l, "drop", "a", -1, nil)
				if err == nil {
					began.Add(1)
				} else if !errors.Is(err, problem.Conflict) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if began.Load() != 1 {
			t.Errorf("%d began", began.Load())
		}
	})
}

// stockModel is what the ledger should know of an item.
type stockModel struct {
	allocated, sold, pending int64 // pending -1: none
	version                  int64
}

func TestAnySequenceOfStockChangesAgreesWithTheModel(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		sales := 0
		rapid.Check(t, func(rt *rapid.T) {
			sales++
			id := fmt.Sprintf("drop-%d", sales)
			m := &stockModel{allocated: 20, pending: -1, version: 1}
			if err := l.CreateSale(t.Context(), record(id, m.allocated, "a")); err != nil {
				rt.Fatal(err)
			}
			for n := range rapid.IntRange(1, 12).Draw(rt, "steps") {
				m.step(rt, t, l, id, n)
				m.compare(rt, t, l, id)
			}
		})
	})
}

func (m *stockModel) step(rt *rapid.T, t *testing.T, l *Ledger, id string, n int) {
	by := rapid.Int64Range(1, 15).Draw(rt, "by")
	switch rapid.SampledFrom([]string{"begin", "finish", "cancel", "increase", "sell"}).Draw(rt, "step") {
	case "begin":
		_, err := changeBy(t, l, id, "a", -by, nil)
		if m.agree(rt, "begin", err, m.pending < 0 && m.allocated-by >= m.sold) {
			m.pending = m.allocated - by
		}
	case "finish":
		if m.pending < 0 {
			return
		}
		err := l.FinishStockDecrease(t.Context(), id, "a", m.pending)
		if m.agree(rt, "finish", err, m.sold <= m.pending) {
			m.allocated, m.pending = m.pending, -1
		}
	case "cancel":
		if m.pending < 0 {
			return
		}
		if m.agree(rt, "cancel", l.CancelStockDecrease(t.Context(), id, "a", m.pending), true) {
			m.pending = -1
		}
	case "increase":
		_, err := changeBy(t, l, id, "a", by, nil)
		if m.agree(rt, "increase", err, m.pending < 0) {
			m.allocated += by
		}
	case "sell":
		_, err := l.CommitOrders(t.Context(), []checkout.Order{order(id, "a", n)})
		if (err == nil) != (m.sold < m.allocated) {
			rt.Fatalf("sell: %v with %+v", err, m)
		}
		if err == nil {
			m.sold++
		}
	}
}

// agree counts a version for what succeeded.
func (m *stockModel) agree(rt *rapid.T, step string, err error, want bool) bool {
	if (err == nil) != want {
		rt.Fatalf("%s: %v with %+v", step, err, m)
	}
	if want {
		m.version++
	}
	return want
}

func (m *stockModel) compare(rt *rapid.T, t *testing.T, l *Ledger, id string) {
	items, err := l.Items(t.Context(), id)
	if err != nil || items[0] != (ItemCount{"a", m.allocated, m.sold}) {
		rt.Fatalf("items %v, %v; want %+v", items, err, m)
	}
	rec, err := l.Sale(t.Context(), id)
	if err != nil || rec.Items[0].Stock != m.allocated || rec.Version != m.version {
		rt.Fatalf("the document has %d in version %d, %v; want %+v", rec.Items[0].Stock, rec.Version, err, m)
	}
	pending, err := l.PendingStock(t.Context(), id)
	if err != nil {
		rt.Fatal(err)
	}
	target, isPending := pending["a"]
	if !isPending {
		target = -1
	}
	if target != m.pending {
		rt.Fatalf("pending %d, want %+v", target, m)
	}
}
