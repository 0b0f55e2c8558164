package leader

import (
	"context"
	"log/slog"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
)

const (
	callEvery   = 100 * time.Millisecond
	expireEvery = 200 * time.Millisecond
	relayEvery  = time.Second
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
	line := visits{deps: d, step: "call", in: lineIn}
	return Every("calling", callEvery, d.Log, func(ctx context.Context, term int64) error {
		factor := d.Board.Level().AdmissionFactor()
		return line.visit(ctx, func(ctx context.Context, entry *salecache.Entry) error {
			return entry.Room().Advance(ctx, term, entry.Outside(factor))
		})
	})
}

func lineIn(entry *salecache.Entry) time.Duration {
	in := entry.Room().DueIn()
	if in <= 0 && entry.Phase() == sale.PhaseEnded {
		return never
	}
	return in
}

// Expiry returns units whose hold has lapsed.
func Expiry(d Deps) Task {
	holds := visits{deps: d, step: "expire", in: holdsIn}
	return Every("expiry", expireEvery, d.Log, func(ctx context.Context, _ int64) error {
		return holds.visit(ctx, func(ctx context.Context, entry *salecache.Entry) error {
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

func holdsIn(entry *salecache.Entry) time.Duration {
	due := entry.Stock().Snapshot().NextDueMillis
	if due == 0 {
		return never
	}
	return time.UnixMilli(due).Sub(entry.Now())
}

// Relay republishes orders whose publisher died.
func Relay(d Deps) Task {
	orders := visits{deps: d, step: "relay", in: ordersIn}
	return Every("relay", relayEvery, d.Log, func(ctx context.Context, _ int64) error {
		return orders.visit(ctx, func(ctx context.Context, entry *salecache.Entry) error {
			n, err := d.Desk.Relay(ctx, entry.Stock(), entry.Record())
			if n > 0 {
				d.Log.Info("republished orders whose publisher did not finish", "sale", entry.ID(), "orders", n)
			}
			return err
		})
	})
}

func ordersIn(entry *salecache.Entry) time.Duration {
	if entry.Stock().Snapshot().Outbox > 0 {
		return 0
	}
	return never
}
