package salecache

import (
	"bytes"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

func TestNumbersOfUnitsAreToldWhileTheyAreFreshAndNeverBelowZero(t *testing.T) {
	now := time.Now()
	stock := &reservation.Snapshot{Ready: true, NowMillis: now.UnixMilli(), Items: []reservation.Counts{
		{Available: 12, Allocated: 100}, {Available: -1, Held: 3, Allocated: 10}, {Allocated: 10},
	}}
	for name, test := range map[string]struct {
		shown  sale.StockShown
		ready  bool
		age    time.Duration
		forSec int
	}{
		"read now":             {sale.StockNumbers, true, 0, 5},
		"read 3 s ago":         {sale.StockNumbers, true, 3 * time.Second, 2},
		"read a minute ago":    {sale.StockNumbers, true, time.Minute, -55},
		"not known":            {sale.StockNumbers, false, 0, 0},
		"a sale that says so":  {sale.StockWords, true, 0, 0},
		"a sale without stock": {sale.StockHidden, true, 0, 0},
	} {
		stock.Ready = test.ready
		rec := &sale.Record{Sale: sale.Sale{Page: sale.Page{ShowStock: test.shown}}}
		got := numbersUntil(rec, stock, now, time.UnixMilli(stock.NowMillis).Add(test.age))
		if want := now.Add(time.Duration(test.forSec) * time.Second); test.forSec != 0 && !got.Equal(want) || test.forSec == 0 && !got.IsZero() {
			t.Errorf("%s: until %v from now", name, got.Sub(now))
		}
	}
	stock.Ready = true
	for i, want := range []struct {
		stands sale.Availability
		left   int64
	}{{sale.InStock, 12}, {sale.HeldOut, 0}, {sale.SoldOut, 0}} {
		if got := standings(stock, true)[i]; got.Availability != want.stands || *got.UnitsLeft != want.left {
			t.Errorf("item %d: %+v", i, got)
		}
		if got := standings(stock, false)[i]; got.Availability != want.stands || got.UnitsLeft != nil {
			t.Errorf("item %d: %+v", i, got)
		}
	}
	rec := &sale.Record{Sale: sale.Sale{Items: []sale.Item{{SKU: "A"}, {SKU: "B"}, {SKU: "C"}}}}
	if got := document(rec, sale.PhaseLive, "", &queue.Snapshot{}, standings(stock, false)); bytes.Contains(got, []byte("units")) {
		t.Errorf("%s", got)
	}
	if got := document(rec, sale.PhaseLive, "", &queue.Snapshot{}, standings(stock, true)); !bytes.Contains(got, []byte(`"availability":"held_out","units_left":0}`)) {
		t.Errorf("%s", got)
	}
}
