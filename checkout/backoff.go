package checkout

import (
	"context"
	"math/rand/v2"
	"time"
)

// jittered returns between half of d and d, so that nodes that failed together do not return together.
func jittered(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
