package queue

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
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
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
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
	first := [][]byte{recordMark(0, 64), recordGiven(0, 0, 5)}
	lowered, raised := recordLowered(0, 64, 0, 5), recordMark(0, 128)
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

func TestAShownTicketIsReportedOnceAndIsCertainAfterTheNextLoss(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
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
