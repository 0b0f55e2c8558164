package keeper

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

const (
	// rebuildTimeout bounds one attempt; the next round tries again.
	rebuildTimeout = 60 * time.Second
	// drainWait is how long an attempt waits for the accepted orders to reach the ledger.
	drainWait = 30 * time.Second
	drainPoll = 50 * time.Millisecond
	// journalReach is how far back the journal is read. No hold lives longer than its extensions.
	journalReach = 48 * time.Hour
)

// rebuild makes the sale's state in Redis anew after a loss: the epoch is raised, so that a node
// of the old one can confirm nothing; the accepted orders reach the ledger; then
// available = allocated − sold − live reservations of the journal. Those who hold units or a pass
// notice a pause and nothing else.
func (k *Keeper) rebuild(ctx context.Context, rec sale.Record) error {
	ctx, cancel := context.WithTimeout(ctx, rebuildTimeout)
	defer cancel()
	started := time.Now()
	if err := k.awaitDrained(ctx, drainWait); err != nil {
		return fmt.Errorf("rebuild waits for the ledger: %w", err)
	}
	epoch, err := k.deps.Ledger.BumpEpoch(ctx, rec.ID)
	if err != nil {
		return err
	}
	fresh, err := k.deps.Ledger.Sale(ctx, rec.ID)
	if err != nil {
		return err
	}
	room, stock, err := k.remember(ctx, fresh)
	if err != nil {
		return err
	}
	if err := k.arm(ctx, fresh, room, stock); err != nil {
		return err
	}
	k.known[rec.ID] = fresh
	k.deps.Log.Warn("a sale was rebuilt in redis", "sale", rec.ID, "epoch", epoch,
		"took_ms", time.Since(started).Milliseconds())
	return nil
}

// remember gathers what the durable stores know of a sale.
func (k *Keeper) remember(ctx context.Context, rec sale.Record) (*queue.Restored, *reservation.Restored, error) {
	roomRecords, stockRecords, err := k.replay(ctx, rec.ID)
	if err != nil {
		return nil, nil, err
	}
	stock := reservation.Fold(roomOf(stockRecords))
	if err := k.addLedger(ctx, rec, stock); err != nil {
		return nil, nil, err
	}
	return queue.Fold(roomOf(roomRecords)), stock, nil
}
