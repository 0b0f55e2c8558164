package checkout

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/reservation"
)

const (
	relayAge     = 2 * time.Second // an order that is older in the outbox has lost its publisher
	relayMost    = 500             // orders in one call
	relayAtATime = 64              // of them published concurrently, so that they share messages
)

// Relay publishes up to 500 orders that have been in the outbox for more than 2 s, because the
// node that accepted them died or could not reach the log, and returns how many are durable now.
// Any node may call it, at any time: an order that is published twice is a duplicate to the ledger.
func (d *Desk) Relay(ctx context.Context, stock *reservation.Stock, rec sale.Record) (n int, err error) {
	epoch := stock.Epoch()
	waiting, err := stock.Outbox(ctx, relayAge, relayMost)
	if err != nil || len(waiting) == 0 {
		return 0, err
	}
	errs := make([]error, len(waiting))
	slots := make(chan struct{}, relayAtATime)
	var all sync.WaitGroup
	for i, one := range waiting {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			errs[i] = d.relayOne(ctx, stock, rec, one)
		})
	}
	all.Wait()
	var done []string
	for i, one := range waiting {
		if errs[i] == nil {
			done = append(done, one.ReservationID)
		}
	}
	d.metrics.ordersRelayed.Add(float64(len(done)))
	return len(done), errors.Join(errors.Join(errs...), stock.Published(ctx, epoch, done))
}

func (d *Desk) relayOne(ctx context.Context, stock *reservation.Stock, rec sale.Record, one reservation.Outgoing) error {
	r, err := stock.Get(ctx, one.ReservationID)
	if err != nil {
		return err
	}
	o, err := complete(one.Order, r, rec)
	if err != nil {
		return err
	}
	return d.publish(ctx, o)
}
