package proof

import "sync"

// usedPerGeneration bounds what a node remembers: two generations of it.
const usedPerGeneration = 1 << 15

// Used remembers solutions that were used lately, so that a repeated one is refused without asking Redis. It may forget
// one, and then Redis knows it. It is safe for concurrent use.
type Used struct {
	mu           sync.Mutex
	young, older map[ID]struct{}
}

// NewUsed remembers nothing yet.
func NewUsed() *Used { return &Used{young: make(map[ID]struct{})} }

// Has reports whether a solution is remembered.
func (u *Used) Has(id ID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, young := u.young[id]
	_, older := u.older[id]
	return young || older
}

// Add remembers a solution.
func (u *Used) Add(id ID) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.young) >= usedPerGeneration {
		u.older, u.young = u.young, make(map[ID]struct{})
	}
	u.young[id] = struct{}{}
}
