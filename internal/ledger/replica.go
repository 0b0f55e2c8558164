package ledger

import (
	"context"
	"database/sql"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

const (
	// DefaultMaxLag is how old what people read may be, unless they say otherwise.
	DefaultMaxLag = 5 * time.Second
	// lookEvery is how often a node looks how far the replica is.
	lookEvery = time.Second
	// lookTimeout bounds each of the two questions of a look. A replica that needs longer is not used.
	lookTimeout = time.Second
	// replicaTimeout bounds a read from the replica; after it the primary is asked.
	replicaTimeout = 2 * time.Second
)

// replica is a second Postgres that repeats what the primary has written. It is read from only while it is known
// to show all that the primary had committed a short time ago: see replica.look.
type replica struct {
	db, primary *sql.DB
	maxLag      time.Duration
	log         *slog.Logger

	mu       sync.Mutex
	marks    walMarks
	replayed int64 // how far the replica was at the last look
	seen     ReplicaInspection
	showsAt  time.Time // all that was committed before is there; zero: not known
	said     string    // the source that was logged last

	stop context.CancelFunc
	done chan struct{}
}

// follow begins to look at the replica, first at once and then each second, until close.
func follow(ctx context.Context, db, primary *sql.DB, maxLag time.Duration, log *slog.Logger) *replica {
	if maxLag == 0 {
		maxLag = DefaultMaxLag
	}
	r := &replica{db: db, primary: primary, maxLag: maxLag, log: log, done: make(chan struct{})}
	r.look(ctx)
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	go r.watch(ctx)
	return r
}

func (r *replica) watch(ctx context.Context) {
	defer close(r.done)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.look(ctx)
		}
	}
}

func (r *replica) close() error {
	r.stop()
	<-r.done
	return r.db.Close()
}

// look finds out how old what the replica shows may be. It notes where the primary's log ends (its write-ahead
// log, flushed), then asks the replica how far it has repeated it. The latest note that the replica has reached
// says until when it shows everything. Neither the clocks of the servers matter, nor whether the replica knows that
// it has lost its primary: what it says of its own lag (pg_last_xact_replay_timestamp) is 0 then.
func (r *replica) look(ctx context.Context) {
	at := time.Now()
	end, primaryErr := logPosition(ctx, r.primary, `SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint`)
	var seen ReplicaInspection
	replayed, err := logPosition(ctx, r.db, `SELECT CASE WHEN pg_is_in_recovery() THEN coalesce((pg_last_wal_replay_lsn() - '0/0')::bigint, -1) ELSE -2 END`)
	const isPrimary = -2
	switch {
	case err != nil:
		seen.Problem = err.Error()
	case replayed != isPrimary:
		seen.IsReplica = true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if primaryErr == nil {
		r.marks.add(walMark{at, end})
	}
	// A replica that was beyond the end of the primary's log follows another primary.
	strange := primaryErr == nil && end < r.replayed
	r.replayed, r.showsAt = replayed, time.Time{}
	if mark, found := r.marks.reached(replayed); found && seen.IsReplica && !strange {
		r.showsAt = mark.at
		seen.LagKnown, seen.LagMillis = true, time.Since(mark.at).Milliseconds()
	}
	r.seen = seen
	r.say(ctx)
}

func logPosition(ctx context.Context, db *sql.DB, query string) (position int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	err = db.QueryRowContext(ctx, query).Scan(&position)
	return position, classify(ctx, err)
}

// say logs when the replica begins or ceases to be used.
func (r *replica) say(ctx context.Context) {
	source := fromPrimary
	if r.fresh(time.Now()) {
		source = fromReplica
	}
	if source == r.said || ctx.Err() != nil {
		return
	}
	r.said = source
	r.log.WarnContext(ctx, "lists and reports have another source now", "from", source, "problem", r.seen.Problem, "is_replica", r.seen.IsReplica, "lag_known", r.seen.LagKnown,
		"lag_ms", r.seen.LagMillis, "max_lag_ms", r.maxLag.Milliseconds())
}

// fresh reports whether what the replica shows is recent enough. The caller holds the mutex.
func (r *replica) fresh(now time.Time) bool {
	return !r.showsAt.IsZero() && now.Sub(r.showsAt) <= r.maxLag
}

func (r *replica) usable() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fresh(time.Now())
}

func (r *replica) inspection() ReplicaInspection {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	seen.MaxLagMillis = r.maxLag.Milliseconds()
	return seen
}

// Where lists and reports are read from, in the log and as the label of the metric.
const (
	fromReplica = "replica"
	fromPrimary = "primary"
)

// oldReads counts the reads that may be a little old, by where they were answered.
type oldReads struct{ replica, primary atomic.Int64 }

// readOld does a read that may be as old as the replica's greatest lag: on the replica while that is known to be
// fresh enough, else, or when it fails there, on the primary. Nothing may be decided by it.
func readOld[T any](ctx context.Context, l *Ledger, read func(ctx context.Context, db *sql.DB) (T, error)) (T, error) {
	if l.replica != nil && l.replica.usable() {
		value, err := readWithin(ctx, l.replica.db, read)
		if doc, known := problem.Of(err); err == nil || ctx.Err() != nil || known && doc.Status < 500 {
			l.oldReads.replica.Add(1)
			return value, err
		}
	}
	l.oldReads.primary.Add(1)
	return read(ctx, l.read)
}

func readWithin[T any](ctx context.Context, db *sql.DB, read func(ctx context.Context, db *sql.DB) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, replicaTimeout)
	defer cancel()
	return read(ctx, db)
}
