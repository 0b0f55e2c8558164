package salecache

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/saleindex"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

// Entry is one sale on this node. It is safe for concurrent use; fetch it for each request.
type Entry struct {
	id     string
	room   *queue.Room
	stock  *reservation.Stock
	record atomic.Pointer[sale.Record]
	view   atomic.Pointer[view]
	// armed is set once Redis was seen to hold the sale: before, there is nothing to serve from memory.
	armed atomic.Bool

	freshening sync.Mutex

	born    time.Time
	touched atomic.Int64  // when a visitor was last here, ns since born
	told    atomic.Int64  // when that was last told to the other nodes, ns since born
	busyAt  atomic.Int64  // when the sale was last busy on any node, ns since born
	wake    chan struct{} // refresh now
	stirred func()        // has the other nodes told that the sale is busy
	changes *atomic.Int64 // counts what this node has learnt of any sale
}

// view is what one refresh worked out, so that requests need not.
type view struct {
	at       time.Time // when it was worked out
	units    []queue.Units
	soldOut  bool
	heldOut  bool
	document []byte
	// numbered is the document with numbers of units, to be told until numbersUntil.
	numbered     []byte
	numbersUntil time.Time
	notice       []byte
	// noticeTag is the entity tag of the notice.
	noticeTag string
}

func (c *Cache) newEntry(ctx context.Context, rec sale.Record) (*Entry, error) {
	entry := &Entry{id: rec.ID, born: time.Now(), wake: make(chan struct{}, 1), stirred: c.lookNow, changes: &c.changes}
	lost := func() { entry.Touch(); c.AskLeader() }
	entry.room = c.deps.OpenRoom(rec, lost)
	entry.stock = c.deps.OpenStock(rec, entry.room.GateKey(), lost)
	entry.stock.SetAsideFor(entry.room.SetAsideFor)
	entry.record.Store(&rec)
	entry.busyAt.Store(-int64(saleindex.BusyFor))
	entry.touched.Store(-int64(saleindex.BusyFor))
	if err := entry.Refresh(ctx); err != nil {
		return nil, fmt.Errorf("open sale %s: %w", rec.ID, err)
	}
	return entry, nil
}

// ID is that of the sale.
func (e *Entry) ID() string { return e.id }

// Record returns the current version of the sale.
func (e *Entry) Record() sale.Record { return *e.record.Load() }

// Room returns the waiting room.
func (e *Entry) Room() *queue.Room { return e.room }

// Stock returns the stock and its reservations.
func (e *Entry) Stock() *reservation.Stock { return e.stock }

// Document returns the public document, the same bytes for everybody.
func (e *Entry) Document() []byte {
	v := e.view.Load()
	if time.Now().Before(v.numbersUntil) {
		return v.numbered
	}
	return v.document
}

// HeldOut reports that no unit is free while some are held and may come back.
func (e *Entry) HeldOut() bool { return e.view.Load().heldOut }

// SoldOut reports that nothing is free and nothing is held.
func (e *Entry) SoldOut() bool { return e.view.Load().soldOut }

// Mode is how the gate stands now. That of a sale in standby is queue while it is not known.
func (e *Entry) Mode() sale.Mode {
	mode := e.record.Load().Admission.Mode
	switch {
	case mode != sale.Standby:
		return mode
	case e.Armed() && e.room.Snapshot().Mode == sale.Open:
		return sale.Open
	default:
		return sale.Queue
	}
}

// Outside is what the room must know of the stock and of the degradation level: each item by itself, as a free
// unit of one is none of another. Its items must not be changed.
//
// It is empty, so that nobody is called, while the stock is of an epoch that this node does not know yet: for a
// moment after the sale was armed or restored, whoever was called could reserve nothing.
func (e *Entry) Outside(levelFactor float64) queue.Outside {
	if e.stock.Snapshot().Epoch != e.stock.Epoch() {
		return queue.Outside{}
	}
	return queue.Outside{Items: e.view.Load().units, LevelFactor: levelFactor}
}

// Freshen refreshes a view that may be old, as that of a sale which nobody visited is. Those who ask at the same
// time share one refresh.
func (e *Entry) Freshen(ctx context.Context) error {
	if time.Since(e.view.Load().at) < freshFor {
		return nil
	}
	e.freshening.Lock()
	defer e.freshening.Unlock()
	if time.Since(e.view.Load().at) < freshFor {
		return nil
	}
	return e.Refresh(ctx)
}

// Now tells the time by the one clock, that of Redis.
func (e *Entry) Now() time.Time { return e.room.Snapshot().Now() }

// Phase tells where the sale stands now.
func (e *Entry) Phase() sale.Phase {
	return e.record.Load().PhaseAt(e.Now(), e.view.Load().soldOut)
}

// Ready reports whether Redis holds the sale's state.
func (e *Entry) Ready() bool { return e.room.Snapshot().Ready && e.stock.Snapshot().Ready }

// Armed reports whether this node has ever seen the sale's state in Redis.
func (e *Entry) Armed() bool { return e.armed.Load() }

func (e *Entry) update(rec sale.Record) {
	e.record.Store(&rec)
	e.room.Update(rec)
	e.stock.Update(rec)
	e.changes.Add(1)
}

// Refresh brings the snapshots and what hangs off them up to date.
func (e *Entry) Refresh(ctx context.Context) error {
	err := errors.Join(e.room.Refresh(ctx), e.stock.Refresh(ctx))
	e.look()
	e.changes.Add(1)
	return err
}

// look works out the view from the snapshots. A sale is sold out, or held out, when each of its
// items is: a free unit of one never makes up for another.
func (e *Entry) look() {
	rec, stock := e.record.Load(), e.stock.Snapshot()
	if e.Ready() {
		e.armed.Store(true)
	}
	e.room.SetSupply(supplyOf(stock, rec))
	next := &view{at: time.Now(), units: unitsOf(stock, e.Now().UnixMilli())}
	if stock.Ready {
		var free, held bool
		for _, item := range stock.Items {
			free = free || item.Available > 0
			held = held || item.Held > 0
		}
		next.heldOut = !free && held
		next.soldOut = !free && !held
	}
	phase := rec.PhaseAt(e.Now(), next.soldOut)
	message := rec.MessageAt(e.Now(), phase)
	next.document = document(rec, phase, message, e.room.Snapshot(), standings(stock, false))
	if next.numbersUntil = numbersUntil(rec, stock, next.at, e.Now()); !next.numbersUntil.IsZero() {
		next.numbered = document(rec, phase, message, e.room.Snapshot(), standings(stock, true))
	}
	next.notice, next.noticeTag = newNotice(message, phase, e.room.Snapshot())
	e.view.Store(next)
}
