package front

import (
	"sync"

	"github.com/penstock/penstock/internal/problem"
)

const (
	// readersOfKey bounds the lists of orders that one key reads at a time on a node, and readersInAll those of
	// all keys. Most of them wait.
	readersOfKey = 4
	readersInAll = 64
	// readersRetryAfter is in seconds.
	readersRetryAfter = 1
)

// orderReaders counts who reads lists of orders.
type orderReaders struct {
	mu    sync.Mutex
	byKey map[string]int // never more than readersInAll keys
	all   int
}

func newOrderReaders() *orderReaders { return &orderReaders{byKey: make(map[string]int)} }

// enter lets one more reader of a key in, until leave is called. Codes: rate_limited, overloaded.
func (r *orderReaders) enter(keyID string) (leave func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.byKey[keyID] >= readersOfKey:
		return nil, problem.Retry(problem.RateLimited, "this key reads as many lists of orders as it may at a time", readersRetryAfter)
	case r.all >= readersInAll:
		return nil, problem.Retry(problem.Overloaded, "too many lists of orders are being read; come back in a moment", readersRetryAfter)
	}
	r.byKey[keyID]++
	r.all++
	return func() { r.leave(keyID) }, nil
}

func (r *orderReaders) leave(keyID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all--
	if r.byKey[keyID]--; r.byKey[keyID] <= 0 {
		delete(r.byKey, keyID)
	}
}
