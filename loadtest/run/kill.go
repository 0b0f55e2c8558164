package main

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock/penstock/loadtest/internal/stand"
)

// outage is the time without the killed process.
type outage struct {
	whom           string
	acceptedBefore int
	downMillis     int64 // from the kill until it was ready again
}

const downtime = time.Second // a supervisor needs a moment, too

// killAndRestart kills -9 in the middle of the sale and starts again at the
// same ports, with the same data.
func (t *test) killAndRestart(ctx, crowd context.Context) error {
	if !stand.Pause(crowd, t.opts.killAfter) {
		return nil
	}
	before, err := readConsole(t.files.console)
	if err != nil {
		return err
	}
	t.printf("\n>>> kill -9 %s, with %d orders accepted so far\n\n", t.opts.kill, len(before.accepted))
	kill, start := t.victim()
	began := time.Now()
	if err := kill(); err != nil {
		return err
	}
	stand.Pause(ctx, downtime)
	if err := start(ctx); err != nil {
		return fmt.Errorf("restart after the kill: %w", err)
	}
	t.outcome.outage = &outage{whom: t.opts.kill, acceptedBefore: len(before.accepted), downMillis: time.Since(began).Milliseconds()}
	t.printf("\n>>> %s is ready again, %d ms after the kill\n\n", t.opts.kill, t.outcome.outage.downMillis)
	return nil
}

func (t *test) victim() (kill func() error, start func(context.Context) error) {
	switch t.opts.kill {
	case "redis":
		return t.stand.Redis.Kill, t.stand.Redis.Start
	case "nats":
		return t.stand.NATS.Kill, t.stand.NATS.Start
	default:
		return t.stand.Penstock.Kill, t.stand.Penstock.Start
	}
}
