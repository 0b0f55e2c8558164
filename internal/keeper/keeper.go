// Package keeper keeps what Redis holds in agreement with the ledger.
//
// The ledger is the truth about sales; Redis is where they run. The keeper writes a change to the
// ledger first and then carries it to Redis, and a loop on one node at a time finishes what a
// crash left undone and rebuilds a sale whose Redis state is lost. It also gives the verdict on
// the invariants, for which all the stores are read side by side.
package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/saleindex"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

// Deps is what the keeper joins.
type Deps struct {
	Ledger  *ledger.Ledger
	Redis   rueidis.Client
	Broker  *checkout.Broker
	Journal *checkout.Journal
	Board   *degrade.Board
	// OpenStock builds the node's side of a sale's stock.
	OpenStock func(sale.Record) *reservation.Stock
	// MayArm refuses to arm a sale, for example on a log that does not fsync.
	MayArm func(context.Context) error
	NodeID string
	Log    *slog.Logger
}

// Keeper is safe for concurrent use.
type Keeper struct {
	deps  Deps
	lease *redis.Lease
	// known are the records that the loop has read; only the loop touches it.
	known map[string]sale.Record
	// rebuiltIn is the run of Redis in which the loop last saw to a sale; only the loop touches it.
	rebuiltIn map[string]string
	// changes lets one change of a stock at a time through on this node.
	changes sync.Mutex
}

const (
	syncEvery    = 500 * time.Millisecond
	syncLeaseTTL = 10 * time.Second
)

// New returns a keeper. Run starts its loop.
func New(deps Deps) *Keeper {
	return &Keeper{deps: deps, known: make(map[string]sale.Record), rebuiltIn: make(map[string]string), lease: redis.NewLease(deps.Redis, "ps:lease:keeper", deps.NodeID, syncLeaseTTL)}
}

// lay puts a sale into Redis that was never there.
func (k *Keeper) lay(ctx context.Context, rec sale.Record) error {
	return k.arm(ctx, rec, nil, nil)
}

// update carries a new version of a sale to the state that Redis holds. Where Redis has lost that
// state it does nothing: to lay the sale anew would offer what is sold already, and rebuilding is
// the loop's work.
func (k *Keeper) update(ctx context.Context, rec sale.Record) error {
	if rec.Draft {
		return nil
	}
	lost, err := k.lost(ctx, rec)
	if err != nil || lost {
		return err
	}
	if err := k.arm(ctx, rec, nil, nil); err != nil {
		return err
	}
	return k.reconcile(ctx, rec)
}

// reconcile brings the allocations in Redis to those of the ledger, whatever an interrupted change
// has left.
func (k *Keeper) reconcile(ctx context.Context, rec sale.Record) error {
	stock := k.deps.OpenStock(rec)
	if err := stock.Refresh(ctx); err != nil {
		return err
	}
	for i, counts := range stock.Snapshot().Items {
		if want := rec.Items[i].Stock; counts.Allocated != want {
			if err := stock.Allot(ctx, counts.SKU, want, noTerm); err != nil {
				return fmt.Errorf("allot %d units of %s: %w", want, counts.SKU, err)
			}
		}
	}
	return nil
}

// arm writes a record to Redis, and with restored, what the durable stores know of the sale.
func (k *Keeper) arm(ctx context.Context, rec sale.Record, room *queue.Restored, stock *restoredStock) error {
	if rec.Draft {
		return nil
	}
	if k.deps.MayArm != nil {
		if err := k.deps.MayArm(ctx); err != nil {
			return err
		}
	}
	if err := k.armStock(ctx, rec, stock); err != nil {
		return fmt.Errorf("arm the stock of %s: %w", rec.ID, err)
	}
	if err := queue.Arm(ctx, k.deps.Redis, rec, room); err != nil {
		return fmt.Errorf("arm the waiting room of %s: %w", rec.ID, err)
	}
	return saleindex.Publish(ctx, k.deps.Redis, rec)
}

// noTerm is the term of a step that no leader with a term takes.
const noTerm = 0

// restoredStock is what the ledger and the journal know of a stock that Redis has lost.
type restoredStock struct {
	orders []reservation.RestoredOrder
	held   *reservation.Folded
}

// armStock brings the terms to a stock that is ready; where there is none it arms one.
func (k *Keeper) armStock(ctx context.Context, rec sale.Record, from *restoredStock) error {
	if from == nil {
		err := reservation.Update(ctx, k.deps.Redis, rec, noTerm)
		if !errors.Is(err, problem.Unavailable) {
			return err
		}
		from = &restoredStock{}
	}
	arming, err := reservation.Begin(ctx, k.deps.Redis, rec, noTerm)
	if err != nil {
		return err
	}
	if err := arming.Orders(ctx, from.orders); err != nil {
		return err
	}
	return arming.Finish(ctx, from.held)
}

// disarm takes a sale out of Redis.
func (k *Keeper) disarm(ctx context.Context, saleID string) error {
	if err := saleindex.Withdraw(ctx, k.deps.Redis, saleID); err != nil {
		return err
	}
	return k.wipe(ctx, saleID)
}

// wipe removes a sale's room and stock, while the nodes go on knowing the sale.
func (k *Keeper) wipe(ctx context.Context, saleID string) error {
	if err := queue.Disarm(ctx, k.deps.Redis, saleID); err != nil {
		return fmt.Errorf("disarm the waiting room of %s: %w", saleID, err)
	}
	if err := reservation.Wipe(ctx, k.deps.Redis, saleID, noTerm); err != nil {
		return fmt.Errorf("disarm the stock of %s: %w", saleID, err)
	}
	return nil
}

// Phase tells where a sale stands by the clock of Redis. When Redis does not answer, the clock of
// this node has to do: the phase is then for show, and no decision rests on it.
func (k *Keeper) Phase(ctx context.Context, rec sale.Record) sale.Phase {
	now, err := redis.Now(ctx, k.deps.Redis)
	if err != nil {
		return rec.PhaseAt(time.Now(), false)
	}
	return rec.PhaseAt(now, k.soldOut(ctx, rec))
}

func (k *Keeper) soldOut(ctx context.Context, rec sale.Record) bool {
	stock := k.deps.OpenStock(rec)
	if err := stock.Refresh(ctx); err != nil || !stock.Snapshot().Ready {
		return false
	}
	for _, item := range stock.Snapshot().Items {
		if item.Available > 0 || item.Held > 0 {
			return false
		}
	}
	return true
}
