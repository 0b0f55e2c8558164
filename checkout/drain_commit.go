package checkout

import (
	"context"
	"errors"
	"time"
)

// committed is a batch that is in the ledger, on its way to being settled and acknowledged.
type committed struct {
	messages []*message
	orders   []Order // without the dead-lettered ones
	failed   []failure
	atMillis int64
}

// failure is an order that the ledger refused for good.
type failure struct {
	order   Order
	refusal error
}

// outcome is what became of the orders of a batch.
type outcome struct {
	done   []Order // in the ledger
	failed []failure
}

// pending is an order with its record, in a batch.
type pending struct {
	order  Order
	record []byte
}

var errStopping = errors.New("checkout: the drain is stopping")

// commitAll takes batches from the intake until it is closed. Once ctx has ended it only empties it.
func (d *Drain) commitAll(ctx, work context.Context, intake <-chan *message, settling chan<- *committed) {
	for first := range intake {
		if ctx.Err() != nil {
			continue // giveBack returns it
		}
		messages := d.gather(first, intake)
		batch, err := d.commitBatch(ctx, work, messages)
		if err != nil {
			continue // stopping
		}
		settling <- batch
	}
}

// gather adds to first what has arrived already, up to the bound of one transaction.
func (d *Drain) gather(first *message, intake <-chan *message) []*message {
	messages, orders := []*message{first}, len(first.orders)
	for orders < d.limits.MaxBatchOrders {
		select {
		case m, ok := <-intake:
			if !ok {
				return messages
			}
			messages, orders = append(messages, m), orders+len(m.orders)
		default:
			return messages
		}
	}
	return messages
}

func (d *Drain) commitBatch(ctx, work context.Context, messages []*message) (*committed, error) {
	var batch []pending
	for _, m := range messages {
		for i, o := range m.orders {
			batch = append(batch, pending{order: o, record: m.records[i]})
		}
		for _, g := range m.garbage {
			if _, err := d.deadLetter(ctx, work, g.raw, g.reason); err != nil {
				return nil, err
			}
		}
	}
	done, err := d.commit(ctx, work, batch)
	if err != nil {
		return nil, err
	}
	return &committed{messages: messages, orders: done.done, failed: done.failed, atMillis: time.Now().UnixMilli()}, nil
}

// commit puts the batch into the ledger, in order. When the ledger refuses it for good it is cut
// in halves, down to the single order that is refused, which becomes a dead letter.
func (d *Drain) commit(ctx, work context.Context, batch []pending) (outcome, error) {
	if len(batch) == 0 {
		return outcome{}, nil
	}
	refused, err := d.commitOnce(ctx, work, batch)
	if err != nil {
		return outcome{}, err
	}
	if refused == nil {
		return outcome{done: ordersOf(batch)}, nil
	}
	if len(batch) == 1 {
		return d.refuse(ctx, work, batch[0], refused)
	}
	first, err := d.commit(ctx, work, batch[:len(batch)/2])
	if err != nil {
		return outcome{}, err
	}
	second, err := d.commit(ctx, work, batch[len(batch)/2:])
	return outcome{done: append(first.done, second.done...), failed: append(first.failed, second.failed...)}, err
}

func (d *Drain) refuse(ctx, work context.Context, p pending, refusal error) (outcome, error) {
	d.deps.Log.Error("the ledger refuses an order for good", "order", p.order.ID, "sale", p.order.Sale, "error", refusal)
	failed, err := d.deadLetter(ctx, work, p.record, refusal)
	if err != nil || !failed {
		return outcome{}, err
	}
	return outcome{failed: []failure{{order: p.order, refusal: refusal}}}, nil
}

// commitOnce tries until the ledger takes the batch (nil, nil) or refuses it for good (refused).
func (d *Drain) commitOnce(ctx, work context.Context, batch []pending) (refused, err error) {
	orders := ordersOf(batch)
	err = d.persist(ctx, work, "the ledger does not take orders", d.limits.CommitTimeout, func(ctx context.Context) error {
		started := time.Now()
		result, err := d.deps.Commit(ctx, orders)
		if err != nil && d.deps.Permanent(err) {
			refused = err
			return nil
		}
		if err != nil {
			d.metrics.commitFailures.Inc()
			return err
		}
		took := time.Since(started)
		d.metrics.commitSeconds.Observe(took.Seconds())
		d.metrics.ordersCommitted.Add(float64(len(result.Inserted)))
		d.metrics.duplicates.Add(float64(result.Duplicate))
		d.deps.OnCommit(took, len(orders))
		return nil
	})
	return refused, err
}

func (d *Drain) deadLetter(ctx, work context.Context, raw []byte, refusal error) (failed bool, err error) {
	err = d.persist(ctx, work, "a dead letter cannot be kept", d.limits.CommitTimeout, func(ctx context.Context) (err error) {
		failed, err = d.deps.DeadLetter(ctx, raw, refusal)
		return err
	})
	if err == nil {
		d.metrics.deadLetters.Inc()
	}
	return failed, err
}

// persist calls do until it succeeds. When ctx ends the attempt under way may finish (within
// work), and no other follows.
func (d *Drain) persist(ctx, work context.Context, trouble string, timeout time.Duration, do func(context.Context) error) error {
	pause, complained := retryFirst, time.Time{}
	for {
		attempt, cancel := context.WithTimeout(work, timeout)
		err := do(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errStopping
		}
		if time.Since(complained) > complainEvery {
			d.deps.Log.Warn("the drain is held up; trying again", "by", trouble, "error", err)
			complained = time.Now()
		}
		if !sleep(ctx, jittered(pause)) {
			return errStopping
		}
		pause = min(2*pause, d.limits.RetryMost)
	}
}

func ordersOf(batch []pending) []Order {
	orders := make([]Order, len(batch))
	for i, p := range batch {
		orders[i] = p.order
	}
	return orders
}
