package queue

import "sync"

// book is what a node knows of single tickets: who claimed or left, whose pass is active, whose
// window was renewed. Whoever merely waits is not in it.
type book struct {
	mu             sync.RWMutex
	used           laneBitmaps
	active         map[Number]activePass
	renewedWindows map[Number]int64 // deadline in the room's own time, ms
}

type activePass struct {
	expiresMillis int64
	// kept says that this node has journaled the pass.
	kept bool
}

func newBook() *book {
	return &book{active: make(map[Number]activePass), renewedWindows: make(map[Number]int64)}
}

// ticketFacts is what the book says of one ticket.
type ticketFacts struct {
	used          bool
	expiresMillis int64 // of its pass; 0 when there is none
	kept          bool
	renewedUntil  int64 // the end of the renewed window, in the room's own time, ms; 0 when there is none
}

func (b *book) facts(n Number) ticketFacts {
	b.mu.RLock()
	defer b.mu.RUnlock()
	f := ticketFacts{used: b.used.has(n)}
	if f.used {
		pass := b.active[n]
		f.expiresMillis, f.kept = pass.expiresMillis, pass.kept
	} else if len(b.renewedWindows) > 0 {
		f.renewedUntil = b.renewedWindows[n]
	}
	return f
}

// claimed notes an admission. Old news does not bring a pass back that was given back since.
func (b *book) claimed(n Number, expiresMillis int64, kept bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.applyClaim(n, expiresMillis, kept)
}

func (b *book) applyClaim(n Number, expiresMillis int64, kept bool) {
	known, active := b.active[n]
	if b.used.has(n) && !active {
		return
	}
	b.used.set(n)
	b.active[n] = activePass{expiresMillis: expiresMillis, kept: kept || known.kept}
	delete(b.renewedWindows, n)
}

// gone notes that a ticket is used up: it left the line or its pass was given back.
func (b *book) gone(n Number) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.applyGone(n)
}

func (b *book) applyGone(n Number) {
	b.used.set(n)
	delete(b.active, n)
	delete(b.renewedWindows, n)
}

// prune forgets what has lapsed.
func (b *book) prune(nowMillis, runMillis int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, pass := range b.active {
		if pass.expiresMillis <= nowMillis {
			delete(b.active, n)
		}
	}
	for n, until := range b.renewedWindows {
		if until <= runMillis {
			delete(b.renewedWindows, n)
		}
	}
}
