package ledger

import (
	"context"
	"database/sql"
)

// maxShadowRuns bounds the runs of processes that a report reads.
const maxShadowRuns = 10_000

// ShadowRun is what one run of a process has counted of a sale in shadow mode.
type ShadowRun struct {
	Sale, Run  string
	Counts     []byte // JSON
	SeenMillis int64  // when it was written
	// Ended says that the run was over, or waited for nothing, when it wrote this.
	Ended bool
}

// SaveShadowRun writes the counts of a run over those that it wrote before.
func (l *Ledger) SaveShadowRun(ctx context.Context, r ShadowRun) error {
	ended := 0
	if r.Ended {
		ended = 1
	}
	_, err := l.exec(ctx, `INSERT INTO shadow_runs (sale, run, counts, seen_ms, ended) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (sale, run) DO UPDATE SET counts = excluded.counts, seen_ms = excluded.seen_ms, ended = excluded.ended`,
		r.Sale, r.Run, string(r.Counts), r.SeenMillis, ended)
	return err
}

// ShadowRuns reads what all runs have counted of a sale, those that ended last included.
func (l *Ledger) ShadowRuns(ctx context.Context, saleID string) ([]ShadowRun, error) {
	return collect(ctx, l.read, queryTimeout, func(rows *sql.Rows) (ShadowRun, error) {
		var r ShadowRun
		var counts string
		var ended int
		err := rows.Scan(&r.Sale, &r.Run, &counts, &r.SeenMillis, &ended)
		r.Counts, r.Ended = []byte(counts), ended == 1
		return r, err
	}, `SELECT sale, run, counts, seen_ms, ended FROM shadow_runs WHERE sale = $1 ORDER BY seen_ms DESC LIMIT $2`, saleID, maxShadowRuns)
}
