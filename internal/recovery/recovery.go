// Package recovery makes Redis hold what the ledger says is on sale.
//
// It is a task of the leader, and the only part that publishes, arms, changes and removes a sale's
// state in Redis. A sale that was created or changed is carried there; a sale whose state is lost, older, or
// of another run of the server is rebuilt from the ledger, the order log and the journal. The scripts refuse
// such a state by themselves from the first call on, so that nothing here has to be quick to be right.
//
// Every sale of the ledger is listed for the nodes first, so that none is taken for unknown; then
// the sales are worked on side by side, a bounded number at a time, and none waits for another.
package recovery

import (
	"context"
	"log/slog"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/internal/saleindex"
	"github.com/penstock/penstock/reservation"
)

const (
	// roundEvery is how often the task looks, in memory, whether something is to be done.
	roundEvery = 100 * time.Millisecond
	// considerEvery is how often the sales are looked at although nothing is known to have changed.
	considerEvery = 500 * time.Millisecond
	// ledgerEvery is how often the ledger is read although nobody has asked for it.
	ledgerEvery = 5 * time.Second
	// roundTimeout bounds one reading of ledger and index, without the work that follows.
	roundTimeout = 15 * time.Second
	// atOnce bounds the sales that are worked on at the same time.
	atOnce = 8
	// retryFirst and retryMost bound the pause before a sale is tried again.
	retryFirst = 200 * time.Millisecond
	retryMost  = 5 * time.Second
	// keepEnded is how long the state of an ended sale stays in Redis, for late looks at an order.
	keepEnded = 24 * time.Hour
	// manyUnread is from how many unread sales on all are read in one query.
	manyUnread = 16
)

// Deps is what recovery works with.
type Deps struct {
	Ledger  *ledger.Ledger
	Redis   rueidis.Client
	Index   *saleindex.Index
	Sales   *salecache.Cache
	Broker  *checkout.Broker
	Journal *checkout.Journal
	// OpenStock builds this node's side of a sale's stock.
	OpenStock func(sale.Record) *reservation.Stock
	// MayArm returns why no sale may be armed now, or nil.
	MayArm func(context.Context) error
	Log    *slog.Logger
}

// Recovery is the task. Run it under the leader.
type Recovery struct{ deps Deps }

// New returns the task.
func New(deps Deps) *Recovery { return &Recovery{deps: deps} }

// Run works until ctx, which ends with the term. It returns *redis.OldTermError when a later leader
// has been there.
func (r *Recovery) Run(ctx context.Context, term int64) error {
	w := &work{
		Recovery: r, term: term, sales: make(map[string]*saleState), slots: make(chan struct{}, atOnce),
		done: make(chan outcome, atOnce), asked: -1,
	}
	defer w.jobs.Wait()
	ctx, end := context.WithCancel(ctx)
	defer end()
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case one := <-w.done:
			if err := w.settle(one); err != nil {
				return err
			}
		case <-tick.C:
			w.tick(ctx)
		}
	}
}
