package reservation

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// A loop of reserving and releasing keeps units from others and leaves records behind. So each
// release costs its bearer something, and reserving does not: who reserves much and keeps it is not
// slowed.
const (
	releaseBurst = 20              // releases of one bearer at once
	releaseEvery = 2 * time.Second // and then one in this time
	// releaseDebtMost bounds the releases beyond the burst that a bearer has to wait for.
	releaseDebtMost = 150
	// releaseBearersMost bounds the bearers that are remembered, in each of two generations.
	releaseBearersMost = 32768
	// releaseMemory is after how long a bearer owes nothing, whatever it did.
	releaseMemory = (releaseBurst + releaseDebtMost) * releaseEvery
)

// releasePace is a token bucket a bearer, charged by releases. A bucket is the moment at which it is
// full again. Those of the older generation are full when the generation is dropped; only when more
// bearers than are remembered release within that time, some are forgotten early. Times count from
// one fixed moment. The zero value is ready.
type releasePace struct {
	any   atomic.Bool // a bearer was charged
	mu    sync.Mutex
	young map[string]time.Duration
	old   map[string]time.Duration
	since time.Duration // when young was begun
}

// charge takes a token from a bearer that has released a reservation.
func (p *releasePace) charge(bearer string, now time.Duration) {
	if bearer == nothing {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.young == nil || len(p.young) >= releaseBearersMost || now-p.since > releaseMemory {
		p.old, p.young, p.since = p.young, make(map[string]time.Duration), now
	}
	full := max(now, p.fullAt(bearer)) + releaseEvery
	p.young[bearer] = min(full, now+releaseMemory)
	p.any.Store(true)
}

func (p *releasePace) fullAt(bearer string) time.Duration {
	if full, ok := p.young[bearer]; ok {
		return full
	}
	return p.old[bearer]
}

// wait is how long a bearer has to wait until it has a token; 0 when it has one.
func (p *releasePace) wait(bearer string, now time.Duration) time.Duration {
	if bearer == "" || !p.any.Load() {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(0, p.fullAt(bearer)-now-(releaseBurst-1)*releaseEvery)
}

// paced refuses a bearer that has given back too many reservations.
func (s *Stock) paced(bearer string) error {
	wait := s.releases.wait(bearer, time.Since(s.born))
	if wait == 0 {
		return nil
	}
	seconds := int((wait + time.Second - 1) / time.Second)
	return problem.Retry(problem.TooManyReleases, "this pass gave back many reservations; wait before the next one", seconds)
}
