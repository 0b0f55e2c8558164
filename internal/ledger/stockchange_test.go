package ledger

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/penstock/penstock/internal/problem"
)

func units(n int64) *int64 { return &n }

func allocations(t *testing.T, l *Ledger, saleID string) []ItemCount {
	t.Helper()
	items, err := l.Items(t.Context(), saleID)
	if err != nil {
		t.Fatal(err)
	}
	return items
}

func TestSeveralItemsChangeTogetherOrNotAtAll(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "a", "b", "c")
		commit(t, l, orderRange("drop", "a", 0, 4)...)
		changes := []StockChange{
			{SKU: "c", SetTo: units(12), Expected: units(10)}, {SKU: "a", SetTo: units(4)}, {SKU: "b", SetTo: units(10)},
		}
		bad := append(changes[:3:3], StockChange{SKU: "z", By: 1})
		steps, done, err := l.ChangeStock(t.Context(), "drop", bad, false)
		if err != nil || done || steps[0].Err != nil || !errors.Is(steps[3].Err, problem.UnknownSKU) {
			t.Fatalf("with an unknown item: %+v, %v, %v", steps, done, err)
		}
		want := []StockStep{{SKU: "c", From: 10, To: 12}, {SKU: "a", From: 10, To: 4}, {SKU: "b", From: 10, To: 10}}
		steps, done, err = l.ChangeStock(t.Context(), "drop", changes, true)
		if err != nil || !done || !slices.Equal(steps, want) {
			t.Fatalf("a dry run: %+v, %v, %v", steps, done, err)
		}
		if got := allocations(t, l, "drop"); got[0].Allocated != 10 || got[2].Allocated != 10 {
			t.Fatalf("a refusal and a dry run left %+v", got)
		}
		steps, done, err = l.ChangeStock(t.Context(), "drop", changes, false)
		if err != nil || !done || !slices.Equal(steps, want) {
			t.Fatalf("%+v, %v, %v", steps, done, err)
		}
		pending, err := l.PendingStock(t.Context(), "drop")
		if got := allocations(t, l, "drop"); err != nil || got[2].Allocated != 12 || got[0].Allocated != 10 || !reflect.DeepEqual(pending, map[string]int64{"a": 4}) {
			t.Fatalf("items %+v, pending %v, %v", got, pending, err)
		}
		rec, err := l.Sale(t.Context(), "drop")
		if err != nil || rec.Version != 2 || rec.Items[2].Stock != 12 || rec.Items[0].Stock != 10 {
			t.Fatalf("the record is %+v, %v", rec, err)
		}
	})
}

func TestWhatIsTakenIsToldWithTheRefusal(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "a")
		change := StockChange{SKU: "a", SetTo: units(6), Taken: TakenUnits{Held: 3, Sold: 4, Withheld: 1}}
		steps, done, err := l.ChangeStock(t.Context(), "drop", []StockChange{change}, false)
		if err != nil || done || !errors.Is(steps[0].Err, problem.StockConflict) {
			t.Fatalf("%+v, %v, %v", steps, done, err)
		}
		doc, _ := problem.Of(steps[0].Err)
		told := map[string]any{}
		for _, f := range doc.Fields {
			told[f.Name] = f.Value
		}
		want := map[string]any{"sku": "a", "allocated": int64(10), "sold": int64(4), "held": int64(3), "withheld": int64(1)}
		if !reflect.DeepEqual(told, want) {
			t.Errorf("told %v", told)
		}
		change.SetTo = units(8)
		if steps, done, err = l.ChangeStock(t.Context(), "drop", []StockChange{change}, false); err != nil || !done || steps[0].To != 8 {
			t.Fatalf("to what is taken: %+v, %v, %v", steps, done, err)
		}
	})
}

func TestTheStockOfADraftIsTakenAwayAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		rec := record("drop", 10, "a")
		rec.Draft = true
		if err := l.CreateSale(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		if to, err := changeBy(t, l, "drop", "a", -4, nil); err != nil || to != 6 {
			t.Fatalf("%d, %v", to, err)
		}
		if got := allocations(t, l, "drop"); got[0].Allocated != 6 {
			t.Fatalf("%+v", got)
		}
	})
}

func TestAStockBeyondItsLimitsIsRefused(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "a")
		const most = int64(1 << 62)
		for name, change := range map[string]StockChange{
			"by nothing": {By: 0}, "by too many": {By: most}, "by too few": {By: -most}, "above the limit": {By: 1_000_000_000},
			"set to less than nothing": {SetTo: units(-1)}, "set to too many": {SetTo: units(most)},
		} {
			change.SKU = "a"
			steps, done, err := l.ChangeStock(t.Context(), "drop", []StockChange{change}, false)
			if err != nil || done || !errors.Is(steps[0].Err, problem.InvalidQuantity) {
				t.Errorf("%s: %+v, %v, %v", name, steps, done, err)
			}
		}
	})
}
