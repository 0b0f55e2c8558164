package reservation

import (
	"context"
	"strconv"
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
// succeeded, without asking Redis. Redis keeps a list of the reservations in the order in which they
// were made, without those that are over; while something is sold out, the node reads along. Its memory
// is whole when it has come as far as the snapshot.
type memory struct {
	reading atomic.Bool

	mu    sync.RWMutex
	of    armed
	at    int64 // position up to which the list was read
	cores map[string]struct{}
}

// armed names one arming of a stock.
type armed struct{ epoch, armedMillis int64 }

func (snap *Snapshot) armed() armed { return armed{epoch: snap.Epoch, armedMillis: snap.ArmedMillis} }

// excludes reports that, as of the snapshot, no request with this core or one of the former ones holds
// or has bought units.
func (m *memory) excludes(snap *Snapshot, core string, former []string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	// Units that were taken by the ledger's word have no entry in the list.
	if m.cores == nil || m.of != snap.armed() || m.at < snap.Made || snap.Forced > 0 {
		return false
	}
	if _, there := m.cores[core]; there {
		return false
	}
	for _, core := range former {
		if _, there := m.cores[core]; there {
			return false
		}
	}
	return true
}

// follow reads what was made since, off the path of the caller, while something is sold out.
func (m *memory) follow(s *Stock, p *plan, snap *Snapshot) {
	if !snap.Ready || snap.MadeEntries > memoryMost {
		m.forget()
		return
	}
	if !p.anyEmpty() {
		return
	}
	from := m.begin(snap)
	if from >= snap.Made || !m.reading.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer m.reading.Store(false)
		ctx, cancel := context.WithTimeout(context.Background(), memoryTimeout)
		defer cancel()
		for from < snap.Made {
			first, cores, err := s.madeSince(ctx, snap.armed(), from)
			if err != nil || !m.add(snap.armed(), from, first, cores) || len(cores) == 0 {
				return
			}
			from = first + int64(len(cores))
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

// madeSince reads a page of the list, from a position on. The page begins later when the list does.
func (s *Stock) madeSince(ctx context.Context, of armed, from int64) (first int64, cores []string, err error) {
	args := []string{decimal(of.epoch), decimal(of.armedMillis), decimal(from), decimal(memoryPage)}
	page, err := madePageScript.Exec(ctx, s.deps.Redis, []string{s.keys.stock, s.keys.made}, args).AsStrSlice()
	if err != nil {
		return 0, nil, err
	}
	if len(page) < 2 || page[0] != "0" {
		return 0, nil, errAnswer
	}
	first, err = strconv.ParseInt(page[1], 10, 64)
	return first, page[2:], err
}

func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cores, m.at = nil, 0
}

// memorySpare is how many cores beyond twice those of the list are kept: reservations that are over
// leave the list, and stay in the memory until it is read anew.
const memorySpare = 20_000

// begin returns how far the list was read, in this arming of the stock.
func (m *memory) begin(snap *Snapshot) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cores == nil || m.of != snap.armed() || int64(len(m.cores)) > 2*snap.MadeEntries+memorySpare {
		m.of, m.at, m.cores = snap.armed(), 0, make(map[string]struct{})
	}
	return m.at
}

// add takes a page that was asked for at position from; false when the memory has moved on.
func (m *memory) add(of armed, from, first int64, cores []string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cores == nil || m.of != of || m.at != from {
		return false
	}
	for _, core := range cores {
		m.cores[core] = struct{}{}
	}
	m.at = first + int64(len(cores))
	return true
}
