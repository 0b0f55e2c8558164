package main

import (
	"context"
	"time"

	"github.com/penstock/penstock/internal/beacon"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/fairness"
	"github.com/penstock/penstock/internal/leader"
	"github.com/penstock/penstock/internal/recovery"
	"github.com/penstock/penstock/internal/verify"
)

// watchEvery is how often the leader looks whether a server of Redis is another one.
const watchEvery = 500 * time.Millisecond

// newLeader makes this process a candidate. Every process is one, whatever its roles.
func (n *node) newLeader() *leader.Leader {
	recovering := recovery.New(recovery.Deps{
		Ledger: n.stores.ledger, Redis: n.stores.redis, Index: n.index, Sales: n.cache, Broker: n.stores.broker,
		Journal: n.stores.broker.Journal(), OpenStock: n.stockOf, MayArm: n.preflight.MayArm, Log: n.log,
	})
	reports := fairness.NewReporter(fairness.Deps{
		Sales: n.cache, Ledger: n.stores.ledger, Redis: n.stores.redis, Journal: n.stores.broker.Journal(), Log: n.log,
	})
	deps := leader.Deps{Sales: n.cache, Board: n.board, Desk: n.desk, Log: n.log}
	tasks := []leader.Task{
		leader.Calling(deps), leader.Expiry(deps), leader.Relay(deps), leader.Beacons(deps, beacon.NewClient()),
		{Name: "recovery", Run: recovering.Run},
		{Name: "degradation", Run: n.board.Lead(n.pressure)},
		{Name: "notifications", Run: n.teller.Run},
		leader.Every("fairness", fairness.Every, n.log, reports.Step),
		n.reconciling(),
	}
	if !n.stores.ownRedis { // that one lives and dies with this process
		tasks = append(tasks, leader.Every("server watch", watchEvery, n.log, recovering.Watch()))
	}
	return leader.New(leader.NewLease(n.stores.redis, n.cfg.NodeID, leader.LeaseTTL), n.log, tasks...)
}

// reconciling measures the drift of the sales that run.
func (n *node) reconciling() leader.Task {
	task := leader.Every("reconcile", verify.ReconcileEvery, n.log, n.reconciler.Step)
	return leader.Task{Name: task.Name, Run: func(ctx context.Context, term int64) error {
		return n.reconciler.Run(ctx, term, task.Run)
	}}
}

// pressure is what moves the degradation level: how far the ledger is behind the order log. How
// long its commits take is reported by the drains.
func (n *node) pressure(ctx context.Context) (degrade.Pressure, error) {
	lag, err := n.stores.broker.Lag(ctx)
	return degrade.Pressure{LogLagSeconds: lag.OldestSeconds}, err
}
