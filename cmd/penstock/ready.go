package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/penstock/penstock/internal/health"
)

// newWatch asks the parts that the node stands on. None of them makes the node unready: polls and
// pages need memory alone.
func (n *node) newWatch() *health.Watch {
	return health.NewWatch(
		health.Check{Name: "sales", Ask: func(context.Context) error { return n.knowsEverySale() }},
		health.Check{Name: "redis", Ask: func(ctx context.Context) error {
			return n.stores.redis.Do(ctx, n.stores.redis.B().Ping().Build()).Error()
		}},
		health.Check{Name: "order_log", Ask: func(context.Context) error { return n.stores.broker.Healthy() }},
		health.Check{Name: "ledger", Ask: n.stores.ledger.Ping},
	)
}

func (n *node) knowsEverySale() error {
	if !n.cache.Complete() {
		return errors.New("this node may not know every sale; one that it does not know is answered 503")
	}
	return nil
}

// readiness tells whether the node should get traffic, and how its parts are doing.
func (n *node) readiness() health.Readiness {
	r := health.Readiness{Parts: n.watch.Parts()}
	switch {
	case n.stopping.Load():
		r.Reason = "the process is stopping"
	case !n.cache.HasRead():
		r.Reason = "the sales have not been read yet"
	}
	return r
}

// drainTraffic turns the node unready and serves on for the delay, so that load balancers notice
// before the listener closes. A second SIGTERM or interrupt ends the delay.
func (n *node) drainTraffic(delay time.Duration) {
	n.stopping.Store(true)
	if delay <= 0 {
		return
	}
	n.log.Info("unready: serving on until load balancers have noticed; a second SIGTERM ends the wait", "for", delay)
	again, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer release()
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-again.Done():
	}
}
