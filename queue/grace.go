package queue

import (
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// Whoever comes after the time to claim may still be admitted for one more claim window: the grace. It takes nothing
// from anybody: a late visitor is admitted only while there is a slot, a place in the rolling minute and a unit beside
// those of everybody who is called and may still come; claim.lua decides. Who waits in the line has a later place, so
// nobody is overtaken. Nothing is kept for one late visitor: the last place of each closed window stays for one window
// more.

// TakeUpField is the member of turn_missed that says until when the turn may be taken up: a [time.Time].
const TakeUpField = "take_up_before"

// lateWindowMillis is for how long after its window a turn may be taken up.
func lateWindowMillis(ad sale.Admission) int64 {
	if !ad.Grace.On() {
		return 0
	}
	return ad.ClaimWindow.Std().Milliseconds()
}

// graceUntil returns until when, in the room's own time, a called place may be claimed at all; 0 when that is over or
// nobody may be late. It is end_of_grace of lib_room.lua.
func (s *Snapshot) graceUntil(place uint64) int64 {
	if s.room.lateWindow <= 0 || place <= s.room.forgotten {
		return 0
	}
	deadline := s.deadlineOfCall(place)
	if deadline == 0 {
		return 0
	}
	return deadline + s.room.lateWindow
}

// AdmittedLate is how many missed the turn and took it up in the grace. It starts again when Redis is lost.
func (s *Snapshot) AdmittedLate() int64 { return s.room.late }

// tellGrace tells a visitor who missed the turn until when it may be taken up.
func (s *Snapshot) tellGrace(v *View, phase sale.Phase, now int64) {
	if phase != sale.PhaseLive && phase != sale.PhasePaused {
		return
	}
	if until := s.graceUntil(v.Place); s.runMillis(now) < until {
		v.TakeUpBefore = time.UnixMilli(until + s.room.pausedTotal).UTC()
	}
}

// pollMissed is how soon to ask after the turn was missed: as long as it can be taken up, its holder is told soon when
// it no longer can.
func (v *View) pollMissed() int64 {
	if v.TakeUpBefore.IsZero() {
		return pollOverMillis
	}
	return pollPausedMillis
}

// noRoomForLate is told to whoever came late when there is no room.
func (r *Room) noRoomForLate(t Ticket) error {
	view := r.Look(t, sale.PhaseLive, false)
	detail := "the time to claim is over; whoever asks to be admitted late is, while there is room and until take_up_before"
	if view.TakeUpBefore.IsZero() {
		return problem.With(problem.TurnMissed, detail)
	}
	return problem.With(problem.TurnMissed, detail,
		problem.F(TakeUpField, view.TakeUpBefore), problem.F("poll_after_ms", view.PollAfterMillis))
}
