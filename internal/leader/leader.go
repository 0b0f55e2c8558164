// Package leader gives one process at a time a numbered term, and runs the leader's tasks under it.
//
// Every process is a candidate. A term is held by a lease in Redis and ends, in this process,
// before the lease can: its context is cancelled a margin before the lease lapses, counted from
// the moment at which the last renewal was sent. A leader that was stopped for a while, or cut off,
// may all the same send one more step. So the steps that must not come from an old leader carry
// the number of the term, and the scripts refuse a number smaller than the largest they have seen.
//
// The tasks (calling, expiry, relay, recovery, degradation) run side by side, so that none waits
// for another.
package leader

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/redis"
)

// LeaseTTL is how long a lease lasts without renewal. It bounds the time without a leader, after one
// was killed, to about 3.5 s.
const LeaseTTL = 3 * time.Second

const (
	renewEvery = 500 * time.Millisecond // by the leader; and how often a candidate asks
	margin     = 500 * time.Millisecond // how long before the lease lapses the term ends
)

// Task is one of the leader's tasks. Run works until ctx, which ends with the term, and returns
// nil then. A *redis.OldTermError ends the whole term.
type Task struct {
	Name string
	Run  func(ctx context.Context, term int64) error
}

// lease is what a leader competes for.
type lease interface {
	hold(ctx context.Context, floor int64) (term int64, err error)
	release(ctx context.Context, term int64) error
}

// Leader is a candidate, and now and then the leader.
type Leader struct {
	lease lease
	ttl   time.Duration // of the lease
	tasks []Task
	log   *slog.Logger
	// floor is the largest number of a term that a script has told of.
	floor int64
}

// New returns a candidate; Run starts it.
func New(l *Lease, log *slog.Logger, tasks ...Task) *Leader {
	return &Leader{lease: l, ttl: l.ttl, tasks: tasks, log: log}
}

// Run competes for the lease and leads while it holds it, until ctx ends.
func (l *Leader) Run(ctx context.Context) error {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		if term, until, err := l.tryLead(ctx); err == nil && term > 0 {
			l.serve(ctx, term, until)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

// tryLead asks for the lease: 0 when somebody else leads. The returned moment is when the term ends
// unless it is renewed.
func (l *Leader) tryLead(ctx context.Context) (term int64, until time.Time, err error) {
	sent := time.Now()
	ctx, cancel := context.WithTimeout(ctx, l.ttl-margin)
	defer cancel()
	term, err = l.lease.hold(ctx, l.floor)
	if err != nil {
		l.log.Debug("the lease of the leader cannot be asked for", "error", err)
	}
	return term, sent.Add(l.ttl - margin), err
}

// serve runs the tasks of one term, and returns when all of them have ended.
func (l *Leader) serve(ctx context.Context, term int64, until time.Time) {
	l.log.Info("this process leads", "term", term)
	termCtx, end := context.WithCancel(ctx)
	defer end()
	lapse := time.AfterFunc(time.Until(until), end)
	defer lapse.Stop()
	refused := make(chan int64, len(l.tasks))
	var tasks sync.WaitGroup
	for _, task := range l.tasks {
		tasks.Go(func() { l.work(termCtx, task, term, refused) })
	}
	l.renew(termCtx, term, lapse, refused)
	end()
	tasks.Wait()
	l.log.Info("this process leads no longer", "term", term)
	l.giveUp(term)
}

// renew prolongs the term until it ends.
func (l *Leader) renew(ctx context.Context, term int64, lapse *time.Timer, refused <-chan int64) {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case later := <-refused:
			l.floor = max(l.floor, later)
			return
		case <-tick.C:
		}
		held, until, err := l.tryLead(ctx)
		switch {
		case err != nil: // the term goes on until it lapses
		case held != term:
			return // the lease had lapsed: somebody else leads, or a new term of this process began
		case ctx.Err() == nil:
			lapse.Reset(time.Until(until))
		}
	}
}

// work runs one task for the whole term. A task that fails is begun anew after a pause.
func (l *Leader) work(ctx context.Context, task Task, term int64, refused chan<- int64) {
	for ctx.Err() == nil {
		err := task.Run(ctx, term)
		var old *redis.OldTermError
		if errors.As(err, &old) {
			l.log.Warn("the term is over: a later leader has been there", "task", task.Name, "term", term, "later", old.Later)
			refused <- old.Later
			return
		}
		if err != nil && ctx.Err() == nil {
			l.log.Warn("a task of the leader failed; it begins anew", "task", task.Name, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(renewEvery):
		}
	}
}

func (l *Leader) giveUp(term int64) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := l.lease.release(ctx, term); err != nil {
		l.log.Debug("the lease of the leader lapses by itself", "error", err)
	}
}
