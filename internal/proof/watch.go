package proof

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// generationLife is for how long a generation of counts is written to. What is read are two of them.
	generationLife = time.Minute
	// countsPerGeneration bounds the memory: some 100 bytes each. Beyond it addresses that are new are not counted;
	// their networks are, as they come first.
	countsPerGeneration = 1 << 16
)

// Watch counts what comes from where, in the memory of one node, for [DifficultyFor]. It is safe for concurrent use.
type Watch struct {
	mu           sync.Mutex
	since        time.Time
	young, older map[countKey]counts
}

// countKey is an address, or the network around it, in one sale.
type countKey struct {
	sale string
	from netip.Prefix
}

type counts struct{ joins, refused int }

// From is where a request of one sale comes from. Prefixes that are not valid are not known, and are not counted.
type From struct {
	Sale             string
	Address, Network netip.Prefix
}

// NewWatch has counted nothing yet.
func NewWatch() *Watch { return &Watch{young: make(map[countKey]counts)} }

// Joined counts one who asked for a place, and Refused one who was refused it.
func (w *Watch) Joined(from From, now time.Time) { w.add(from, counts{joins: 1}, now) }

// Refused counts a refusal.
func (w *Watch) Refused(from From, now time.Time) { w.add(from, counts{refused: 1}, now) }

// Lately is what was counted.
func (w *Watch) Lately(from From, now time.Time) Behaviour {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn(now)
	address, network := w.of(countKey{from.Sale, from.Address}), w.of(countKey{from.Sale, from.Network})
	return Behaviour{Joins: address.joins, Refused: address.refused, NetworkJoins: network.joins}
}

func (w *Watch) of(key countKey) counts {
	young, older := w.young[key], w.older[key]
	return counts{joins: young.joins + older.joins, refused: young.refused + older.refused}
}

func (w *Watch) add(from From, one counts, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn(now)
	for _, prefix := range []netip.Prefix{from.Network, from.Address} {
		key := countKey{from.Sale, prefix}
		had, known := w.young[key]
		if !prefix.IsValid() || !known && len(w.young) >= countsPerGeneration {
			continue
		}
		w.young[key] = counts{joins: had.joins + one.joins, refused: had.refused + one.refused}
	}
}

// turn begins a new generation when it is time.
func (w *Watch) turn(now time.Time) {
	switch age := now.Sub(w.since); {
	case age < generationLife:
		return
	case age < 2*generationLife:
		w.older = w.young
	default:
		w.older = nil
	}
	w.young, w.since = make(map[countKey]counts), now
}
