package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/problem"
)

// MaxShadowCalls bounds the calls of a sale that are kept. Later ones are refused with ErrShadowFull.
const MaxShadowCalls = 1_000_000

// ErrShadowFull says that a sale has as many mirrored calls as are kept.
var ErrShadowFull = errors.New("the ledger keeps no more mirrored calls of the sale")

// ShadowOutcome is what the shop made of a call.
type ShadowOutcome string

// The outcomes.
const (
	ShadowAccepted  ShadowOutcome = "accepted"  // the shop sold
	ShadowRefused   ShadowOutcome = "refused"   // the shop did not sell
	ShadowCancelled ShadowOutcome = "cancelled" // the shop took a sale back, and its units
)

// ShadowUnclear is the code of a refused call for which units were free at first and not a moment later.
const ShadowUnclear problem.Code = "unclear"

// ShadowCall is a call of the shop with what Penstock would have decided.
type ShadowCall struct {
	Sale string
	// Key names the call: the same one again is stored once. Payload tells whether it is the same.
	Key, Payload string
	AtMillis     int64
	Outcome      ShadowOutcome
	// Code is why Penstock would have refused; "" when it would have sold.
	Code      problem.Code
	Reference string           // the shop's
	Units     map[string]int64 // by SKU
}

// Differs reports that the shop and Penstock did not agree.
func (c *ShadowCall) Differs() bool {
	return c.Outcome == ShadowAccepted && c.Code != "" || c.Outcome == ShadowRefused && c.Code == ""
}

const shadowColumns = `sale, call, payload, at_ms, outcome, code, reference, units`

func scanShadowCall(row interface{ Scan(dest ...any) error }) (c ShadowCall, err error) {
	var units string
	if err := row.Scan(&c.Sale, &c.Key, &c.Payload, &c.AtMillis, &c.Outcome, &c.Code, &c.Reference, &units); err != nil {
		return ShadowCall{}, err
	}
	c.Units, err = unpackUnits(units)
	return c, err
}

// ShadowCall finds a call by its key; false means that it was not recorded.
func (l *Ledger) ShadowCall(ctx context.Context, saleID, key string) (ShadowCall, bool, error) {
	calls, err := collect(ctx, l.read, queryTimeout, func(rows *sql.Rows) (ShadowCall, error) { return scanShadowCall(rows) },
		`SELECT `+shadowColumns+` FROM shadow_calls WHERE sale = $1 AND call = $2`, saleID, key)
	if err != nil || len(calls) == 0 {
		return ShadowCall{}, false, err
	}
	return calls[0], true, nil
}

// RecordShadow writes calls that were decided, and counts each once however often it comes. The error is
// ErrShadowFull when one of the sales is full: then none is written.
func (l *Ledger) RecordShadow(ctx context.Context, calls []ShadowCall) error {
	return l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) error {
		counts := shadowCounts{}
		for i := range calls {
			inserted, err := insertShadow(ctx, tx, &calls[i])
			if err != nil {
				return err
			}
			if inserted {
				counts.add(&calls[i], calls[i].Outcome)
			}
		}
		return counts.write(ctx, tx)
	})
}

func insertShadow(ctx context.Context, tx *sql.Tx, c *ShadowCall) (bool, error) {
	differs := 0
	if c.Differs() {
		differs = 1
	}
	result, err := tx.ExecContext(ctx, `INSERT INTO shadow_calls (`+shadowColumns+`, differs)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		c.Sale, c.Key, c.Payload, c.AtMillis, string(c.Outcome), string(c.Code), c.Reference, packUnits(c.Units), differs)
	if err != nil {
		return false, err
	}
	changed, err := result.RowsAffected()
	return changed == 1, err
}

// CancelShadow takes back the latest accepted call of a reference that was not taken back yet. The units of a
// call that Penstock would have sold are allocated once more, as an operator would do with returned goods: the
// order stays what it was. Version is that of the sale with the units, 0 when none were allocated. The same call
// again changes nothing.
// Codes: unknown_reference, and conflict while another change of the stock is under way.
func (l *Ledger) CancelShadow(ctx context.Context, c ShadowCall) (version int64, err error) {
	err = l.inTx(ctx, queryTimeout, func(ctx context.Context, tx *sql.Tx) error {
		// The row of the sale is what two changes of its stock wait for; so do two cancellations.
		if _, err := tx.ExecContext(ctx, `UPDATE sales SET version = version WHERE id = $1`, c.Sale); err != nil {
			return err
		}
		sold, err := scanShadowCall(tx.QueryRowContext(ctx, `SELECT `+shadowColumns+` FROM shadow_calls
			WHERE sale = $1 AND reference = $2 AND reference <> '' AND outcome = 'accepted' AND cancelled = 0
			ORDER BY at_ms DESC, call LIMIT 1`, c.Sale, c.Reference))
		if errors.Is(err, sql.ErrNoRows) {
			return problem.With(problem.UnknownReference, "no accepted call with this reference is left to cancel")
		}
		if err != nil {
			return err
		}
		c.Outcome, c.Code, c.Units = ShadowCancelled, sold.Code, sold.Units
		inserted, err := insertShadow(ctx, tx, &c)
		if err != nil || !inserted {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE shadow_calls SET cancelled = 1 WHERE sale = $1 AND call = $2`, c.Sale, sold.Key); err != nil {
			return err
		}
		counts := shadowCounts{}
		counts.add(&c, ShadowCancelled)
		if err := counts.write(ctx, tx); err != nil || sold.Code != "" {
			return err
		}
		version, err = reallocate(ctx, tx, c.Sale, c.Units)
		return err
	})
	return version, err
}

// reallocate puts units on sale once more, and returns the sale's version with them, 0 without units.
func reallocate(ctx context.Context, tx *sql.Tx, saleID string, units map[string]int64) (version int64, err error) {
	if len(units) == 0 {
		return 0, nil
	}
	of := &saleChange{tx: tx}
	if err := of.lock(ctx, saleID); err != nil {
		return 0, err
	}
	for _, sku := range slices.Sorted(maps.Keys(units)) {
		item, err := of.item(ctx, sku)
		if err != nil {
			return 0, err
		}
		to, err := item.target(&StockChange{SKU: sku, By: units[sku]})
		if err != nil {
			return 0, err
		}
		if err := item.allocate(ctx, to); err != nil {
			return 0, err
		}
	}
	return of.rec.Version, nil
}

// shadowCounts are added up over a transaction and written in one order, so that two do not wait for each other.
type shadowCounts map[shadowCount]int64

type shadowCount struct{ sale, outcome, code, sku string }

func (s shadowCounts) add(c *ShadowCall, outcome ShadowOutcome) {
	key := shadowCount{sale: c.Sale, outcome: string(outcome), code: string(c.Code)}
	s[key]++
	for sku, n := range c.Units {
		key.sku = sku
		s[key] += n
	}
}

func (s shadowCounts) write(ctx context.Context, tx *sql.Tx) error {
	keys := slices.SortedFunc(maps.Keys(s), func(a, b shadowCount) int {
		return strings.Compare(a.sale+" "+a.outcome+" "+a.code+" "+a.sku, b.sale+" "+b.outcome+" "+b.code+" "+b.sku)
	})
	checked := ""
	for _, key := range keys {
		if _, err := tx.ExecContext(ctx, `INSERT INTO shadow_counts (sale, outcome, code, sku, n) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (sale, outcome, code, sku) DO UPDATE SET n = shadow_counts.n + excluded.n`,
			key.sale, key.outcome, key.code, key.sku, s[key]); err != nil {
			return err
		}
		if key.sale == checked {
			continue
		}
		checked = key.sale
		var kept int64
		if err := tx.QueryRowContext(ctx, `SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM shadow_counts WHERE sale = $1 AND sku = ''`, key.sale).Scan(&kept); err != nil {
			return err
		}
		if kept > MaxShadowCalls {
			return ErrShadowFull
		}
	}
	return nil
}

// ShadowCount is how many calls (SKU "") or units had an outcome and a code.
type ShadowCount struct {
	Outcome ShadowOutcome
	Code    problem.Code
	SKU     string
	N       int64
}

// ShadowCounts reads what the calls of a sale add up to.
func (l *Ledger) ShadowCounts(ctx context.Context, saleID string) ([]ShadowCount, error) {
	return collect(ctx, l.read, queryTimeout, func(rows *sql.Rows) (c ShadowCount, err error) {
		err = rows.Scan(&c.Outcome, &c.Code, &c.SKU, &c.N)
		return c, err
	}, `SELECT outcome, code, sku, n FROM shadow_counts WHERE sale = $1 ORDER BY outcome, code, sku`, saleID)
}

// ShadowDifferences reads the first calls of a sale about which the shop and Penstock differ, up to limit
// (1 to 1000).
func (l *Ledger) ShadowDifferences(ctx context.Context, saleID string, limit int) ([]ShadowCall, error) {
	return collect(ctx, l.read, queryTimeout, func(rows *sql.Rows) (ShadowCall, error) { return scanShadowCall(rows) },
		`SELECT `+shadowColumns+` FROM shadow_calls WHERE sale = $1 AND differs = 1 ORDER BY at_ms, call LIMIT $2`, saleID, bounded(limit))
}

func packUnits(units map[string]int64) string {
	parts := make([]string, 0, len(units))
	for _, sku := range slices.Sorted(maps.Keys(units)) {
		parts = append(parts, sku+"="+strconv.FormatInt(units[sku], 10))
	}
	return strings.Join(parts, ",")
}

func unpackUnits(packed string) (map[string]int64, error) {
	units := map[string]int64{}
	for part := range strings.SplitSeq(packed, ",") {
		if part == "" {
			continue
		}
		sku, text, _ := strings.Cut(part, "=")
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the units of a mirrored call cannot be read: %w", err)
		}
		units[sku] = n
	}
	return units, nil
}
