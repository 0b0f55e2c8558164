package main

import (
	"context"

	"github.com/penstock/penstock/internal/preflight"
	"github.com/penstock/penstock/internal/redis"
)

// newPreflight reads the stores that this process is connected to, and judges its own admin key.
func (n *node) newPreflight() *preflight.Checker {
	return preflight.NewChecker(
		preflight.Source{Part: "redis", Read: func(ctx context.Context) ([]preflight.Finding, error) {
			servers, err := redis.Inspect(ctx, n.stores.redis)
			return preflight.Redis(servers), err
		}},
		preflight.Source{Part: "order_log", Read: func(ctx context.Context) ([]preflight.Finding, error) {
			facts, err := n.stores.broker.Inspect(ctx)
			return preflight.OrderLog(facts, n.cfg.AllowUnsynced), err
		}},
		preflight.Source{Part: "ledger", Read: func(ctx context.Context) ([]preflight.Finding, error) {
			facts, err := n.stores.ledger.Inspect(ctx)
			return preflight.Ledger(facts), err
		}},
		preflight.Source{Part: "keys", Read: func(context.Context) ([]preflight.Finding, error) {
			return preflight.AdminKey(len(n.adminKey.Reveal())), nil
		}},
	)
}
