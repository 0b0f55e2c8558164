package leader

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/redis"
)

//go:embed scripts/term_hold.lua
var termHoldBody string

//go:embed scripts/term_release.lua
var termReleaseBody string

var (
	termHoldScript    = redis.NewScript("term_hold", termHoldBody)
	termReleaseScript = redis.NewScript("term_release", termReleaseBody)
)

// Lease is the right to lead, for a bounded time, kept in Redis. The owner must be unique to the process.
type Lease struct {
	client rueidis.Client
	owner  string
	ttl    time.Duration
}

// NewLease names a candidate.
func NewLease(client rueidis.Client, owner string, ttl time.Duration) *Lease {
	return &Lease{client: client, owner: owner, ttl: ttl}
}

var leaseKeys = []string{redis.Key("@leader", "lease"), redis.Key("@leader", "last")}

// hold begins a term or prolongs the one that this candidate has. A new term has a number above
// floor. It returns 0 when somebody else leads.
func (l *Lease) hold(ctx context.Context, floor int64) (int64, error) {
	args := []string{l.owner, strconv.FormatInt(l.ttl.Milliseconds(), 10), strconv.FormatInt(floor, 10)}
	term, err := termHoldScript.Exec(ctx, l.client, leaseKeys, args).AsInt64()
	if err != nil {
		return 0, fmt.Errorf("hold the lease of the leader: %w", err)
	}
	return term, nil
}

// release gives the lease up, so that the next leader need not wait for it to lapse.
func (l *Lease) release(ctx context.Context, term int64) error {
	args := []string{l.owner, strconv.FormatInt(term, 10)}
	return termReleaseScript.Exec(ctx, l.client, leaseKeys[:1], args).Error()
}
