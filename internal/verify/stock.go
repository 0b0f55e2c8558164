package verify

import (
	"context"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/reservation"
)

// StockReport tells the units of a sale's items.
type StockReport struct {
	Sale string `json:"sale"`
	// Live is false when the counters are those of the ledger alone: the sale is not armed, or Redis does not
	// answer. What is held is then not known, and 0.
	Live  bool        `json:"live"`
	Items []ItemStock `json:"items"`
}

// Units are units of an item, in all or of one channel: allocated = available + held + sold + withheld. Owed
// units were sold beyond what is allocated now; until they have come back nothing is available.
type Units struct {
	Allocated int64 `json:"allocated"`
	Available int64 `json:"available"`
	Held      int64 `json:"held"`
	Sold      int64 `json:"sold"`
	Withheld  int64 `json:"withheld,omitempty"`
	Owed      int64 `json:"owed,omitempty"`
}

// ItemStock are the units of one item.
type ItemStock struct {
	SKU  string `json:"sku"`
	Name string `json:"name"`
	Units
	// Pending is what is to be allocated, of a decrease that is under way.
	Pending *int64 `json:"pending,omitempty"`
	// Channels are the units of each channel, of a sale that has channels and is live.
	Channels map[string]Units `json:"channels,omitempty"`
}

func unitsOf(c *reservation.Counts) Units {
	return Units{Allocated: c.Allocated, Available: c.Available, Held: c.Held, Sold: c.Sold, Withheld: c.Withheld, Owed: c.Owed}
}

// Stock tells the units of a sale, by the counters of Redis where they can be read. Code: unknown_sale.
func (v *Verifier) Stock(ctx context.Context, id string) (StockReport, error) {
	rec, err := v.deps.Ledger.Sale(ctx, id)
	if err != nil {
		return StockReport{}, err
	}
	pending, err := v.deps.Ledger.PendingStock(ctx, id)
	if err != nil {
		return StockReport{}, err
	}
	report := StockReport{Sale: id, Items: make([]ItemStock, len(rec.Items))}
	if snapshot := v.snapshot(ctx, rec); snapshot != nil {
		report.Live = true
		report.addLive(rec.Sale, snapshot)
	} else if err := v.addLedger(ctx, &report); err != nil {
		return StockReport{}, err
	}
	for i, item := range rec.Items {
		row := &report.Items[i]
		row.SKU, row.Name = item.SKU, item.Name
		if target, decreasing := pending[item.SKU]; decreasing {
			row.Pending = &target
		}
	}
	return report, nil
}

func (r *StockReport) addLive(s sale.Sale, snapshot *reservation.Snapshot) {
	for i := range min(len(r.Items), len(snapshot.Items)) {
		r.Items[i].Units = unitsOf(&snapshot.Items[i])
		if len(s.Channels) == 0 {
			continue
		}
		r.Items[i].Channels = make(map[string]Units, len(snapshot.Channels))
		for name, counts := range snapshot.Channels {
			r.Items[i].Channels[name] = unitsOf(&counts[i])
		}
	}
}

// addLedger adds what the ledger alone knows.
func (v *Verifier) addLedger(ctx context.Context, r *StockReport) error {
	items, err := v.deps.Ledger.Items(ctx, r.Sale)
	if err != nil {
		return err
	}
	for i := range min(len(r.Items), len(items)) {
		r.Items[i].Units = Units{Allocated: items[i].Allocated, Available: items[i].Allocated - items[i].Sold, Sold: items[i].Sold}
	}
	return nil
}
