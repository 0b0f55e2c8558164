package front

import (
	"context"
	"sync"
	"time"
)

// The time a stage has for its answer. What takes longer is answered "unavailable", while it may
// still come true: that is what idempotency keys are for.
const (
	stageTimeout = 5 * time.Second
	orderTimeout = 15 * time.Second
)

// within bounds the work of a stage. It does not derive from the connection's context, which ends
// when the server begins to shut down: what is under way is to be finished.
//
// The timer starts when somebody first waits for it. Many answers come from memory, and nobody does.
func within(limit time.Duration) (context.Context, context.CancelFunc) {
	b := &bounded{limit: limit}
	return b, b.cancel
}

// bounded is a context that ends limit after somebody first asked for its end.
type bounded struct {
	limit time.Duration

	mu    sync.Mutex
	timed context.Context
	stop  context.CancelFunc
	over  bool
}

func (b *bounded) inner() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.timed == nil {
		b.timed, b.stop = context.WithTimeout(context.Background(), b.limit)
	}
	if b.over {
		b.stop()
	}
	return b.timed
}

func (b *bounded) cancel() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	if b.stop != nil {
		b.stop()
	}
}

// Deadline implements context.Context.
func (b *bounded) Deadline() (time.Time, bool) { return b.inner().Deadline() }

// Done implements context.Context.
func (b *bounded) Done() <-chan struct{} { return b.inner().Done() }

// Err implements context.Context. As long as nobody waits, the time does not run.
func (b *bounded) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.timed != nil:
		return b.timed.Err()
	case b.over:
		return context.Canceled
	default:
		return nil
	}
}

// Value implements context.Context.
func (b *bounded) Value(any) any { return nil }
