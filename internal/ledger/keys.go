package ledger

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/penstock/penstock/internal/problem"
)

// Key is an API key; the ledger knows its hash only.
type Key struct {
	ID              string
	Name            string
	Role            string
	Channels        []string // that a shop's key may sell from; their names have no commas
	Hash            string
	CreatedAtMillis int64
}

const keyColumns = `id, name, role, channels, hash, created_ms`

func scanKey(rows *sql.Rows) (Key, error) {
	var k Key
	var channels string
	err := rows.Scan(&k.ID, &k.Name, &k.Role, &channels, &k.Hash, &k.CreatedAtMillis)
	if channels != "" {
		k.Channels = strings.Split(channels, ",")
	}
	return k, err
}

// AddKey writes a new key. Code: conflict for an id or hash that exists.
func (l *Ledger) AddKey(ctx context.Context, k Key) error {
	_, err := l.exec(ctx, `INSERT INTO api_keys (`+keyColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
		k.ID, k.Name, k.Role, strings.Join(k.Channels, ","), k.Hash, k.CreatedAtMillis)
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
