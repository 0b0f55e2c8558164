package ledger

import (
	"context"
	"strconv"
)

// Inspection is what can be read of the database, for a check before a sale.
type Inspection struct {
	Engine  string // "postgres" or "sqlite"
	Version string
	// The settings of durability, in Postgres' words. SQLite's are translated: it syncs each commit
	// or it does not.
	Fsync             string
	SynchronousCommit string
	FullPageWrites    string
	// Pooled: something such as PgBouncer is between this node and Postgres.
	Pooled  bool
	Replica *ReplicaInspection // nil without a read URL
}

// ReplicaInspection is what the last look at the replica has shown, a second ago at the most.
type ReplicaInspection struct {
	Problem      string // why it cannot be read; "" when it can
	IsReplica    bool   // false: the read URL names a primary
	LagKnown     bool
	LagMillis    int64 // how old what it shows may be
	MaxLagMillis int64 // beyond which it is not used
}

// Inspect reads the database's settings. A replica that does not answer is no error.
func (l *Ledger) Inspect(ctx context.Context) (Inspection, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	if !l.postgres {
		return l.inspectSQLite(ctx)
	}
	i := Inspection{Engine: "postgres", Pooled: l.pooled}
	err := l.read.QueryRowContext(ctx, `SELECT current_setting('server_version'), current_setting('fsync'),
		current_setting('synchronous_commit'), current_setting('full_page_writes')`).
		Scan(&i.Version, &i.Fsync, &i.SynchronousCommit, &i.FullPageWrites)
	if err != nil {
		return i, classify(ctx, err)
	}
	if l.replica != nil {
		seen := l.replica.inspection()
		i.Replica = &seen
	}
	return i, nil
}

func (l *Ledger) inspectSQLite(ctx context.Context) (Inspection, error) {
	i := Inspection{Engine: "sqlite", FullPageWrites: "on"} // the write-ahead log holds whole pages
	var synchronous string
	if err := l.write.QueryRowContext(ctx, `SELECT sqlite_version()`).Scan(&i.Version); err != nil {
		return i, classify(ctx, err)
	}
	if err := l.write.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&synchronous); err != nil {
		return i, classify(ctx, err)
	}
	i.Fsync, i.SynchronousCommit = "off", "off"
	if level, err := strconv.Atoi(synchronous); err == nil && level >= 1 {
		i.Fsync = "on"
		if level >= 2 { // FULL: the log is synced at each commit
			i.SynchronousCommit = "on"
		}
	}
	return i, nil
}
