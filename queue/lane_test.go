package queue

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// withLanes gives a sale priority lanes with the shares.
func withLanes(shares ...float64) func(*sale.Record) {
	return func(rec *sale.Record) {
		for i, share := range shares {
			rec.Admission.Lanes = append(rec.Admission.Lanes, sale.Lane{Name: "lane-" + strconv.Itoa(i+1), Share: share})
		}
	}
}

// inLane has visitors join in a lane, each by a key of their own.
func inLane(t testing.TB, r *Room, lane Lane, names ...string) []Ticket {
	t.Helper()
	tickets := make([]Ticket, len(names))
	for i, name := range names {
		who := person(name)
		who.Lane = lane
		tickets[i], _ = joinKeyed(t, r, who)
	}
	return tickets
}

func names(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = prefix + strconv.Itoa(i)
	}
	return list
}

func TestEachLaneHasItsOwnPlacesAndAKeyKeepsItsLane(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, j := testSale(time.Now(), withLanes(0.2, 0.1)), &memoryJournal{}
		r := openRoom(t, client, rec, j)
		if r.LaneOf("lane-2") != 2 || r.LaneOf("") != 0 || r.LaneOf("staff") != 0 {
			t.Fatal("a name stands for the wrong lane")
		}
		plain := join(t, r, 3)
		gold := inLane(t, r, 1, "ada", "bob")
		silver := inLane(t, r, 2, "eve")
		other := openNode(t, client, rec, j)
		for ticket, place := range map[Ticket]uint64{plain[2]: 3, gold[0]: 1, gold[1]: 2, silver[0]: 1} {
			parsed, err := r.deps.Tickets.Parse([]byte(r.deps.Tickets.Sign(ticket)), rec.ID)
			if err != nil || parsed != ticket {
				t.Fatalf("%v became %v: %v", ticket, parsed, err)
			}
			if view := other.Look(parsed, sale.PhaseLive, false); view.Place != place || view.Ahead != place-1 || view.State != Waiting || r.LaneOf(view.Lane) != ticket.Number.Lane() {
				t.Fatalf("%d in lane %d is told %+v; the place is %d", ticket.Number, ticket.Number.Lane(), view, place)
			}
		}
		// Without its lane, and by way of another node, the key has the place that it had.
		again, had := joinKeyed(t, other, person("ada"))
		if !had || again != gold[0] {
			t.Fatalf("the key had %v and has %v", gold[0], again)
		}
		// Who joined without a name, and then brings a token that names a lane, gets a place in it.
		who := person("zoe")
		who.Lane, who.Own = 1, plain[0]
		if ticket, had := joinKeyed(t, r, who); had || ticket.Number != numberIn(1, 3) {
			t.Fatalf("got %v", ticket)
		}
		if s := refresh(t, other); s.AllEntrants() != 7 || s.In(1).Entrants != 3 || s.Entrants != 3 || s.AllWaiting() != 7 {
			t.Fatalf("%d in all, %d and %d", s.AllEntrants(), s.Entrants, s.In(1).Entrants)
		}
	})
}

// Nobody writes a lane into a ticket, or has one that the sale does not have.
func TestALaneThatWeDidNotSignIsNotBelieved(t *testing.T) {
	clock, client := newClock(t)
	rec := testSale(clock.now, withLanes(0.5))
	r := openRoom(t, client, rec, nil)
	plain := join(t, r, 1)[0]
	plain.Flags = FlagKeyed
	token := r.deps.Tickets.Sign(plain)
	raw, err := ticketEncoding.DecodeString(token)
	if err != nil {
		t.Fatal(err)
	}
	raw[21] = 1
	if _, err := r.deps.Tickets.Parse([]byte(ticketEncoding.EncodeToString(raw)), rec.ID); !errors.Is(err, problem.TicketInvalid) {
		t.Fatalf("a ticket with another lane written into it: %v", err)
	}
	who := person("mallory")
	who.Lane = 2
	if ticket, _, err := r.JoinKeyed(context.Background(), who); !errors.Is(err, problem.JoinRefused) {
		t.Fatalf("a lane that the sale does not have gives %v, %v", ticket, err)
	}
	if _, _, _, err := r.Claim(context.Background(), Ticket{Sale: rec.ID, Number: numberIn(2, 1)}); err == nil {
		t.Fatal("a number of a lane that the sale does not have is admitted")
	}
}

func TestAFullPriorityLaneStarvesNobody(t *testing.T) {
	clock, client := newClock(t)
	rec := testSale(clock.now, withLanes(0.95), func(rec *sale.Record) {
		rec.Admission.RatePerMinute, rec.Admission.MaxActive, rec.StartsAt = 1200, 1_000_000, clock.now
	})
	r := openRoom(t, client, rec, nil)
	crowd := strconv.Itoa(1_000_000)
	if err := client.Do(context.Background(), client.B().Hset().Key(r.keys[keyRoom]).FieldValue().
		FieldValue("1:entrants", crowd).FieldValue("1:mark", crowd).FieldValue("1:top", crowd).Build()).Error(); err != nil {
		t.Fatal(err)
	}
	join(t, r, 30)
	longest, since, called := 0, 0, uint64(0)
	for range 300 {
		clock.forward(100 * time.Millisecond)
		s := advance(t, r, plenty)
		if since++; s.Called > called {
			called, since = s.Called, 0
		}
		longest = max(longest, since)
	}
	if called < 20 || longest > 15 {
		t.Fatalf("beside a million others %d of 30 were called, the longest time without a call was %d ticks", called, longest)
	}
}

func TestTheCapIsExactOverAllLanes(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := testSale(time.Now(), withLanes(0.5), func(rec *sale.Record) { rec.Admission.MaxActive, rec.Admission.RatePerMinute = 7, 60_000 })
		r := openRoom(t, client, rec, nil)
		tickets := append(join(t, r, 20), inLane(t, r, 1, names("vip", 20)...)...)
		s := refresh(t, r)
		d := s.stand()
		d.Called, d.Lanes = 20, []LaneMove{{Called: 20}}
		if err := r.write(context.Background(), s, testTerm, d, "", ""); err != nil {
			t.Fatal(err)
		}
		refresh(t, r)
		admitted, _ := race(t, []*Room{r, openNode(t, client, rec, nil)}, tickets)
		if s := refresh(t, r); admitted != 7 || s.Active != 7 || s.room.peakActive != 7 {
			t.Fatalf("%d admitted, %d active, at most %d; the cap is 7", admitted, s.Active, s.room.peakActive)
		}
	})
}

func TestPlacesInAllLanesSurviveALossOfRedis(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		rec, j := testSale(time.Now(), withLanes(0.3), func(rec *sale.Record) { rec.Admission.RatePerMinute = 60_000 }), &memoryJournal{}
		r := openRoom(t, client, rec, j)
		plain, vip := join(t, r, 30), inLane(t, r, 1, names("vip", 30)...)
		s := refresh(t, r)
		for s.Called < 10 || s.In(1).Called < 4 {
			s = advance(t, r, plenty)
		}
		pass := mustClaim(t, r, vip[0])
		mustClaim(t, r, plain[0])
		if err := errors.Join(r.Leave(ctx, vip[1]), r.Leave(ctx, vip[29]), r.Leave(ctx, plain[1])); err != nil {
			t.Fatal(err)
		}
		before := refresh(t, r)
		if err := r.Keep(ctx); err != nil {
			t.Fatal(err)
		}

		flush(t, client)
		rec.Epoch++
		arm(t, client, rec, j.fold())
		back := openNode(t, client, rec, j)
		after := back.Snapshot()
		for lane := range Lane(2) {
			was, is := before.In(lane), after.In(lane)
			if is.Called != was.Called || is.Entrants != was.Entrants || is.Waiting != was.Waiting || is.Outstanding != was.Outstanding {
				t.Errorf("lane %d: %d of %d called, %d wait, %d outstanding; before the loss %d of %d, %d and %d", lane,
					is.Called, is.Entrants, is.Waiting, is.Outstanding, was.Called, was.Entrants, was.Waiting, was.Outstanding)
			}
		}
		if _, _, again, err := back.Claim(ctx, vip[0]); err != nil || !again {
			t.Errorf("the pass is not there any more: %v", err)
		}
		if back.Revoked(pass) {
			t.Error("the pass counts as given back")
		}
		claimFails(t, back, vip[1], problem.TurnMissed)
		mustClaim(t, back, vip[2])
		for _, ticket := range []Ticket{vip[28], plain[29]} {
			if was, is := r.Look(ticket, sale.PhaseLive, false), back.Look(ticket, sale.PhaseLive, false); is.Place != was.Place || is.Ahead > was.Ahead {
				t.Errorf("place %d with %d ahead became %d with %d", was.Place, was.Ahead, is.Place, is.Ahead)
			}
		}
		if next := inLane(t, back, 1, "late")[0]; next.Number != numberIn(1, 31) {
			t.Errorf("the next number is %d", next.Number.inLane())
		}
		if again := inLane(t, back, 0, "vip28")[0]; back.deps.Tickets.Sign(again) != back.deps.Tickets.Sign(vip[28]) {
			t.Errorf("the key has %v; it had %v", again, vip[28])
		}
	})
}

// After a loss that nobody foresaw, numbers of each lane are uncertain until their tickets are shown.
func TestUncertainNumbersOfALaneAreProvenInIt(t *testing.T) {
	clock, client := newClock(t)
	rec, j := busySale(clock, withLanes(0.5)), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	vip := inLane(t, r, 1, names("vip", 5)...)
	plain := join(t, r, 5)
	back := lose(t, client, rec, j)
	s := back.Snapshot()
	if s.absent == nil || s.absent.has(plain[0].Number) && s.In(1).absent == nil {
		t.Fatal("no number is uncertain")
	}
	poll(back, append(slices.Clone(plain), vip...)...)
	s = clock.ticks(t, back, 10*time.Second)
	if s.Called < 5 || s.In(1).Called < 5 {
		t.Fatalf("%d and %d were called", s.Called, s.In(1).Called)
	}
	for _, ticket := range append(plain, vip...) {
		if got := state(back, ticket); got != Called {
			t.Errorf("%d of lane %d is %s", ticket.Number.inLane(), ticket.Number.Lane(), got)
		}
	}
}

func TestNobodyWalksInWhileAnyLaneWaits(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		for waits := range Lane(2) {
			rec, j := testSale(time.Now(), withLanes(0.5), func(rec *sale.Record) {
				rec.ID, rec.Admission.RatePerMinute = "drop"+strconv.Itoa(int(waits)), 60_000
			}), &memoryJournal{}
			r := openRoom(t, client, rec, j)
			free := func(name string, lane Lane) Ticket {
				who := Keyed{Person: testPlaceKeys.Of("person", rec.ID, name), Lane: lane, Outside: plenty}
				ticket, _ := joinKeyed(t, r, who)
				return ticket
			}
			for lane := range Lane(2) {
				ticket := free("first"+strconv.Itoa(int(lane)), lane)
				if got := state(r, ticket); got != Called {
					t.Fatalf("nobody waits, and who comes in lane %d is %s", lane, got)
				}
				if kept := j.fold().in(lane).Called; kept != 1 {
					t.Fatalf("the journal has the watermark %d of lane %d", kept, lane)
				}
			}
			who := Keyed{Person: testPlaceKeys.Of("person", rec.ID, "waits"), Lane: waits}
			if _, _, err := r.JoinKeyed(context.Background(), who); err != nil {
				t.Fatal(err)
			}
			refresh(t, r)
			if got := state(r, free("comes", 1-waits)); got != Waiting {
				t.Fatalf("somebody waits in lane %d, and who comes in the other is %s", waits, got)
			}
		}
	})
}

// What a journal of a version without lanes says is what it said.
func TestAJournalFromBeforeLanesIsRead(t *testing.T) {
	old := [][]byte{
		{'q', 1, 'M', 64}, {'q', 1, 'N', 0, 9}, {'q', 1, 'W', 5, 10, 20, 30}, {'q', 1, 'C', 3, 1, 200, 1, 3}, {'q', 1, 'L', 9},
	}
	r := Fold(slices.Values(old))
	if r.Mark != 64 || r.Called != 5 || !r.used.has(3) || !r.used.has(9) || r.claimed != 1 || r.left != 1 || r.lanes[0].Mark != 0 {
		t.Fatalf("%+v", r.RestoredLane)
	}
	if rec := recordMark(0, 64); !slices.Equal(rec, old[0]) {
		t.Fatalf("the lane of everybody is written as %v", rec)
	}
	if rec := recordCalled(0, 5, 10, 20, 30); !slices.Equal(rec, old[2]) {
		t.Fatalf("the lane of everybody is written as %v", rec)
	}
}

func TestSharesMayChangeWhileVisitorsWait(t *testing.T) {
	clock, client := newClock(t)
	rec := testSale(clock.now, withLanes(0.5), func(rec *sale.Record) { rec.Admission.RatePerMinute, rec.StartsAt = 6000, clock.now })
	r := openRoom(t, client, rec, nil)
	join(t, r, 600)
	inLane(t, r, 1, names("vip", 600)...)
	before := clock.ticks(t, r, 2*time.Second)
	if before.Called != before.In(1).Called && before.Called != before.In(1).Called+1 {
		t.Fatalf("%d and %d were called", before.Called, before.In(1).Called)
	}
	rec.Version++
	rec.Admission.Lanes[0].Share = 0.1
	if err := Update(context.Background(), client, rec, testTerm); err != nil {
		t.Fatal(err)
	}
	r.Update(rec)
	refresh(t, r)
	after := clock.ticks(t, r, 2*time.Second)
	vip, all := after.In(1).Called-before.In(1).Called, after.AllCalled()-before.AllCalled()
	if all < 100 || math.Abs(float64(vip)-0.1*float64(all)) > 2 {
		t.Fatalf("%d of %d calls went to the lane with a tenth", vip, all)
	}
}

func TestTheAccountJudgesEachLaneByItsOwnCalls(t *testing.T) {
	called := func(lane Lane, upto uint64, at int64) []byte { return recordCalled(lane, upto, 1, 2, noon+at) }
	admitted := func(n Number, at int64) []byte { return recordClaim(n, noon/1000, noon/1000+600, noon+at) }
	records := [][]byte{
		recordGiven(0, 0, 10), recordGiven(1, 0, 5),
		called(0, 3, 1), called(1, 1, 1), admitted(2, 2), admitted(numberIn(1, 1), 3), called(0, 5, 4), called(1, 2, 5), admitted(5, 6),
	}
	good := accountOf(records...)
	if good.Inversions != 0 || good.Called != 7 || good.Entrants != 15 || good.Admitted != 3 || len(good.Calls) != 4 {
		t.Fatalf("%+v", good)
	}
	// Place 3 was called in the lane of everybody, and not in the priority lane.
	if bad := accountOf(append(records, admitted(numberIn(1, 3), 7))...); bad.Inversions != 1 {
		t.Fatalf("%d inversions: %+v", bad.Inversions, bad)
	}
}
