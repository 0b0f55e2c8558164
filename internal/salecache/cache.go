// Package salecache is what a node knows of the sales.
//
// It finds out which sales there are, opens the waiting room and the stock of each, and keeps the
// snapshots from which the hot paths answer at most 100 ms old. Whatever it holds may be lost at
// any time: it comes from Redis.
package salecache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/saleindex"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

const (
	// snapshotEvery bounds the age of what the hot paths tell.
	snapshotEvery = 100 * time.Millisecond
	// idleEvery is the pace for a sale that has ended.
	idleEvery = time.Second
	// discoverEvery is how soon a node knows of a new or changed sale.
	discoverEvery = 250 * time.Millisecond
	// staleAfter is when a node that hears nothing of Redis says that it is not ready.
	staleAfter = 2 * time.Second
	// refreshTimeout bounds one refresh, so that a dead connection is noticed.
	refreshTimeout = 2 * time.Second
)

// Deps is what a cache needs to open a sale.
type Deps struct {
	Redis rueidis.Client
	Log   *slog.Logger
	// OpenRoom and OpenStock build the node's side of a sale.
	OpenRoom  func(sale.Record) *queue.Room
	OpenStock func(rec sale.Record, gateKey string) *reservation.Stock
}

// Cache holds the sales of this node.
type Cache struct {
	deps      Deps
	entries   atomic.Pointer[map[string]*Entry]
	complete  atomic.Bool
	hasRead   atomic.Bool
	refreshed atomic.Int64 // when the index was last read, Unix nanoseconds of the monotonic-backed clock
	started   time.Time
}

// New returns an empty cache. Run fills it.
func New(deps Deps) *Cache {
	c := &Cache{deps: deps, started: time.Now()}
	c.entries.Store(&map[string]*Entry{})
	return c
}

// Get returns a sale, or nil when this node knows none by that id.
func (c *Cache) Get(saleID string) *Entry { return (*c.entries.Load())[saleID] }

// Complete reports whether a sale that Get does not know does not exist. It is false until the
// sales have been read, and while Redis is being brought in line with the ledger after a loss.
func (c *Cache) Complete() bool { return c.complete.Load() }

// All returns the sales in the order of their ids.
func (c *Cache) All() []*Entry {
	entries := *c.entries.Load()
	all := make([]*Entry, 0, len(entries))
	for _, id := range slices.Sorted(maps.Keys(entries)) {
		all = append(all, entries[id])
	}
	return all
}

// HasRead reports whether every sale has been read at least once, so that this node can serve polls
// and pages from memory.
func (c *Cache) HasRead() bool { return c.hasRead.Load() }

// Heard returns nil when Redis has lately answered and holds the list of all sales.
func (c *Cache) Heard() error {
	last := c.refreshed.Load()
	if last == 0 {
		return errors.New("the sales have not been read yet")
	}
	if !c.Complete() {
		return errors.New("redis does not hold every sale yet; the keeper is bringing them there")
	}
	if age := time.Since(c.started) - time.Duration(last); age > staleAfter {
		return fmt.Errorf("redis has not answered for %s", age.Round(time.Millisecond))
	}
	return nil
}

// Run keeps the cache fresh until ctx ends.
func (c *Cache) Run(ctx context.Context) error {
	var sales sync.WaitGroup
	defer sales.Wait()
	following := make(map[string]followed)
	tick := time.NewTicker(discoverEvery)
	defer tick.Stop()
	for {
		if err := c.discover(ctx); err != nil && ctx.Err() == nil {
			c.deps.Log.Warn("sales cannot be read; the last known stay in force", "error", err)
		}
		c.follow(ctx, following, &sales)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// discover brings the entries in line with the index. A sale that cannot be read keeps its last
// entry and stands in nobody's way.
func (c *Cache) discover(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	index, err := saleindex.Read(ctx, c.deps.Redis)
	if err != nil {
		return err
	}
	current := *c.entries.Load()
	next := make(map[string]*Entry, len(index.Editions))
	if !index.Synced { // what is missing may be on its way back
		maps.Copy(next, current)
	}
	var failed []error
	for id, edition := range index.Editions {
		entry, err := c.open(ctx, current[id], id, edition)
		switch {
		case err != nil:
			failed = append(failed, err)
			if current[id] != nil {
				next[id] = current[id]
			}
		case entry == nil:
			delete(next, id)
		default:
			next[id] = entry
		}
	}
	c.entries.Store(&next)
	complete := index.Synced && len(failed) == 0
	c.complete.Store(complete)
	if complete {
		c.hasRead.Store(true)
	}
	c.refreshed.Store(int64(time.Since(c.started)))
	return errors.Join(failed...)
}

// open returns the entry of a sale at its published edition; nil when it was withdrawn meanwhile.
func (c *Cache) open(ctx context.Context, entry *Entry, id string, edition saleindex.Edition) (*Entry, error) {
	if entry != nil && saleindex.EditionOf(entry.Record()) == edition {
		return entry, nil
	}
	rec, found, err := saleindex.Load(ctx, c.deps.Redis, id)
	if err != nil || !found {
		return nil, err
	}
	if entry != nil && entry.Record().CreatedAt.Equal(rec.CreatedAt) {
		entry.update(rec)
		entry.look()
		return entry, nil
	}
	entry = &Entry{room: c.deps.OpenRoom(rec)}
	entry.stock = c.deps.OpenStock(rec, entry.room.GateKey())
	entry.record.Store(&rec)
	if err := entry.refresh(ctx); err != nil {
		return nil, fmt.Errorf("open sale %s: %w", id, err)
	}
	return entry, nil
}

// followed is a sale whose refreshing is under way.
type followed struct {
	entry *Entry
	stop  context.CancelFunc
}

// follow starts the refreshing of new sales and stops that of withdrawn ones. Each sale has a
// goroutine of its own, so that a slow one delays no other.
func (c *Cache) follow(ctx context.Context, following map[string]followed, sales *sync.WaitGroup) {
	entries := *c.entries.Load()
	for id, one := range following {
		if entries[id] != one.entry {
			one.stop()
			delete(following, id)
		}
	}
	for id, entry := range entries {
		if _, there := following[id]; there {
			continue
		}
		one, cancel := context.WithCancel(ctx)
		following[id] = followed{entry: entry, stop: cancel}
		sales.Go(func() { c.refreshLoop(one, entry) })
	}
}

func (c *Cache) refreshLoop(ctx context.Context, entry *Entry) {
	pace := time.NewTimer(snapshotEvery)
	defer pace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pace.C:
		}
		bounded, cancel := context.WithTimeout(ctx, refreshTimeout)
		if err := entry.refresh(bounded); err != nil && ctx.Err() == nil {
			c.deps.Log.Warn("a sale cannot be refreshed; its last view stays in force", "sale", entry.Record().ID, "error", err)
		}
		cancel()
		pace.Reset(paceOf(entry.Phase()))
	}
}

func paceOf(phase sale.Phase) time.Duration {
	if phase == sale.PhaseEnded {
		return idleEvery
	}
	return snapshotEvery
}
