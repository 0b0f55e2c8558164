package ledger

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
)

// Entry is one line of the audit trail.
type Entry struct {
	ID       string // given by AppendAudit
	AtMillis int64
	Actor    string
	Role     string
	Action   string
	Sale     string          // "" when the act is about no sale
	Detail   json.RawMessage // may be empty
	IP       string
}

// AppendAudit writes one line. Lines are never changed.
func (l *Ledger) AppendAudit(ctx context.Context, e Entry) error {
	_, err := l.exec(ctx, `INSERT INTO audit (id, at_ms, actor, role, action, sale, detail, ip) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		"aud_"+rand.Text(), e.AtMillis, e.Actor, e.Role, e.Action, e.Sale, string(e.Detail), e.IP)
	return err
}

// Audit reads up to limit (1 to 1000) lines, the newest first, of a sale, or of
// everything for "", from after cursor; see Orders. It may be read from the
// replica. Code: bad_request.
func (l *Ledger) Audit(ctx context.Context, saleID, cursor string, limit int) ([]Entry, string, error) {
	before, err := parseCursor(cursor, afterAll)
	if err != nil {
		return nil, "", err
	}
	query := `SELECT id, at_ms, actor, role, action, sale, detail, ip FROM audit
		WHERE (at_ms, id) < ($1, $2) ORDER BY at_ms DESC, id DESC LIMIT $3`
	args := []any{before.millis, before.id, bounded(limit)}
	if saleID != "" {
		query = `SELECT id, at_ms, actor, role, action, sale, detail, ip FROM audit
			WHERE (at_ms, id) < ($1, $2) AND sale = $4 ORDER BY at_ms DESC, id DESC LIMIT $3`
		args = append(args, saleID)
	}
	rows, err := readOld(ctx, l, func(ctx context.Context, db *sql.DB) ([]Entry, error) {
		return collect(ctx, db, queryTimeout, scanEntry, query, args...)
	})
	if err != nil || len(rows) == 0 {
		return nil, "", err
	}
	last := rows[len(rows)-1]
	return rows, nextCursor(len(rows), limit, position{last.AtMillis, last.ID}), nil
}

func scanEntry(rows *sql.Rows) (Entry, error) {
	var e Entry
	var detail string
	err := rows.Scan(&e.ID, &e.AtMillis, &e.Actor, &e.Role, &e.Action, &e.Sale, &detail, &e.IP)
	e.Detail = document(detail)
	return e, err
}
