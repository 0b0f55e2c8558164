package degrade

import (
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
