package queue

import (
	"context"
	"encoding/binary"
	"math/bits"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// Decoy is a ticket of the decoy line: its holder cannot tell it from a [Ticket], is told a place as the others are,
// and is never called. Its number may be that of somebody's ticket. So it is a type of its own: nothing that acts on a
// place takes it. Nothing is kept of it anywhere.
//
// On the wire it is a ticket whose MAC covers another label. How many stay ahead of it is not written there: only the keys
// tell.
type Decoy struct {
	ticket Ticket
	level  aheadLevel
}

const (
	decoyLabel label = "penstock/decoy/v"
	aheadLabel label = "penstock/ahead/v"
)

// aheadLevel is how many stay ahead of a decoy, as a power of 2.
type aheadLevel uint8

const (
	// aheadLevels bounds those who stay ahead by 512: so many that it is not worth while to ask often.
	aheadLevels = 11
	// maxEarlierMillis is how much earlier a decoy may say that it was issued, so that the keys tell its level: one of
	// aheadLevels milliseconds does on average, and all of them do not once in 10^21.
	maxEarlierMillis = 512
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

// levelFor is the level for a decoy with so many ahead of it at first. So it stays within what the line was then.
func levelFor(ahead uint64) aheadLevel { return aheadLevel(min(bits.Len64(ahead), aheadLevels-1)) }

// ahead is how many stay ahead, whomever the room calls: with a level of levelFor, from a quarter of those who were at
// first to all of them, at most 512. It is not the same for all, so that they do not all stand still at one number.
func (d Decoy) ahead() uint64 {
	if d.level == 0 {
		return 0
	}
	most := uint64(1) << (d.level - 1)
	mixed := uint64(d.ticket.Number) * 0x9e3779b97f4a7c15 >> 32 // 2^64 by the golden ratio
	return most - mixed%max(most/2, 1)
}

// SignDecoy returns the decoy as the visitor carries it. A new one, or one of another key, says that it was issued some
// milliseconds earlier, so that the key tells its level.
func (k *TicketKeys) SignDecoy(d Decoy) string {
	t := d.ticket
	for range maxEarlierMillis {
		if k.keys[0].level(t) == d.level || t.IssuedMillis == 0 {
			break
		}
		t.IssuedMillis--
	}
	return k.keys[0].write(decoyLabel, t)
}

// ParseDecoy returns the decoy that the token stands for. The error is ticket_invalid for everything that these keys
// did not sign as a decoy for this sale, so also for a ticket of the line.
func (k *TicketKeys) ParseDecoy(token []byte, saleID string) (Decoy, error) {
	t, key, err := k.read(decoyLabel, token, saleID)
	if err != nil {
		return Decoy{}, err
	}
	return Decoy{t, key.level(t)}, nil
}

// level is a figure that the key alone tells of a ticket. It does not depend on the items.
func (key *ticketKey) level(t Ticket) aheadLevel {
	st := key.pool.Get().(*macState)
	defer key.pool.Put(st)
	st.put(key, &t)
	return aheadLevel(binary.BigEndian.Uint16(st.sign(aheadLabel, t.Sale, ticketBody1)) % aheadLevels)
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
	if err != nil {
		return Decoy{}, err
	}
	s := r.snap.Load()
	if s.draw != nil { // the number of somebody who was drawn has a place within the line, and not at its end
		t.Number = max(t.Number, Number(s.room.drawCount)+1)
	}
	v := s.find(t.Number)
	if !v.PlaceKnown {
		v.Ahead = uint64(t.Number) // before a draw; no more than that are ahead of any place
	}
	return Decoy{t, levelFor(v.Ahead)}, nil
}

// LookDecoy tells a decoy's holder where they would stand, as [Room.Look] does, from memory. The place is that of the
// number; when the room comes near, some stay ahead. They are never more than before.
func (r *Room) LookDecoy(d Decoy, phase sale.Phase, heldOut bool) View {
	s := r.snap.Load()
	now := s.nowMillis()
	v := s.find(d.ticket.Number)
	if v.PlaceKnown {
		v.Ahead = max(v.Ahead, min(d.ahead(), v.Place-1-s.absent.upTo(v.Place-1)))
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
