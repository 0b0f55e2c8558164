package ledger

import (
	"context"
	"database/sql"
)

// FairnessReport is the report on an ended sale.
type FairnessReport struct {
	Sale string
	// CreatedMillis and EndsMillis are those of the sale that it is about. A sale that went on, and another one of the
	// same id, get another report.
	CreatedMillis, EndsMillis int64
	MadeMillis                int64
	// Body is the JSON that is published, byte for byte.
	Body string
}

// SaveFairness keeps a report, unless there is one on the same end of the same sale: what was published stays. Stored
// tells whether it was kept.
func (l *Ledger) SaveFairness(ctx context.Context, r *FairnessReport) (stored bool, err error) {
	err = l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `INSERT INTO fairness_reports (sale, created_ms, ends_ms, made_ms, body) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (sale) DO UPDATE SET created_ms = excluded.created_ms, ends_ms = excluded.ends_ms, made_ms = excluded.made_ms, body = excluded.body
			WHERE fairness_reports.created_ms <> excluded.created_ms OR fairness_reports.ends_ms <> excluded.ends_ms`,
			r.Sale, r.CreatedMillis, r.EndsMillis, r.MadeMillis, r.Body)
		if err != nil {
			return err
		}
		changed, err := result.RowsAffected()
		stored = changed > 0
		return err
	})
	return stored, err
}

// Fairness reads the report on a sale; false means that there is none.
func (l *Ledger) Fairness(ctx context.Context, saleID string) (FairnessReport, bool, error) {
	return l.fairness(ctx, saleID, `body`)
}

// FairnessHead is Fairness without the body.
func (l *Ledger) FairnessHead(ctx context.Context, saleID string) (FairnessReport, bool, error) {
	return l.fairness(ctx, saleID, `''`)
}

func (l *Ledger) fairness(ctx context.Context, saleID, body string) (FairnessReport, bool, error) {
	reports, err := collect(ctx, l.read, queryTimeout, func(rows *sql.Rows) (r FairnessReport, err error) {
		err = rows.Scan(&r.Sale, &r.CreatedMillis, &r.EndsMillis, &r.MadeMillis, &r.Body)
		return r, err
	}, `SELECT sale, created_ms, ends_ms, made_ms, `+body+` FROM fairness_reports WHERE sale = $1`, saleID)
	if err != nil || len(reports) == 0 {
		return FairnessReport{}, false, err
	}
	return reports[0], true, nil
}
