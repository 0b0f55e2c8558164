package checkout

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go/jetstream"
)

// Undrained yields the orders of the log that no drain has acknowledged, up to the last one at the
// time of the call, without taking them: what a rebuild of Redis must count beside the ledger.
// Orders that are committed and not acknowledged yet are among them, so whoever adds both up goes
// by reservation id. What is no order is passed over; it will become a dead letter. After an
// error, which is yielded last, the list is not whole.
func (b *Broker) Undrained(ctx context.Context) iter.Seq2[Order, error] {
	return func(yield func(Order, error) bool) {
		if err := b.undrained(ctx, func(o Order) bool { return yield(o, nil) }); err != nil {
			yield(Order{}, fmt.Errorf("order log: %w", err))
		}
	}
}

func (b *Broker) undrained(ctx context.Context, each func(Order) bool) error {
	info, err := b.orders.Info(ctx)
	if err != nil || info.State.Msgs == 0 {
		return err
	}
	floor, left, err := b.progress(ctx, info)
	if err != nil || left == 0 {
		return err
	}
	from, last := max(floor+1, info.State.FirstSeq), info.State.LastSeq
	// Sequence by sequence: orders may be drained and trimmed away under the reading.
	for seq := from; seq <= last; {
		msg, err := b.orders.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(orderSubject+">"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if msg.Sequence > last {
			return nil
		}
		if !eachOrder(msg.Data, each) {
			return nil
		}
		seq = msg.Sequence + 1
	}
	return nil
}

func eachOrder(message []byte, each func(Order) bool) bool {
	records, err := splitBatch(message)
	if err != nil {
		return true
	}
	for _, r := range records {
		if o, err := DecodeOrder(r); err == nil && !each(o) {
			return false
		}
	}
	return true
}
