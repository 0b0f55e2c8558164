package recovery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

const (
	// carryTimeout bounds one attempt to bring a change to a state that is there.
	carryTimeout = 10 * time.Second
	// rebuildTimeout bounds one attempt to rebuild a state; the next round tries again.
	rebuildTimeout = 2 * time.Minute
)

// carry brings a sale to Redis: as a change of the state that is there, or by rebuilding it.
func (w *work) carry(ctx context.Context, rec sale.Record) (sale.Record, error) {
	held, err := w.holds(ctx, rec)
	if err != nil {
		return sale.Record{}, err
	}
	if !held {
		if err := w.mayArm(ctx, rec.ID); err != nil {
			return sale.Record{}, err
		}
		return w.rebuild(ctx, rec)
	}
	ctx, cancel := context.WithTimeout(ctx, carryTimeout)
	defer cancel()
	return rec, w.change(ctx, rec)
}

// mayArm asks for permission, and notes a refusal for those who ask why the sale is not armed.
func (w *work) mayArm(ctx context.Context, saleID string) error {
	err := w.deps.MayArm(ctx)
	why := ""
	if err != nil {
		why = err.Error()
	}
	return errors.Join(err, w.deps.Index.Refuse(ctx, saleID, why))
}

// holds reports whether Redis holds the sale's state, of this creation, epoch and run of the server.
func (w *work) holds(ctx context.Context, rec sale.Record) (bool, error) {
	if rec.Epoch == 0 {
		return false, nil // never armed yet
	}
	ctx, cancel := context.WithTimeout(ctx, carryTimeout)
	defer cancel()
	stock := w.deps.OpenStock(rec)
	if err := stock.Refresh(ctx); err != nil {
		return false, err
	}
	snapshot := stock.Snapshot()
	if !snapshot.Ready || snapshot.Epoch != rec.Epoch {
		return false, nil
	}
	room, err := queue.Stats(ctx, w.deps.Redis, rec.ID)
	return err == nil && room.Ready, err
}

// change brings a new version to the state that is there. What was counted stays.
func (w *work) change(ctx context.Context, rec sale.Record) error {
	if err := reservation.Update(ctx, w.deps.Redis, rec, w.term); err != nil {
		return fmt.Errorf("change the stock of %s: %w", rec.ID, err)
	}
	if err := queue.Update(ctx, w.deps.Redis, rec, w.term); err != nil {
		return fmt.Errorf("change the waiting room of %s: %w", rec.ID, err)
	}
	if err := w.allot(ctx, rec); err != nil {
		return err
	}
	return w.deps.Index.Publish(ctx, rec)
}

// allot brings the allocations in Redis to those of the ledger, and finishes the decreases that
// were begun there.
func (w *work) allot(ctx context.Context, rec sale.Record) error {
	pending, err := w.deps.Ledger.PendingStock(ctx, rec.ID)
	if err != nil {
		return err
	}
	stock := w.deps.OpenStock(rec)
	for sku, target := range pending {
		if err := w.decrease(ctx, stock, rec.ID, sku, target); err != nil {
			return err
		}
	}
	for _, item := range rec.Items {
		if _, decreasing := pending[item.SKU]; decreasing {
			continue
		}
		err := stock.Allot(ctx, item.SKU, item.Stock, w.term)
		switch {
		case errors.Is(err, problem.StockConflict): // verify says so as well
			w.deps.Log.Warn("redis has more units held and sold than the ledger allocates", "sale", rec.ID, "sku", item.SKU, "allocated", item.Stock)
		case err != nil:
			return fmt.Errorf("allot %d units of %s: %w", item.Stock, item.SKU, err)
		}
	}
	return nil
}

// decrease finishes a decrease of stock that was begun in the ledger: Redis first, so that no unit
// is offered that the ledger would refuse; then the ledger. Every line of it may be repeated.
func (w *work) decrease(ctx context.Context, stock *reservation.Stock, saleID, sku string, target int64) error {
	err := stock.Allot(ctx, sku, target, w.term)
	defer w.deps.Sales.AskLeader() // the record has a new version by then
	switch {
	case errors.Is(err, problem.StockConflict), errors.Is(err, problem.UnknownSKU):
		return w.deps.Ledger.CancelStockDecrease(ctx, saleID, sku, target)
	case err != nil:
		return fmt.Errorf("take units of %s away: %w", sku, err)
	}
	err = w.deps.Ledger.FinishStockDecrease(ctx, saleID, sku, target)
	if errors.Is(err, problem.StockConflict) { // an order of a reservation that Redis did not know was committed meanwhile
		return w.deps.Ledger.CancelStockDecrease(ctx, saleID, sku, target)
	}
	return err
}

// takeOff removes a sale that does not belong into Redis any more, and keeps it in the ledger.
func (w *work) takeOff(ctx context.Context, rec sale.Record) (sale.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, carryTimeout)
	defer cancel()
	return sale.Record{}, w.remove(ctx, rec.ID)
}

// remove takes a sale out of Redis for good.
func (w *work) remove(ctx context.Context, saleID string) error {
	if err := w.deps.Index.Withdraw(ctx, saleID); err != nil {
		return err
	}
	if err := reservation.Wipe(ctx, w.deps.Redis, saleID, w.term); err != nil {
		return fmt.Errorf("remove the stock of %s: %w", saleID, err)
	}
	if err := queue.Remove(ctx, w.deps.Redis, saleID, w.term); err != nil {
		return fmt.Errorf("remove the waiting room of %s: %w", saleID, err)
	}
	return nil
}

// wipe removes a sale's room and stock, while the nodes go on knowing the sale.
func (w *work) wipe(ctx context.Context, saleID string) error {
	if err := reservation.Wipe(ctx, w.deps.Redis, saleID, w.term); err != nil {
		return fmt.Errorf("wipe the stock of %s: %w", saleID, err)
	}
	if err := queue.Wipe(ctx, w.deps.Redis, saleID, w.term); err != nil {
		return fmt.Errorf("wipe the waiting room of %s: %w", saleID, err)
	}
	return nil
}
