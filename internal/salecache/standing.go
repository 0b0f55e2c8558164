package salecache

import (
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/reservation"
)

// numbersFreshFor is how old a number of units may be that visitors are told. An older one is no longer told: the words
// stay.
const numbersFreshFor = 5 * time.Second

// Standing is how an item stands, as visitors may know it.
type Standing struct {
	Availability sale.Availability
	// UnitsLeft is how many units nobody holds; nil when that is not told.
	UnitsLeft *int64
}

// Standings tells how the items of the sale stand, in their order; nil while that is not known. Numbers of units are
// told where the sale says so, and while they are fresh.
func (e *Entry) Standings() []Standing {
	return standings(e.stock.Snapshot(), time.Now().Before(e.view.Load().numbersUntil))
}

func standings(stock *reservation.Snapshot, numbers bool) []Standing {
	if !stock.Ready {
		return nil
	}
	all := make([]Standing, len(stock.Items))
	for i, counts := range stock.Items {
		all[i].Availability = sale.AvailabilityOf(counts.Available, counts.Held, counts.Allocated)
		if numbers {
			left := max(0, counts.Available)
			all[i].UnitsLeft = &left
		}
	}
	return all
}

// numbersUntil is up to when the numbers of a stock may be told that is read now; zero is never.
func numbersUntil(rec *sale.Record, stock *reservation.Snapshot, now, redisNow time.Time) time.Time {
	if rec.Page.ShowStock != sale.StockNumbers || !stock.Ready {
		return time.Time{}
	}
	return now.Add(numbersFreshFor - redisNow.Sub(time.UnixMilli(stock.NowMillis)))
}
