package ledger

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// keyUseEvery is how exactly the ledger knows when a key was last used. A busy key costs one small write in
// this time for each node.
const keyUseEvery = time.Minute

// Key is an API key; the ledger knows its hash only.
type Key struct {
	ID              string
	Name            string
	Role            string
	Channels        []string // that a shop's key may sell from; their names have no commas
	Sales           []string // that a shop's key may act on, by id; none means all
	Hash            string
	CreatedAtMillis int64
	CreatedBy       string // who made it, as the audit trail names people; "" when that is not known
	UsedAtMillis    int64  // to about keyUseEvery; 0 when it was never used or that is not known
}

const keyColumns = `id, name, role, channels, sales, hash, created_ms, created_by, used_ms`

func scanKey(rows *sql.Rows) (Key, error) {
	var k Key
	var channels, sales string
	err := rows.Scan(&k.ID, &k.Name, &k.Role, &channels, &sales, &k.Hash, &k.CreatedAtMillis, &k.CreatedBy, &k.UsedAtMillis)
	k.Channels, k.Sales = namesIn(channels), namesIn(sales)
	return k, err
}

// namesIn reads names that are separated by commas.
func namesIn(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// AddKey writes a new key. Code: conflict for an id or hash that exists.
func (l *Ledger) AddKey(ctx context.Context, k Key) error {
	_, err := l.exec(ctx, `INSERT INTO api_keys (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		k.ID, k.Name, k.Role, strings.Join(k.Channels, ","), strings.Join(k.Sales, ","), k.Hash, k.CreatedAtMillis, k.CreatedBy, k.UsedAtMillis)
	if errors.Is(err, ErrConstraint) {
		return problem.With(problem.Conflict, "the key exists")
	}
	return err
}

// KeyByHash finds a key by the hash of its text; false means there is none.
func (l *Ledger) KeyByHash(ctx context.Context, hash string) (Key, bool, error) {
	keys, err := collect(ctx, l.read, queryTimeout, scanKey, `SELECT `+keyColumns+` FROM api_keys WHERE hash = $1`, hash)
	if err != nil || len(keys) == 0 {
		return Key{}, false, err
	}
	return keys[0], true, nil
}

// NoteKeyUse writes down that a key is being used, if that is not known for the last minute.
func (l *Ledger) NoteKeyUse(ctx context.Context, k Key, now time.Time) error {
	before := now.Add(-keyUseEvery).UnixMilli()
	if k.UsedAtMillis > before {
		return nil
	}
	_, err := l.exec(ctx, `UPDATE api_keys SET used_ms = $1 WHERE id = $2 AND used_ms <= $3`, now.UnixMilli(), k.ID, before)
	return err
}

// Keys reads all keys, the oldest first.
func (l *Ledger) Keys(ctx context.Context) ([]Key, error) {
	return collect(ctx, l.read, queryTimeout, scanKey, `SELECT `+keyColumns+` FROM api_keys ORDER BY created_ms, id`)
}

// DeleteKey removes a key. Code: not_found.
func (l *Ledger) DeleteKey(ctx context.Context, id string) error {
	changed, err := l.exec(ctx, `DELETE FROM api_keys WHERE id = $1`, id)
	if err == nil && changed == 0 {
		return problem.With(problem.NotFound, "there is no such key")
	}
	return err
}
