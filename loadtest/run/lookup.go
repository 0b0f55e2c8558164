package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/penstock/penstock/loadtest/internal/admin"
)

// lookup is what became of the orders that visitors were told are accepted.
type lookup struct {
	accepted   int      // distinct orders
	inLedger   int      // of them, exactly once
	missing    []string // accepted, and not in the ledger
	duplicated []string // in the ledger more than once, or a reservation ordered twice
	notShown   []string // GET /v1/orders/{id} does not show it as committed
	unheard    int      // in the ledger, but no visitor heard that it was accepted
}

const lookupsAtOnce = 16

// lookUp looks every accepted order up, in the ledger's list and at the front.
func (t *test) lookUp(ctx context.Context, accepted []acceptedOrder) (lookup, error) {
	ledger, err := t.client.LedgerOrders(ctx, t.sale)
	if err != nil {
		return lookup{}, fmt.Errorf("list the ledger's orders: %w", err)
	}
	l := compare(accepted, ledger)
	l.notShown = t.lookUpEach(ctx, accepted)
	return l, ctx.Err()
}

func compare(accepted []acceptedOrder, ledger []admin.LedgerOrder) lookup {
	var l lookup
	orders, reservations := make(map[string]int), make(map[string]int)
	for _, order := range ledger {
		orders[order.ID]++
		reservations[order.Reservation]++
		if orders[order.ID] > 1 || reservations[order.Reservation] > 1 {
			l.duplicated = append(l.duplicated, order.ID)
		}
	}
	heard := make(map[string]bool, len(accepted))
	for _, order := range accepted {
		if heard[order.ID] {
			continue
		}
		heard[order.ID] = true
		switch orders[order.ID] {
		case 0:
			l.missing = append(l.missing, order.ID)
		case 1:
			l.inLedger++
		}
	}
	l.accepted = len(heard)
	for id := range orders {
		if !heard[id] {
			l.unheard++
		}
	}
	return l
}

// lookUpEach asks the front for each order, as its customer would.
func (t *test) lookUpEach(ctx context.Context, accepted []acceptedOrder) (notShown []string) {
	var mu sync.Mutex
	var workers sync.WaitGroup
	work := make(chan acceptedOrder)
	for range lookupsAtOnce {
		workers.Go(func() {
			for order := range work {
				seen, err := t.client.Order(ctx, order.ID)
				shown := err == nil && seen.ID == order.ID && seen.Reservation == order.Reservation && inLedger(seen.Status)
				if shown {
					continue
				}
				mu.Lock()
				notShown = append(notShown, fmt.Sprintf("%s (%s, %v)", order.ID, seen.Status, err))
				mu.Unlock()
			}
		})
	}
	for _, order := range accepted {
		work <- order
	}
	close(work)
	workers.Wait()
	return notShown
}

// inLedger tells whether a status is one that only a committed order has.
func inLedger(status string) bool {
	return status == "committed" || status == "payment_pending" || status == "paid"
}
