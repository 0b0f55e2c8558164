package sale

import "time"

// Phase is where a sale stands.
type Phase string

// The phases of a sale; paused and sold_out stand beside live.
const (
	PhaseDraft     Phase = "draft"
	PhaseScheduled Phase = "scheduled"
	PhasePrequeue  Phase = "prequeue"
	PhaseLive      Phase = "live"
	PhasePaused    Phase = "paused"
	PhaseSoldOut   Phase = "sold_out"
	PhaseEnded     Phase = "ended"
	// PhaseNotArmed is what operators are told of a sale that should be open and whose state is not
	// in Redis: it could not be armed, or is being restored. It is not live.
	PhaseNotArmed Phase = "not_armed"
)

// PhaseAt tells the phase at a moment of the one clock (Redis TIME). It is pure: a sale opens,
// starts and ends on every node by itself, with nobody writing that it does.
// An instant belongs to the phase that begins with it.
func (r *Record) PhaseAt(now time.Time, soldOut bool) Phase {
	switch {
	case r.Draft:
		return PhaseDraft
	case r.Ended || !now.Before(r.EndsAt):
		return PhaseEnded
	case now.Before(r.OpensAt):
		return PhaseScheduled
	case r.Paused:
		return PhasePaused
	case now.Before(r.StartsAt):
		return PhasePrequeue
	case soldOut:
		return PhaseSoldOut
	default:
		return PhaseLive
	}
}

// Running reports whether a visitor who was let in may go on to the checkout: the sale has started and
// has not ended. While it is paused or sold out, those who hold units can still buy them.
func (p Phase) Running() bool {
	switch p {
	case PhaseLive, PhasePaused, PhaseSoldOut:
		return true
	default:
		return false
	}
}

// Begun reports whether buyers may have met the sale: from then on the stock and the dates
// behind them are changed with care or not at all.
func (p Phase) Begun() bool {
	switch p {
	case PhasePrequeue, PhaseLive, PhasePaused, PhaseSoldOut, PhaseNotArmed:
		return true
	default:
		return false
	}
}
