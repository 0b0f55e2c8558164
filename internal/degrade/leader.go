package degrade

import (
	"context"
	"log/slog"
	"time"

	"github.com/penstock/penstock/internal/redis"
)

const (
	leaseTTL       = 3 * time.Second
	measureTimeout = 2 * time.Second
)

// leader is the loop of one candidate: hold the lease, look, decide, publish. What it touches is
// passed in, so that its timing can be tested against a clock that stands still.
type leader struct {
	limits  Limits
	nodeID  string
	log     *slog.Logger
	hold    func(ctx context.Context) (bool, error)
	release func(ctx context.Context) error
	found   func(ctx context.Context) (State, error) // what the last leader left
	measure Measure
	publish func(ctx context.Context, s State) error

	leading bool
	state   State
}

func (b *Board) leader(measure Measure) *leader {
	lease := redis.NewLease(b.store.client, leaderKey, b.nodeID, leaseTTL)
	return &leader{
		limits: b.limits, nodeID: b.nodeID, log: b.log,
		hold: lease.Hold, release: lease.Release,
		found: func(ctx context.Context) (State, error) {
			measured, _, err := b.store.read(ctx)
			return compose(measured, nil), err
		},
		measure: func(ctx context.Context) (Pressure, error) { return b.measureAll(ctx, measure) },
		publish: func(ctx context.Context, s State) error {
			return b.store.writeReading(ctx, reading{
				Level: s.Measured, Since: s.MeasuredSince, Reason: cut(s.measuredReason),
				Pressure: s.Pressure, At: s.MeasuredAt, By: s.MeasuredBy,
			})
		},
	}
}

// measureAll joins what this node sees with what the drains of other nodes reported.
func (b *Board) measureAll(ctx context.Context, measure Measure) (Pressure, error) {
	p, err := measure(ctx)
	if err != nil {
		return p, err
	}
	slowest, err := b.store.slowestCommitMillis(ctx)
	p.CommitLatencyMillis = max(p.CommitLatencyMillis, slowest)
	return p, err
}

func (l *leader) run(ctx context.Context) {
	every(ctx, period, func() { l.turn(ctx) })
	if !l.leading {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if err := l.release(ctx); err != nil {
		l.log.DebugContext(ctx, "degradation lease not released, it will lapse", "error", err)
	}
}

// turn is one round. A failure ends it; the next one comes within a period, or another node
// takes over once the lease lapses.
func (l *leader) turn(ctx context.Context) {
	if !l.lead(ctx) {
		return
	}
	l.state = Next(l.state, l.look(ctx), time.Now().UTC(), l.limits)
	l.state.MeasuredBy = l.nodeID
	if err := l.publish(ctx, l.state); err != nil && ctx.Err() == nil {
		l.log.WarnContext(ctx, "degradation level not published", "error", err)
	}
}

// lead reports whether this node holds the lease. A new leader goes on from the level it finds.
func (l *leader) lead(ctx context.Context) bool {
	callCtx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	held, err := l.hold(callCtx)
	if err != nil || !held {
		l.leading = false
		return false
	}
	if l.leading {
		return true
	}
	state, err := l.found(callCtx)
	if err != nil {
		return false
	}
	if state.MeasuredSince.IsZero() {
		state.MeasuredSince = time.Now().UTC()
	}
	l.state, l.leading = state, true
	return true
}

// look measures, and turns a failure to measure into pressure.
func (l *leader) look(ctx context.Context) Pressure {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	p, err := l.measure(ctx)
	if err != nil {
		p.Failure = cut(err.Error())
	}
	return p
}
