package leader

import (
	"context"
	"errors"
	"time"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/salecache"
)

const (
	// stepTimeout bounds what one step for one sale may wait for Redis or the journal.
	stepTimeout = 2 * time.Second
	// lookAgain is how often all sales are looked at although this node has learnt nothing new of them.
	lookAgain = time.Second
	// never stands for a sale that is not due until something happens in it.
	never = 24 * time.Hour
)

// visits takes one step for every sale that is due. While nothing was due at the last look and this
// node has learnt nothing since, the sales are left alone until the first of them is due: a thousand
// sales that nobody visits cost as little as one.
type visits struct {
	deps Deps
	step string                               // for the log
	in   func(*salecache.Entry) time.Duration // in how long a sale is due: now when it is 0 or less

	changes int64 // what the cache had learnt at the last look
	lookAt  time.Time
}

// visit runs do for every sale that Redis holds and that is due, with a bounded time each. A sale whose
// step fails keeps no other from its own.
func (v *visits) visit(ctx context.Context, do func(context.Context, *salecache.Entry) error) error {
	changes, now := v.deps.Sales.Changes(), time.Now()
	if changes == v.changes && now.Before(v.lookAt) {
		return nil
	}
	v.changes, v.lookAt = changes, now.Add(lookAgain)
	var failed []error
	for _, entry := range v.deps.Sales.All() {
		if ctx.Err() != nil {
			break
		}
		in := v.in(entry)
		if next := now.Add(in); next.Before(v.lookAt) {
			v.lookAt = next
		}
		if in > 0 || !entry.Ready() { // most are not due
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, stepTimeout)
		err := do(bounded, entry)
		cancel()
		var old *redis.OldTermError
		switch {
		case errors.As(err, &old):
			return err
		case err != nil && ctx.Err() == nil:
			v.deps.Log.Debug("a step of a sale failed and is tried again", "step", v.step, "sale", entry.ID(), "error", err)
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
