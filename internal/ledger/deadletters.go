package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

const maxReasonBytes = 2000

// DeadLetter is a record of the order log that the ledger could not take.
type DeadLetter struct {
	ID               string
	Raw              []byte // the record as it came
	Reason           string
	Times            int64 // how often it failed, redrives included
	CreatedAtMillis  int64
	ResolvedAtMillis int64 // 0 while it waits for a person
}

// letterID makes the same record the same dead letter.
func letterID(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "dl_" + hex.EncodeToString(sum[:16])
}

// printable makes any text one that both databases store, of bounded length.
func printable(text string, most int) string {
	text = strings.ReplaceAll(text, "\x00", "")
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

const deadLetterColumns = `id, raw, reason, times, created_ms, coalesce(resolved_ms, 0)`

func scanDeadLetter(rows *sql.Rows) (DeadLetter, error) {
	var d DeadLetter
	err := rows.Scan(&d.ID, &d.Raw, &d.Reason, &d.Times, &d.CreatedAtMillis, &d.ResolvedAtMillis)
	return d, err
}

// DeadLetters reads up to limit (1 to 1000) open dead letters, the oldest
// first, from after cursor; see Orders. Code: bad_request.
func (l *Ledger) DeadLetters(ctx context.Context, cursor string, limit int) ([]DeadLetter, string, error) {
	after, err := parseCursor(cursor, beforeAll)
	if err != nil {
		return nil, "", err
	}
	rows, err := collect(ctx, l.read, queryTimeout, scanDeadLetter, `SELECT `+deadLetterColumns+` FROM dead_letters
		WHERE resolved_ms IS NULL AND (created_ms, id) > ($1, $2) ORDER BY created_ms, id LIMIT $3`,
		after.millis, after.id, bounded(limit))
	if err != nil || len(rows) == 0 {
		return nil, "", err
	}
	last := rows[len(rows)-1]
	return rows, nextCursor(len(rows), limit, position{last.CreatedAtMillis, last.ID}), nil
}

// DeadLetter reads one dead letter, open or resolved. Code: not_found.
func (l *Ledger) DeadLetter(ctx context.Context, id string) (DeadLetter, error) {
	rows, err := collect(ctx, l.read, queryTimeout, scanDeadLetter, `SELECT `+deadLetterColumns+` FROM dead_letters WHERE id = $1`, id)
	return one(rows, err, problem.With(problem.NotFound, "there is no such dead letter"))
}

// ResolveDeadLetter closes a dead letter: its order is in the ledger, or it was settled by hand.
// Once is enough; again changes nothing. Code: not_found.
func (l *Ledger) ResolveDeadLetter(ctx context.Context, id string) error {
	changed, err := l.exec(ctx, `UPDATE dead_letters SET resolved_ms = coalesce(resolved_ms, $1) WHERE id = $2`, time.Now().UnixMilli(), id)
	if err == nil && changed == 0 {
		return problem.With(problem.NotFound, "there is no such dead letter")
	}
	return err
}
