package leader

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/penstock/penstock/internal/redis"
)

// Every makes a task of a step that is repeated. A step that fails is tried again with the next
// tick; the log has the first failure and the recovery. A step that meets a later leader ends the term.
func Every(name string, period time.Duration, log *slog.Logger, step func(ctx context.Context, term int64) error) Task {
	return Task{Name: name, Run: func(ctx context.Context, term int64) error {
		tick := time.NewTicker(period)
		defer tick.Stop()
		failing := false
		for {
			err := step(ctx, term)
			var old *redis.OldTermError
			switch {
			case errors.As(err, &old):
				return err
			case err != nil && !failing && ctx.Err() == nil:
				log.Warn("a task of the leader fails and is tried again", "task", name, "error", err)
			case err == nil && failing:
				log.Info("a task of the leader works again", "task", name)
			}
			failing = err != nil
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	}}
}
