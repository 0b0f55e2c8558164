package salecache

import (
	"context"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/saleindex"
)

const (
	// busyPace bounds the age of what the hot paths tell of a sale in which something happens.
	busyPace = 100 * time.Millisecond
	// freshFor is how old a view may be by which a newcomer is called at once.
	freshFor = 5 * busyPace
	// openPace is for a sale that has begun and that nobody visits.
	openPace = time.Minute
	// quietPace is for a sale that has not begun, or has ended.
	quietPace = 10 * time.Minute
	// failedPace bounds the pause before a sale that could not be refreshed is tried again.
	failedPace = time.Second
	// tellEvery is how often a node tells the others that a sale is busy here.
	tellEvery = time.Second
	// touchEvery saves writing the moment for every one of many requests.
	touchEvery = 50 * time.Millisecond
)

// Touch notes that a visitor is here, so that the sale is kept fresh on every node.
func (e *Entry) Touch() {
	now := int64(time.Since(e.born))
	last := e.touched.Load()
	if now-last < int64(touchEvery) || !e.touched.CompareAndSwap(last, now) {
		return
	}
	if !e.busyWithin(last, now) {
		e.wakeUp()
		e.stirred()
	}
}

// Visited reports whether a visitor was ever here, on this node.
func (e *Entry) Visited() bool { return e.touched.Load() >= 0 }

func (e *Entry) busyWithin(touched, now int64) bool {
	return now-max(touched, e.busyAt.Load()) < int64(saleindex.BusyFor)
}

// markBusy notes that the sale is busy on some node.
func (e *Entry) markBusy() {
	now := int64(time.Since(e.born))
	was := e.busyWithin(e.touched.Load(), now)
	e.busyAt.Store(now)
	if !was {
		e.wakeUp()
	}
}

// takeTouch reports whether the other nodes are to be told, now, that the sale is busy here.
func (e *Entry) takeTouch() bool {
	touched, told := e.touched.Load(), e.told.Load()
	if touched <= told {
		return false
	}
	now := int64(time.Since(e.born))
	if told > 0 && now-told < int64(tellEvery) {
		return false
	}
	e.told.Store(now)
	return true
}

// wakeUp has the sale refreshed at once.
func (e *Entry) wakeUp() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// busy reports whether something happens in the sale: somebody visits it on some node, waits in it,
// or has an order on its way.
func (e *Entry) busy() bool {
	now := int64(time.Since(e.born))
	if e.busyWithin(e.touched.Load(), now) {
		return true
	}
	room, stock := e.room.Snapshot(), e.stock.Snapshot()
	return stock.Outbox > 0 || e.Phase() != sale.PhaseEnded && (room.AllWaiting() > 0 || room.AllOutstanding() > 0)
}

// untilNext tells how far off the next of the sale's moments is (opening, start, end); a day when there
// is none within it.
func untilNext(rec *sale.Record, now time.Time) time.Duration {
	next := 24 * time.Hour
	for _, at := range [...]time.Time{rec.OpensAt, rec.StartsAt, rec.EndsAt} {
		if d := at.Sub(now); d > 0 {
			next = min(next, d)
		}
	}
	return next
}

// paceOf says when to refresh a sale next. It is pure.
func paceOf(busy, ready, begun bool, untilNext time.Duration) time.Duration {
	pace := quietPace
	switch {
	case busy, begun && !ready:
		return busyPace
	case begun:
		pace = openPace
	}
	return min(pace, untilNext+time.Millisecond)
}

func (e *Entry) pace() time.Duration {
	return paceOf(e.busy(), e.Ready(), e.Phase().Begun(), untilNext(e.record.Load(), e.Now()))
}

// followers refresh the sales, each in a goroutine of its own, so that a slow one delays no other.
type followers struct {
	cache   *Cache
	entries *map[string]*Entry // those that running was made from
	running map[string]followed
	all     sync.WaitGroup
}

type followed struct {
	entry *Entry
	stop  context.CancelFunc
}

// follow starts the refreshing of new sales and stops that of withdrawn ones.
func (f *followers) follow(ctx context.Context) {
	current := f.cache.entries.Load()
	if current == f.entries {
		return
	}
	f.entries = current
	entries := *current
	for id, one := range f.running {
		if entries[id] != one.entry {
			one.stop()
			delete(f.running, id)
		}
	}
	for id, entry := range entries {
		if _, there := f.running[id]; there {
			continue
		}
		one, cancel := context.WithCancel(ctx)
		f.running[id] = followed{entry: entry, stop: cancel}
		f.all.Go(func() { f.cache.refreshLoop(one, entry) })
	}
}

func (c *Cache) refreshLoop(ctx context.Context, entry *Entry) {
	pace := time.NewTimer(entry.pace())
	defer pace.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-entry.wake:
		case <-pace.C:
		}
		err := c.refreshOne(ctx, entry)
		if err != nil && !failing && ctx.Err() == nil {
			c.deps.Log.Warn("a sale cannot be refreshed; its last view stays in force", "sale", entry.ID(), "error", err)
		}
		next := entry.pace()
		if failing = err != nil; failing {
			next = min(next, failedPace)
		}
		pace.Reset(next)
	}
}

// refreshOne takes a slot first: after a failover all sales are refreshed at once.
func (c *Cache) refreshOne(ctx context.Context, entry *Entry) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	bounded, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	was := entry.Ready()
	err := entry.Refresh(bounded)
	if err == nil && was && !entry.Ready() {
		c.AskLeader()
	}
	return err
}
