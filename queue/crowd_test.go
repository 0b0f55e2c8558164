package queue

import (
	"context"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/sale"
)

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
func (w *crowd) step(t rapid.TB) {
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

func (w *crowd) steps(ticks int) {
	for range ticks {
		w.step(w.t)
	}
}

func (w *crowd) phase() sale.Phase {
	if w.clock.now.Before(w.rec.StartsAt) {
		return sale.PhasePrequeue
	}
	return sale.PhaseLive
}

// look is a poll: nobody is told of more visitors ahead than hold a ticket.
func (w *crowd) look(t rapid.TB, v *visitor) {
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

// join takes in one visitor for each interval, in tenths of a second, at which they poll.
func (w *crowd) join(t rapid.TB, intervals ...int) {
	for i, ticket := range join(w.t, w.room, len(intervals)) {
		if w.visitors[ticket.Number] != nil {
			t.Fatalf("number %d was given twice", ticket.Number)
		}
		interval := time.Duration(intervals[i]) * 100 * time.Millisecond
		w.visitors[ticket.Number] = &visitor{ticket: ticket, present: true, pollAt: w.clock.now.Add(interval), interval: interval}
	}
	refresh(w.t, w.room)
}

// crash loses Redis and the node, flush only Redis, and restart stops the node cleanly before both are
// lost.
func (w *crowd) crash() { w.room = lose(w.t, w.client, w.rec, w.journal) }

func (w *crowd) flush() {
	flush(w.t, w.client)
	refresh(w.t, w.room)
	arm(w.t, w.client, w.rec, w.journal.fold())
	refresh(w.t, w.room)
}

func (w *crowd) restart(t rapid.TB) {
	if err := w.room.Keep(context.Background()); err != nil {
		t.Fatal(err)
	}
	if gaps := w.journal.fold().gaps(); len(gaps) > 0 && gaps[len(gaps)-1].last > w.room.Snapshot().room.base {
		t.Fatalf("uncertain after a clean stop: %v", gaps)
	}
	w.crash()
}

// newCrowd opens a room without visitors whose sale starts now, unless change says otherwise.
func newCrowd(t *testing.T, change func(*sale.Record)) *crowd {
	c, client := newClock(t)
	w := &crowd{t: t, clock: c, client: client, journal: &memoryJournal{}, visitors: make(map[Number]*visitor)}
	w.rec = testSale(c.now, func(r *sale.Record) {
		r.Admission.MaxActive, r.StartsAt = 100_000, c.now
		change(r)
	})
	w.room = openRoom(t, client, w.rec, w.journal)
	return w
}

// lookAt is Look at the very moment of the snapshot, so that the milliseconds of the test do not count.
func lookAt(r *Room, t Ticket, phase sale.Phase, now int64) State {
	s := r.snap.Load()
	v := View{}
	v.Place, v.PlaceKnown = s.place(t.Number)
	return r.state(s, &v, t.Number, phase, false, now)
}

// Sequences of losses on which the property above has failed in the past. Who quit was not recorded, so
// that here nobody does.
func TestTheLineKeepsItsOrderThroughTheseLosses(t *testing.T) {
	for name, c := range map[string]struct {
		order sale.Order
		rate  int
		does  func(w *crowd)
	}{
		"a draw among numbers of several losses": {sale.Draw, 600, func(w *crowd) {
			w.join(w.t, 1, 4, 2, 4)
			w.crash()
			w.flush()
			w.restart(w.t)
			w.flush()
			w.restart(w.t)
			w.restart(w.t)
			w.flush()
			w.join(w.t, 6, 6, 6)
			w.join(w.t, 6, 2, 1, 3)
			w.flush()
			w.restart(w.t)
			w.flush()
			w.restart(w.t)
			w.flush()
			w.join(w.t, 6)
			w.steps(7)
		}},
		"nobody is told of uncertain numbers of several losses": {sale.FIFO, 120, func(w *crowd) {
			w.join(w.t, 2, 5)
			w.steps(2)
			w.join(w.t, 1, 6, 5, 2)
			w.restart(w.t)
			w.join(w.t, 6, 3, 6, 2, 2)
			w.steps(14)
			w.flush()
			w.crash()
			w.steps(4)
			w.join(w.t, 2, 1, 4)
			w.flush()
			w.flush()
			w.crash()
			w.join(w.t, 6, 3, 3, 3)
			w.join(w.t, 6)
			w.crash()
			w.join(w.t, 4)
			w.steps(14)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newCrowd(t, func(r *sale.Record) { r.Admission.Order, r.Admission.RatePerMinute = c.order, c.rate })
			c.does(w)
		})
	}
}
