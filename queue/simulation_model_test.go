//go:build simulations

package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// model is what a room should be, written as plainly as possible. Times are ms since the epoch of
// the tests; the room's own time is now − paused.
type model struct {
	now, paused      int64
	pausedAt         int64 // −1 while it runs
	entrants, called uint64
	calls            []calls
	used             map[Number]bool
	passes           map[Number]int64 // ticket → end
	grace            map[Number]int64
	admits           []int64
	cap, rate        int
	window, ttl      int64
	maxCap, maxRate  int
	peakActive, peak int
}

func (m *model) run() int64 {
	if m.pausedAt >= 0 {
		return m.pausedAt - m.paused
	}
	return m.now - m.paused
}

func (m *model) active() int {
	n := 0
	for _, end := range m.passes {
		if end > m.now {
			n++
		}
	}
	return n
}

func (m *model) lastMinute() int {
	n := 0
	for _, at := range m.admits {
		if m.now-at <= 60_000 {
			n++
		}
	}
	return n
}

func (m *model) deadline(n Number) int64 {
	if until, renewed := m.grace[n]; renewed && until > m.run() {
		return until
	}
	for _, c := range m.calls {
		if uint64(n) <= c.last {
			return c.deadlineMillis
		}
	}
	return 0
}

// move notes that the watermark moved.
func (m *model) move(called uint64) {
	if called <= m.called {
		return
	}
	step := max(m.window/256, 100)
	deadline := (m.run() + epoch.UnixMilli() + m.window + step - 1) / step * step
	deadline -= epoch.UnixMilli()
	if n := len(m.calls); n > 0 {
		deadline = max(deadline, m.calls[n-1].deadlineMillis)
	}
	m.called = called
	m.calls = append(m.calls, calls{last: called, deadlineMillis: deadline})
}

// claim says how a claim must end: ok, again, or a code; and does it.
func (m *model) claim(n Number) string {
	switch {
	case m.passes[n] > m.now:
		return "again"
	case m.used[n]:
		return string(problem.TurnMissed)
	case m.pausedAt >= 0:
		return string(problem.SalePaused)
	case uint64(n) > m.called:
		return string(problem.NotCalled)
	case m.deadline(n) <= m.run():
		return string(problem.TurnMissed)
	case m.active() >= m.cap || m.lastMinute() >= m.rate:
		if renewed := m.run() + m.window; renewed-m.grace[n] > m.window/8 {
			m.grace[n] = renewed
		}
		return string(problem.NotCalled)
	}
	m.used[n] = true
	m.passes[n] = (m.now + m.ttl + 999) / 1000 * 1000
	m.admits = append(m.admits, m.now)
	m.peakActive, m.peak = max(m.peakActive, m.active()), max(m.peak, m.lastMinute())
	return "ok"
}

func (m *model) state(n Number) State {
	switch {
	case m.passes[n] > m.now:
		return Admitted
	case m.used[n]:
		return Missed
	case uint64(n) <= m.called && m.deadline(n) <= m.run():
		return Missed
	case m.pausedAt >= 0:
		return Paused
	case uint64(n) <= m.called:
		return Called
	default:
		return Waiting
	}
}

// machine drives the room on two nodes beside its model.
type machine struct {
	model
	t      *testing.T
	clock  *clock
	client rueidis.Client
	rec    sale.Record
	nodes  []*Room
	passOf map[Number]Pass
}

func (m *machine) node(t *rapid.T) *Room { return m.nodes[rapid.IntRange(0, 1).Draw(t, "node")] }

func (m *machine) ticket(t *rapid.T) Ticket {
	if m.entrants == 0 {
		t.Skip("nobody is there")
	}
	return Ticket{Sale: m.rec.ID, Number: Number(rapid.Uint64Range(1, m.entrants).Draw(t, "ticket"))}
}

func (m *machine) rearm() {
	m.rec.Version++
	arm(m.t, m.client, m.rec, nil)
}

func (m *machine) actions() map[string]func(*rapid.T) {
	ctx := context.Background()
	return map[string]func(*rapid.T){
		"": m.check,
		"join": func(t *rapid.T) {
			for range rapid.IntRange(1, 4).Draw(t, "visitors") {
				ticket, err := m.node(t).Join(ctx)
				if m.entrants++; err != nil || uint64(ticket.Number) != m.entrants {
					t.Fatalf("joined as %d, %v; want %d", ticket.Number, err, m.entrants)
				}
			}
		},
		"time": func(t *rapid.T) {
			pass := rapid.OneOf(rapid.Int64Range(1, 500), rapid.Int64Range(1, 70_000), rapid.SampledFrom([]int64{59_999, 60_000, 60_001})).Draw(t, "ms")
			m.now += pass
			m.clock.forward(time.Duration(pass) * time.Millisecond)
		},
		"advance": func(t *rapid.T) {
			node := m.node(t)
			if err := node.Advance(ctx, testTerm, plenty); err != nil {
				t.Fatal(err)
			}
			called := refresh(m.t, node).Called
			if m.pausedAt >= 0 && called != m.called {
				t.Fatal("called during a pause")
			}
			m.move(called)
		},
		"call": func(t *rapid.T) {
			if m.called == m.entrants || m.pausedAt >= 0 {
				t.Skip("nobody to call")
			}
			called := rapid.Uint64Range(m.called+1, m.entrants).Draw(t, "up to")
			callUpTo(m.t, m.node(t), called)
			m.move(called)
		},
		"claim": func(t *rapid.T) {
			ticket := m.ticket(t)
			pass, _, again, err := m.node(t).Claim(ctx, ticket)
			got := "ok"
			var code problem.Code
			switch {
			case errors.As(err, &code):
				got = string(code)
			case err != nil:
				t.Fatal(err)
			case again:
				got = "again"
			}
			if want := m.claim(ticket.Number); got != want {
				t.Fatalf("claim of ticket %d: %s, want %s", ticket.Number, got, want)
			}
			if first, known := m.passOf[ticket.Number]; err == nil && known && first != pass {
				t.Fatalf("another pass for the same ticket: %+v and %+v", first, pass)
			}
			if err == nil {
				m.passOf[ticket.Number] = pass
			}
		},
		"leave": func(t *rapid.T) {
			ticket := m.ticket(t)
			if err := m.node(t).Leave(ctx, ticket); err != nil {
				t.Fatal(err)
			}
			m.used[ticket.Number] = true
			delete(m.passes, ticket.Number)
		},
		"release": func(t *rapid.T) {
			ticket := m.ticket(t)
			pass, had := m.passOf[ticket.Number]
			if !had {
				t.Skip("no pass")
			}
			if err := m.node(t).Release(ctx, pass); err != nil {
				t.Fatal(err)
			}
			delete(m.passes, ticket.Number)
		},
		"pause": func(t *rapid.T) {
			if m.rec.Paused = !m.rec.Paused; m.rec.Paused {
				m.pausedAt = m.now
			} else {
				m.paused, m.pausedAt = m.paused+m.now-m.pausedAt, -1
			}
			m.rearm()
		},
		"limits": func(t *rapid.T) {
			m.cap, m.rate = rapid.IntRange(1, 6).Draw(t, "cap"), rapid.IntRange(1, 8).Draw(t, "rate")
			m.maxCap, m.maxRate = max(m.maxCap, m.cap), max(m.maxRate, m.rate)
			m.rec.Admission.MaxActive, m.rec.Admission.RatePerMinute = m.cap, m.rate
			m.rearm()
		},
	}
}

// check compares all that can be seen with the model.
func (m *machine) check(t *rapid.T) {
	phase := sale.PhaseLive
	if m.rec.Paused {
		phase = sale.PhasePaused
	}
	for i, node := range m.nodes {
		s := refresh(m.t, node)
		if s.Called != m.called || s.Entrants != m.entrants || s.Active != m.active() || s.AdmittedLastMinute != m.lastMinute() {
			t.Fatalf("node %d: called %d, entrants %d, active %d, minute %d; want %d, %d, %d, %d", i,
				s.Called, s.Entrants, s.Active, s.AdmittedLastMinute, m.called, m.entrants, m.active(), m.lastMinute())
		}
		for n := Number(1); n <= Number(m.entrants); n++ {
			frozen := lookAt(node, Ticket{Number: n}, phase, s.NowMillis)
			if want := m.state(n); frozen != want {
				t.Fatalf("node %d, ticket %d: %s, want %s", i, n, frozen, want)
			}
			pass, had := m.passOf[n]
			end, kept := m.passes[n]
			if had && (!kept || end > m.now) && node.Revoked(pass) == kept {
				t.Fatalf("node %d, pass %d: revoked %v", i, n, node.Revoked(pass))
			}
		}
	}
	stats, err := Stats(context.Background(), m.client, m.rec.ID)
	if err != nil || stats.PeakActive < int64(m.peakActive) || stats.PeakActive > int64(m.maxCap) ||
		stats.PeakPerMinute != int64(m.peak) || stats.PeakPerMinute > int64(m.maxRate) || !stats.WithinLimits() {
		t.Fatalf("stats %+v, %v; want peaks %d and %d", stats, err, m.peakActive, m.peak)
	}
}

func TestSimulationARoomBehavesAsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, client := newClock(t)
		m := &machine{t: t, clock: c, client: client, passOf: make(map[Number]Pass)}
		m.model = model{
			pausedAt: -1, used: make(map[Number]bool), passes: make(map[Number]int64), grace: make(map[Number]int64),
			cap: 3, rate: 4, maxCap: 3, maxRate: 4, window: 20_000, ttl: 30_000,
		}
		m.rec = testSale(c.now, func(r *sale.Record) {
			r.EndsAt = c.now.Add(1000 * time.Hour)
			r.Admission.MaxActive, r.Admission.RatePerMinute = m.cap, m.rate
			r.Admission.ClaimWindow, r.Admission.PassTTL = sale.Duration(20*time.Second), sale.Duration(30*time.Second)
		})
		m.nodes = []*Room{openRoom(t, client, m.rec, nil), openNode(t, client, m.rec, nil)}
		rt.Repeat(m.actions())
	})
}
