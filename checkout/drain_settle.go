package checkout

import (
	"context"
	"time"
)

const (
	settleAttempts  = 3
	unsettledFirst  = time.Second      // an unsettled message comes again after this,
	unsettledLonger = time.Second      // plus this for each time that it came,
	unsettledMost   = 15 * time.Second // and at most after this
)

// settleAll settles what was committed, beside the next commit, and acknowledges it.
func (d *Drain) settleAll(ctx, work context.Context, settling <-chan *committed) {
	attempts := settleAttempts
	for batch := range settling {
		failed := d.settle(ctx, work, batch, attempts)
		// While Redis is down each batch gets one attempt, so that the ledger goes on taking orders.
		if attempts = settleAttempts; len(failed) > 0 {
			attempts = 1
		}
		d.finish(batch, failed)
	}
}

// settle returns the sales that could not be settled.
func (d *Drain) settle(ctx, work context.Context, batch *committed, attempts int) map[string]bool {
	failed := map[string]bool{}
	sales, bySale := groupBySale(batch.orders)
	for _, saleID := range sales {
		if err := d.settleSale(ctx, work, saleID, bySale[saleID], batch.atMillis, attempts); err != nil {
			failed[saleID] = true
			d.deps.Log.Warn("orders are in the ledger and not settled in Redis; they come again", "sale", saleID, "orders", len(bySale[saleID]), "error", err)
		}
	}
	for _, f := range batch.failed {
		if err := d.tellFailed(work, f); err != nil {
			failed[f.order.Sale] = true
			d.deps.Log.Warn("an order failed and its units could not be moved; it comes again", "sale", f.order.Sale, "order", f.order.ID, "error", err)
		}
	}
	return failed
}

func (d *Drain) tellFailed(work context.Context, f failure) error {
	attempt, cancel := context.WithTimeout(work, d.limits.SettleTimeout)
	defer cancel()
	err := d.deps.Failed(attempt, f.order, f.refusal)
	if err != nil {
		d.metrics.settleFailures.Inc()
	}
	return err
}

func (d *Drain) settleSale(ctx, work context.Context, saleID string, orders []Order, atMillis int64, attempts int) error {
	pause := retryFirst
	for n := 1; ; n++ {
		attempt, cancel := context.WithTimeout(work, d.limits.SettleTimeout)
		err := d.deps.Settle(attempt, saleID, orders, atMillis)
		cancel()
		if err == nil {
			return nil
		}
		d.metrics.settleFailures.Inc()
		if n >= attempts || !sleep(ctx, jittered(pause)) {
			return err
		}
		pause *= 2
	}
}

// finish acknowledges the messages whose sales are all settled. The others go back to the log:
// when they come again the ledger knows their orders, and they are settled then.
func (d *Drain) finish(batch *committed, failed map[string]bool) {
	for _, m := range batch.messages {
		if unsettled(m, failed) {
			delay := min(unsettledFirst+time.Duration(m.deliveries-1)*unsettledLonger, unsettledMost)
			_ = m.raw.NakWithDelay(delay) // lost: it comes again after AckWait
		} else {
			_ = m.raw.Ack() // lost: it comes again, as a duplicate
		}
		d.release(m)
	}
	d.trim.note()
}

func unsettled(m *message, failed map[string]bool) bool {
	for _, o := range m.orders {
		if failed[o.Sale] {
			return true
		}
	}
	return false
}

func groupBySale(orders []Order) (sales []string, bySale map[string][]Order) {
	bySale = map[string][]Order{}
	for _, o := range orders {
		if _, known := bySale[o.Sale]; !known {
			sales = append(sales, o.Sale)
		}
		bySale[o.Sale] = append(bySale[o.Sale], o)
	}
	return sales, bySale
}
