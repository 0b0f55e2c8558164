package queue

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// TestALossOfRedisGivesNoTurnBackThatIsOver, also in a sale in which nobody was called since.
func TestALossOfRedisGivesNoTurnBackThatIsOver(t *testing.T) {
	for name, calls := range map[string]Outside{"while others are called": plenty, "in a quiet sale": nobodyNow} {
		t.Run(name, func(t *testing.T) {
			k, client := newClock(t)
			rec, j := testSale(k.now), &memoryJournal{}
			r := openRoom(t, client, rec, j)
			tickets := join(t, r, 2)
			callAndKeep(t, r, 1)
			k.forward(150 * time.Second)
			advance(t, r, calls)
			if s := r.Snapshot(); s.room.floor != 1 {
				t.Fatalf("floor %d", s.room.floor)
			}
			r = lose(t, client, rec, j)
			if v := r.Look(tickets[0], sale.PhaseLive, false); v.State != Missed || !v.TakeUpBefore.IsZero() {
				t.Fatalf("missed before the loss: %+v", v)
			}
			lateFails(t, r, tickets[0], plenty, false)
		})
	}
}

// callAndKeep moves the watermark by hand, and journals it before.
func callAndKeep(t testing.TB, r *Room, called uint64) {
	t.Helper()
	if err := r.keepCalled(context.Background(), refresh(t, r), Decision{Called: called}); err != nil {
		t.Fatal(err)
	}
	callUpTo(t, r, called)
}

// TestEachOfSeveralWindowsIsOverForTheJournalWhenItLapses, whatever the journal learned in between.
func TestEachOfSeveralWindowsIsOverForTheJournalWhenItLapses(t *testing.T) {
	for name, callsAt := range map[string]func(lapsed uint64) bool{
		"in a quiet sale":               func(uint64) bool { return false },
		"while others are called":       func(uint64) bool { return true },
		"quiet, and then others called": func(lapsed uint64) bool { return lapsed > 1 },
		"others called, and then quiet": func(lapsed uint64) bool { return lapsed == 1 },
	} {
		for _, windows := range []uint64{2, 3} {
			t.Run(fmt.Sprintf("%s, %d windows", name, windows), func(t *testing.T) {
				k, client := newClock(t)
				rec, j := testSale(k.now), &memoryJournal{}
				r := openRoom(t, client, rec, j)
				tickets := join(t, r, int(windows)+1)
				for called := uint64(1); called <= windows+1; called++ {
					callAndKeep(t, r, called)
					k.forward(25 * time.Second)
				}
				advance(t, r, nobodyNow) // journals the state, in which all windows are one
				for lapsed := uint64(1); lapsed <= windows; lapsed++ {
					s := refresh(t, r)
					k.forward(time.Duration(s.open()[0].deadlineMillis-s.runMillis(k.now.UnixMilli())) * time.Millisecond)
					in := nobodyNow
					if callsAt(lapsed) {
						join(t, r, 1)
						in = plenty
					}
					called := s.Called
					if s = advance(t, r, in); s.room.floor != lapsed || callsAt(lapsed) != (s.Called > called) {
						t.Fatalf("floor %d, want %d; called %d and then %d", s.room.floor, lapsed, called, s.Called)
					}
					if got := j.fold(); got.Floor != lapsed || got.Called != s.Called {
						t.Fatalf("the journal has floor %d and called %d, want %d and %d", got.Floor, got.Called, lapsed, s.Called)
					}
				}
				r = lose(t, client, rec, j)
				for i, ticket := range tickets {
					want := Missed
					if uint64(i) >= windows {
						want = Called
					}
					if v := r.Look(ticket, sale.PhaseLive, false); v.State != want || !v.TakeUpBefore.IsZero() {
						t.Fatalf("place %d after the loss: %+v", i+1, v)
					}
				}
			})
		}
	}
}

func TestAWindowThatLapsesAfterTheLeaderLookedIsJournaledByTheNextTick(t *testing.T) {
	k, client := newClock(t)
	rec, j := testSale(k.now), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	join(t, r, 1)
	callAndKeep(t, r, 1)
	looked := advance(t, r, nobodyNow)
	k.forward(150 * time.Second)
	if err := r.write(context.Background(), looked, testTerm, looked.stand(), "", ""); err != nil {
		t.Fatal(err)
	}
	if s := refresh(t, r); s.room.floor != 1 || j.fold().Floor != 0 {
		t.Fatalf("floor %d, in the journal %d", s.room.floor, j.fold().Floor)
	}
	advance(t, r, nobodyNow)
	if got := j.fold(); got.Floor != 1 || got.Called != 1 {
		t.Fatalf("the journal has floor %d and called %d", got.Floor, got.Called)
	}
	records := len(j.records)
	if advance(t, r, nobodyNow); len(j.records) != records {
		t.Fatal("it was journaled again")
	}
}

func TestTheLimitsOutliveALossWithLateVisitors(t *testing.T) {
	k, client := newClock(t)
	rec, j := testSale(k.now, func(r *sale.Record) { r.Admission.MaxActive, r.Admission.RatePerMinute = 1, 5 }), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	tickets := join(t, r, 2)
	callAndKeep(t, r, 1)
	k.forward(150 * time.Second)
	advance(t, r, nobodyNow)
	pass := claimLate(t, r, tickets[0])
	r = lose(t, client, rec, j)
	if s := r.Snapshot(); s.Active != 1 || s.AdmittedLastMinute != 1 {
		t.Fatalf("%+v", s)
	}
	if again := claimLate(t, r, tickets[0]); again != pass {
		t.Fatalf("%+v, and before %+v", again, pass)
	}
	callUpTo(t, r, 2)
	claimFails(t, r, tickets[1], problem.NotCalled)
}
