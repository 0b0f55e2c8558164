package degrade

import (
	"context"
	"sync"
	"time"
)

// commitReports gathers the commit latencies of one period.
type commitReports struct {
	mu      sync.Mutex
	slowest time.Duration
	pending bool
}

func (c *commitReports) add(latency time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slowest = max(c.slowest, latency)
	c.pending = true
}

// take returns the slowest commit since the last call, if there was any.
func (c *commitReports) take() (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slowest, pending := c.slowest, c.pending
	c.slowest, c.pending = 0, false
	return slowest, pending
}

// slowestCommit reads what the drains have reported, as often as they report. It is the leader's.
type slowestCommit struct {
	store  store
	last   float64
	readAt time.Time
}

func (s *slowestCommit) millis(ctx context.Context) (float64, error) {
	if time.Since(s.readAt) < readEvery-period/2 { // every second round, also when a timer is early
		return s.last, nil
	}
	last, err := s.store.slowestCommitMillis(ctx)
	if err == nil {
		s.last, s.readAt = last, time.Now()
	}
	return last, err
}
