package salecache

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

// Entry is one sale on this node. It is safe for concurrent use; fetch it for each request.
type Entry struct {
	room   *queue.Room
	stock  *reservation.Stock
	record atomic.Pointer[sale.Record]
	view   atomic.Pointer[view]
}

// view is what one refresh worked out, so that requests need not.
type view struct {
	soldOut  bool
	heldOut  bool
	document []byte
}

// Record returns the current version of the sale.
func (e *Entry) Record() sale.Record { return *e.record.Load() }

// Room returns the waiting room.
func (e *Entry) Room() *queue.Room { return e.room }

// Stock returns the stock and its reservations.
func (e *Entry) Stock() *reservation.Stock { return e.stock }

// Document returns the public document, the same bytes for everybody.
func (e *Entry) Document() []byte { return e.view.Load().document }

// HeldOut reports that no unit is free while some are held and may come back.
func (e *Entry) HeldOut() bool { return e.view.Load().heldOut }

// Now tells the time by the one clock, that of Redis.
func (e *Entry) Now() time.Time { return e.room.Snapshot().Now() }

// Phase tells where the sale stands now.
func (e *Entry) Phase() sale.Phase {
	return e.record.Load().PhaseAt(e.Now(), e.view.Load().soldOut)
}

// Ready reports whether Redis holds the sale's state for the current epoch.
func (e *Entry) Ready() bool { return e.room.Snapshot().Ready && e.stock.Snapshot().Ready }

func (e *Entry) update(rec sale.Record) {
	e.record.Store(&rec)
	e.room.Update(rec)
	e.stock.Update(rec)
}

// refresh brings the snapshots and what hangs off them up to date.
func (e *Entry) refresh(ctx context.Context) error {
	err := errors.Join(e.room.Refresh(ctx), e.stock.Refresh(ctx))
	e.look()
	return err
}

// look works out the view from the snapshots.
func (e *Entry) look() {
	rec, stock := e.record.Load(), e.stock.Snapshot()
	next := &view{}
	if stock.Ready {
		var available, held int64
		for _, item := range stock.Items {
			available += item.Available
			held += item.Held
		}
		next.heldOut = available == 0 && held > 0
		next.soldOut = available == 0 && held == 0
	}
	phase := rec.PhaseAt(e.Now(), next.soldOut)
	next.document = document(rec, phase, e.room.Snapshot(), stock)
	e.view.Store(next)
}
