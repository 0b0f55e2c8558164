package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// nobodyNow has the leader call nobody.
var nobodyNow = Outside{Items: []Units{{}}, LevelFactor: 1}

func claimLate(t testing.TB, r *Room, ticket Ticket) Pass {
	t.Helper()
	pass, _, _, err := r.ClaimLate(context.Background(), ticket, plenty)
	if err != nil {
		t.Fatalf("late claim of ticket %d: %v", ticket.Number, err)
	}
	return pass
}

// lateFails wants a late claim refused with turn_missed, and the end of the grace to be told if it lasts.
func lateFails(t testing.TB, r *Room, ticket Ticket, in Outside, lasts bool) {
	t.Helper()
	_, _, _, err := r.ClaimLate(context.Background(), ticket, in)
	var refusal *problem.Refusal
	if !errors.As(err, &refusal) || refusal.Code != problem.TurnMissed {
		t.Fatalf("late claim of ticket %d: %v", ticket.Number, err)
	}
	told := len(refusal.Fields) == 2 && refusal.Fields[0].Name == "take_up_before"
	if told != lasts {
		t.Fatalf("late claim of ticket %d: the grace lasts %v, told %+v", ticket.Number, lasts, refusal.Fields)
	}
}

// callInLane moves the watermark of one lane by hand.
func callInLane(t testing.TB, r *Room, lane Lane, called uint64) {
	t.Helper()
	if lane == 0 {
		callUpTo(t, r, called)
		return
	}
	s := refresh(t, r)
	d := s.stand()
	for _, one := range s.lanes {
		d.Lanes = append(d.Lanes, LaneMove{Called: one.Called, Owed: one.room.owed})
	}
	d.Lanes[lane-1].Called = called
	if err := r.write(context.Background(), s, testTerm, d, "", ""); err != nil {
		t.Fatal(err)
	}
	refresh(t, r)
}

func TestAMissedTurnIsTakenUpWithinOneMoreWindow(t *testing.T) {
	for _, lane := range []Lane{0, 2} {
		k, client := newClock(t)
		rec := testSale(k.now, withLanes(0.1, 0.1))
		r, other := openRoom(t, client, rec, nil), openNode(t, client, rec, nil)
		tickets := inLane(t, r, lane, "ada", "bob", "eve")
		callInLane(t, r, lane, 3)
		before := r.Look(tickets[0], sale.PhaseLive, false).ClaimBefore
		k.forward(before.Sub(k.now))
		until := before.Add(2 * time.Minute)
		for _, closed := range []bool{false, true} {
			if closed {
				if s := advance(t, r, nobodyNow); s.AllOutstanding() != 0 || s.In(lane).room.floor != 3 {
					t.Fatalf("lane %d: the windows are not closed: %+v", lane, s.In(lane).room)
				}
			}
			for name, node := range map[string]*Room{"this": r, "another": other, "a new": openNode(t, client, rec, nil)} {
				refresh(t, node)
				if v := node.Look(tickets[0], sale.PhaseLive, false); v.State != Missed || !v.TakeUpBefore.Equal(until) || v.PollAfterMillis > 8000 {
					t.Fatalf("lane %d, windows closed %v, %s node: %+v, want until %s", lane, closed, name, v, until)
				}
			}
		}
		for phase, want := range map[sale.Phase]State{sale.PhaseEnded: Ended, sale.PhaseSoldOut: Missed} {
			if v := r.Look(tickets[0], phase, false); v.State != want || !v.TakeUpBefore.IsZero() {
				t.Fatalf("in the phase %s: %+v", phase, v)
			}
		}
		k.forward(until.Sub(k.now) - time.Millisecond)
		first := claimLate(t, other, tickets[0])
		if second := claimLate(t, r, tickets[0]); second != first {
			t.Fatalf("%+v and then %+v", first, second)
		}
		k.forward(time.Millisecond)
		lateFails(t, r, tickets[1], plenty, false)
		refresh(t, r)
		if v := r.Look(tickets[1], sale.PhaseLive, false); v.State != Missed || !v.TakeUpBefore.IsZero() {
			t.Fatalf("after the grace: %+v", v)
		}
		s := advance(t, r, nobodyNow)
		if s.Active != 1 || s.AdmittedLastMinute != 1 || s.AllOutstanding() != 0 || len(s.In(lane).calls) != 0 {
			t.Fatalf("lane %d: %+v", lane, s)
		}
		lateFails(t, r, tickets[2], plenty, false)
	}
}

func TestATurnIsTakenUpOnARealServer(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now(), func(r *sale.Record) { r.Admission.ClaimWindow = sale.Duration(time.Second) }), nil)
		tickets := join(t, r, 2)
		callUpTo(t, r, 2)
		missed := func() bool {
			advance(t, r, nobodyNow)
			v := r.Look(tickets[0], sale.PhaseLive, false)
			return v.State == Missed && !v.TakeUpBefore.IsZero()
		}
		testenv.Eventually(t, 10*time.Second, "the turn is missed", missed)
		claimLate(t, r, tickets[0])
		testenv.Eventually(t, 10*time.Second, "the grace is over", func() bool {
			advance(t, r, nobodyNow)
			return r.Look(tickets[1], sale.PhaseLive, false).TakeUpBefore.IsZero()
		})
		lateFails(t, r, tickets[1], plenty, false)
	})
}

func TestThePauseStopsTheGrace(t *testing.T) {
	k, client := newClock(t)
	rec := testSale(k.now)
	r := openRoom(t, client, rec, nil)
	ticket := join(t, r, 1)[0]
	callUpTo(t, r, 1)
	k.forward(3 * time.Minute)
	advance(t, r, nobodyNow)
	rec.Paused, rec.Version = true, rec.Version+1
	arm(t, client, rec, nil)
	k.forward(time.Hour)
	if _, _, _, err := r.ClaimLate(context.Background(), ticket, plenty); !errors.Is(err, problem.SalePaused) {
		t.Fatal(err)
	}
	rec.Paused, rec.Version = false, rec.Version+1
	arm(t, client, rec, nil)
	refresh(t, r)
	if v := r.Look(ticket, sale.PhaseLive, false); v.TakeUpBefore.Before(k.now) {
		t.Fatalf("%+v at %s", v, k.now)
	}
	claimLate(t, r, ticket)
}

func TestWhoCannotTakeUpATurn(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*sale.Record)
		before func(testing.TB, *clock, *Room, []Ticket)
	}{
		"in a sale without the grace": {change: func(r *sale.Record) { r.Admission.Grace = sale.Off() }},
		"who left": {before: func(t testing.TB, _ *clock, r *Room, tickets []Ticket) {
			if err := r.Leave(context.Background(), tickets[0]); err != nil {
				t.Fatal(err)
			}
		}},
		"who was called before others whose grace lasts": {before: func(t testing.TB, k *clock, r *Room, tickets []Ticket) {
			advance(t, r, nobodyNow)
			callUpTo(t, r, 2)
			k.forward(150 * time.Second)
			advance(t, r, nobodyNow)
			if v := r.Look(tickets[1], sale.PhaseLive, false); v.State != Missed || v.TakeUpBefore.IsZero() {
				t.Fatalf("the second: %+v", v)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			k, client := newClock(t)
			change := c.change
			if change == nil {
				change = func(*sale.Record) {}
			}
			r := openRoom(t, client, testSale(k.now, change), nil)
			tickets := join(t, r, 2)
			callUpTo(t, r, 1)
			k.forward(150 * time.Second)
			if c.before != nil {
				c.before(t, k, r, tickets)
			}
			refresh(t, r)
			if v := r.Look(tickets[0], sale.PhaseLive, false); v.State != Missed || !v.TakeUpBefore.IsZero() {
				t.Fatalf("%+v", v)
			}
			lateFails(t, r, tickets[0], plenty, false)
		})
	}
}

// TestALateClaimTakesNothingFromWhoIsInTime: slots, the rolling minute and units are kept for everybody who is called.
func TestALateClaimTakesNothingFromWhoIsInTime(t *testing.T) {
	few := func(n int64) Outside { return Outside{Items: []Units{{Available: n}}, LevelFactor: 1} }
	for name, c := range map[string]struct {
		change func(*sale.Admission)
		in     Outside
	}{
		"the slots":                      {func(a *sale.Admission) { a.MaxActive = 2 }, plenty},
		"the minute":                     {func(a *sale.Admission) { a.RatePerMinute = 2 }, plenty},
		"the units":                      {func(*sale.Admission) {}, few(2)},
		"the level":                      {func(*sale.Admission) {}, Outside{Items: plenty.Items}},
		"what is not known of the stock": {func(*sale.Admission) {}, Outside{}},
	} {
		t.Run(name, func(t *testing.T) {
			k, client := newClock(t)
			r := openRoom(t, client, testSale(k.now, func(r *sale.Record) { c.change(&r.Admission) }), nil)
			tickets := join(t, r, 3)
			callUpTo(t, r, 1)
			k.forward(150 * time.Second)
			advance(t, r, nobodyNow)
			callUpTo(t, r, 3)
			lateFails(t, r, tickets[0], c.in, true)
			if s := refresh(t, r); s.renewedWindows != 0 || s.Outstanding != 2 {
				t.Fatalf("who came late is waited for: %+v", s)
			}
			for _, called := range tickets[1:] {
				mustClaim(t, r, called)
			}
		})
	}
}

func TestWhatALapsedTurnLeavesIsTakenUp(t *testing.T) {
	k, client := newClock(t)
	r := openRoom(t, client, testSale(k.now, func(r *sale.Record) { r.Admission.MaxActive = 2 }), nil)
	tickets := join(t, r, 3)
	callUpTo(t, r, 1)
	k.forward(150 * time.Second)
	advance(t, r, nobodyNow)
	callUpTo(t, r, 3)
	pass := mustClaim(t, r, tickets[1])
	lateFails(t, r, tickets[0], plenty, true) // the other slot is that of the third
	if err := r.Release(context.Background(), pass); err != nil {
		t.Fatal(err)
	}
	claimLate(t, r, tickets[0])
	mustClaim(t, r, tickets[2])
	if stats, err := Stats(context.Background(), client, r.saleID); err != nil || stats.AdmittedLate != 1 || stats.Claimed != 3 {
		t.Fatalf("%+v, %v", stats, err)
	}
}

// TestTheLeaderCallsNobodyForASlotThatALateVisitorTook: it decides anew when somebody was admitted late since it looked.
func TestTheLeaderCallsNobodyForASlotThatALateVisitorTook(t *testing.T) {
	k, client := newClock(t)
	rec := testSale(k.now, func(r *sale.Record) { r.Admission.MaxActive = 1 })
	r, other := openRoom(t, client, rec, nil), openNode(t, client, rec, nil)
	tickets := join(t, r, 2)
	callUpTo(t, r, 1)
	k.forward(150 * time.Second)
	advance(t, r, nobodyNow)
	looked := refresh(t, r)
	refresh(t, other)
	claimLate(t, other, tickets[0])
	decided := looked.stand()
	decided.Called = 2
	if err := r.write(context.Background(), looked, testTerm, decided, "", ""); !errors.Is(err, errBehind) {
		t.Fatal(err)
	}
	if s := refresh(t, r); s.Called != 1 || s.Active != 1 {
		t.Fatalf("called %d with %d active", s.Called, s.Active)
	}
	if s := advance(t, r, plenty); s.Called != 1 {
		t.Fatalf("called %d", s.Called)
	}
}

// TestLateClaimsDoNotStopTheLine: visitors are admitted late each time between the look of the leader and its write.
func TestLateClaimsDoNotStopTheLine(t *testing.T) {
	const missed = 16
	for name, c := range map[string]struct {
		late  []int // how many come late while the leader journals for the first time, the second time …
		ticks int   // in which of them it calls
	}{
		"one":                         {[]int{1}, 1},
		"one each time":               {[]int{1, 1}, 1},
		"more the second time":        {[]int{1, 3, 3}, 1},
		"ever more, beyond all tries": {[]int{1, 3, 9}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			k, client := newClock(t)
			rec, j := testSale(k.now, func(r *sale.Record) { r.Admission.MaxActive, r.Admission.RatePerMinute = 60, 6000 }), &memoryJournal{}
			r, other := openRoom(t, client, rec, j), openNode(t, client, rec, nil)
			tickets := join(t, r, missed+200)
			callUpTo(t, r, missed)
			k.forward(150 * time.Second)
			advance(t, r, nobodyNow)
			refresh(t, other)
			came, times := 0, 0
			r.deps.Journal = func(ctx context.Context, saleID string, records [][]byte) error {
				if times < len(c.late) {
					for range c.late[times] {
						claimLate(t, other, tickets[came])
						came++
					}
				}
				times++
				return j.append(ctx, saleID, records)
			}
			var s *Snapshot
			for tick := 1; tick <= c.ticks; tick++ {
				k.forward(100 * time.Millisecond)
				if s = advance(t, r, plenty); (s.Called > missed) != (tick == c.ticks) {
					t.Fatalf("tick %d: called %d, after %d late", tick, s.Called, came)
				}
			}
			if times > decideTries+c.ticks-1 || s.Active != came {
				t.Fatalf("journaled %d times, %d active, %d came late", times, s.Active, came)
			}
			room := float64(s.MaxActive-s.Active) / s.ShowUpRate
			if float64(s.Outstanding) > room || s.Called == missed+200 {
				t.Fatalf("%d called may come, and there is room for %f", s.Outstanding, room)
			}
			if got := j.fold(); got.Called < s.Called {
				t.Fatalf("the journal has %d called of %d", got.Called, s.Called)
			}
		})
	}
}

func TestWhoJoinsAgainWithAKeyGivesTheTurnUp(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, j := testSale(time.Now(), func(r *sale.Record) { r.Admission.ClaimWindow = sale.Duration(time.Second) }), &memoryJournal{}
		r := openRoom(t, client, rec, j)
		first, _ := joinKeyed(t, r, person("ada"))
		callAndKeep(t, r, 1)
		testenv.Eventually(t, 10*time.Second, "the turn is missed", func() bool {
			refresh(t, r)
			return r.Look(first, sale.PhaseLive, false).State == Missed
		})
		second, had := joinKeyed(t, r, person("ada"))
		if had || second.Number == first.Number {
			t.Fatalf("the place of before: %+v", second)
		}
		over := func(r *Room) {
			t.Helper()
			lateFails(t, r, first, plenty, false)
			refresh(t, r)
			if v := r.Look(first, sale.PhaseLive, false); v.State != Missed || !v.TakeUpBefore.IsZero() {
				t.Fatalf("%+v", v)
			}
		}
		over(r)
		over(lose(t, client, rec, j)) // which begins the windows anew that the leader had not closed
	})
}
