package ledger

import (
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

func TestSaleIsReadAsItWasWritten(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		want := record("drop", 10, "b", "a")
		want.Message, want.Paused = "soon", true
		if err := l.CreateSale(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		got, err := l.Sale(t.Context(), "drop")
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
		if err := l.CreateSale(t.Context(), want); !errors.Is(err, problem.SaleExists) {
			t.Errorf("creating it again: %v", err)
		}
		if _, err := l.Sale(t.Context(), "other"); !errors.Is(err, problem.UnknownSale) || !IsPermanent(err) {
			t.Errorf("another sale: %v", err)
		}
		items, err := l.Items(t.Context(), "drop")
		if err != nil || !reflect.DeepEqual(items, []ItemCount{{"b", 10, 0}, {"a", 10, 0}}) {
			t.Errorf("items %v, %v", items, err)
		}
		newSale(t, l, "second", 1, "x")
		all, err := l.Sales(t.Context())
		if err != nil || len(all) != 2 {
			t.Errorf("%d sales, %v", len(all), err)
		}
	})
}

func TestSaveSaleIsACompareAndSet(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		rec := newSale(t, l, "drop", 10, "a")
		const writers = 8
		var won, lost atomic.Int64
		var wg sync.WaitGroup
		for range writers {
			wg.Go(func() {
				version, err := l.SaveSale(t.Context(), rec, 1)
				switch {
				case err == nil && version == 2:
					won.Add(1)
				case errors.Is(err, problem.Conflict) && IsPermanent(err):
					lost.Add(1)
				default:
					t.Errorf("version %d, %v", version, err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || lost.Load() != writers-1 {
			t.Errorf("%d won and %d lost, want 1 and %d", won.Load(), lost.Load(), writers-1)
		}
		versions, err := l.SaleVersions(t.Context())
		if err != nil || !reflect.DeepEqual(versions, map[string]int64{"drop": 2}) {
			t.Errorf("versions %v, %v", versions, err)
		}
		if _, err := l.SaveSale(t.Context(), record("other", 1, "a"), 1); !errors.Is(err, problem.UnknownSale) {
			t.Errorf("saving what does not exist: %v", err)
		}
	})
}

func TestSaveSaleBringsTheItemsToTheDocument(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		rec := newSale(t, l, "drop", 10, "a", "b")
		commit(t, l, orderRange("drop", "a", 0, 3)...)
		rec.Items = []sale.Item{{SKU: "c", Stock: 7}, {SKU: "a", Stock: 3}}
		if _, err := l.SaveSale(t.Context(), rec, 1); err != nil {
			t.Fatal(err)
		}
		want := []ItemCount{{"c", 7, 0}, {"a", 3, 3}}
		for name, stock := range map[string][]sale.Item{
			"less than sold": {{SKU: "c", Stock: 1}, {SKU: "a", Stock: 2}},
			"removed":        {{SKU: "c", Stock: 1}},
		} {
			rec.Items = stock
			if _, err := l.SaveSale(t.Context(), rec, 2); !errors.Is(err, problem.StockConflict) {
				t.Errorf("%s: %v", name, err)
			}
			items, err := l.Items(t.Context(), "drop")
			if err != nil || !reflect.DeepEqual(items, want) {
				t.Errorf("%s: items %v, %v; want %v", name, items, err, want)
			}
		}
		if got, err := l.Sale(t.Context(), "drop"); err != nil || got.Version != 2 {
			t.Errorf("after refused changes the version is %d, %v", got.Version, err)
		}
	})
}

func TestAnEpochRisesByItselfAndOutlivesASave(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		rec := newSale(t, l, "drop", 10, "a")
		if bumped, err := l.BumpEpoch(t.Context(), "drop"); err != nil || bumped.Epoch != 2 {
			t.Errorf("epoch %d, %v", bumped.Epoch, err)
		}
		if _, err := l.SaveSale(t.Context(), rec, 1); err != nil { // rec still says epoch 1
			t.Fatal(err)
		}
		got, err := l.Sale(t.Context(), "drop")
		if err != nil || got.Epoch != 2 || got.Version != 2 {
			t.Errorf("epoch %d, version %d, %v", got.Epoch, got.Version, err)
		}
		if _, err := l.BumpEpoch(t.Context(), "other"); !errors.Is(err, problem.UnknownSale) {
			t.Errorf("an unknown sale: %v", err)
		}
	})
}

func TestDeleteSaleKeepsOneWithOrders(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "empty", 10, "a")
		newSale(t, l, "sold", 10, "a", "b")
		commit(t, l, order("sold", "a", 1))
		if err := l.DeleteSale(t.Context(), "sold"); !errors.Is(err, problem.SaleIsLive) {
			t.Errorf("a sale with orders: %v", err)
		}
		if items, err := l.Items(t.Context(), "sold"); err != nil || len(items) != 2 {
			t.Errorf("it kept the items %v, %v", items, err)
		}
		if err := l.DeleteSale(t.Context(), "empty"); err != nil {
			t.Error(err)
		}
		if err := l.DeleteSale(t.Context(), "empty"); !errors.Is(err, problem.UnknownSale) {
			t.Errorf("again: %v", err)
		}
		if _, err := l.CommitOrders(t.Context(), []checkout.Order{order("empty", "a", 1)}); !errors.Is(err, ErrConstraint) {
			t.Errorf("an order for a deleted sale: %v", err)
		}
	})
}
