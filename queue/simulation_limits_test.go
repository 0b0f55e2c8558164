//go:build simulations

package queue

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// TestSimulationLateVisitorsKeepTheLimits lets visitors be called as there is room, and come in time, late and too late, in any
// order. Nobody who comes in time is refused for one who is late.
func TestSimulationLateVisitorsKeepTheLimits(t *testing.T) {
	outer := t
	ctx := context.Background()
	rapid.Check(t, func(rt *rapid.T) {
		k, client := newClock(outer)
		rec := testSale(k.now, withLanes(0.3), func(r *sale.Record) {
			r.Admission.MaxActive, r.Admission.RatePerMinute = rapid.IntRange(1, 6).Draw(rt, "cap"), rapid.SampledFrom([]int{3, 60, 6000}).Draw(rt, "rate")
			r.Admission.ClaimWindow, r.Admission.PassTTL = sale.Duration(10*time.Second), sale.Duration(20*time.Second)
		})
		r := openRoom(outer, client, rec, nil)
		tickets := map[Lane][]Ticket{0: join(outer, r, 15), 1: inLane(outer, r, 1, names("p", 15)...)}
		used := make(map[Number]bool)
		var admitted []time.Time
		rt.Repeat(map[string]func(*rapid.T){
			"call": func(t *rapid.T) {
				s, lane := refresh(outer, r), Lane(rapid.IntRange(0, 1).Draw(t, "lane"))
				coming := int(s.AllOutstanding())
				if s.Active+coming >= s.MaxActive || s.AdmittedLastMinute+coming >= int(s.RatePerMinute) || s.In(lane).Called == 15 {
					t.Skip("no room")
				}
				callInLane(outer, r, lane, s.In(lane).Called+1)
			},
			"claim": func(t *rapid.T) {
				s, lane := refresh(outer, r), Lane(rapid.IntRange(0, 1).Draw(t, "lane"))
				if s.In(lane).Called == 0 {
					t.Skip("nobody is called")
				}
				ticket := tickets[lane][rapid.Uint64Range(1, s.In(lane).Called).Draw(t, "place")-1]
				view := r.Look(ticket, sale.PhaseLive, false)
				_, _, again, err := r.ClaimLate(ctx, ticket, plenty)
				isNew, coming := err == nil && !again, int(s.AllOutstanding())
				switch {
				case view.State == Called && err != nil:
					t.Fatalf("who came in time was refused: %v, %d active of %d", err, s.Active, s.MaxActive)
				case view.State == Missed && err != nil && !errors.Is(err, problem.TurnMissed):
					t.Fatalf("told %+v, and then %v", view, err)
				case view.State == Missed && isNew && (view.TakeUpBefore.IsZero() || used[ticket.Number]):
					t.Fatalf("told %+v, and then admitted", view)
				case view.State == Missed && isNew && (s.Active+coming >= s.MaxActive || s.AdmittedLastMinute+coming >= int(s.RatePerMinute)):
					t.Fatalf("late, with %d of %d active and %d who may come", s.Active, s.MaxActive, coming)
				}
				if isNew {
					used[ticket.Number], admitted = true, append(admitted, k.now)
				}
			},
			"time": func(t *rapid.T) {
				k.forward(time.Duration(rapid.SampledFrom([]int{90, 400, 3000, 9_900}).Draw(t, "ms")) * time.Millisecond)
			},
			"tick": func(*rapid.T) { advance(outer, r, nobodyNow) },
			"": func(t *rapid.T) {
				stats, err := Stats(ctx, client, rec.ID)
				if err != nil || !stats.WithinLimits() {
					t.Fatalf("%+v, %v", stats, err)
				}
				minute := k.inLastMinute(admitted)
				if s := refresh(outer, r); s.AdmittedLastMinute != minute || minute > int(s.RatePerMinute) {
					t.Fatalf("%d admitted in the last minute, want %d", s.AdmittedLastMinute, minute)
				}
			},
		})
	})
}

// TestSimulationCallsAtTheDoorKeepTheLimits lets visitors come, claim, go and leave in any order.
func TestSimulationCallsAtTheDoorKeepTheLimits(t *testing.T) {
	outer := t
	rapid.Check(t, func(rt *rapid.T) {
		k, client := newClock(outer)
		limit := rapid.IntRange(1, 8).Draw(rt, "cap")
		rec := testSale(k.now, func(r *sale.Record) {
			r.Admission.MaxActive, r.Admission.RatePerMinute = limit, rapid.SampledFrom([]int{5, 60, 6000}).Draw(rt, "rate")
			r.Admission.ClaimWindow, r.Admission.PassTTL = sale.Duration(10*time.Second), sale.Duration(20*time.Second)
		})
		r := openRoom(outer, client, rec, nil)
		var called, passes = []Ticket{}, []Pass{}
		var admitted []time.Time
		rt.Repeat(map[string]func(*rapid.T){
			"come": func(t *rapid.T) {
				before := refresh(outer, r)
				ticket := walkIn(outer, r, plenty)
				if after := r.Snapshot(); after.Called > before.Called {
					if before.Waiting > 0 {
						t.Fatalf("called in front of %d", before.Waiting)
					}
					called = append(called, ticket)
				}
			},
			"claim": func(t *rapid.T) {
				for _, ticket := range called {
					pass, _, again, err := r.Claim(context.Background(), ticket)
					switch {
					case err == nil && !again:
						passes, admitted = append(passes, pass), append(admitted, k.now)
					case err != nil && !errors.Is(err, problem.TurnMissed):
						t.Fatalf("called at the door, and then: %v", err)
					}
				}
				called = nil
			},
			"release": func(t *rapid.T) {
				if len(passes) == 0 {
					t.Skip("none")
				}
				if err := r.Release(context.Background(), passes[0]); err != nil {
					t.Fatal(err)
				}
				passes = passes[1:]
			},
			"time": func(t *rapid.T) {
				k.forward(time.Duration(rapid.SampledFrom([]int{1, 90, 400, 3000, 9_900, 21_000}).Draw(t, "ms")) * time.Millisecond)
			},
			"tick": func(t *rapid.T) { advance(outer, r, plenty) },
			"": func(t *rapid.T) {
				stats, err := Stats(context.Background(), client, rec.ID)
				if err != nil || !stats.WithinLimits() {
					t.Fatalf("%+v, %v", stats, err)
				}
				minute := k.inLastMinute(admitted)
				if s := refresh(outer, r); s.AdmittedLastMinute != minute {
					t.Fatalf("%d admitted in the last minute, want %d", s.AdmittedLastMinute, minute)
				}
			},
		})
	})
}

func TestSimulationSharesHoldUnderFullLoadAndSoDoTheLimits(t *testing.T) {
	clock, client := newClock(t)
	rec := testSale(clock.now, withLanes(0.2), func(rec *sale.Record) {
		rec.Admission.RatePerMinute, rec.Admission.MaxActive = 600, 900
		rec.StartsAt = clock.now
	})
	r := openRoom(t, client, rec, nil)
	const each = 1500
	lines := [][]Ticket{join(t, r, each), inLane(t, r, 1, names("vip", each)...)}
	refresh(t, r)
	var admitted []time.Time
	claimed := []uint64{0, 0}
	for clock.now.Before(epoch.Add(2 * time.Minute)) {
		clock.forward(100 * time.Millisecond)
		s := advance(t, r, plenty)
		total := float64(s.AllCalled())
		if off := float64(s.In(1).Called) - 0.2*total; math.Abs(off) > 1 {
			t.Fatalf("of %v calls, %d went to the lane with a fifth", total, s.In(1).Called)
		}
		for lane, line := range lines {
			for of := s.In(Lane(lane)); claimed[lane] < of.Called; claimed[lane]++ {
				mustClaim(t, r, line[claimed[lane]])
				admitted = append(admitted, clock.now)
			}
		}
		if s.Active > 900 {
			t.Fatalf("%d passes are active", s.Active)
		}
	}
	for i := range admitted {
		inMinute := 0
		for _, at := range admitted[i:] {
			if at.Sub(admitted[i]) <= time.Minute {
				inMinute++
			}
		}
		if inMinute > 600 {
			t.Fatalf("%d were admitted in the minute from %v", inMinute, admitted[i])
		}
	}
	if len(admitted) != 900 || claimed[1] < 179 || claimed[1] > 181 {
		t.Fatalf("%d were admitted, %d of them from the lane with a fifth", len(admitted), claimed[1])
	}
	// What a visitor is told comes from the pace of their own lane.
	first, last := r.Look(lines[0][each-1], sale.PhaseLive, false), r.Look(lines[1][each-1], sale.PhaseLive, false)
	if first.Ahead >= last.Ahead || first.ETAP50Seconds >= last.ETAP50Seconds {
		t.Fatalf("everybody: %+v; the lane with a fifth: %+v", first, last)
	}
}

// inLastMinute counts the moments of the last 60 s.
func (c *clock) inLastMinute(moments []time.Time) (n int) {
	for _, at := range moments {
		if c.now.Sub(at) <= time.Minute {
			n++
		}
	}
	return n
}
