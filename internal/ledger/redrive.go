package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
)

// Redrive commits the order of a dead letter to the ledger, and resolves the letter in the same
// transaction. It returns the order as the ledger has it, and again=true when the ledger had it
// before. When the ledger, or units, still refuse the order, the error is still_refused with the
// reason, and the letter stays open.
//
// The units of an order that failed were given back. So reacquire takes them anew first, and
// giveBack returns them when the ledger refuses the order once more; both may be called again for
// the same order. Codes: not_found, still_refused, unavailable.
func (l *Ledger) Redrive(ctx context.Context, letterID string, units Units) (o checkout.Stored, again bool, err error) {
	letter, err := l.DeadLetter(ctx, letterID)
	if err != nil {
		return o, false, err
	}
	order, err := checkout.DecodeOrder(letter.Raw)
	if err != nil {
		return o, false, stillRefused(err)
	}
	// Checked first, so that no units are taken for data that can never be stored.
	if err := check(&order); err != nil {
		return o, false, stillRefused(err)
	}
	switch o, err = l.Order(ctx, order.ID); {
	case err == nil && o.Status != statusFailed && o.Reservation == order.Reservation:
		return o, true, l.ResolveDeadLetter(ctx, letterID)
	case err != nil && !errors.Is(err, problem.UnknownOrder):
		return o, false, err
	}
	failed := err == nil && o.Status == statusFailed
	if failed {
		if err := units.Reacquire(ctx, order); err != nil {
			return checkout.Stored{}, false, unlessUnavailable(err)
		}
	}
	if err := l.commitLetter(ctx, letterID, order); err != nil {
		if failed && IsPermanent(err) {
			err = errors.Join(err, units.GiveBack(ctx, order, err))
		}
		return checkout.Stored{}, false, unlessUnavailable(err)
	}
	o, err = l.Order(ctx, order.ID)
	return o, false, err
}

// Units is how Redrive moves the units of an order that failed.
type Units struct {
	// Reacquire takes the units of the order anew. A refusal such as sold_out ends the redrive.
	Reacquire func(ctx context.Context, o checkout.Order) error
	// GiveBack is what the drain calls for an order that failed; see checkout.DrainDeps.Failed.
	GiveBack func(ctx context.Context, o checkout.Order, refusal error) error
}

func (l *Ledger) commitLetter(ctx context.Context, letterID string, order checkout.Order) error {
	return l.inTx(ctx, commitTimeout, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM failed_orders WHERE id = $1`, order.ID); err != nil {
			return err
		}
		now := time.Now().UnixMilli()
		if _, err := l.commitInTx(ctx, tx, []checkout.Order{order}, now); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE dead_letters SET resolved_ms = coalesce(resolved_ms, $1) WHERE id = $2`, now, letterID)
		return err
	})
}

// unlessUnavailable makes a refusal still_refused; what may pass stays as it is.
func unlessUnavailable(err error) error {
	if !IsPermanent(err) {
		return err
	}
	return stillRefused(err)
}

func stillRefused(reason error) error {
	return problem.With(problem.StillRefused, fmt.Sprintf("the order is still refused: %s", printable(reason.Error(), maxReasonBytes)))
}
