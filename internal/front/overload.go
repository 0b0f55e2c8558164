package front

import (
	"time"

	"github.com/penstock/penstock/internal/degrade"
)

// load says how near the node is to the most it should work on at a time. What gives way, in this
// order: polls are stretched, browsing, new tickets, new reservations. Orders, what belongs to a
// reservation that is held, and the polls of those who wait are never refused here.
type load int

const (
	loadCalm     load = iota
	loadStretch       // from 1/2 of MaxInFlight on polls are stretched
	loadTickets       // from 3/4 on nobody new joins, and the demo shop is shut
	loadReserve       // from MaxInFlight on nobody new reserves
	loadNoMatter      // no load refuses it
)

// shedRetrySeconds is the Retry-After of a refusal for load: waves of it pass in a second or two.
const shedRetrySeconds = 2

func (s *Server) loadOf(inFlight int64) load {
	limit := int64(s.MaxInFlight)
	switch {
	case inFlight*2 < limit:
		return loadCalm
	case inFlight*4 < limit*3:
		return loadStretch
	case inFlight < limit:
		return loadTickets
	default:
		return loadReserve
	}
}

// level is the degradation level of the whole installation.
func (s *Server) level() degrade.Level {
	if s.Board == nil {
		return degrade.Normal
	}
	return s.Board.Level()
}

// maxStretchedMillis keeps a stretched poll from looking like a line that has died.
const maxStretchedMillis = 30_000

// stretch lengthens the time to the next poll under load: doubled for each step of the node's own
// load and for each level of degradation. It never stretches beyond a quarter of the claim window:
// the visitor must learn of the call in time.
func (s *Server) stretch(pollAfterMillis int64, l load, claimWindow time.Duration) int64 {
	steps := int64(l) + int64(s.level())
	if steps == 0 {
		return pollAfterMillis
	}
	stretched := pollAfterMillis << steps
	stretched = min(stretched, maxStretchedMillis, claimWindow.Milliseconds()/4)
	return max(stretched, pollAfterMillis)
}
