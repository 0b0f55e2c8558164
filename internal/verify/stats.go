package verify

import (
	"context"
	"time"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

// ledgerPatience is how long live figures wait for the ledger before they do without it.
const ledgerPatience = 2 * time.Second

// Stats are the live figures of a sale.
type Stats struct {
	Sale  string          `json:"sale"`
	Phase sale.Phase      `json:"phase"`
	Room  queue.RoomStats `json:"room"`
	Items []ItemStats     `json:"items"`
	// Undrained counts the accepted orders of all sales that are not in the ledger yet.
	Undrained     int     `json:"undrained"`
	LogLagSeconds float64 `json:"log_lag_seconds"`
	Level         string  `json:"level"`
	// LedgerAnswers is false when the ledger did not answer; Committed is then not known, and 0.
	LedgerAnswers bool      `json:"ledger_answers"`
	At            time.Time `json:"at"`
	// Drift is what the leader measured last; nil when nothing was measured in the last minute.
	Drift *DriftReport `json:"drift,omitempty"`
}

// ItemStats is the balance of one item in Redis, and what of it the ledger has.
type ItemStats struct {
	SKU       string `json:"sku"`
	Allocated int64  `json:"allocated"`
	Available int64  `json:"available"`
	Held      int64  `json:"held"`
	Sold      int64  `json:"sold"`
	Committed int64  `json:"committed"`
}

// Stats gathers the live figures of a sale. It needs Redis alone: when the ledger or the order log
// does not answer, their figures are missing. Codes: unknown_sale.
func (v *Verifier) Stats(ctx context.Context, id string) (Stats, error) {
	rec, err := v.deps.Sales.Sale(ctx, id)
	if err != nil {
		return Stats{}, err
	}
	now, err := redis.Now(ctx, v.deps.Redis)
	if err != nil {
		return Stats{}, err
	}
	stats := Stats{Sale: id, Level: v.deps.Board.Level().String(), At: now, Items: itemsOf(rec)}
	if !rec.Draft {
		if stats.Room, err = queue.Stats(ctx, v.deps.Redis, id); err != nil {
			return Stats{}, err
		}
		nameLanes(stats.Room.Lanes, rec.Admission.Lanes)
	}
	v.addStock(ctx, rec, stats.Items)
	stats.Drift = v.drift(ctx, id)
	stats.Phase = v.deps.Sales.Phase(rec)
	if lag, err := v.deps.Broker.Lag(ctx); err == nil {
		stats.Undrained, stats.LogLagSeconds = lag.Pending, lag.OldestSeconds
	}
	stats.LedgerAnswers = v.addCommitted(ctx, id, stats.Items)
	return stats, nil
}

// nameLanes names the lanes behind that of everybody, which has no name.
func nameLanes(lanes []queue.LaneStats, terms []sale.Lane) {
	for i, lane := range terms {
		if i+1 < len(lanes) {
			lanes[i+1].Name = lane.Name
		}
	}
}

func itemsOf(rec sale.Record) []ItemStats {
	items := make([]ItemStats, len(rec.Items))
	for i, item := range rec.Items {
		items[i] = ItemStats{SKU: item.SKU, Allocated: item.Stock, Available: item.Stock}
	}
	return items
}

// addStock fills in the counters of Redis.
func (v *Verifier) addStock(ctx context.Context, rec sale.Record, items []ItemStats) {
	snapshot := v.snapshot(ctx, rec)
	if snapshot == nil {
		return
	}
	for i, counts := range snapshot.Items {
		if i >= len(items) {
			break
		}
		items[i].Allocated, items[i].Available = counts.Allocated, counts.Available
		items[i].Held, items[i].Sold = counts.Held, counts.Sold
	}
}

// snapshot reads the stock of a sale from Redis; nil when it cannot be read, or is not there.
func (v *Verifier) snapshot(ctx context.Context, rec sale.Record) *reservation.Snapshot {
	if rec.Draft {
		return nil
	}
	stock := v.deps.OpenStock(rec)
	if err := stock.Refresh(ctx); err != nil || !stock.Snapshot().Ready {
		return nil
	}
	return stock.Snapshot()
}

func (v *Verifier) addCommitted(ctx context.Context, id string, items []ItemStats) bool {
	ctx, cancel := context.WithTimeout(ctx, ledgerPatience)
	defer cancel()
	counts, err := v.deps.Ledger.Items(ctx, id)
	if err != nil {
		return false
	}
	sold := make(map[string]int64, len(counts))
	for _, item := range counts {
		sold[item.SKU] = item.Sold
	}
	for i := range items {
		items[i].Committed = sold[items[i].SKU]
	}
	return true
}
