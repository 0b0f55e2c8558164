package main

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/salecache"
)

// newDrain joins the order log to the ledger, and the ledger's word back to Redis.
func (n *node) newDrain() *checkout.Drain {
	return n.stores.broker.NewDrain(checkout.DrainDeps{
		Commit: n.stores.ledger.CommitOrders, Permanent: ledger.IsPermanent, DeadLetter: n.stores.ledger.AddDeadLetter,
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
