package queue

import (
	"context"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// Decoy is a ticket of the decoy line: its holder cannot tell it from a [Ticket], is told a place as the others are,
// and is never called. Its number may be that of somebody's ticket. So it is a type of its own: nothing that acts on a
// place takes it. Nothing is kept of it anywhere.
//
// On the wire it is a ticket whose MAC covers another label.
type Decoy struct{ ticket Ticket }

const decoyLabel label = "penstock/decoy/v"

const (
	// leastAhead … leastAhead+spreadAhead-1 stay ahead of a decoy: so many that it is not worth while to ask often,
	// and that a claim is answered from memory as that of others who are so far behind.
	leastAhead  = 200
	spreadAhead = 800
	// decoysBeyond is how far beyond the end of the line the numbers of decoys go. Then they begin again at the end.
	decoysBeyond = 100
)

// Number is the number that the holder sees, which may be somebody else's.
func (d Decoy) Number() Number { return d.ticket.Number }

// Interest are the items that the holder named.
func (d Decoy) Interest() Interest { return d.ticket.Interest }

// Naming is the same decoy with another interest. Nothing is counted.
func (d Decoy) Naming(interest Interest) Decoy {
	d.ticket.Interest = interest
	return d
}

// ahead is how many stay ahead, whomever the room calls. It is not the same for all, so that they do not all stand
// still at one number.
func (d Decoy) ahead() uint64 {
	mixed := (uint64(d.ticket.Number) ^ uint64(d.ticket.IssuedMillis)) * 0x9e3779b97f4a7c15 // 2^64 by the golden ratio
	return leastAhead + mixed>>32%spreadAhead
}

// SignDecoy returns the decoy as the visitor carries it.
func (k *TicketKeys) SignDecoy(d Decoy) string { return k.keys[0].write(decoyLabel, d.ticket) }

// ParseDecoy returns the decoy that the token stands for. The error is ticket_invalid for everything that these keys
// did not sign as a decoy for this sale, so also for a ticket of the line.
func (k *TicketKeys) ParseDecoy(token []byte, saleID string) (Decoy, error) {
	t, err := k.read(decoyLabel, token, saleID)
	return Decoy{t}, err
}

// decoyNumbers gives numbers at the end of the line: first the last one that was given, which is mostly that of
// somebody else, then those beyond it, so that decoys who come one after the other do not all have the same. It is
// safe for concurrent use.
type decoyNumbers struct {
	mu   sync.Mutex
	last Number
}

func (n *decoyNumbers) next(given uint64) Number {
	n.mu.Lock()
	defer n.mu.Unlock()
	end := Number(min(max(given, 1), maxNumber))
	if n.last++; n.last < end || n.last > min(end+decoysBeyond, maxNumber) {
		n.last = end
	}
	return n.last
}

// HasDecoyLine reports whether a newcomer to the line of everybody would have to wait behind somebody. In front of an
// empty line a decoy would be the only one who waits.
func (r *Room) HasDecoyLine() bool { return r.snap.Load().Waiting > 0 }

// JoinDecoy lets a visitor into the decoy line. It takes as long as [Room.JoinAs], with whose calls it is combined, has
// the same errors, and changes nothing in the room.
func (r *Room) JoinDecoy(ctx context.Context, who Newcomer) (Decoy, error) {
	if r.snap.Load().Waiting >= uint64(r.deps.MaxWaitingTickets) {
		return Decoy{}, refusedJoin("full") // the script, which is asked for no number, finds room
	}
	who.decoy = true
	t, err := r.JoinAs(ctx, who)
	return Decoy{t}, err
}

// LookDecoy tells a decoy's holder where they would stand, as [Room.Look] does, from memory. The place is that of the
// number; as the room calls past it, some stay ahead.
func (r *Room) LookDecoy(d Decoy, phase sale.Phase, heldOut bool) View {
	s := r.snap.Load()
	now := s.nowMillis()
	v := s.find(d.ticket.Number)
	if v.PlaceKnown {
		v.Ahead = max(v.Ahead, min(d.ahead(), v.Place-1))
	}
	seen := r.supply.Load().judge(d.ticket.Interest, s.before(&v))
	heldOut = v.showItems(&seen, heldOut)
	v.State = Ended
	if phase != sale.PhaseEnded {
		v.State = s.standing(&v, phase, heldOut, false, 0)
	}
	if v.State == Called { // in mode open everybody is
		v.State, v.ClaimBefore = Waiting, time.Time{}
	}
	s.expect(&v, &seen, now)
	return v
}

// ClaimDecoy is the answer to a decoy that is to become a pass: the error of [Room.Claim] for somebody who waits where
// the decoy seems to. It asks nobody, as Claim does for who is far behind.
func (r *Room) ClaimDecoy(d Decoy) error {
	s := r.snap.Load()
	now := s.nowMillis()
	detail := notYourTurn
	switch {
	case s.room.ended || now >= s.room.ends:
		return problem.With(problem.SaleNotOpen, hasEnded)
	case s.Paused:
		return problem.With(problem.SalePaused, stoodStill)
	case now < s.room.starts && !r.tooFar(s, d.ticket.Number):
		detail = notStarted
	}
	return askLater(detail, r.LookDecoy(d, s.running(), false))
}
