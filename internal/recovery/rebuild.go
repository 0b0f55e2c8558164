package recovery

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

const (
	// drainWait is how long an attempt waits for the accepted orders to reach the ledger.
	drainWait = 30 * time.Second
	// journalReach is how far back the journal is read: as far as it goes.
	journalReach = checkout.JournalMaxAge
	// leaderAway is for how long nobody may lead, at the least, before the journal drops places by key that were not
	// journaled again. A round of them takes minutes.
	leaderAway = 12 * time.Hour
	// This line does not compile when the journal forgets sooner than that.
	_ = uint64(journalReach - queue.PlacesKeptEvery - leaderAway)
	// ordersPage is how many orders are read at a time.
	ordersPage = 1000
	// failedPage is smaller, as failed orders come with their documents.
	failedPage = 100
	// lateOrders is how long before the beginning of a rebuild an order may have been confirmed and
	// still reach the ledger while the rebuild is under way.
	lateOrders = time.Minute
)

// rebuild makes a sale's state in Redis anew. It closes what is there; waits until the orders that
// were accepted are in the ledger; raises the epoch, so that a node of the old one can confirm
// nothing; and arms the sale with available = allocated − sold − live reservations of the journal. Those who
// hold units or a pass notice a pause and nothing else. A sale that was never armed is armed in the same way: it
// has no orders and no journal.
func (w *work) rebuild(ctx context.Context, rec sale.Record) (sale.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, rebuildTimeout)
	defer cancel()
	b := &rebuilding{work: w, started: time.Now(), first: rec.Epoch == 0}
	if !b.first {
		b.heldBefore = w.heldNow(ctx, rec)
	}
	if err := w.wipe(ctx, rec.ID); err != nil {
		return sale.Record{}, err
	}
	if err := b.awaitOrders(ctx, rec); err != nil {
		return sale.Record{}, err
	}
	fresh, err := w.deps.Ledger.BumpEpoch(ctx, rec.ID)
	if err != nil {
		return sale.Record{}, err
	}
	if err := b.arm(ctx, fresh); err != nil {
		return sale.Record{}, err
	}
	if err := w.deps.Index.Publish(ctx, fresh); err != nil {
		return sale.Record{}, err
	}
	if err := b.settleLate(ctx, fresh); err != nil {
		return sale.Record{}, err
	}
	b.report(fresh)
	return fresh, nil
}

// rebuilding is one attempt.
type rebuilding struct {
	*work
	started    time.Time
	first      bool // the sale was never armed before
	heldBefore int64
	heldAfter  int64
	orders     int64
}

// heldNow counts the units that the state to be replaced holds, where it can be read: of a memory
// sale they are lost, and the log says how many.
func (w *work) heldNow(ctx context.Context, rec sale.Record) (held int64) {
	stock := w.deps.OpenStock(rec)
	if err := stock.Refresh(ctx); err != nil {
		return 0
	}
	for _, item := range stock.Snapshot().Items {
		held += item.Held
	}
	return held
}

// awaitOrders waits until what was accepted before is in the ledger. Nobody can confirm an order any
// more, and a node that has published one since answers it only if the state is still that of before.
func (b *rebuilding) awaitOrders(ctx context.Context, rec sale.Record) error {
	if b.first {
		return b.deps.Journal.Forget(ctx, rec.ID) // what an earlier sale of this id has left
	}
	ctx, cancel := context.WithTimeout(ctx, drainWait)
	defer cancel()
	barrier, err := b.deps.Broker.Barrier(ctx)
	if err != nil {
		return err
	}
	if err := b.deps.Broker.AwaitDrained(ctx, barrier); err != nil {
		return fmt.Errorf("a rebuild waits until the accepted orders are in the ledger: %w", err)
	}
	return nil
}

// arm streams orders and journal into a new state; the sale is open with its last write.
func (b *rebuilding) arm(ctx context.Context, rec sale.Record) error {
	arming, err := reservation.Begin(ctx, b.deps.Redis, rec, b.term)
	if err != nil {
		return fmt.Errorf("arm the stock of %s: %w", rec.ID, err)
	}
	if err := b.armOrders(ctx, arming, rec); err != nil {
		return fmt.Errorf("read the orders of %s: %w", rec.ID, err)
	}
	holds, room, err := b.readJournal(ctx, rec.ID)
	if err != nil {
		return err
	}
	// The room first: while the stock is closed nobody can use a pass.
	if err := queue.Arm(ctx, b.deps.Redis, rec, room, b.term); err != nil {
		return fmt.Errorf("arm the waiting room of %s: %w", rec.ID, err)
	}
	if err := arming.Finish(ctx, holds); err != nil {
		return fmt.Errorf("arm the stock of %s: %w", rec.ID, err)
	}
	if !b.first {
		b.heldAfter = b.heldNow(ctx, rec)
	}
	return nil
}

// armOrders streams the orders into the new state, and those that failed.
func (b *rebuilding) armOrders(ctx context.Context, arming *reservation.Arming, rec sale.Record) error {
	if b.first {
		return nil
	}
	err := b.eachPage(ctx, rec.ID, 0, func(page []checkout.Stored) error {
		b.orders += int64(len(page))
		return arming.Orders(ctx, restored(page))
	})
	if err != nil {
		return err
	}
	read := func(cursor string) ([]ledger.FailedOrder, string, error) {
		return b.deps.Ledger.FailedOrders(ctx, rec.ID, cursor, failedPage)
	}
	return eachPage(read, func(page []ledger.FailedOrder) error {
		return arming.Orders(ctx, b.restoredFailed(rec, page))
	})
}

// eachPage reads the orders of a sale that were created at or after fromMillis, a page at a time.
func (b *rebuilding) eachPage(ctx context.Context, saleID string, fromMillis int64, do func([]checkout.Stored) error) error {
	return eachPage(func(cursor string) ([]checkout.Stored, string, error) {
		return b.deps.Ledger.BareOrders(ctx, saleID, fromMillis, cursor, ordersPage)
	}, do)
}

func eachPage[T any](read func(cursor string) (page []T, next string, err error), do func([]T) error) error {
	for cursor := ""; ; {
		page, next, err := read(cursor)
		if err != nil {
			return err
		}
		if len(page) > 0 {
			if err := do(page); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// restored is what the stock needs of orders.
func restored(page []checkout.Stored) []reservation.RestoredOrder {
	orders := make([]reservation.RestoredOrder, len(page))
	for i := range page {
		orders[i] = restoredOne(&page[i])
	}
	return orders
}

func restoredOne(o *checkout.Stored) reservation.RestoredOrder {
	return reservation.RestoredOrder{
		ReservationID: o.Reservation, CustomerKey: o.Customer, Channel: o.Channel, Lines: o.Units(), Drawn: o.Drawn,
		OrderedAtMillis: o.CreatedAtMillis, CommittedAtMillis: o.CommittedAtMillis,
	}
}

// restoredFailed is what the stock needs of orders that failed: units that were withheld stay so.
func (b *rebuilding) restoredFailed(rec sale.Record, page []ledger.FailedOrder) []reservation.RestoredOrder {
	var orders []reservation.RestoredOrder
	for i := range page {
		failed := &page[i]
		// The dead letter may have been removed by hand, or may hold what no front has written.
		if _, _, _, err := reservation.ParseID(failed.Reservation); err != nil || len(failed.Lines) == 0 {
			b.deps.Log.Warn("a failed order cannot be restored: its dead letter does not tell its units", "sale", rec.ID, "order", failed.ID)
			continue
		}
		o := restoredOne(&failed.Stored)
		o.Failed, o.Withheld = true, !rec.ReturnsUnits(failed.Oversold)
		orders = append(orders, o)
	}
	return orders
}

// readJournal reads the journal once, for the holds and for the room.
func (b *rebuilding) readJournal(ctx context.Context, saleID string) (*reservation.Folded, *queue.Restored, error) {
	if b.first {
		return nil, nil, nil
	}
	var folder reservation.Folder
	var failed error
	room := queue.Fold(func(yield func([]byte) bool) {
		for record, err := range b.deps.Journal.Replay(ctx, saleID, time.Now().Add(-journalReach)) {
			if err != nil {
				failed = err
				return
			}
			folder.Add(record)
			if !yield(record) {
				return
			}
		}
	})
	if failed != nil {
		return nil, nil, failed
	}
	return folder.Folded(), room, nil
}

// settleLate settles the orders that reached the ledger while the state was being rebuilt: a node
// that had confirmed one before may have published it after the log was looked at. Settling an order
// again changes nothing.
func (b *rebuilding) settleLate(ctx context.Context, rec sale.Record) error {
	if b.first {
		return nil
	}
	stock := b.deps.OpenStock(rec)
	return b.eachPage(ctx, rec.ID, b.started.Add(-lateOrders).UnixMilli(), func(page []checkout.Stored) error {
		late := make([]reservation.Settlement, len(page))
		for i := range page {
			late[i] = page[i].Settlement(page[i].CommittedAtMillis)
		}
		_, err := stock.Settle(ctx, late)
		return err
	})
}

// report says what was done, and what was lost under which durability.
func (b *rebuilding) report(rec sale.Record) {
	took := time.Since(b.started).Milliseconds()
	if b.first {
		b.deps.Log.Info("a sale was armed", "sale", rec.ID, "epoch", rec.Epoch, "took_ms", took)
		return
	}
	b.deps.Log.Warn("a sale was rebuilt in redis", "sale", rec.ID, "epoch", rec.Epoch, "orders", b.orders,
		"units_held_before", b.heldBefore, "units_held_after", b.heldAfter, "durability", string(rec.Durability), "took_ms", took)
}
