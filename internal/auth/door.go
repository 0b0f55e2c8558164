package auth

import (
	"context"
	"errors"
	"math"
	"net/netip"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// Door recognises API keys at one way in, and limits the guesses at them. It is safe for concurrent use.
//
// Keys that nobody can guess are not held up by the failures of others: those that the ledger vouched for
// within the last 15 minutes, and a bootstrap key of [StrongKeyLength] or more.
type Door struct {
	keys     *Keys
	attempts *Attempts
}

// NewDoor returns a door with an allowance of its own.
func NewDoor(keys *Keys, attempts *Attempts) *Door { return &Door{keys: keys, attempts: attempts} }

// Authenticate returns the holder of a key (without the word "Bearer") that came from an address. It fails as
// [Keys.Authenticate] does, and with rate_limited after too many failures from there. No key is no guess.
func (d *Door) Authenticate(ctx context.Context, key string, from netip.Addr, now time.Time) (identity Identity, err error) {
	if key == "" {
		return Identity{}, problem.Unauthorized
	}
	err = d.Try(key, from, now, func() (err error) {
		identity, err = d.keys.Authenticate(ctx, key)
		return err
	})
	return identity, err
}

// Try checks a key if the address may try one, and counts a failure: unauthorized or forbidden. That the ledger
// cannot be asked is none. Code of its own: rate_limited.
func (d *Door) Try(key string, from netip.Addr, now time.Time, check func() error) error {
	if !d.keys.vouched(key, now) {
		if wait := d.attempts.Wait(from, now); wait > 0 {
			return problem.Retry(problem.RateLimited, "too many failed attempts; wait before the next one", int(math.Ceil(wait.Seconds())))
		}
	}
	err := check()
	if errors.Is(err, problem.Unauthorized) || errors.Is(err, problem.Forbidden) {
		d.attempts.Failed(from, now)
	}
	return err
}
