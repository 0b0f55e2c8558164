package reservation

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// memoryMost bounds the reservations that a node remembers; beyond it Redis is asked.
	memoryMost    = 2_000_000
	memoryPage    = 10_000
	memoryTimeout = 5 * time.Second
)

// memory lets a node tell a newcomer to an empty shelf from someone who repeats a request that
// succeeded, without asking Redis. Redis keeps the reservations in the order in which they were
// made; while something is sold out, the node reads along. Its memory is whole when it has as many
// as the snapshot says were made.
type memory struct {
	reading atomic.Bool

	mu    sync.RWMutex
	epoch int64
	made  int64
	cores map[string]struct{}
}

// excludes reports that, as of the snapshot, no request with this core ever got units.
func (m *memory) excludes(snap *Snapshot, core string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	// Units that were taken by the ledger's word have no entry in the list.
	if m.cores == nil || m.epoch != snap.Epoch || m.made < snap.Made || snap.Forced > 0 {
		return false
	}
	_, there := m.cores[core]
	return !there
}

// follow reads what was made since, off the path of the caller, while something is sold out.
func (m *memory) follow(s *Stock, p *plan, snap *Snapshot) {
	if snap.Made > memoryMost {
		m.forget()
		return
	}
	if !p.anyEmpty() {
		return
	}
	from := m.begin(snap.Epoch)
	if from >= snap.Made || !m.reading.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer m.reading.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), memoryTimeout)
		defer cancel()
		for from < snap.Made {
			cores, err := s.madeSince(ctx, from)
			if err != nil || len(cores) == 0 || !m.add(snap.Epoch, from, cores) {
				return
			}
			from += int64(len(cores))
		}
	}()
}

func (p *plan) anyEmpty() bool {
	for i := range p.pools {
		if p.pools[i].empty.Load() {
			return true
		}
	}
	return false
}

func (s *Stock) madeSince(ctx context.Context, from int64) ([]string, error) {
	page := s.deps.Redis.B().Lrange().Key(s.keys.made).Start(from).Stop(from + memoryPage - 1).Build()
	return s.deps.Redis.Do(ctx, page).AsStrSlice()
}

func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cores, m.made = nil, 0
}

// begin returns how many are remembered of the epoch.
func (m *memory) begin(epoch int64) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cores == nil || m.epoch != epoch {
		m.epoch, m.made, m.cores = epoch, 0, make(map[string]struct{})
	}
	return m.made
}

// add appends a page that was read from position from; false when the memory has moved on.
func (m *memory) add(epoch, from int64, cores []string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cores == nil || m.epoch != epoch || m.made != from {
		return false
	}
	for _, core := range cores {
		m.cores[core] = struct{}{}
	}
	m.made += int64(len(cores))
	return true
}
