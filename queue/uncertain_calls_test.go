package queue

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

func TestANewcomerToAnEmptyRoomIsCalledAtOnceAfterARestore(t *testing.T) {
	for _, order := range []sale.Order{sale.FIFO, sale.Draw} {
		t.Run(string(order), func(t *testing.T) {
			c, client := newClock(t)
			rec, j := busySale(c, func(r *sale.Record) { r.Admission.Order, r.Admission.MaxActive = order, 1000 }), &memoryJournal{}
			r := openRoom(t, client, rec, j)
			before := join(t, r, 3)
			c.ticks(t, r, time.Second)
			for _, ticket := range before {
				mustClaim(t, r, ticket)
			}
			for range 3 { // several losses one after the other leave several gaps
				r = lose(t, client, rec, j)
				newcomer := join(t, r, 1)[0]
				s := refresh(t, r)
				if v := r.Look(newcomer, sale.PhaseLive, false); s.Waiting != 1 || v.Ahead != 0 || v.ETAP50Seconds > 1 {
					t.Fatalf("%d waiting, told %+v", s.Waiting, v)
				}
				if s = c.ticks(t, r, time.Second); state(r, newcomer) != Called {
					t.Fatalf("ticket %d is %s a second later; %d called", newcomer.Number, state(r, newcomer), s.Called)
				}
				if s.Waiting != 0 || s.Outstanding != 1 {
					t.Fatalf("%d waiting, %d outstanding; want the newcomer alone", s.Waiting, s.Outstanding)
				}
				second := join(t, r, 1)[0]
				if c.ticks(t, r, 100*time.Millisecond); state(r, second) != Called {
					t.Fatalf("the next is not called on the next tick")
				}
				mustClaim(t, r, newcomer)
				mustClaim(t, r, second)
			}
		})
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestUncertainNumbersCostNoCallAndNoRoom(t *testing.T) {
	c, client := newClock(t)
	rec, j := testSale(c.now, func(r *sale.Record) { r.Admission.RatePerMinute = 1 }), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	join(t, r, 2) // and the leader never hears of them
	r = lose(t, client, rec, j)
	r.deps.MaxWaitingTickets = 2
	newcomers := join(t, r, 2)
	if _, err := r.Join(context.Background()); err == nil {
		t.Fatal("a third found room")
	}
	s := c.ticks(t, r, 1100*time.Millisecond)
	if s.Called != 65 || s.Outstanding != 1 || s.Waiting != 1 {
		t.Fatalf("%d called, %d outstanding, %d waiting: at one a minute one is called", s.Called, s.Outstanding, s.Waiting)
	}
	if state(r, newcomers[0]) != Called || state(r, newcomers[1]) != Waiting {
		t.Fatalf("%s, %s", state(r, newcomers[0]), state(r, newcomers[1]))
	}
	stats, err := Stats(context.Background(), client, rec.ID)
	if err != nil || stats.Waiting != 1 || stats.Uncertain != 0 {
		t.Fatalf("%+v, %v", stats, err)
	}
	c.forward(3 * time.Minute)
	if s := advance(t, r, plenty); s.room.noShow != 1 {
		t.Fatalf("%d are counted as not having come", s.room.noShow)
	}
}

// TestThoseWhoGoOnPollingKeepTheirPlaces has three known and two uncertain visitors in a line that stands
// still, and newcomers behind them.
func TestThoseWhoGoOnPollingKeepTheirPlaces(t *testing.T) {
	c, client := newClock(t)
	rec, j := busySale(c, func(r *sale.Record) { r.Admission.MaxActive = 1 }), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	known := join(t, r, 4)
	c.ticks(t, r, 600*time.Millisecond)
	pass := mustClaim(t, r, known[0])
	c.ticks(t, r, time.Second)
	uncertain := join(t, r, 3) // the leader does not hear of them

	r = lose(t, client, rec, j)
	newcomers := join(t, r, 2)
	refresh(t, r)
	if v := r.Look(newcomers[1], sale.PhaseLive, false); v.Ahead != 4 {
		t.Fatalf("%d ahead of the second newcomer; known are %d", v.Ahead, 4)
	}
	if err := r.Release(context.Background(), pass); err != nil {
		t.Fatal(err)
	}
	present := []Ticket{known[1], known[3], uncertain[0], uncertain[2], newcomers[0], newcomers[1]}
	var order []Number
	for range 200 {
		c.forward(100 * time.Millisecond)
		poll(r, present...)
		advance(t, r, plenty)
		for _, ticket := range present {
			if state(r, ticket) == Called {
				order = append(order, ticket.Number)
				if err := r.Release(context.Background(), mustClaim(t, r, ticket)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	want := make([]Number, len(present))
	for i, ticket := range present {
		want[i] = ticket.Number
	}
	if !slices.Equal(order, want) {
		t.Fatalf("called in the order %v, want %v", order, want)
	}
}

// TestTheLineWaitsForThoseWhoWillPoll has a newcomer behind a visitor of whom the journal does not know.
func TestTheLineWaitsForThoseWhoWillPoll(t *testing.T) {
	for name, c := range map[string]struct {
		known bool // somebody else waits, as the journal knows
		polls time.Duration
	}{"nobody known waits": {false, 700 * time.Millisecond}, "somebody known waits": {true, 2900 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			clock, client := newClock(t)
			rec, j := busySale(clock), &memoryJournal{}
			r := openRoom(t, client, rec, j)
			if c.known {
				join(t, r, 1)
				advance(t, r, Outside{LevelFactor: 0})
			}
			uncertain := join(t, r, 1)[0]
			r = lose(t, client, rec, j)
			newcomer := join(t, r, 1)[0]
			clock.ticks(t, r, c.polls)
			if got := state(r, newcomer); got != Waiting {
				t.Fatalf("the newcomer is %s before the other can have polled", got)
			}
			poll(r, uncertain)
			clock.ticks(t, r, 100*time.Millisecond)
			if first, second := state(r, uncertain), state(r, newcomer); first != Called || second == Missed {
				t.Fatalf("the one who polled is %s, the newcomer %s", first, second)
			}
			clock.ticks(t, r, 400*time.Millisecond)
			if got := state(r, newcomer); got != Called {
				t.Fatalf("the newcomer is %s", got)
			}
		})
	}
}

func TestWhoComesAfterHavingBeenPassedOverIsCalledAtOnce(t *testing.T) {
	for name, late := range map[string]time.Duration{"while the window is open": time.Second, "after it": 5 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			c, client := newClock(t)
			rec, j := busySale(c), &memoryJournal{}
			r := openRoom(t, client, rec, j)
			uncertain := join(t, r, 2)
			r = lose(t, client, rec, j)
			newcomer := join(t, r, 1)[0]
			c.ticks(t, r, 2*time.Second)
			c.forward(late)
			advance(t, r, plenty)
			if s := r.Snapshot(); s.Called < uint64(newcomer.Number) {
				t.Fatalf("called %d", s.Called)
			}
			poll(r, uncertain[0])
			if got := state(r, uncertain[0]); got != Waiting {
				t.Fatalf("at the first poll: %s", got)
			}
			s := c.ticks(t, r, 100*time.Millisecond)
			if got := r.Look(uncertain[0], sale.PhaseLive, false); got.State != Called || got.ClaimBefore.Sub(c.now) < 110*time.Second {
				t.Fatalf("at the second poll: %+v", got)
			}
			if s.absent.has(uncertain[0].Number) || !s.absent.has(uncertain[1].Number) {
				t.Fatal("the one who polled counts as absent, or the other does not")
			}
			mustClaim(t, r, uncertain[0])
			mustClaim(t, openNode(t, client, rec, j), uncertain[1]) // without a poll before
			if err := r.Leave(context.Background(), uncertain[1]); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestADrawTakesInUncertainNumbersAndPassesOverThoseOfNobody(t *testing.T) {
	for _, when := range []string{"before the draw", "after the draw"} {
		t.Run(when, func(t *testing.T) {
			c, client := newClock(t)
			rec, j := busySale(c, func(r *sale.Record) {
				r.Admission.Order, r.StartsAt, r.Admission.MaxActive = sale.Draw, c.now.Add(time.Minute), 1000
			}), &memoryJournal{}
			r := openRoom(t, client, rec, j)
			tickets := join(t, r, 20)
			advance(t, r, Outside{LevelFactor: 0})
			tickets = append(tickets, join(t, r, 10)...) // the leader does not hear of them
			if when == "after the draw" {
				c.forward(time.Minute)
				advance(t, r, Outside{LevelFactor: 0})
			}
			before := r.Snapshot()
			r = lose(t, client, rec, j)
			if r.Snapshot().draw == nil && before.draw != nil || before.draw != nil && r.Snapshot().DrawCount != 30 {
				t.Fatalf("the draw is lost: %+v", r.Snapshot())
			}
			for range 5 {
				c.forward(7 * time.Second)
				for _, ticket := range tickets[:25] {
					r.Look(ticket, sale.PhasePrequeue, false)
				}
				advance(t, r, Outside{LevelFactor: 0})
			}
			c.forward(time.Minute)
			s := advance(t, r, Outside{LevelFactor: 0})
			if s.draw == nil || s.Waiting != uint64(25+5*boolInt(when == "after the draw")) {
				t.Fatalf("%d waiting, drawn %v", s.Waiting, s.Drawn)
			}
			checkOrder(t, c, r, tickets[:25])
		})
	}
}

// checkOrder lets the room run and checks that present visitors are called by place.
func checkOrder(t *testing.T, c *clock, r *Room, present []Ticket) {
	t.Helper()
	left := slices.Clone(present)
	for tick := 0; len(left) > 0; tick++ {
		if tick > 100 {
			t.Fatalf("%d are not called after ten seconds", len(left))
		}
		poll(r, left...)
		c.ticks(t, r, 100*time.Millisecond)
		s := r.Snapshot()
		called, waits := uint64(0), uint64(maxNumber)
		keep := left[:0]
		for _, ticket := range left {
			place, _ := s.of(ticket.Number).place(ticket.Number)
			switch state(r, ticket) {
			case Called:
				called = max(called, place)
			case Waiting:
				waits = min(waits, place)
				keep = append(keep, ticket)
			default:
				t.Fatalf("ticket %d: %s", ticket.Number, state(r, ticket))
			}
		}
		if left = keep; called > waits {
			t.Fatalf("place %d was called while %d waits", called, waits)
		}
	}
}
