package queue

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// lose empties Redis and restores the room from its journal, as after the crash of everything.
func lose(t testing.TB, client rueidis.Client, rec sale.Record, j *memoryJournal) *Room {
	t.Helper()
	flush(t, client)
	arm(t, client, rec, j.fold())
	return openNode(t, client, rec, j)
}

// ticks lets the leader tick for a time of the room, ten times a second.
func (c *clock) ticks(t testing.TB, r *Room, d time.Duration) *Snapshot {
	t.Helper()
	for end := c.now.Add(d); c.now.Before(end); {
		c.forward(100 * time.Millisecond)
		advance(t, r, plenty)
	}
	return r.Snapshot()
}

// poll is what the visitors' pages do.
func poll(r *Room, tickets ...Ticket) {
	for _, ticket := range tickets {
		r.Look(ticket, sale.PhaseLive, false)
	}
}

func state(r *Room, ticket Ticket) State { return r.Look(ticket, sale.PhaseLive, false).State }

func busySale(c *clock, change ...func(*sale.Record)) sale.Record {
	change = append([]func(*sale.Record){func(r *sale.Record) { r.Admission.RatePerMinute = 6000 }}, change...)
	return testSale(c.now, change...)
}

func TestAfterACleanStopNoNumberIsUncertain(t *testing.T) {
	eachEngine(t, func(t *testing.T, client rueidis.Client) {
		rec, j := testSale(time.Now()), &memoryJournal{}
		r, tickets, _ := visit(t, client, rec, j)
		r.Close()
		if err := r.Keep(context.Background()); err != nil {
			t.Fatal(err)
		}
		if restored := j.fold(); restored.Mark != 3 || len(restored.gaps()) != 0 {
			t.Fatalf("mark %d, uncertain %v", restored.Mark, restored.gaps())
		}
		r = lose(t, client, rec, j)
		if s := r.Snapshot(); s.Entrants != 3 || s.Waiting != 1 || s.absent != nil {
			t.Fatalf("%d entrants, %d waiting", s.Entrants, s.Waiting)
		}
		next := join(t, r, 1)[0]
		refresh(t, r)
		if v := r.Look(next, sale.PhaseLive, false); next.Number != 4 || v.Place != 4 || v.Ahead != 1 {
			t.Fatalf("number %d: %+v", next.Number, v)
		}
		if v := r.Look(tickets[2], sale.PhaseLive, false); v.State != Waiting || v.Ahead != 0 {
			t.Fatalf("who waited before: %+v", v)
		}
	})
}

func TestNumbersGivenAfterACleanStopAreNotGivenTwice(t *testing.T) {
	c, client := newClock(t)
	rec, j := testSale(c.now), &memoryJournal{}
	stopping, other := openRoom(t, client, rec, j), openNode(t, client, rec, j)
	seen := make(map[Number]bool)
	take := func(r *Room, n int) {
		for _, ticket := range join(t, r, n) {
			if seen[ticket.Number] {
				t.Fatalf("number %d was given twice", ticket.Number)
			}
			seen[ticket.Number] = true
		}
	}
	take(stopping, 5)
	if err := stopping.Keep(context.Background()); err != nil {
		t.Fatal(err)
	}
	take(other, 90)
	if err := stopping.Keep(context.Background()); err != nil {
		t.Fatal(err)
	}
	take(other, 3)
	for range 2 {
		other = lose(t, client, rec, j)
		take(other, 70)
	}
}

// TestALoweredMarkDoesNotUndoALaterOne has the records of a stop and of a node that raised the mark
// meanwhile in either order.
func TestALoweredMarkDoesNotUndoALaterOne(t *testing.T) {
	first := [][]byte{recordMark(64), recordGiven(0, 5)}
	lowered, raised := recordLowered(64, 0, 5), recordMark(128)
	for _, c := range []struct {
		name string
		then [][]byte
		mark uint64
	}{
		{"alone", [][]byte{lowered}, 5},
		{"raised after", [][]byte{lowered, raised}, 128},
		{"raised before", [][]byte{raised, lowered}, 128},
		{"twice", [][]byte{lowered, lowered}, 5},
	} {
		if r := Fold(slices.Values(append(slices.Clone(first), c.then...))); r.Mark != c.mark {
			t.Errorf("%s: mark %d, want %d", c.name, r.Mark, c.mark)
		}
	}
}

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

func TestAShownTicketIsReportedOnceAndIsCertainAfterTheNextLoss(t *testing.T) {
	eachEngine(t, func(t *testing.T, client rueidis.Client) {
		rec := testSale(time.Now(), func(r *sale.Record) { r.StartsAt = r.StartsAt.Add(time.Hour) })
		j := &memoryJournal{}
		r := openRoom(t, client, rec, j)
		tickets := join(t, r, 3)
		r = lose(t, client, rec, j)
		if s := r.Snapshot(); s.Waiting != 0 || s.Entrants != 64 {
			t.Fatalf("%d waiting of %d", s.Waiting, s.Entrants)
		}
		proofs := func() (n int) {
			for _, record := range j.records {
				if record[2] == kindProven {
					n++
				}
			}
			return n
		}
		for range 3 {
			poll(r, tickets[1])
			refresh(t, r)
		}
		if s := r.Snapshot(); s.Waiting != 1 || proofs() != 1 {
			t.Fatalf("%d waiting, reported %d times", s.Waiting, proofs())
		}
		other := openNode(t, client, rec, j)
		if s := other.Snapshot(); s.Waiting != 1 || s.absent.has(tickets[1].Number) {
			t.Fatal("another node does not know")
		}
		r = lose(t, client, rec, j)
		if s := r.Snapshot(); s.Waiting != 1 || s.absent.has(tickets[1].Number) || !s.absent.has(tickets[0].Number) {
			t.Fatalf("after the next loss: %d waiting", s.Waiting)
		}
	})
}

func TestANodeThatLivedThroughTheLossVouchesForTheNumbersItKnows(t *testing.T) {
	c, client := newClock(t)
	rec, j := testSale(c.now), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	tickets := join(t, r, 5) // the leader does not hear of them
	flush(t, client)
	refresh(t, r)
	arm(t, client, rec, j.fold())
	refresh(t, r)
	s := refresh(t, r)
	if s.Waiting != 5 || s.Entrants != 64 {
		t.Fatalf("%d of %d wait", s.Waiting, s.Entrants)
	}
	for i, ticket := range tickets {
		if v := r.Look(ticket, sale.PhaseLive, false); v.Ahead != uint64(i) {
			t.Fatalf("ticket %d: %+v", ticket.Number, v)
		}
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
			place, _ := s.place(ticket.Number)
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

// crowd is a room with visitors who poll, and what is known of them.
type crowd struct {
	t        *testing.T
	clock    *clock
	client   rueidis.Client
	rec      sale.Record
	journal  *memoryJournal
	room     *Room
	visitors map[Number]*visitor
}

type visitor struct {
	ticket   Ticket
	present  bool
	pollAt   time.Time
	interval time.Duration
	called   bool
}

// step lets a tenth of a second pass: whoever is due polls, then the leader ticks.
func (w *crowd) step(t *rapid.T) {
	w.clock.forward(100 * time.Millisecond)
	for _, v := range w.visitors {
		if v.present && !v.called && !v.pollAt.After(w.clock.now) {
			w.look(t, v)
		}
	}
	advance(w.t, w.room, plenty)
	s := w.room.Snapshot()
	called, waits := uint64(0), uint64(maxNumber)
	for n, v := range w.visitors {
		place, known := s.place(n)
		if !v.present || v.called || !known {
			continue
		}
		switch got := lookAt(w.room, v.ticket, w.phase(), s.NowMillis); got {
		case Called:
			v.called, called = true, max(called, place)
		case Waiting:
			waits = min(waits, place)
		case Early:
		default:
			t.Fatalf("ticket %d, which polls, is %s", n, got)
		}
	}
	if called > waits {
		t.Fatalf("place %d was called while the holder of place %d, who polls, waits", called, waits)
	}
}

func (w *crowd) phase() sale.Phase {
	if w.clock.now.Before(w.rec.StartsAt) {
		return sale.PhasePrequeue
	}
	return sale.PhaseLive
}

// look is a poll: nobody is told of more visitors ahead than hold a ticket.
func (w *crowd) look(t *rapid.T, v *visitor) {
	s := w.room.Snapshot()
	view := w.room.Look(v.ticket, w.phase(), false)
	v.pollAt = w.clock.now.Add(v.interval)
	people := uint64(0)
	for n := range w.visitors {
		if place, _ := s.place(n); place > s.Called && place < view.Place {
			people++
		}
	}
	if view.PlaceKnown && view.Ahead > people {
		t.Fatalf("ticket %d is told of %d ahead; %d tickets are", v.ticket.Number, view.Ahead, people)
	}
}

func (w *crowd) join(t *rapid.T) {
	for _, ticket := range join(w.t, w.room, rapid.IntRange(1, 5).Draw(t, "visitors")) {
		if w.visitors[ticket.Number] != nil {
			t.Fatalf("number %d was given twice", ticket.Number)
		}
		interval := time.Duration(rapid.IntRange(1, 6).Draw(t, "interval")) * 100 * time.Millisecond
		w.visitors[ticket.Number] = &visitor{ticket: ticket, present: true, pollAt: w.clock.now.Add(interval), interval: interval}
	}
	refresh(w.t, w.room)
}

// TestTheLineKeepsItsOrderThroughLosses runs a room through losses of Redis, with and without a clean
// stop, on a node that lived through them and on a new one, before and after a draw.
func TestTheLineKeepsItsOrderThroughLosses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, client := newClock(t)
		w := &crowd{t: t, clock: c, client: client, journal: &memoryJournal{}, visitors: make(map[Number]*visitor)}
		w.rec = testSale(c.now, func(r *sale.Record) {
			r.Admission.Order = rapid.SampledFrom([]sale.Order{sale.FIFO, sale.Draw}).Draw(rt, "order")
			r.Admission.RatePerMinute = rapid.SampledFrom([]int{120, 600, 60_000}).Draw(rt, "rate")
			r.Admission.MaxActive = 100_000
			r.StartsAt = c.now.Add(time.Duration(rapid.IntRange(-1, 2).Draw(rt, "start")) * time.Second)
		})
		w.room = openRoom(t, client, w.rec, w.journal)
		rt.Repeat(map[string]func(*rapid.T){
			"join": w.join,
			"step": func(t *rapid.T) {
				for range rapid.IntRange(1, 8).Draw(t, "ticks") {
					w.step(t)
				}
			},
			"quit": func(t *rapid.T) {
				for _, v := range w.visitors {
					if !v.called && rapid.Bool().Draw(t, "quits") {
						v.present = false
					}
				}
			},
			"crash": func(t *rapid.T) { w.room = lose(w.t, client, w.rec, w.journal) },
			"flush": func(t *rapid.T) {
				flush(w.t, client)
				refresh(w.t, w.room)
				arm(w.t, client, w.rec, w.journal.fold())
				refresh(w.t, w.room)
			},
			"restart": func(t *rapid.T) {
				if err := w.room.Keep(context.Background()); err != nil {
					t.Fatal(err)
				}
				if gaps := w.journal.fold().gaps(); len(gaps) > 0 && gaps[len(gaps)-1].last > w.room.Snapshot().room.base {
					t.Fatalf("uncertain after a clean stop: %v", gaps)
				}
				w.room = lose(w.t, client, w.rec, w.journal)
			},
		})
	})
}

// TestAnEmptyRoomCallsANewcomerWithinASecondOfARestore is about rooms in which everybody was called.
func TestAnEmptyRoomCallsANewcomerWithinASecondOfARestore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, client := newClock(t)
		rec, j := busySale(c, func(r *sale.Record) {
			r.Admission.Order = rapid.SampledFrom([]sale.Order{sale.FIFO, sale.Draw}).Draw(rt, "order")
			r.Admission.MaxActive = 100_000
		}), &memoryJournal{}
		r := openRoom(t, client, rec, j)
		for range rapid.IntRange(1, 3).Draw(rt, "losses") {
			join(t, r, rapid.IntRange(0, 40).Draw(rt, "before"))
			for range 20 {
				if s := c.ticks(t, r, 100*time.Millisecond); s.Waiting == 0 {
					break
				}
			}
			if s := r.Snapshot(); s.Waiting != 0 {
				rt.Fatalf("%d wait", s.Waiting)
			}
			r = lose(t, client, rec, j)
			c.forward(time.Duration(rapid.IntRange(0, 5000).Draw(rt, "later")) * time.Millisecond)
			newcomer := join(t, r, 1)[0]
			for end := c.now.Add(time.Second); c.now.Before(end) && state(r, newcomer) != Called; {
				c.ticks(t, r, 100*time.Millisecond)
			}
			if state(r, newcomer) != Called {
				rt.Fatalf("ticket %d is %s", newcomer.Number, state(r, newcomer))
			}
		}
	})
}

func TestAClaimProvesItsOwnNumberAlone(t *testing.T) {
	c, client := newClock(t)
	rec, j := testSale(c.now), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	ticket := join(t, r, 1)[0]
	r = lose(t, client, rec, j)
	if err := reportOf(r, 50_000); err != nil {
		t.Fatal(err)
	}
	if s := refresh(t, r); s.Waiting != 0 || len(s.absent.proven) != 0 {
		t.Fatalf("%d wait, %v are proven", s.Waiting, s.absent.proven)
	}
	claimFails(t, r, ticket, problem.NotCalled)
	if s := refresh(t, r); s.Waiting != 1 {
		t.Fatalf("%d wait", s.Waiting)
	}
}
