package checkout

import (
	"context"
	"fmt"
	"time"
)

// barrierPoll is the pause between two looks at the drain's progress.
const barrierPoll = 50 * time.Millisecond

// Barrier names the end of the order log as it is now: every order that was acknowledged before the
// call lies at or before it.
func (b *Broker) Barrier(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := b.orders.Info(ctx)
	if err != nil {
		return 0, fmt.Errorf("order log: %w", err)
	}
	if info.State.Msgs == 0 {
		return 0, nil
	}
	return info.State.LastSeq, nil
}

// AwaitDrained returns once every order up to the barrier is in the ledger, or has been refused by
// it for good, and acknowledged. With an error, which is that of ctx or of the last look, it is not known to
// be so.
func (b *Broker) AwaitDrained(ctx context.Context, barrier uint64) error {
	if barrier == 0 {
		return nil
	}
	for {
		done, err := b.drainedTo(ctx, barrier)
		if done {
			return nil
		}
		if !sleep(ctx, barrierPoll) {
			if err == nil {
				err = ctx.Err()
			}
			return fmt.Errorf("accepted orders are still on their way to the ledger: %w", err)
		}
	}
}

func (b *Broker) drainedTo(ctx context.Context, barrier uint64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := b.orders.Info(ctx)
	if err != nil {
		return false, err
	}
	floor, _, err := b.progress(ctx, info)
	return err == nil && floor >= barrier, err
}
