package queue

import (
	"time"

	"github.com/penstock/penstock/internal/sale"
)

// State is where a visitor stands.
type State string

// The states of a ticket.
const (
	Early    State = "early"   // the sale has not started
	Waiting  State = "waiting" // in the line
	Called   State = "called"  // may claim a pass now
	Admitted State = "admitted"
	Missed   State = "missed" // called and did not claim in time, or left, or used the pass up
	Paused   State = "paused"
	HeldOut  State = "held_out" // every unit is held by somebody; some may come back
	SoldOut  State = "sold_out"
	Ended    State = "ended"
)

// View is what a visitor is told.
type View struct {
	State State
	// Place counts from 1; it is 0 while PlaceKnown is false, that is before a draw.
	Place      uint64
	PlaceKnown bool
	// Lane is the name of the priority lane in which the place is, "" for the lane of everybody.
	Lane string
	// Ahead is how many visitors are still to be called before this one.
	Ahead uint64
	// ETAP50Seconds and ETAP90Seconds say when the turn is expected: as likely as not, and nine
	// times of ten, until then. Both are 0 when there is nothing to wait for.
	ETAP50Seconds, ETAP90Seconds int64
	PollAfterMillis              int64
	// ClaimBefore is set for a called visitor.
	ClaimBefore time.Time
	// TakeUpBefore is set for whoever missed the turn and may still claim, while there is room.
	TakeUpBefore time.Time
	// Outlook is set for whoever is still to be called, once the place is known.
	Outlook Outlook
	// Items[:Named] are the items that the visitor came for.
	Items [MaxInterest]ItemOutlook
	Named int
}

// Idle poll intervals, before jitter.
const (
	pollPausedMillis = 5_000
	pollHeldMillis   = 2_500
	pollOverMillis   = 25_000
)

// Look tells a ticket's holder where they stand. It works from memory alone. phase is the sale's
// phase now and heldOut says that every unit is held.
func (r *Room) Look(t Ticket, phase sale.Phase, heldOut bool) View {
	s := r.snap.Load().of(t.Number)
	now := s.nowMillis()
	v := s.find(t.Number)
	v.Lane = r.lanes.Load().name(t.Number.Lane())
	if s.absent.has(t.Number) {
		r.shown.note(s.room.gen, t.Number)
	}
	seen := r.supply.Load().judge(t.Interest, s.before(&v))
	heldOut = v.showItems(&seen, heldOut)
	v.State = r.state(s, &v, t.Number, phase, heldOut, now)
	s.expect(&v, &seen, now)
	return v
}

// find is the place of a number, and how many are ahead.
func (s *Snapshot) find(n Number) (v View) {
	v.Place, v.PlaceKnown = s.place(n)
	if !v.PlaceKnown {
		v.Place = 0
	}
	if v.PlaceKnown && v.Place > s.Called {
		v.Ahead = v.Place - s.Called - 1 - s.absent.between(s.Called, v.Place-1)
	}
	return v
}

// showItems shows the items that the visitor named, and tells whether those are held out.
func (v *View) showItems(seen *judged, heldOut bool) bool {
	v.Items, v.Named = seen.items, seen.named
	if seen.known && seen.named > 0 {
		return seen.heldOut
	}
	return heldOut
}

// expect fills in what follows from the state.
func (s *Snapshot) expect(v *View, seen *judged, now int64) {
	v.tell(seen)
	s.foresee(v, now)
	s.awaitUnits(v, seen, now)
}

// before is how many are expected to come and take a unit before somebody who is still to be called: those ahead in
// the lane, those of other lanes who are called meanwhile, and those who are called already.
func (s *Snapshot) before(v *View) float64 {
	ahead := float64(v.Ahead) + float64(s.AllOutstanding())
	if s.whole != nil || len(s.lanes) > 0 {
		for _, other := range s.all() {
			if other.lane != s.lane && s.share > 0 {
				ahead += min(float64(other.Waiting), (float64(v.Ahead)+1)*other.share/s.share)
			}
		}
	}
	return ahead * min(max(s.ShowUpRate, minShowUp), 1)
}

// tell says what the supply means to somebody who is still to be called.
func (v *View) tell(seen *judged) {
	switch v.State {
	case Waiting, HeldOut, Paused, Early:
	default:
		return
	}
	if seen.known && v.PlaceKnown {
		v.Outlook = seen.outlook
	}
	if seen.known && seen.named > 0 && seen.soldOut {
		v.State, v.Outlook = SoldOut, ""
	}
}

// awaitUnits adds to the expected wait that for units which are held.
func (s *Snapshot) awaitUnits(v *View, seen *judged, now int64) {
	if v.State != Waiting && v.State != HeldOut || seen.best == nil {
		return
	}
	p50, p90 := seen.best.wait(s.before(v)*seen.best.share+1, now)
	v.ETAP50Seconds = min(max(v.ETAP50Seconds, (p50+999)/1000), maxETASeconds)
	v.ETAP90Seconds = min(max(v.ETAP90Seconds, (p90+999)/1000), maxETASeconds)
}

// state decides the state, and the end of the window of a called visitor. What is final comes
// before what may pass.
func (r *Room) state(s *Snapshot, v *View, n Number, phase sale.Phase, heldOut bool, now int64) State {
	if phase == sale.PhaseEnded {
		return Ended
	}
	f := r.book.Load().facts(n)
	if f.used {
		if f.expiresMillis > now {
			return Admitted
		}
		return Missed
	}
	called, deadline := s.calledUntil(v, n, f.renewedUntil)
	if called && s.runMillis(now) >= deadline && s.Mode != sale.Open {
		s.tellGrace(v, phase, now)
		return Missed
	}
	return s.standing(v, phase, heldOut, called, deadline)
}

// calledUntil reports whether a ticket is called, and until when, in the room's own time. A ticket
// that was passed over is called as soon as it is reported.
func (s *Snapshot) calledUntil(v *View, n Number, renewedUntil int64) (called bool, deadline int64) {
	called = v.PlaceKnown && v.Place <= s.Called && (renewedUntil > 0 || !s.absent.has(n))
	if called && renewedUntil == 0 {
		return true, s.deadline(v.Place)
	}
	return called, renewedUntil
}

// standing is the state of somebody whose turn is not over.
func (s *Snapshot) standing(v *View, phase sale.Phase, heldOut, called bool, deadline int64) State {
	switch {
	case phase == sale.PhaseSoldOut:
		return SoldOut
	case phase == sale.PhasePaused:
		return Paused
	case phase != sale.PhaseLive || !v.PlaceKnown:
		return Early
	case s.Mode == sale.Closed:
		return Paused
	case s.Mode == sale.Open:
		v.ClaimBefore = time.UnixMilli(s.room.ends).UTC()
		return Called
	case called:
		v.ClaimBefore = time.UnixMilli(deadline + s.room.pausedTotal).UTC()
		return Called
	case heldOut:
		return HeldOut
	default:
		return Waiting
	}
}

// foresee fills in the expected wait and when to ask again.
func (s *Snapshot) foresee(v *View, now int64) {
	untilStart := max(s.room.starts-now, 0)
	switch v.State {
	case Called:
		v.PollAfterMillis = jittered(pollSoonMillis)
	case Waiting:
		v.ETAP50Seconds, v.ETAP90Seconds = s.pace.seconds(v.Ahead)
		v.PollAfterMillis = jittered(pollMillis(v.ETAP50Seconds*1000, s.AllWaiting(), s.pace.likely))
	case Early:
		v.ETAP50Seconds, v.ETAP90Seconds = s.beforeStart(v, untilStart)
		v.PollAfterMillis = pollBeforeStart(untilStart, s.AllWaiting())
	case HeldOut:
		v.ETAP50Seconds, v.ETAP90Seconds = s.pace.seconds(v.Ahead)
		v.PollAfterMillis = jittered(max(pollMillis(v.ETAP50Seconds*1000, s.AllWaiting(), s.pace.likely), pollHeldMillis))
	case Paused:
		v.PollAfterMillis = jittered(pollIdleMillis(pollPausedMillis, s.AllWaiting()))
	case Missed:
		v.PollAfterMillis = jittered(pollIdleMillis(v.pollMissed(), s.AllWaiting()))
	default:
		v.PollAfterMillis = jittered(pollIdleMillis(pollOverMillis, s.AllWaiting()))
	}
}

// beforeStart expects a turn that comes after the start. Before a draw every place is as likely as
// any other, so the half and nine tenths of the line are the half and nine tenths of the odds.
func (s *Snapshot) beforeStart(v *View, untilStartMillis int64) (p50, p90 int64) {
	start := (untilStartMillis + 999) / 1000
	if v.PlaceKnown {
		p50, p90 = s.pace.seconds(v.Ahead)
	} else {
		p50 = etaSeconds(s.Waiting/2, s.pace.likely)
		p90 = etaSeconds(s.Waiting*9/10, s.pace.slow)
	}
	return min(start+p50, maxETASeconds), min(start+p90, maxETASeconds)
}
