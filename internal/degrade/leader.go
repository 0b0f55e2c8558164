package degrade

import (
	"context"
	"log/slog"
	"time"
)

const (
	measureTimeout = 2 * time.Second
	// publishEvery is how often a level that stays is written, so that people see a fresh measurement.
	publishEvery = time.Second
)

// Lead returns the leader's task: to look, decide the level and publish it, until ctx, which ends
// with the term. It goes on from the level that the last leader left.
func (b *Board) Lead(measure Measure) func(ctx context.Context, term int64) error {
	return func(ctx context.Context, _ int64) error { return b.decider(measure).run(ctx) }
}

// decider is one term of deciding. What it touches is passed in, so that its timing can be tested
// against a clock that stands still.
type decider struct {
	limits  Limits
	nodeID  string
	log     *slog.Logger
	found   func(ctx context.Context) (State, error) // what the last leader left
	measure Measure
	publish func(ctx context.Context, s State) error

	state State
	// published is when the level was last written, and which.
	published time.Time
	level     Level
	failing   bool // the last level could not be written
}

func (b *Board) decider(measure Measure) *decider {
	commits := &slowestCommit{store: b.store}
	return &decider{
		limits: b.limits, nodeID: b.nodeID, log: b.log,
		found: func(ctx context.Context) (State, error) {
			measured, _, err := b.store.read(ctx)
			return compose(measured, nil), err
		},
		measure: func(ctx context.Context) (Pressure, error) { return measureAll(ctx, measure, commits) },
		publish: func(ctx context.Context, s State) error {
			return b.store.writeReading(ctx, reading{
				Level: s.Measured, Since: s.MeasuredSince, Reason: cut(s.measuredReason),
				Pressure: s.Pressure, At: s.MeasuredAt, By: s.MeasuredBy,
			})
		},
	}
}

// measureAll joins what this node sees with what the drains of other nodes reported.
func measureAll(ctx context.Context, measure Measure, commits *slowestCommit) (Pressure, error) {
	p, err := measure(ctx)
	if err != nil {
		return p, err
	}
	slowest, err := commits.millis(ctx)
	p.CommitLatencyMillis = max(p.CommitLatencyMillis, slowest)
	return p, err
}

func (d *decider) run(ctx context.Context) error {
	state, err := d.found(ctx)
	if err != nil {
		return err
	}
	if state.MeasuredSince.IsZero() {
		state.MeasuredSince = time.Now().UTC()
	}
	d.state = state
	every(ctx, period, func() { d.turn(ctx) })
	return nil
}

// turn is one round. A failure ends it; the next one comes within a period.
func (d *decider) turn(ctx context.Context) {
	next := Next(d.state, d.look(ctx), time.Now().UTC(), d.limits)
	if ctx.Err() != nil {
		return // the term is over: what was seen while it ended is nobody's to publish
	}
	d.state = next
	d.state.MeasuredBy = d.nodeID
	if d.state.Measured == d.level && time.Since(d.published) < publishEvery {
		return
	}
	if err := d.publish(ctx, d.state); err != nil {
		if ctx.Err() == nil && !d.failing {
			d.log.WarnContext(ctx, "degradation level cannot be written to redis; it is tried again", "error", err)
		}
		d.failing = true
		return
	}
	d.failing = false
	d.level, d.published = d.state.Measured, time.Now()
}

// look measures, and turns a failure to measure into pressure.
func (d *decider) look(ctx context.Context) Pressure {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	p, err := d.measure(ctx)
	if err != nil {
		p.Failure = cut(err.Error())
	}
	return p
}
