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
