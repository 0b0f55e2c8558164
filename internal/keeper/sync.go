package keeper

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/saleindex"
)

const (
	// keepEnded is how long the state of an ended sale stays in Redis, for late looks at an order.
	keepEnded = 24 * time.Hour
	// syncTimeout bounds one round; a rebuild may take longer and has its own bound.
	syncTimeout = 10 * time.Second
)

// Run brings Redis in line with the ledger every 500 ms on the node that has the lease, until ctx
// ends.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	failing := false
	for {
		err := k.syncOnce(ctx)
		switch {
		case err != nil && !failing && ctx.Err() == nil:
			k.deps.Log.Warn("redis cannot be brought in line with the ledger; it is tried again", "error", err)
		case err == nil && failing:
			k.deps.Log.Info("redis is in line with the ledger again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			k.resign()
			return nil
		case <-tick.C:
		}
	}
}

func (k *Keeper) resign() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := k.lease.Release(ctx); err != nil {
		k.deps.Log.Debug("the keeper's lease lapses by itself", "error", err)
	}
}

func (k *Keeper) syncOnce(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	leads, err := k.lease.Hold(bounded)
	if err != nil || !leads {
		return err
	}
	wanted, err := k.deps.Ledger.SaleVersions(bounded)
	if err != nil {
		return err
	}
	published, err := saleindex.Read(bounded, k.deps.Redis)
	if err != nil {
		return err
	}
	run, err := redis.RunID(bounded, k.deps.Redis)
	if err != nil {
		return err
	}
	if err := k.syncAll(ctx, wanted, published, run); err != nil || (published.Synced && published.Run == run) {
		return err
	}
	return saleindex.MarkSynced(ctx, k.deps.Redis, run)
}

func (k *Keeper) syncAll(ctx context.Context, wanted map[string]int64, published saleindex.Index, run string) error {
	// A server that was restarted, or a replica that took over, may have come back with an older
	// state: what it holds is not believed.
	older := published.Run != "" && run != published.Run
	var failed []error
	for id, version := range wanted {
		err := k.syncSale(ctx, id, version, published.Editions, older && k.rebuiltIn[id] != run)
		if err != nil {
			failed = append(failed, fmt.Errorf("sale %s: %w", id, err))
			continue
		}
		k.rebuiltIn[id] = run
	}
	for id := range published.Editions {
		if _, kept := wanted[id]; !kept {
			failed = append(failed, k.disarm(ctx, id))
			delete(k.known, id)
			delete(k.rebuiltIn, id)
		}
	}
	return errors.Join(failed...)
}

// syncSale does what one sale needs: nothing, an update, rebuilding, or clearing away.
func (k *Keeper) syncSale(ctx context.Context, id string, version int64, published map[string]saleindex.Edition, older bool) error {
	at, isPublished := published[id]
	rec, known := k.known[id]
	// What is published differs from what is known when the sale changed, and when another one was
	// created under its id, with the same version.
	if !known || rec.Version != version || at != saleindex.EditionOf(rec) {
		fresh, err := k.deps.Ledger.Sale(ctx, id)
		if err != nil {
			return err
		}
		rec = fresh
		k.known[id] = rec
	}
	if rec.Draft || time.Since(rec.EndsAt) > keepEnded {
		if isPublished {
			return k.disarm(ctx, id)
		}
		return nil
	}
	lost, err := k.lost(ctx, rec)
	switch {
	case err != nil:
		return err
	case older:
		return k.rebuild(ctx, rec)
	case lost && rec.Version == 1 && time.Since(rec.CreatedAt) < layingTime:
		return nil // whoever created it is laying it just now
	case lost:
		return k.rebuild(ctx, rec)
	case at != saleindex.EditionOf(rec):
		return k.update(ctx, rec)
	default:
		return k.reconcile(ctx, rec)
	}
}

// layingTime is how long the creator of a sale has for laying it before the loop does.
const layingTime = 5 * time.Second

// lost reports that Redis does not hold the sale's state of the ledger's epoch.
func (k *Keeper) lost(ctx context.Context, rec sale.Record) (bool, error) {
	stock := k.deps.OpenStock(rec)
	if err := stock.Refresh(ctx); err != nil {
		return false, err
	}
	snapshot := stock.Snapshot()
	return !snapshot.Ready || snapshot.Epoch < rec.Epoch, nil
}
