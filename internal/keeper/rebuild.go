package keeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

const (
	// rebuildTimeout bounds one attempt; the next round tries again.
	rebuildTimeout = 2 * time.Minute
	// drainWait is how long an attempt waits for the accepted orders to reach the ledger.
	drainWait = 30 * time.Second
	drainPoll = 100 * time.Millisecond
	// journalReach is how far back the journal is read: as far as it goes.
	journalReach = 48 * time.Hour
)

// rebuild makes the sale's state in Redis anew after a loss: the accepted orders reach the ledger;
// the epoch is raised, so that a node of the old one can confirm nothing; then
// available = allocated − sold − live reservations of the journal. Those who hold units or a pass
// notice a pause and nothing else.
func (k *Keeper) rebuild(ctx context.Context, rec sale.Record) error {
	ctx, cancel := context.WithTimeout(ctx, rebuildTimeout)
	defer cancel()
	started := time.Now()
	// What is there is of an earlier moment. Without it nobody sells by it while the rest is gathered.
	if err := k.wipe(ctx, rec.ID); err != nil {
		return err
	}
	if err := k.awaitDrained(ctx, rec.ID, drainWait); err != nil {
		return fmt.Errorf("a rebuild waits until the accepted orders are in the ledger: %w", err)
	}
	if _, err := k.deps.Ledger.BumpEpoch(ctx, rec.ID); err != nil {
		return err
	}
	fresh, err := k.deps.Ledger.Sale(ctx, rec.ID)
	if err != nil {
		return err
	}
	k.known[rec.ID] = fresh
	orders, err := k.ordersOf(ctx, rec.ID)
	if err != nil {
		return err
	}
	room, stock, err := k.remember(ctx, fresh, orders)
	if err != nil {
		return err
	}
	if err := k.arm(ctx, fresh, room, stock); err != nil {
		return err
	}
	if err := k.settleLate(ctx, fresh, orders); err != nil {
		return err
	}
	k.deps.Log.Warn("a sale was rebuilt in redis", "sale", rec.ID, "epoch", fresh.Epoch,
		"orders", len(orders), "live_reservations", stock.held.Live(), "took_ms", time.Since(started).Milliseconds())
	return nil
}

// awaitDrained returns when every order of the sale that was accepted before is in the ledger. It
// keeps the lease meanwhile.
func (k *Keeper) awaitDrained(ctx context.Context, saleID string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		left, err := k.undrained(ctx, saleID)
		if err == nil && left == 0 {
			return nil
		}
		if _, leaseErr := k.lease.Hold(ctx); leaseErr != nil {
			err = errors.Join(err, leaseErr)
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, fmt.Errorf("%d orders are still on their way", left))
		case <-time.After(drainPoll):
		}
	}
}

// undrained counts the orders of a sale that are in the log and may not be in the ledger.
func (k *Keeper) undrained(ctx context.Context, saleID string) (int, error) {
	left := 0
	for order, err := range k.deps.Broker.Undrained(ctx) {
		if err != nil {
			return left, err
		}
		if order.Sale == saleID {
			left++
		}
	}
	return left, nil
}

// remember gathers what the durable stores know of a sale. What was sold and bought is added up
// from the orders themselves, so that the three agree whatever is being committed meanwhile.
func (k *Keeper) remember(ctx context.Context, rec sale.Record, orders []ledger.OrderRow) (*queue.Restored, *restoredStock, error) {
	var records [][]byte
	for record, err := range k.deps.Journal.Replay(ctx, rec.ID, time.Now().Add(-journalReach)) {
		if err != nil {
			return nil, nil, err
		}
		records = append(records, record)
	}
	var folder reservation.Folder
	for _, record := range records {
		folder.Add(record)
	}
	return queue.Fold(slices.Values(records)), &restoredStock{orders: restoredOrders(orders), held: folder.Folded()}, nil
}

func restoredOrders(orders []ledger.OrderRow) []reservation.RestoredOrder {
	out := make([]reservation.RestoredOrder, len(orders))
	for i, o := range orders {
		out[i] = reservation.RestoredOrder{
			ReservationID: o.Reservation, CustomerKey: o.Customer, Channel: o.Channel, Lines: linesOf(o),
			OrderedAtMillis: o.CreatedAtMillis, CommittedAtMillis: o.CommittedAtMillis,
		}
	}
	return out
}

func linesOf(o ledger.OrderRow) []reservation.Line {
	lines := make([]reservation.Line, len(o.Lines))
	for i, line := range o.Lines {
		lines[i] = reservation.Line{SKU: line.SKU, Quantity: line.Quantity}
	}
	return lines
}

// settleLate settles the orders that reached the ledger while the state was being rebuilt: a node
// that had confirmed one before the loss may have published it after the log was looked at.
func (k *Keeper) settleLate(ctx context.Context, rec sale.Record, counted []ledger.OrderRow) error {
	now, err := k.ordersOf(ctx, rec.ID)
	if err != nil || len(now) == len(counted) {
		return err
	}
	known := make(map[string]bool, len(counted))
	for _, o := range counted {
		known[o.Reservation] = true
	}
	var late []reservation.Settlement
	for _, o := range now {
		if !known[o.Reservation] {
			late = append(late, reservation.Settlement{
				ReservationID: o.Reservation, CustomerKey: o.Customer, Channel: o.Channel, Lines: linesOf(o),
				OrderedAtMillis: o.CreatedAtMillis, CommittedAtMillis: o.CommittedAtMillis,
			})
		}
	}
	_, err = k.deps.OpenStock(rec).Settle(ctx, late)
	return err
}

// ordersPage is how many orders are read at a time.
const ordersPage = 1000

// ordersOf reads all orders of a sale. Their number is bounded by its stock.
func (k *Keeper) ordersOf(ctx context.Context, saleID string) ([]ledger.OrderRow, error) {
	var all []ledger.OrderRow
	for cursor := ""; ; {
		page, next, err := k.deps.Ledger.Orders(ctx, saleID, cursor, ordersPage)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == "" {
			return all, nil
		}
		cursor = next
	}
}
