package salecache

import (
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

// supplyOf tells the waiting room what is left, and what becomes of holds. Nothing is told of a stock that is not
// ready.
func supplyOf(stock *reservation.Snapshot, rec *sale.Record) ([]queue.ItemSupply, queue.Holds) {
	ttl := rec.Reservation.TTL.Std().Milliseconds()
	holds := queue.Holds{
		LapseShare: stock.LapseShare(), LastsMillis: ttl, ExtendMillis: ttl * int64(rec.Reservation.MaxExtensions),
	}
	if !stock.Ready {
		return nil, holds
	}
	items := make([]queue.ItemSupply, len(stock.Items))
	for i, item := range stock.Items {
		items[i] = queue.ItemSupply{
			SKU: item.SKU, Available: item.Available, Held: item.Held,
		}
		if i < len(stock.Ends) {
			items[i].FirstBackMillis, items[i].LastBackMillis = stock.Ends[i].FirstMillis, stock.Ends[i].LastMillis
		}
	}
	return items, holds
}

// unitsOf are the units of each item by itself, as the controller of the line must know them.
func unitsOf(stock *reservation.Snapshot, nowMillis int64) []queue.Units {
	units := make([]queue.Units, len(stock.Items))
	for i, item := range stock.Items {
		units[i] = queue.Units{Available: item.Available, Held: item.Held}
	}
	for _, lot := range stock.Aside {
		if lot.Item < len(units) {
			offer(&units[lot.Item], lot, nowMillis)
		}
	}
	return units
}

// offer tells of units that are set aside for those who are admitted next. Nobody can take them in the second in
// which they came back, so nobody is called for them before it is over.
func offer(item *queue.Units, lot reservation.Lot, now int64) {
	switch {
	case lot.UntilMillis <= now:
	case lot.FromMillis > now:
		item.Available -= lot.Units
	default:
		item.Aside += lot.Units
		if item.AsideSinceMillis == 0 || lot.FromMillis < item.AsideSinceMillis {
			item.AsideSinceMillis = lot.FromMillis
		}
	}
}
