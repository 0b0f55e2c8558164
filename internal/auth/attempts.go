package auth

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/penstock/penstock/internal/address"
)

// The allowance of failed authentications. One address gets failBurst at once and then one every
// failEvery; all together get the same ten times over.
const (
	failEvery    = 12 * time.Second
	failBurst    = 5
	failEveryAll = failEvery / 10
	failBurstAll = failBurst * 10
	maxAddresses = 10_000
)

// Attempts limits failed authentications for each site (see address.Site) and over all. A successful one
// costs nothing. All addresses that cannot be read count as one.
type Attempts struct {
	mu        sync.Mutex
	all       *rate.Limiter // nil: no limit over all
	byAddress map[netip.Prefix]*rate.Limiter
}

// NewAttempts returns a full allowance.
func NewAttempts() *Attempts {
	a := NewAttemptsByAddress()
	a.all = rate.NewLimiter(rate.Every(failEveryAll), failBurstAll)
	return a
}

// NewAttemptsByAddress returns a full allowance without a limit over all. It is for a way in where every key
// has 256 random bits: there is nothing to guess, and whoever fails from many addresses must not lock others
// out.
func NewAttemptsByAddress() *Attempts {
	return &Attempts{byAddress: make(map[netip.Prefix]*rate.Limiter)}
}

// Wait is how long the address has to wait before it may try; 0 when it may now.
func (a *Attempts) Wait(from netip.Addr, now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	wait := untilToken(a.all, now)
	if limiter, known := a.byAddress[address.Site(from)]; known {
		wait = max(wait, untilToken(limiter, now))
	}
	return wait
}

func untilToken(limiter *rate.Limiter, now time.Time) time.Duration {
	if limiter == nil {
		return 0
	}
	missing := 1 - limiter.TokensAt(now)
	return max(0, time.Duration(missing/float64(limiter.Limit())*float64(time.Second)))
}

// Failed counts a failure.
func (a *Attempts) Failed(from netip.Addr, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all != nil {
		a.all.AllowN(now, 1)
	}
	key := address.Site(from)
	limiter, known := a.byAddress[key]
	if !known {
		if len(a.byAddress) >= maxAddresses && !a.makeRoom(now) {
			return // ten thousand addresses have failed within a minute; those that are known stay limited
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
