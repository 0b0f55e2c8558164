// Package salecache is what a node knows of the sales.
//
// It finds out which sales there are, opens the waiting room and the stock of each, and keeps the
// snapshots from which the hot paths answer: at most 100 ms old for a sale in which something
// happens, on this node or another. A sale that nobody visits is looked at seldom, and at the moments
// at which it opens, starts and ends; and at once when the list or a server of Redis is another one. Whatever
// the cache holds may be lost at any time: it comes from Redis.
package salecache

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/saleindex"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

const (
	// lookEvery is how soon a node knows of a new or changed sale, and of one that is busy elsewhere,
	// while some sale is busy; lookIdle while none is. The first visitor ends the idling of the node.
	lookEvery = 100 * time.Millisecond
	lookIdle  = 500 * time.Millisecond
	// lookTimeout bounds one look and one refresh, so that a dead connection is noticed.
	lookTimeout = 2 * time.Second
	// certainFor is for how long a node that hears nothing of Redis takes a sale that it does not
	// know for one that does not exist.
	certainFor = 2 * time.Second
	// refreshAtOnce bounds the sales that are refreshed at the same time.
	refreshAtOnce = 64
)

// Deps is what a cache needs to open a sale.
type Deps struct {
	Index *saleindex.Index
	Log   *slog.Logger
	// OpenRoom and OpenStock build the node's side of a sale. They hand on lost, which is called when
	// a script has found that Redis does not hold the sale's state.
	OpenRoom  func(rec sale.Record, lost func()) *queue.Room
	OpenStock func(rec sale.Record, gateKey string, lost func()) *reservation.Stock
}

// Cache holds the sales of this node.
type Cache struct {
	deps    Deps
	entries atomic.Pointer[map[string]*Entry]
	sorted  atomic.Pointer[[]*Entry] // the same, by id
	wake    chan struct{}            // look now
	view    atomic.Pointer[seen]
	hasRead atomic.Bool // every sale, at least once
	ask     atomic.Bool // the leader is to look
	slots   chan struct{}
}

// seen is what the last look has shown.
type seen struct {
	at         time.Time
	redisClock time.Time // Redis TIME at that moment
	mark       string    // of the list of all sales; "" while it is not complete
	change     string
	asked      int64
	known      bool // every listed sale could be opened
	idle       bool // no sale is busy
}

func (s *seen) complete() bool { return s.mark != "" }

// New returns an empty cache. Run fills it.
func New(deps Deps) *Cache {
	c := &Cache{deps: deps, wake: make(chan struct{}, 1), slots: make(chan struct{}, refreshAtOnce)}
	c.set(map[string]*Entry{})
	c.view.Store(&seen{})
	return c
}

// Get returns a sale, or nil when this node knows none by that id.
func (c *Cache) Get(saleID string) *Entry { return (*c.entries.Load())[saleID] }

// Complete reports whether a sale that Get does not know does not exist. It is false until the
// sales have been read, while Redis may lack some, and while Redis does not answer.
func (c *Cache) Complete() bool {
	v := c.view.Load()
	return v.complete() && v.known && time.Since(v.at) < certainFor
}

// All returns the sales in the order of their ids. The slice must not be changed.
func (c *Cache) All() []*Entry { return *c.sorted.Load() }

func (c *Cache) set(entries map[string]*Entry) {
	sorted := make([]*Entry, 0, len(entries))
	for _, id := range slices.Sorted(maps.Keys(entries)) {
		sorted = append(sorted, entries[id])
	}
	c.sorted.Store(&sorted)
	c.entries.Store(&entries)
}

// Now tells the time by the clock of Redis, from memory; false before Redis has been heard of.
func (c *Cache) Now() (time.Time, bool) {
	v := c.view.Load()
	return v.redisClock.Add(time.Since(v.at)).UTC(), !v.at.IsZero()
}

// Asked counts how often the leader was asked to look for what is to be done.
func (c *Cache) Asked() int64 { return c.view.Load().asked }

// AskLeader has the leader look for what is to be done.
func (c *Cache) AskLeader() {
	c.ask.Store(true)
	c.lookNow()
}

func (c *Cache) lookNow() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// HasRead reports whether every sale has been read at least once, so that this node can serve polls
// and pages from memory.
func (c *Cache) HasRead() bool { return c.hasRead.Load() }

// Silent reports that Redis has not answered lately.
func (c *Cache) Silent() bool { return time.Since(c.view.Load().at) > certainFor }

// RefreshAll has every sale refreshed at once: the server of some of them may be another one.
func (c *Cache) RefreshAll() {
	for _, entry := range *c.entries.Load() {
		entry.wakeUp()
	}
}

// Run keeps the cache fresh until ctx ends.
func (c *Cache) Run(ctx context.Context) error {
	f := &followers{cache: c, running: make(map[string]followed)}
	defer f.all.Wait()
	pace := time.NewTimer(lookEvery)
	defer pace.Stop()
	failing := false
	for {
		err := c.look(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			c.deps.Log.Warn("sales cannot be read; the last known stay in force", "error", err)
		}
		failing = err != nil
		f.follow(ctx)
		pace.Reset(c.lookPace())
		select {
		case <-ctx.Done():
			return nil
		case <-c.wake:
		case <-pace.C:
		}
	}
}

func (c *Cache) lookPace() time.Duration {
	if v := c.view.Load(); v.idle && v.complete() && v.known {
		return lookIdle
	}
	return lookEvery
}

// maxBusyTold bounds the sales that one look tells of; the others wait for the next.
const maxBusyTold = 500

// look exchanges what is new with Redis.
func (c *Cache) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	last := c.view.Load()
	known := last.change
	if !last.known {
		known = ""
	}
	report := saleindex.Report{Busy: c.busyHere(), Ask: c.ask.Swap(false)}
	asked := time.Now()
	view, err := c.deps.Index.Look(ctx, known, report)
	if err != nil {
		if report.Ask {
			c.ask.Store(true)
		}
		return err
	}
	next := &seen{
		at: asked.Add(time.Since(asked) / 2), redisClock: time.UnixMilli(view.NowMillis),
		mark: view.Mark, change: view.Change, asked: view.Asked, known: last.known, idle: len(view.Busy) == 0,
	}
	if view.Editions != nil {
		err = c.take(ctx, &view)
		next.known = err == nil
	}
	c.view.Store(next)
	if next.complete() && next.known {
		c.hasRead.Store(true)
	}
	if last.complete() && next.mark != last.mark {
		c.RefreshAll() // Redis may have lost the sales with the list
	}
	entries := *c.entries.Load()
	for _, id := range view.Busy {
		if entry := entries[id]; entry != nil {
			entry.markBusy()
		}
	}
	return err
}

// busyHere are the sales that this node has to tell of as busy.
func (c *Cache) busyHere() []string {
	var busy []string
	for id, entry := range *c.entries.Load() {
		if len(busy) < maxBusyTold && entry.takeTouch() {
			busy = append(busy, id)
		}
	}
	return busy
}

// take brings the entries in line with the list. A sale that cannot be read keeps its last entry
// and stands in nobody's way.
func (c *Cache) take(ctx context.Context, view *saleindex.View) error {
	current := *c.entries.Load()
	next := make(map[string]*Entry, len(view.Editions))
	if !view.Complete() { // what is missing may be on its way back
		maps.Copy(next, current)
	}
	var failed []error
	for id, edition := range view.Editions {
		entry, err := c.open(ctx, current[id], id, edition)
		switch {
		case err != nil:
			failed = append(failed, err)
			if current[id] != nil {
				next[id] = current[id]
			}
		case entry == nil: // its record is gone: withdrawn, or lost with more that is on its way back
		default:
			next[id] = entry
		}
	}
	c.set(next)
	return errors.Join(failed...)
}

// open returns the entry of a sale at its published edition; nil when it was withdrawn meanwhile.
func (c *Cache) open(ctx context.Context, entry *Entry, id string, edition saleindex.Edition) (*Entry, error) {
	if entry != nil && saleindex.EditionOf(entry.Record()) == edition {
		return entry, nil
	}
	rec, found, err := c.deps.Index.Load(ctx, id)
	if err != nil || !found {
		return nil, err
	}
	if entry != nil && entry.Record().CreatedAt.Equal(rec.CreatedAt) {
		entry.update(rec)
		entry.look()
		entry.wakeUp()
		return entry, nil
	}
	return c.newEntry(ctx, rec)
}
