package queue

import (
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// lostEvery bounds how often Deps.Lost is called.
const lostEvery = time.Second

// losses remembers when a loss was last reported.
type losses struct {
	reported atomic.Pointer[time.Time]
}

// due reports, at most once in lostEvery, that the loss is to be reported now.
func (l *losses) due() bool {
	now, last := time.Now(), l.reported.Load()
	if last != nil && now.Sub(*last) < lostEvery {
		return false
	}
	return l.reported.CompareAndSwap(last, &now)
}

// lost reports the loss and returns what the visitor is told.
func (r *Room) lost() error {
	if r.deps.Lost != nil && r.losses.due() {
		r.deps.Lost()
	}
	return problem.Restoring()
}
