package sales

import (
	"context"
	"errors"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

const (
	// carryWait is how long a caller waits for the leader to carry a change to Redis.
	carryWait = 5 * time.Second
	// awaitPoll is the pause between two looks at this node's memory.
	awaitPoll = 20 * time.Millisecond
	// refusalEvery is how often, in such looks, Redis is asked whether the leader refuses.
	refusalEvery = 25
	// settledEvery is how often, in such looks, the ledger is asked whether a decrease is done.
	settledEvery = 5
)

// keptError is an error about a change that was made all the same.
type keptError struct{ error }

func (e keptError) Unwrap() error { return e.error }

// Kept reports that the change which this error is about is in the ledger all the same, and is carried
// to Redis as soon as it may be.
func Kept(err error) bool {
	var k keptError
	return errors.As(err, &k)
}

// awaitCarried waits until this node sees a change in Redis. When that takes too long the change is
// not lost: the leader carries it as soon as it can, so that only a refusal is an error here. Code: not_armed,
// of a change that is [Kept].
func (s *Sales) awaitCarried(ctx context.Context, rec sale.Record) error {
	if rec.Draft {
		s.await(ctx, rec.ID, "the change to a draft", func() bool { return s.deps.Cache.Get(rec.ID) == nil })
		return nil
	}
	if entry := s.deps.Cache.Get(rec.ID); entry == nil || !entry.Ready() {
		if err := s.deps.MayArm(ctx); err != nil {
			s.deps.Cache.AskLeader() // so that the nodes know of the sale, and ask visitors to wait
			return keptError{err}
		}
	}
	refused, looks := "", 0
	s.await(ctx, rec.ID, "the change", func() bool {
		if looks++; looks%refusalEvery == 0 {
			refused = s.Refusal(ctx, rec.ID)
		}
		entry := s.deps.Cache.Get(rec.ID)
		return refused != "" || entry != nil && entry.Ready() && carries(entry.Record(), rec)
	})
	if refused != "" {
		return keptError{problem.With(problem.NotArmed, refused, problem.F("reasons", []string{refused}))}
	}
	return nil
}

// carries reports whether what this node has read is the record, or a later version of it.
func carries(seen, rec sale.Record) bool {
	return seen.CreatedAt.Equal(rec.CreatedAt) && seen.Version >= rec.Version
}

// await asks the leader to look, and waits for the condition. It reports whether that came true. It
// goes on when the caller has left: nobody else watches the change.
func (s *Sales) await(ctx context.Context, id, what string, holds func() bool) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), carryWait)
	defer cancel()
	s.deps.Cache.AskLeader()
	tick := time.NewTicker(awaitPoll)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			s.deps.Log.Warn("a change is in the ledger and not yet in redis; the leader carries it there as soon as it can", "sale", id, "change", what)
			return false
		case <-tick.C:
		}
	}
	return true
}
