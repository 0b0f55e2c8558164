package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// walkIn joins as a visitor at a node that knows the stock.
func walkIn(t testing.TB, r *Room, in Outside) Ticket {
	t.Helper()
	ticket, err := r.JoinAs(context.Background(), Newcomer{Outside: in})
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func TestWhoJoinsAFreeRoomIsCalledAtOnce(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, j := testSale(time.Now()), &memoryJournal{}
		r := openRoom(t, client, rec, j)
		other := openNode(t, client, rec, j)
		for range 3 {
			ticket := walkIn(t, r, plenty)
			if v := r.Look(ticket, sale.PhaseLive, false); v.State != Called || v.ClaimBefore.Before(time.Now().Add(time.Minute)) {
				t.Fatalf("%+v", v)
			}
			if j.fold().Called < uint64(ticket.Number) {
				t.Fatal("the visitor knows of the call before the journal does")
			}
			if _, _, _, err := other.Claim(context.Background(), ticket); err != nil {
				t.Fatalf("claim on a node that has not heard of the call: %v", err)
			}
		}
		if s := refresh(t, r); s.Called != 3 || s.Active != 3 || s.Outstanding != 0 || s.Waiting != 0 {
			t.Fatalf("%+v", s)
		}
	})
}

// What keeps a newcomer from being called at once. Each case joins three who are called, and then one who is not.
func TestWhoIsNotCalledAtOnce(t *testing.T) {
	units := func(n int64) Outside { return Outside{Items: []Units{{Available: n}}, LevelFactor: 1} }
	for _, c := range []struct {
		name   string
		change func(*sale.Record)
		in     Outside
		called int
	}{
		{"the cap", func(r *sale.Record) { r.Admission.MaxActive = 2 }, plenty, 2},
		{"the rate", func(r *sale.Record) { r.Admission.RatePerMinute = 1 }, plenty, 1},
		{"the pace", func(r *sale.Record) { r.Admission.RatePerMinute = 120 }, plenty, 1},
		{"the units", func(r *sale.Record) { r.Items[0].Stock = 1 }, units(1), 1},
		{"no units", nil, units(0), 0},
		{"the level", nil, Outside{Items: []Units{{Available: 9}}}, 0},
		{"a node that knows nothing of the stock and the level", nil, Outside{}, 0},
		{"the pause", func(r *sale.Record) { r.Paused = true }, plenty, 0},
		{"the start", func(r *sale.Record) { r.StartsAt = r.StartsAt.Add(time.Hour) }, plenty, 0},
		{"a draw that is not made", func(r *sale.Record) { r.Admission.Order = sale.Draw }, plenty, 0},
		{"an open gate", func(r *sale.Record) { r.Admission.Mode = sale.Open }, plenty, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, client := newClock(t)
			rec := testSale(k.now, func(r *sale.Record) {
				if c.change != nil {
					c.change(r)
				}
			})
			r := openRoom(t, client, rec, nil)
			for range 4 {
				walkIn(t, r, c.in)
			}
			if s := refresh(t, r); s.Called != uint64(c.called) {
				t.Fatalf("%d are called, want %d", s.Called, c.called)
			}
		})
	}
}

func TestWhoWaitsIsCalledBeforeWhoComes(t *testing.T) {
	k, client := newClock(t)
	r := openRoom(t, client, testSale(k.now), nil)
	waits := join(t, r, 1)[0]
	k.forward(time.Second)
	comes := walkIn(t, r, plenty)
	if s := refresh(t, r); s.Called != 0 {
		t.Fatal("the newcomer overtook the one who waits")
	}
	if _, err := r.JoinAs(context.Background(), Newcomer{Outside: plenty, OnlyCalled: true}); !errors.Is(err, ErrMustWait) {
		t.Fatal(err)
	}
	// Nobody waits any more once those in front have left.
	for _, gone := range []Ticket{waits, comes} {
		if err := r.Leave(context.Background(), gone); err != nil {
			t.Fatal(err)
		}
	}
	next := walkIn(t, r, plenty)
	if s := refresh(t, r); s.Called != uint64(next.Number) || s.Outstanding != 1 || s.room.gone != 0 {
		t.Fatalf("%+v", s)
	}
}

func TestWhoWouldHaveToWaitIsGivenNothing(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now(), func(r *sale.Record) { r.Admission.MaxActive = 2 }), nil)
		var all sync.WaitGroup
		var mu sync.Mutex
		passed, waits := 0, 0
		for range 20 {
			all.Go(func() {
				_, err := r.JoinAs(context.Background(), Newcomer{Outside: plenty, OnlyCalled: true})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					passed++
				case errors.Is(err, ErrMustWait):
					waits++
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if s := refresh(t, r); passed != 2 || waits != 18 || s.Entrants != 2 || s.Called != 2 {
			t.Fatalf("%d passed, %d would have to wait; entrants %d, called %d", passed, waits, s.Entrants, s.Called)
		}
	})
}

func TestNobodyIsToldOfACallThatTheJournalDoesNotHave(t *testing.T) {
	k, client := newClock(t)
	j := &memoryJournal{}
	r := openRoom(t, client, testSale(k.now), j)
	walkIn(t, r, plenty)
	j.setFail(errors.New("disk full"))
	if _, err := r.JoinAs(context.Background(), Newcomer{Outside: plenty}); !errors.Is(err, problem.Unavailable) {
		t.Fatal(err)
	}
}

func TestACallAtTheDoorSurvivesALossOfRedis(t *testing.T) {
	k, client := newClock(t)
	rec, j := testSale(k.now), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	ticket := walkIn(t, r, plenty)
	r = lose(t, client, rec, j)
	if v := r.Look(ticket, sale.PhaseLive, false); v.State != Called {
		t.Fatalf("%+v", v)
	}
	mustClaim(t, r, ticket)
	k.forward(time.Second) // in which the line waits for those whom the journal may not know
	next := walkIn(t, r, plenty)
	if v := r.Look(next, sale.PhaseLive, false); v.State != Called {
		t.Fatalf("the next newcomer: %+v", v)
	}
}

// TestAFullRoomHasRoomAgain: those who left, and those whom the line has passed over, take no room.
func TestAFullRoomHasRoomAgain(t *testing.T) {
	k, client := newClock(t)
	rec, j := testSale(k.now, func(r *sale.Record) { r.Admission.MaxActive = 1 }), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	full := func(room int) {
		t.Helper()
		r.deps.MaxWaitingTickets = 6
		join(t, r, room)
		if _, err := r.Join(context.Background()); !errors.Is(err, problem.RoomFull) {
			t.Fatalf("after %d: %v", room, err)
		}
	}
	tickets := join(t, r, 6)
	full(0)
	for _, gone := range tickets[3:5] {
		if err := errors.Join(r.Leave(context.Background(), gone), r.Leave(context.Background(), gone)); err != nil {
			t.Fatal(err)
		}
	}
	full(2)
	if s := refresh(t, r); s.Waiting != 6 {
		t.Fatalf("%d wait", s.Waiting)
	}
	callUpTo(t, r, 1)
	full(1)
	// a room that comes back knows who has left
	r = lose(t, client, rec, j)
	if s := r.Snapshot(); s.room.gone != 2 {
		t.Fatalf("%d are known to have left", s.room.gone)
	}
	// the line passes over them
	for range 200 {
		k.forward(time.Second)
		advance(t, r, Outside{Items: []Units{{Available: 100}}, LevelFactor: 1})
		if s := r.Snapshot(); s.Called >= 5 {
			if s.room.gone != 0 {
				t.Fatalf("called %d, and %d are gone in front", s.Called, s.room.gone)
			}
			return
		}
		for n := Number(1); n <= Number(r.Snapshot().Called); n++ {
			if pass, _, _, err := r.Claim(context.Background(), Ticket{Sale: rec.ID, Number: n}); err == nil {
				_ = r.Release(context.Background(), pass)
			}
		}
	}
	t.Fatal("the line does not move")
}

// TestTheLeaderAndTheDoorGiveTheSameCredit: join.lua works out the pace's credit as Decide does.
func TestTheLeaderAndTheDoorGiveTheSameCredit(t *testing.T) {
	for _, rate := range []int{1, 7, 600, 60_000, sale.MaxRatePerMinute} {
		for _, idle := range []time.Duration{0, 40 * time.Millisecond, 900 * time.Millisecond, time.Hour} {
			for _, factor := range []float64{0.05, 1} {
				t.Run(fmt.Sprint(rate, idle, factor), func(t *testing.T) {
					k, client := newClock(t)
					r := openRoom(t, client, testSale(k.now, func(r *sale.Record) {
						r.Admission.RatePerMinute, r.Admission.MaxActive, r.StartsAt = rate, sale.MaxActive, k.now
					}), nil)
					in := Outside{LevelFactor: factor}
					if err := r.raise(context.Background(), grant{}, 3); err != nil {
						t.Fatal(err)
					}
					for range 2 {
						k.forward(idle)
						s := refresh(t, r)
						d := Decide(s.line(), r.inputs(s, in))
						want := int(d.Memory.Credit + 1e-9)
						g, err := r.takeNumbers(context.Background(), newJoinBatch(slices.Repeat([]Newcomer{{Outside: in}}, 3)))
						if err != nil {
							t.Fatal(err)
						}
						if g.calls != min(want, 3) {
							t.Fatalf("%d called at the door, the leader has credit for %d", g.calls, want)
						}
						if g.calls < 3 {
							return
						}
					}
				})
			}
		}
	}
}

func TestWhoComesWithAKeyIsCalledAtOnce(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		j := &memoryJournal{}
		r := openRoom(t, client, testSale(time.Now()), j)
		ada := person("ada")
		ada.Outside = plenty
		ticket, _ := joinKeyed(t, r, ada)
		if v := r.Look(ticket, sale.PhaseLive, false); v.State != Called || j.fold().Called != 1 {
			t.Fatalf("%+v, journaled %d", v, j.fold().Called)
		}
	})
}
