package ledger

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// CreateSale writes a new sale and its items. A version of 0 becomes 1. An epoch of 0 says that the
// sale was never armed.
// Code: sale_exists.
func (l *Ledger) CreateSale(ctx context.Context, rec sale.Record) error {
	rec.Version = max(rec.Version, 1)
	return l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `INSERT INTO sales (id, doc, version, epoch, created_ms, updated_ms)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`,
			rec.ID, string(sale.EncodeRecord(rec)), rec.Version, rec.Epoch, rec.CreatedAt.UnixMilli(), rec.UpdatedAt.UnixMilli())
		if err != nil {
			return err
		}
		if changed, err := result.RowsAffected(); err != nil || changed == 0 {
			return errors.Join(err, problem.SaleExists)
		}
		return syncItems(ctx, tx, rec.Sale)
	})
}

// SaveSale replaces a sale's document and control, and brings its items to the
// document's stock, all at once, if the ledger still holds expectVersion. It
// returns the new version. The epoch stays what it is. An item that sold
// something cannot leave, nor be allocated less than it sold.
// Codes: unknown_sale, conflict (also for an item whose stock is being changed), stock_conflict.
func (l *Ledger) SaveSale(ctx context.Context, rec sale.Record, expectVersion int64) (int64, error) {
	rec.Version = expectVersion + 1
	err := l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE sales SET doc = $1, version = $2, updated_ms = $3 WHERE id = $4 AND version = $5`,
			string(sale.EncodeRecord(rec)), rec.Version, rec.UpdatedAt.UnixMilli(), rec.ID, expectVersion)
		if err != nil {
			return err
		}
		changed, err := result.RowsAffected()
		if err != nil {
			return err
		}
		if changed == 0 {
			return missedSale(ctx, tx, rec.ID)
		}
		return syncItems(ctx, tx, rec.Sale)
	})
	if err != nil {
		return 0, err
	}
	return rec.Version, nil
}

// missedSale tells why a compare-and-set met no row.
func missedSale(ctx context.Context, tx *sql.Tx, id string) error {
	var version int64
	err := tx.QueryRowContext(ctx, `SELECT version FROM sales WHERE id = $1`, id).Scan(&version)
	if errors.Is(err, sql.ErrNoRows) {
		return problem.UnknownSale
	}
	if err != nil {
		return err
	}
	return problem.With(problem.Conflict, "the sale has changed since it was read; read it again", problem.F("version", version))
}

const saleColumns = `doc, version, epoch, created_ms, updated_ms`

func scanSale(rows *sql.Rows) (sale.Record, error) { return readSale(rows) }

// readSale believes the columns over the document for what the columns count.
func readSale(row interface{ Scan(dest ...any) error }) (sale.Record, error) {
	var doc string
	var version, epoch, created, updated int64
	if err := row.Scan(&doc, &version, &epoch, &created, &updated); err != nil {
		return sale.Record{}, err
	}
	rec, err := sale.DecodeRecord([]byte(doc))
	rec.Version, rec.Epoch = version, epoch
	rec.CreatedAt, rec.UpdatedAt = time.UnixMilli(created).UTC(), time.UnixMilli(updated).UTC()
	return rec, err
}

// Sale reads one sale. Code: unknown_sale.
func (l *Ledger) Sale(ctx context.Context, id string) (sale.Record, error) {
	rows, err := collect(ctx, l.read, queryTimeout, scanSale, `SELECT `+saleColumns+` FROM sales WHERE id = $1`, id)
	return one(rows, err, problem.UnknownSale)
}

// Sales reads all sales, the newest first.
func (l *Ledger) Sales(ctx context.Context) ([]sale.Record, error) {
	return collect(ctx, l.read, queryTimeout, scanSale, `SELECT `+saleColumns+` FROM sales ORDER BY created_ms DESC, id`)
}

// SaleVersions reads the version of each sale, which tells cheaply what changed: the document, the
// operator's hand, the epoch, or a change of the stock that began or ended (see PendingStock).
func (l *Ledger) SaleVersions(ctx context.Context) (map[string]int64, error) {
	return numbers(ctx, l.read, `SELECT id, version FROM sales`)
}

// BumpEpoch raises the sale's epoch and returns the record with the new one. The version stays: nobody
// has changed the sale.
// Code: unknown_sale.
func (l *Ledger) BumpEpoch(ctx context.Context, id string) (sale.Record, error) {
	rows, err := collect(ctx, l.write, queryTimeout, scanSale, `UPDATE sales SET epoch = epoch + 1 WHERE id = $1 RETURNING `+saleColumns, id)
	return one(rows, err, problem.UnknownSale)
}

// DeleteSale removes a sale that sold nothing, with its items.
// Codes: unknown_sale, sale_is_live for one with orders.
func (l *Ledger) DeleteSale(ctx context.Context, id string) error {
	return l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM sales WHERE id = $1`, id)
		if err != nil {
			return err
		}
		if changed, err := result.RowsAffected(); err != nil || changed == 0 {
			return errors.Join(err, problem.UnknownSale)
		}
		// A commit under way holds the rows of its items: this waits for it, and then sees
		// what it sold. A later commit finds no item and is refused.
		if _, err := tx.ExecContext(ctx, `DELETE FROM items WHERE sale = $1 AND sold = 0`, id); err != nil {
			return err
		}
		var left int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM items WHERE sale = $1`, id).Scan(&left); err != nil {
			return err
		}
		if left > 0 {
			return problem.With(problem.SaleIsLive, "a sale with orders is kept with them")
		}
		for _, table := range []string{"shadow_calls", "shadow_counts", "shadow_runs", "invites"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE sale = $1`, id); err != nil {
				return err
			}
		}
		return nil
	})
}
