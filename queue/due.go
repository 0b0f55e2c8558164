package queue

import (
	"math"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

// NextDueMillis says from memory when [Room.Advance] can next change something, in Unix ms of Redis TIME;
// a moment that has passed means now, and 0 that nothing is due until something happens in the room. It
// is about the room as it was last refreshed.
func (r *Room) NextDueMillis() int64 {
	s := r.snap.Load()
	if !s.Ready {
		return 0
	}
	due := s.nextDue()
	if r.deps.Journal != nil && s.marked() {
		due = sooner(sooner(due, r.stateDue(s)), r.placesDue(s))
		if s.AllWaiting() > 0 && r.kept.Load().given != s.given() {
			due = sooner(due, r.kept.Load().givenMillis+keepGivenEvery.Milliseconds())
		}
	}
	return due
}

// DueIn tells in how long an Advance can change something: now when it is 0 or less. It reads one number,
// as the leader asks it of every sale.
func (r *Room) DueIn() time.Duration { return time.Duration(r.dueAt.Load()) - time.Since(r.born) }

// plan works out when the room is due; call it after each change of what NextDueMillis looks at.
func (r *Room) plan() {
	r.planning.Lock() // so that the last to look at what has changed is the last to write
	defer r.planning.Unlock()
	due, s := r.NextDueMillis(), r.snap.Load()
	if due == 0 {
		r.dueAt.Store(math.MaxInt64)
		return
	}
	ahead := time.Duration(due-s.NowMillis) * time.Millisecond
	r.dueAt.Store(int64(s.anchor.Sub(r.born) + ahead))
}

// nextDue is NextDueMillis without the journal. It is pure.
func (s *Snapshot) nextDue() (due int64) {
	over := s.room.ended || s.NowMillis >= s.room.ends
	if s.room.order == sale.Draw && !s.room.drawKept && !over {
		due = sooner(due, s.drawDue())
	}
	_, placed := s.place(1)
	if from := max(s.room.starts, s.NowMillis); placed && s.AllWaiting() > 0 && s.calling(from) {
		due = sooner(due, from)
	}
	for _, lane := range s.all() {
		if open := lane.open(); len(open) > 0 && !s.Paused {
			due = sooner(due, open[0].deadlineMillis+s.room.pausedTotal)
		}
	}
	if s.renewedWindows > 0 && !s.Paused {
		due = sooner(due, s.room.creditAt+keepHouseEvery.Milliseconds())
	}
	if begun := s.NowMillis >= s.room.starts; begun && !over {
		due = sooner(due, s.standbyDue())
	}
	if s.room.nextExpiry > 0 {
		due = sooner(due, s.room.nextExpiry)
	}
	return due
}

// sooner is the earlier of two moments, of which 0 is none.
func sooner(a, b int64) int64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// drawDue is when the draw can be brought forward; 0 while it waits for a part for as long as that takes.
func (s *Snapshot) drawDue() int64 {
	switch {
	case !s.room.seedKept:
		return s.room.opens
	case s.room.countKept == 0 || s.room.drawFinal != "":
		return s.room.starts
	}
	plan, err := readPlan(s.room.plan)
	if err != nil {
		return 0
	}
	parts := s.room.parts()
	switch {
	case parts.complete(plan):
		return s.room.starts
	case plan.IfMissing == sale.GoOn:
		return max(s.room.starts, plan.waitUntil(s.room.countKept, s.room.round))
	default:
		return 0
	}
}
