package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/reservation"
)

// newDrain joins the order log to the ledger, and the ledger's word back to Redis.
func (n *node) newDrain() *checkout.Drain {
	return n.stores.broker.NewDrain(checkout.DrainDeps{
		Commit: n.stores.ledger.CommitOrders, Permanent: ledger.IsPermanent, DeadLetter: n.stores.ledger.AddDeadLetter,
		Failed:   n.giveBack,
		Settle:   n.settle,
		OnCommit: func(latency time.Duration, _ int) { n.board.ReportCommit(latency) },
		Log:      n.log,
	})
}

// settle tells Redis that orders are in the ledger.
func (n *node) settle(ctx context.Context, saleID string, orders []checkout.Order, committedAtMillis int64) error {
	entry, err := n.settling(ctx, saleID)
	if err != nil || entry == nil {
		return err
	}
	_, err = entry.Stock().Settle(ctx, checkout.Settlements(orders, committedAtMillis))
	return err
}

// giveBack moves the units of an order that the ledger has refused for good, as the sale says. Units
// that the ledger does not have are not offered again: there Redis and the ledger differ, and a
// person has to look.
func (n *node) giveBack(ctx context.Context, o checkout.Order, refusal error) error {
	entry, err := n.settling(ctx, o.Sale)
	if err != nil || entry == nil {
		return err
	}
	rec := entry.Record()
	returned := rec.ReturnsUnits(ledger.IsOversold(refusal))
	_, err = entry.Stock().Fail(ctx, []reservation.Settlement{o.Settlement(0)}, returned)
	if errors.Is(err, problem.UnknownReservation) {
		return nil // Redis never counted it
	}
	return err
}

// reacquire takes the units of a failed order anew, for driving it again.
func (n *node) reacquire(ctx context.Context, o checkout.Order) error {
	entry, err := n.settling(ctx, o.Sale)
	if err != nil || entry == nil {
		return err
	}
	err = entry.Stock().Reacquire(ctx, o.Reservation)
	if errors.Is(err, problem.UnknownReservation) {
		return nil // settling takes the units by the ledger's word
	}
	return err
}

// settling finds the sale to settle in; nil when there is nothing to tell: the sale is over and
// cleared away, or its state is lost and about to be rebuilt from the ledger, which has the orders
// by now.
func (n *node) settling(ctx context.Context, saleID string) (*salecache.Entry, error) {
	entry := n.cache.Get(saleID)
	if entry == nil {
		_, published, err := n.index.Load(ctx, saleID)
		if published && err == nil {
			err = fmt.Errorf("sale %s is not open on this node yet", saleID)
		}
		return nil, err
	}
	if entry.Stock().Snapshot().Ready {
		return entry, nil
	}
	if err := entry.Stock().Refresh(ctx); err != nil {
		return nil, err
	}
	if !entry.Stock().Snapshot().Ready {
		return nil, nil
	}
	return entry, nil
}
