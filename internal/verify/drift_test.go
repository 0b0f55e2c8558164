package verify

import (
	"maps"
	"slices"
	"testing"
)

func TestASoundSaleHasNoDrift(t *testing.T) {
	e := sound()
	if found, unmeasured := e.drifts(); len(found)+len(unmeasured) != 0 {
		t.Fatalf("%v, not measured: %v", found, unmeasured)
	}
}

func TestADriftIsToldWithItsUnits(t *testing.T) {
	cases := map[string]struct {
		change func(*evidence)
		want   int64
		of     Between
	}{
		"a unit is gone":                     {func(e *evidence) { e.stock.Items[0].Available-- }, 1, BetweenCounters},
		"two are held by nobody":             {func(e *evidence) { e.stock.Items[0].HeldByReservations -= 2 }, 2, BetweenHolds},
		"redis offers fewer than the ledger": {func(e *evidence) { e.after.Items[0].Allocated = 103 }, -3, BetweenAllocations},
		"an order of two units is lost":      {func(e *evidence) { e.after.Items[0].SoldUpTo, e.after.Items[0].SoldBefore = 38, 38 }, 2, BetweenOrders},
		"redis forgot a unit":                {func(e *evidence) { e.after.Items[0].SoldBefore = 41 }, -1, BetweenOrders},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			e := sound()
			c.change(&e)
			found, unmeasured := e.drifts()
			if len(unmeasured) != 0 || !maps.Equal(found, map[driftKey]int64{{"A", c.of}: c.want}) {
				t.Fatalf("%v, not measured: %v", found, unmeasured)
			}
		})
	}
}

func TestWhatCouldNotBeMeasuredIsNoDrift(t *testing.T) {
	cases := map[Between]func(*evidence){
		BetweenHolds:       func(e *evidence) { e.stock.Stable, e.stock.Items[0].HeldByReservations = false, 0 },
		BetweenAllocations: func(e *evidence) { e.after.Version, e.after.Items[0].Allocated = 3, 110 },
		BetweenOrders:      func(e *evidence) { e.log.drained, e.after.Items[0].SoldUpTo = false, 30 },
	}
	for of, change := range cases {
		e := sound()
		change(&e)
		if found, unmeasured := e.drifts(); len(found) != 0 || !slices.Equal(unmeasured, []Between{of}) {
			t.Errorf("%s: %v, not measured: %v", of, found, unmeasured)
		}
	}
	e := sound()
	e.stock.Ready = false
	if found, unmeasured := e.drifts(); len(found) != 0 || len(unmeasured) != 4 {
		t.Errorf("without a stock: %v, not measured: %v", found, unmeasured)
	}
}

func TestOnlyADriftThatLastsIsShown(t *testing.T) {
	a, b := driftKey{"A", BetweenOrders}, driftKey{"B", BetweenHolds}
	of := func(units ...int64) map[driftKey]int64 { return map[driftKey]int64{a: units[0], b: units[1]} }
	for name, c := range map[string]struct {
		before, now, shown, want map[driftKey]int64
		unmeasured               []Between
	}{
		"new":             {nil, of(1, 1), nil, map[driftKey]int64{}, nil},
		"twice":           {of(3, -1), of(2, -2), nil, of(2, -1), nil},
		"to and fro":      {of(1, -1), of(-1, 1), nil, map[driftKey]int64{}, nil},
		"gone":            {of(1, 1), nil, of(1, 1), map[driftKey]int64{}, nil},
		"not known again": {nil, nil, of(1, 1), map[driftKey]int64{a: 1}, []Between{BetweenOrders}},
	} {
		if got := lasting(c.before, c.now, c.shown, c.unmeasured); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
