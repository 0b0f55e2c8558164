package front

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/problem"
)

const (
	// lookupsAtOnce bounds the questions about orders that the ledger is asked at a time, and
	// lookupTimeout each of them. Anybody may ask about made-up orders; a ledger that hangs must not
	// hold the requests of those who reserve.
	lookupsAtOnce = 16
	lookupTimeout = 300 * time.Millisecond
	// unknownFor is how long an order that the ledger does not know is not asked for again. One that
	// is accepted meanwhile is found in Redis, which is asked first.
	unknownFor       = 2 * time.Second
	maxUnknown       = 4096
	lookupRetryAfter = 2 // seconds
)

// lookups asks the ledger about orders, within bounds.
//
// Nothing in an order's id proves that it was made here: its last part is a keyed hash of the
// idempotency key, which the id does not hold. So the bounds are all there is.
type lookups struct {
	ask   func(ctx context.Context, id string) (checkout.Stored, error)
	slots chan struct{}

	mu      sync.Mutex
	unknown map[string]time.Time // by id, since when
}

func newLookups(ask func(ctx context.Context, id string) (checkout.Stored, error)) *lookups {
	return &lookups{ask: ask, slots: make(chan struct{}, lookupsAtOnce), unknown: make(map[string]time.Time)}
}

// find asks for one order. Codes: unknown_order, unavailable.
func (l *lookups) find(ctx context.Context, id string) (checkout.Stored, error) {
	if l.isUnknown(id, time.Now()) {
		return checkout.Stored{}, problem.UnknownOrder
	}
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	default:
		return checkout.Stored{}, problem.Retry(problem.Unavailable, "too many orders are being looked up; try again", lookupRetryAfter)
	}
	bounded, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	order, err := l.ask(bounded, id)
	switch {
	case errors.Is(err, problem.UnknownOrder):
		l.keep(id, time.Now())
	case err != nil && bounded.Err() != nil:
		return checkout.Stored{}, problem.Retry(problem.Unavailable, "the ledger does not answer; try again", lookupRetryAfter)
	}
	return order, err
}

func (l *lookups) isUnknown(id string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	since, there := l.unknown[id]
	return there && now.Sub(since) < unknownFor
}

// keep remembers an unknown order. When there is no room, those whose time is over make room, or
// else everything is forgotten, which costs no more than asking again.
func (l *lookups) keep(id string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.unknown) >= maxUnknown {
		for known, since := range l.unknown {
			if now.Sub(since) >= unknownFor {
				delete(l.unknown, known)
			}
		}
		if len(l.unknown) >= maxUnknown {
			clear(l.unknown)
		}
	}
	l.unknown[id] = now
}
