package auth

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/penstock/penstock/internal/address"
)

// The allowance of failed sign-ins. One address gets failBurst at once and then one every
// failEvery; all together get the same ten times over.
const (
	failEvery    = 12 * time.Second
	failBurst    = 5
	failEveryAll = failEvery / 10
	failBurstAll = failBurst * 10
	maxAddresses = 10_000
)

// Attempts limits failed sign-ins for each site (see address.Site) and over all. A successful one
// costs nothing. All addresses that cannot be read count as one.
type Attempts struct {
	mu        sync.Mutex
	all       *rate.Limiter
	byAddress map[netip.Prefix]*rate.Limiter
}

// NewAttempts returns a full allowance.
func NewAttempts() *Attempts {
	return &Attempts{
		all:       rate.NewLimiter(rate.Every(failEveryAll), failBurstAll),
		byAddress: make(map[netip.Prefix]*rate.Limiter),
	}
}

// Allowed reports whether the address may try. RemoteAddress is a host and port as net/http gives it.
func (a *Attempts) Allowed(remoteAddress string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all.TokensAt(now) < 1 {
		return false
	}
	limiter, known := a.byAddress[address.Site(address.Of(remoteAddress))]
	return !known || limiter.TokensAt(now) >= 1
}

// Failed counts a failure.
func (a *Attempts) Failed(remoteAddress string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all.AllowN(now, 1)
	key := address.Site(address.Of(remoteAddress))
	limiter, known := a.byAddress[key]
	if !known {
		if len(a.byAddress) >= maxAddresses && !a.makeRoom(now) {
			return // the limit over all still holds
		}
		limiter = rate.NewLimiter(rate.Every(failEvery), failBurst)
		a.byAddress[key] = limiter
	}
	limiter.AllowN(now, 1)
}

// makeRoom forgets the addresses whose allowance is full again: that loses nothing.
func (a *Attempts) makeRoom(now time.Time) bool {
	for key, limiter := range a.byAddress {
		if limiter.TokensAt(now) >= failBurst {
			delete(a.byAddress, key)
		}
	}
	return len(a.byAddress) < maxAddresses
}
