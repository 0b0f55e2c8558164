package keeper

import (
	"context"
	"time"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/saleindex"
	"github.com/penstock/penstock/queue"
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
func (k *Keeper) Stats(ctx context.Context, id string) (Stats, error) {
	rec, err := k.Sale(ctx, id)
	if err != nil {
		return Stats{}, err
	}
	now, err := redis.Now(ctx, k.deps.Redis)
	if err != nil {
		return Stats{}, err
	}
	stats := Stats{Sale: id, Level: k.deps.Board.Level().String(), At: now, Items: itemsOf(rec)}
	if !rec.Draft {
		if stats.Room, err = queue.Stats(ctx, k.deps.Redis, id); err != nil {
			return Stats{}, err
		}
	}
	stats.Phase = rec.PhaseAt(now, k.addStock(ctx, rec, stats.Items))
	if lag, err := k.deps.Broker.Lag(ctx); err == nil {
		stats.Undrained, stats.LogLagSeconds = lag.Pending, lag.OldestSeconds
	}
	stats.LedgerAnswers = k.addCommitted(ctx, id, stats.Items)
	return stats, nil
}

func itemsOf(rec sale.Record) []ItemStats {
	items := make([]ItemStats, len(rec.Items))
	for i, item := range rec.Items {
		items[i] = ItemStats{SKU: item.SKU, Allocated: item.Stock, Available: item.Stock}
	}
	return items
}

// addStock fills in the counters of Redis, and reports whether nothing is left.
func (k *Keeper) addStock(ctx context.Context, rec sale.Record, items []ItemStats) (soldOut bool) {
	if rec.Draft {
		return false
	}
	stock := k.deps.OpenStock(rec)
	if err := stock.Refresh(ctx); err != nil || !stock.Snapshot().Ready {
		return false
	}
	soldOut = true
	for i, counts := range stock.Snapshot().Items {
		if i >= len(items) {
			break
		}
		items[i].Allocated, items[i].Available = counts.Allocated, counts.Available
		items[i].Held, items[i].Sold = counts.Held, counts.Sold
		soldOut = soldOut && counts.Available <= 0 && counts.Held == 0
	}
	return soldOut
}

func (k *Keeper) addCommitted(ctx context.Context, id string, items []ItemStats) bool {
	ctx, cancel := context.WithTimeout(ctx, ledgerPatience)
	defer cancel()
	counts, err := k.deps.Ledger.Items(ctx, id)
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

// Sale reads one sale from the ledger; while the ledger is down, the record that was last carried
// to Redis has to do. Codes: unknown_sale.
func (k *Keeper) Sale(ctx context.Context, id string) (sale.Record, error) {
	bounded, cancel := context.WithTimeout(ctx, ledgerPatience)
	defer cancel()
	rec, err := k.deps.Ledger.Sale(bounded, id)
	if err == nil || ledger.IsPermanent(err) {
		return rec, err
	}
	published, found, redisErr := saleindex.Load(ctx, k.deps.Redis, id)
	if redisErr != nil || !found {
		return sale.Record{}, err
	}
	return published, nil
}
