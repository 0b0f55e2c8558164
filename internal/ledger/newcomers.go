package ledger

import (
	"cmp"
	"context"
	"database/sql"
	"slices"

	"github.com/penstock/penstock/internal/bots"
)

// AddNewcomers adds to the counts of newcomers.
func (l *Ledger) AddNewcomers(ctx context.Context, counts []bots.Count) error {
	// In one order, so that two nodes never wait for each other.
	counts = slices.SortedFunc(slices.Values(counts), func(a, b bots.Count) int {
		return cmp.Or(cmp.Compare(a.Sale, b.Sale), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Outcome, b.Outcome))
	})
	return l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) error {
		for _, one := range counts {
			if _, err := tx.ExecContext(ctx, `INSERT INTO newcomer_counts (sale, rule, outcome, n) VALUES ($1, $2, $3, $4)
				ON CONFLICT (sale, rule, outcome) DO UPDATE SET n = newcomer_counts.n + excluded.n`,
				one.Sale, string(one.Rule), string(one.Outcome), one.N); err != nil {
				return err
			}
		}
		return nil
	})
}

// Newcomers reads the counts of a sale, by rule and outcome.
func (l *Ledger) Newcomers(ctx context.Context, saleID string) ([]bots.Count, error) {
	return collect(ctx, l.read, queryTimeout, func(rows *sql.Rows) (bots.Count, error) {
		c := bots.Count{Sale: saleID}
		err := rows.Scan(&c.Rule, &c.Outcome, &c.N)
		return c, err
	}, `SELECT rule, outcome, n FROM newcomer_counts WHERE sale = $1 ORDER BY rule, outcome`, saleID)
}
