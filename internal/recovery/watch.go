package recovery

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock/penstock/internal/redis"
)

// Watch notices that a server of Redis is another one: the sales are then checked at once,
// although nobody visits them. It is a task of its own, for a server that does not answer.
func (r *Recovery) Watch() func(ctx context.Context, term int64) error {
	var known map[string]string
	return func(ctx context.Context, _ int64) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		runs, err := redis.ServerRuns(ctx, r.deps.Redis)
		if err != nil {
			return fmt.Errorf("watch the servers of redis: %w", err)
		}
		for addr, run := range runs {
			if known != nil && known[addr] != run {
				r.deps.Log.Warn("a server of redis was restarted or took over; its sales are checked", "addr", addr)
				r.deps.Sales.RefreshAll()
				break
			}
		}
		known = runs
		return nil
	}
}
