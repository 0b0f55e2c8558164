package queue

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// TestLateVisitorsKeepTheLimits lets visitors be called as there is room, and come in time, late and too late, in any
// order. Nobody who comes in time is refused for one who is late.
func TestLateVisitorsKeepTheLimits(t *testing.T) {
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
				minute := 0
				for _, at := range admitted {
					if k.now.Sub(at) <= time.Minute {
						minute++
					}
				}
				if s := refresh(outer, r); s.AdmittedLastMinute != minute || minute > int(s.RatePerMinute) {
					t.Fatalf("%d admitted in the last minute, want %d", s.AdmittedLastMinute, minute)
				}
			},
		})
	})
}

// TestThreeGatesKeepTheLimitsWithLateVisitors has everybody claim at three nodes again and again, in time and late, while
// another leader takes over.
func TestThreeGatesKeepTheLimitsWithLateVisitors(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		rec := testSale(time.Now(), func(r *sale.Record) {
			r.Admission.MaxActive, r.Admission.RatePerMinute = 6, 6000
			r.Admission.ClaimWindow, r.Admission.PassTTL = sale.Duration(time.Second), sale.Duration(time.Second)
		})
		nodes := []*Room{openRoom(t, client, rec, nil), openNode(t, client, rec, nil), openNode(t, client, rec, nil)}
		tickets := join(t, nodes[0], 60)
		var all sync.WaitGroup
		var admitted, late atomic.Int64
		var enough atomic.Bool
		for i, node := range nodes {
			all.Go(func() {
				for pick := i; !enough.Load(); pick += 7 {
					if err := node.Refresh(ctx); err != nil {
						t.Error(err)
					}
					ticket := tickets[pick%len(tickets)]
					// Every third comes late only.
					before := node.Look(ticket, sale.PhaseLive, false)
					if before.State != Missed && ticket.Number%3 == 0 {
						continue
					}
					if _, _, again, err := node.ClaimLate(ctx, ticket, plenty); err == nil && !again {
						admitted.Add(1)
						if before.State == Missed {
							late.Add(1)
						}
					}
				}
			})
		}
		for tick := 0; tick < 400 && (tick < 30 || late.Load() < 3); tick++ {
			leader, term := nodes[0], int64(testTerm)
			if tick > 20 {
				leader, term = nodes[1], testTerm+1
			}
			if err := leader.Advance(ctx, term, plenty); err != nil {
				t.Error(err)
			}
			<-time.After(50 * time.Millisecond)
		}
		enough.Store(true)
		all.Wait()
		stats, err := Stats(ctx, client, rec.ID)
		if err != nil || !stats.WithinLimits() || stats.PeakActive > 6 {
			t.Fatalf("%+v, %v", stats, err)
		}
		if admitted.Load() == 0 || late.Load() == 0 {
			t.Fatalf("%d were admitted, %d of them late", admitted.Load(), late.Load())
		}
		t.Logf("%d were admitted, %d of them late", admitted.Load(), late.Load())
	})
}
