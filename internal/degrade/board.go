package degrade

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

const (
	// period is how often the leader decides the level, and readEvery how often each node reads it.
	period    = 250 * time.Millisecond
	readEvery = 500 * time.Millisecond
	// callTimeout bounds one exchange with Redis.
	callTimeout = time.Second
	// silenceLimit is how long Redis may be unreadable before this node assumes the worst.
	silenceLimit = 3 * time.Second
	// staleLimit is the same for a level that can be read and that nobody measures any more, as when
	// Redis refuses every write. It is longer than a change of leader takes.
	staleLimit = 5 * time.Second
	// maxTextBytes bounds names and reasons that come from outside.
	maxTextBytes = 200
)

// Measure looks at the pressure. It should answer within a second; it is cut off after two.
type Measure func(ctx context.Context) (Pressure, error)

// Board is one node's view of the level. Its methods may be called by many goroutines at once;
// Level and State never leave the process.
type Board struct {
	store   store
	log     *slog.Logger
	nodeID  string
	limits  Limits
	view    atomic.Pointer[view]
	commits commitReports
}

// view is what the last successful read gave.
type view struct {
	state  State
	readAt time.Time
	// newAt is when a new measurement was seen last, by this node's clock.
	newAt time.Time
}

// NewBoard makes the view of the node called nodeID, which must be unique. Until the first
// Refresh it shows Normal.
func NewBoard(client rueidis.Client, log *slog.Logger, nodeID string) *Board {
	b := &Board{
		store:  store{client: client},
		log:    log,
		nodeID: nodeID,
		limits: DefaultLimits(),
	}
	b.view.Store(&view{state: State{Reason: "not read yet"}, readAt: time.Now(), newAt: time.Now()})
	return b
}

// Level is the level in force, at most 500 ms old while Run is running and Redis answers. It is that of State.
func (b *Board) Level() Level {
	v := b.view.Load()
	if _, reason := v.blind(); reason != "" {
		return Critical
	}
	return v.state.Level
}

// State is the level in force and its history. When Redis has been silent for 3 s, or nobody has
// written a new measurement for 5 s, it is at least Critical, unless an operator pinned a level: a node
// that cannot see must not promise comfort.
func (b *Board) State() State {
	v := b.view.Load()
	since, reason := v.blind()
	if reason == "" {
		return v.state
	}
	blind := v.state
	blind.Level, blind.Since, blind.Reason = Critical, since, reason
	return blind
}

// blind tells since when the view is too old to be relied on, and why; the reason is "" while it is not, and while
// the level would not change for it.
func (v *view) blind() (since time.Time, reason string) {
	if v.state.Override != nil || v.state.Level >= Critical {
		return time.Time{}, ""
	}
	silent := time.Since(v.readAt)
	if silent >= silenceLimit {
		return v.readAt.Add(silenceLimit), fmt.Sprintf("redis has not answered for %d s", int(silent.Seconds()))
	}
	if stale := silent + v.readAt.Sub(v.newAt); stale >= staleLimit && !v.state.MeasuredAt.IsZero() {
		return v.newAt.Add(staleLimit), fmt.Sprintf("no leader has written a level to redis for %d s", int(stale.Seconds()))
	}
	return time.Time{}, ""
}

// Refresh reads the level from Redis. On an error the view stays as it was.
func (b *Board) Refresh(ctx context.Context) error {
	measured, pinned, err := b.store.read(ctx)
	if err != nil {
		return err
	}
	last := b.view.Load()
	before := last.state
	if pinned == nil && !before.OverrideAt.IsZero() {
		// A lifted override leaves a record, so a missing one means that Redis lost its memory.
		// Whoever remembers the operator's hand puts it back.
		pinned = &pin{Level: before.Override, By: before.OverrideBy, At: before.OverrideAt}
		if err := b.store.restorePin(ctx, *pinned); err != nil {
			return err
		}
	}
	state := compose(measured, pinned)
	next := &view{state: state, readAt: time.Now(), newAt: last.newAt}
	if !state.MeasuredAt.Equal(before.MeasuredAt) {
		next.newAt = next.readAt
	}
	b.view.Store(next)
	if state.Level != before.Level {
		b.log.WarnContext(ctx, "degradation level changed",
			"from", before.Level.String(), "to", state.Level.String(), "reason", state.Reason)
	}
	return nil
}

// Override pins the level for all nodes until it is lifted with a nil level; it does not expire
// and survives restarts. By names the person or key that did it, and is kept either way.
func (b *Board) Override(ctx context.Context, level *Level, by string) error {
	if by == "" {
		return errors.New("an override needs the name of who sets it")
	}
	if level != nil && (*level < Normal || *level > Survival) {
		return fmt.Errorf("level %d does not exist", int(*level))
	}
	if err := b.store.writePin(ctx, pin{Level: level, By: cut(by), At: time.Now().UTC()}); err != nil {
		return err
	}
	return b.Refresh(ctx)
}

// ReportCommit notes how long a commit to the ledger took. It returns at once: Run passes the
// slowest of each 500 ms on to the leader, wherever that is.
func (b *Board) ReportCommit(latency time.Duration) { b.commits.add(latency) }

func (b *Board) flushCommits(ctx context.Context) {
	slowest, due := b.commits.take()
	if !due {
		return
	}
	if err := b.store.writeCommit(ctx, b.nodeID, slowest); err != nil {
		b.log.DebugContext(ctx, "commit latency not reported", "error", err)
	}
}

// Run keeps the view fresh until ctx ends, and then returns nil.
func (b *Board) Run(ctx context.Context) error {
	failing := false
	every(ctx, readEvery, func() {
		err := b.Refresh(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			b.log.WarnContext(ctx, "degradation level cannot be read", "error", err)
		}
		failing = err != nil
		b.flushCommits(ctx)
	})
	return nil
}

// every calls do at once and then each period until ctx ends; a call that takes longer delays the
// next one.
func every(ctx context.Context, period time.Duration, do func()) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for ctx.Err() == nil {
		do()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

func cut(s string) string {
	if len(s) > maxTextBytes {
		return s[:maxTextBytes]
	}
	return s
}
