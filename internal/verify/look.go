package verify

import (
	"context"
	"math"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

const (
	// leastPatience is how long a look waits for orders on their way, however short the wait that was asked for.
	leastPatience = time.Second
	// outboxPoll is the pause between two looks at the orders that are not in the log yet.
	outboxPoll = 50 * time.Millisecond
)

// evidence is what the stores said about a sale, in the order in which they were asked: the ledger, Redis, the order
// log, and the ledger again.
type evidence struct {
	rec    sale.Record
	before ledger.SaleBalance
	stock  reservation.AuditReport
	log    logEvidence
	// after is cut at the moment of stock.
	after ledger.SaleBalance
	// untouched: between stock and after no order was put right in Redis by the ledger's word, and Redis was not lost.
	untouched bool
	orders    ledger.OrderStats
	dead      deadLetters
	room      queue.RoomStats
}

// logEvidence is what the outbox and the order log said.
type logEvidence struct {
	// drained: every order that Redis counted as sold is in the ledger, or was refused by it for good.
	drained bool
	// undrained orders were still on their way when the wait was over.
	undrained int64
	err       error
}

// look asks the stores about a sale, and waits for the orders on their way until a moment.
func (v *Verifier) look(ctx context.Context, rec sale.Record, until time.Time) (evidence, error) {
	e, err := v.lookAtUnits(ctx, rec, until, reservation.Audit)
	if err != nil {
		return e, err
	}
	if e.stock.Ready {
		if e.room, err = queue.Stats(ctx, v.deps.Redis, rec.ID); err != nil {
			return e, err
		}
	}
	e.orders, err = v.deps.Ledger.OrderStats(ctx, rec.ID)
	return e, err
}

// lookAtUnits asks what each store counts, in the order that judgeOrders needs.
func (v *Verifier) lookAtUnits(ctx context.Context, rec sale.Record, until time.Time,
	audit func(context.Context, rueidis.Client, string) (reservation.AuditReport, error),
) (e evidence, err error) {
	e.rec = rec
	if e.before, err = v.deps.Ledger.Balance(ctx, rec.ID, math.MaxInt64); err != nil {
		return e, err
	}
	if e.stock, err = audit(ctx, v.deps.Redis, rec.ID); err != nil {
		return e, err
	}
	e.after = e.before
	if e.stock.Ready {
		err = v.lookAfter(ctx, &e, until)
	}
	return e, err
}

// lookAfter asks where the orders are that Redis counts as sold.
func (v *Verifier) lookAfter(ctx context.Context, e *evidence, until time.Time) (err error) {
	e.log = v.awaitOrders(ctx, e.rec.ID, e.stock, until)
	if e.after, err = v.deps.Ledger.Balance(ctx, e.rec.ID, e.stock.AtMillis); err != nil {
		return err
	}
	e.untouched, err = reservation.Untouched(ctx, v.deps.Redis, e.rec.ID, e.stock)
	return err
}

// awaitOrders waits until the orders of an audit have left the outbox, so that they are in the log, and then until
// the drain has passed the end of the log.
func (v *Verifier) awaitOrders(ctx context.Context, saleID string, stock reservation.AuditReport, until time.Time) logEvidence {
	if least := time.Now().Add(leastPatience); until.Before(least) {
		until = least
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	if left, err := v.awaitPublished(ctx, saleID, stock); err != nil || left > 0 {
		return logEvidence{undrained: left, err: err}
	}
	barrier, err := v.deps.Broker.Barrier(ctx)
	if err == nil {
		err = v.deps.Broker.AwaitDrained(ctx, barrier)
	}
	if err == nil {
		return logEvidence{drained: true}
	}
	return logEvidence{undrained: v.pending(ctx), err: err}
}

// pending counts the orders in the log, and is at least 1.
func (v *Verifier) pending(ctx context.Context) int64 {
	lag, err := v.deps.Broker.Lag(context.WithoutCancel(ctx))
	if err != nil {
		return 1
	}
	return max(1, int64(lag.Pending))
}

// awaitPublished returns how many of the orders are still in the outbox when ctx is over.
func (v *Verifier) awaitPublished(ctx context.Context, saleID string, stock reservation.AuditReport) (left int64, err error) {
	if stock.Outbox > 0 && stock.Unpublished == nil {
		return stock.Outbox, nil
	}
	for left = stock.Outbox; left > 0; {
		now, err := reservation.StillUnpublished(ctx, v.deps.Redis, saleID, stock)
		switch {
		case ctx.Err() != nil:
			return left, nil
		case err != nil:
			return left, err
		}
		if left = now; left == 0 {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(outboxPoll):
		}
	}
	return left, nil
}
