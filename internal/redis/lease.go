package redis

import (
	"context"
	_ "embed"
	"strconv"
	"time"

	"github.com/redis/rueidis"
)

//go:embed scripts/lease_hold.lua
var leaseHoldBody string

//go:embed scripts/lease_release.lua
var leaseReleaseBody string

// Lease makes one node the leader of a task for a bounded time. It keeps two leaders apart well
// enough to save work; what must never happen twice is decided inside scripts, not by a lease.
type Lease struct {
	client  rueidis.Client
	key     string
	owner   string
	ttl     time.Duration
	hold    *Script
	release *Script
}

// NewLease names a lease. The owner must be unique to the node.
func NewLease(client rueidis.Client, key, owner string, ttl time.Duration) *Lease {
	return &Lease{
		client: client, key: key, owner: owner, ttl: ttl,
		hold:    NewScript("lease_hold", leaseHoldBody),
		release: NewScript("lease_release", leaseReleaseBody),
	}
}

// Hold takes the lease, or renews it when the node has it. It reports whether the node leads.
func (l *Lease) Hold(ctx context.Context) (bool, error) {
	ttlMillis := strconv.FormatInt(l.ttl.Milliseconds(), 10)
	return l.hold.Exec(ctx, l.client, []string{l.key}, []string{l.owner, ttlMillis}).AsBool()
}

// Release gives the lease up, so that the next leader need not wait for it to lapse.
func (l *Lease) Release(ctx context.Context) error {
	return l.release.Exec(ctx, l.client, []string{l.key}, []string{l.owner}).Error()
}
