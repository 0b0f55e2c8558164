// Package conductor does, on one node at a time, what has to be done for a sale by somebody: it
// moves the line forward, returns units whose hold has lapsed, and republishes orders whose
// publisher died.
//
// The node is chosen by a lease. Two leaders for a moment would do no harm: every step is decided
// inside a script that anyone may run at any time.
package conductor

import (
	"context"
	"log/slog"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

const (
	tickEvery   = 100 * time.Millisecond
	expireEvery = 200 * time.Millisecond
	relayEvery  = time.Second
	// tickTimeout bounds what one tick may wait for Redis or the journal.
	tickTimeout = 2 * time.Second
	// expireBatch and expireRounds bound what one tick returns to the stock.
	expireBatch  = 500
	expireRounds = 20
)

// Deps is what the conductor works with.
type Deps struct {
	Sales *salecache.Cache
	Board *degrade.Board
	Desk  *checkout.Desk
	Lease *redis.Lease
	Log   *slog.Logger
}

// Conductor leads the sales while it holds the lease.
type Conductor struct{ deps Deps }

// New returns a conductor.
func New(deps Deps) *Conductor { return &Conductor{deps: deps} }

// Run competes for the lease and leads while it has it, until ctx ends.
func (c *Conductor) Run(ctx context.Context) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	var expired, relayed time.Time
	for {
		select {
		case <-ctx.Done():
			c.resign()
			return nil
		case now := <-tick.C:
			if !c.leads(ctx) {
				continue
			}
			c.advance(ctx)
			if now.Sub(expired) >= expireEvery {
				expired = now
				c.expire(ctx)
			}
			if now.Sub(relayed) >= relayEvery {
				relayed = now
				c.relay(ctx)
			}
		}
	}
}

func (c *Conductor) leads(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, tickTimeout)
	defer cancel()
	leads, err := c.deps.Lease.Hold(ctx)
	if err != nil && ctx.Err() == nil {
		c.deps.Log.Warn("the lease for leading the sales cannot be renewed", "error", err)
	}
	return err == nil && leads
}

func (c *Conductor) resign() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := c.deps.Lease.Release(ctx); err != nil {
		c.deps.Log.Debug("the lease lapses by itself", "error", err)
	}
}

// noTerm stands for the number of the leader's term, which is not counted yet.
const noTerm = 0

// eachOpen runs step for every sale that may have visitors or holds, with a bounded time each.
func (c *Conductor) eachOpen(ctx context.Context, what string, step func(context.Context, *salecache.Entry) error) {
	for _, entry := range c.deps.Sales.All() {
		if !entry.Ready() {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, tickTimeout)
		if err := step(bounded, entry); err != nil && ctx.Err() == nil {
			c.deps.Log.Warn("a step of the sale failed and is tried again", "step", what, "sale", entry.Record().ID, "error", err)
		}
		cancel()
	}
}

func (c *Conductor) advance(ctx context.Context) {
	factor := c.deps.Board.Level().AdmissionFactor()
	c.eachOpen(ctx, "advance", func(ctx context.Context, entry *salecache.Entry) error {
		if entry.Phase() == sale.PhaseEnded {
			return nil
		}
		outside := queue.Outside{LevelFactor: factor}
		for _, item := range entry.Stock().Snapshot().Items {
			outside.Items = append(outside.Items, queue.Units{Available: item.Available, Held: item.Held})
		}
		return entry.Room().Advance(ctx, noTerm, outside)
	})
}

func (c *Conductor) expire(ctx context.Context) {
	c.eachOpen(ctx, "expire", func(ctx context.Context, entry *salecache.Entry) error {
		for range expireRounds {
			returned, err := entry.Stock().Expire(ctx, expireBatch)
			if err != nil || returned < expireBatch {
				return err
			}
		}
		return nil
	})
}

func (c *Conductor) relay(ctx context.Context) {
	c.eachOpen(ctx, "relay", func(ctx context.Context, entry *salecache.Entry) error {
		n, err := c.deps.Desk.Relay(ctx, entry.Stock(), entry.Record())
		if n > 0 {
			c.deps.Log.Info("republished orders whose publisher did not finish", "sale", entry.Record().ID, "orders", n)
		}
		return err
	})
}
