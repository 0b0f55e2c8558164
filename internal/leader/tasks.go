package leader

import (
	"context"
	"errors"
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
	callEvery   = 100 * time.Millisecond
	expireEvery = 200 * time.Millisecond
	relayEvery  = time.Second
	// stepTimeout bounds what one step for one sale may wait for Redis or the journal.
	stepTimeout = 2 * time.Second
	// expireBatch and expireRounds bound what one step returns to the stock.
	expireBatch  = 500
	expireRounds = 20
)

// Deps is what the tasks of a running sale work with.
type Deps struct {
	Sales *salecache.Cache
	Board *degrade.Board
	Desk  *checkout.Desk
	Log   *slog.Logger
}

// Calling moves the lines forward.
func Calling(d Deps) Task {
	return Every("calling", callEvery, d.Log, func(ctx context.Context, term int64) error {
		factor := d.Board.Level().AdmissionFactor()
		return d.each(ctx, "call", lineDue, func(ctx context.Context, entry *salecache.Entry) error {
			return entry.Room().Advance(ctx, term, outside(entry, factor))
		})
	})
}

func lineDue(entry *salecache.Entry) bool {
	return entry.Room().Due() && entry.Phase() != sale.PhaseEnded
}

// outside tells the room of the stock: each item by itself, as a free unit of one is none of another.
func outside(entry *salecache.Entry, factor float64) queue.Outside {
	out := queue.Outside{LevelFactor: factor}
	for _, item := range entry.Stock().Snapshot().Items {
		out.Items = append(out.Items, queue.Units{Available: item.Available, Held: item.Held})
	}
	return out
}

// Expiry returns units whose hold has lapsed.
func Expiry(d Deps) Task {
	return Every("expiry", expireEvery, d.Log, func(ctx context.Context, _ int64) error {
		return d.each(ctx, "expire", holdsDue, func(ctx context.Context, entry *salecache.Entry) error {
			for range expireRounds {
				returned, err := entry.Stock().Expire(ctx, expireBatch)
				if err != nil {
					return err
				}
				if returned < expireBatch {
					break
				}
			}
			return entry.Refresh(ctx) // so that it is known when the next hold lapses
		})
	})
}

func holdsDue(entry *salecache.Entry) bool {
	due := entry.Stock().Snapshot().NextDueMillis
	return due > 0 && due <= entry.Now().UnixMilli()
}

// Relay republishes orders whose publisher died.
func Relay(d Deps) Task {
	return Every("relay", relayEvery, d.Log, func(ctx context.Context, _ int64) error {
		return d.each(ctx, "relay", ordersWait, func(ctx context.Context, entry *salecache.Entry) error {
			n, err := d.Desk.Relay(ctx, entry.Stock(), entry.Record())
			if n > 0 {
				d.Log.Info("republished orders whose publisher did not finish", "sale", entry.Record().ID, "orders", n)
			}
			return err
		})
	})
}

func ordersWait(entry *salecache.Entry) bool { return entry.Stock().Snapshot().Outbox > 0 }

// each runs step for every sale that Redis holds and that is due, with a bounded time each. A sale
// whose step fails keeps no other from its own.
func (d Deps) each(ctx context.Context, what string, due func(*salecache.Entry) bool, step func(context.Context, *salecache.Entry) error) error {
	var failed []error
	for _, entry := range d.Sales.All() {
		if ctx.Err() != nil || !due(entry) || !entry.Ready() { // most are not due
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, stepTimeout)
		err := step(bounded, entry)
		cancel()
		var old *redis.OldTermError
		switch {
		case errors.As(err, &old):
			return err
		case err != nil && ctx.Err() == nil:
			d.Log.Debug("a step of a sale failed and is tried again", "step", what, "sale", entry.Record().ID, "error", err)
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
