package main

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/reservation"
)

// newDrain joins the order log to the ledger, and the ledger's word back to Redis.
func (n *node) newDrain() *checkout.Drain {
	return n.stores.broker.NewDrain(checkout.DrainDeps{
		Commit: n.commit, Permanent: ledger.IsPermanent, DeadLetter: n.stores.ledger.AddDeadLetter,
		Settle:   n.settle,
		OnCommit: func(latency time.Duration, _ int) { n.board.ReportCommit(latency) },
		Log:      n.log,
	})
}

func (n *node) commit(ctx context.Context, orders []checkout.Order) (checkout.CommitResult, error) {
	rows := make([]ledger.Order, len(orders))
	for i, o := range orders {
		rows[i] = ledger.Order{
			ID: o.ID, Sale: o.Sale, Reservation: o.Reservation, Customer: o.Customer, Channel: o.Channel,
			PaymentRef: o.PaymentRef, CustomerDoc: o.CustomerDoc, Metadata: o.Metadata,
			Lines: make([]ledger.Line, len(o.Lines)), CreatedAtMillis: o.CreatedAtMillis, Epoch: o.Epoch,
		}
		for j, line := range o.Lines {
			rows[i].Lines[j] = ledger.Line(line)
		}
	}
	result, err := n.stores.ledger.CommitOrders(ctx, rows)
	return checkout.CommitResult{Inserted: result.Inserted, Duplicate: result.Duplicate}, err
}

// settle tells Redis that orders are in the ledger.
func (n *node) settle(ctx context.Context, saleID string, orders []checkout.Order, committedAtMillis int64) error {
	entry, err := n.settling(ctx, saleID)
	if err != nil || entry == nil {
		return err
	}
	settlements := make([]reservation.Settlement, len(orders))
	for i, o := range orders {
		settlements[i] = reservation.Settlement{
			ReservationID: o.Reservation, CustomerKey: o.Customer, Channel: o.Channel,
			Lines:           make([]reservation.Line, len(o.Lines)),
			OrderedAtMillis: o.CreatedAtMillis, CommittedAtMillis: committedAtMillis,
		}
		for j, line := range o.Lines {
			settlements[i].Lines[j] = reservation.Line{SKU: line.SKU, Quantity: line.Quantity}
		}
	}
	_, err = entry.Stock().Settle(ctx, settlements)
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
