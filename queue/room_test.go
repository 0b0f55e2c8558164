package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func TestNumbersAreGivenOnceAndNeverPastTheJournaledMark(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, j := testSale(time.Now()), &memoryJournal{}
		nodes := []*Room{openRoom(t, client, rec, j), openNode(t, client, rec, j), openNode(t, client, rec, j)}
		const visitors = 600
		var mu sync.Mutex
		seen := make(map[Number]bool)
		var all sync.WaitGroup
		for i := range visitors {
			all.Go(func() {
				ticket, err := nodes[i%len(nodes)].Join(context.Background())
				mark := j.fold().Mark
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					t.Errorf("join: %v", err)
				case seen[ticket.Number]:
					t.Errorf("number %d was given twice", ticket.Number)
				case uint64(ticket.Number) > mark:
					t.Errorf("number %d was given while the journal knew %d", ticket.Number, mark)
				}
				seen[ticket.Number] = true
			})
		}
		all.Wait()
		for n := Number(1); n <= visitors; n++ {
			if !seen[n] {
				t.Fatalf("number %d was given to nobody", n)
			}
		}
	})
}

func TestNoNumberIsGivenWhileTheJournalFails(t *testing.T) {
	rec, j := testSale(time.Now()), &memoryJournal{fail: errors.New("disk full")}
	r := openRoom(t, testenv.ConnectRedis(t, testenv.MiniURL(t)), rec, j)
	if ticket, err := r.Join(context.Background()); !errors.Is(err, problem.Unavailable) {
		t.Fatalf("got %+v, %v", ticket, err)
	}
	j.setFail(nil)
	if got := join(t, r, 1)[0].Number; got != 1 {
		t.Fatalf("first number %d", got)
	}
}

func TestWhoMayJoin(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		now := time.Now()
		for _, c := range []struct {
			name   string
			change func(*sale.Record)
			want   error
		}{
			{"prequeue", func(r *sale.Record) { r.StartsAt = now.Add(time.Hour) }, nil},
			{"live", func(r *sale.Record) {}, nil},
			{"paused", func(r *sale.Record) { r.Paused = true }, nil},
			{"open", func(r *sale.Record) { r.Admission.Mode = sale.Open }, nil},
			{"closed", func(r *sale.Record) { r.Admission.Mode = sale.Closed }, problem.JoinRefused},
			{"draft", func(r *sale.Record) { r.Draft = true }, problem.SaleNotOpen},
			{"early", func(r *sale.Record) { r.OpensAt, r.StartsAt = now.Add(time.Hour), now.Add(time.Hour) }, problem.SaleNotOpen},
			{"over", func(r *sale.Record) { r.EndsAt = now.Add(-time.Second) }, problem.SaleNotOpen},
			{"ended by hand", func(r *sale.Record) { r.Ended = true }, problem.SaleNotOpen},
		} {
			rec := testSale(now, c.change)
			rec.ID = "s-" + fmt.Sprint(len(c.name)) + c.name[:2]
			arm(t, client, rec, nil)
			for _, fresh := range []bool{false, true} {
				r := OpenRoom(testDeps(client, nil), rec)
				if fresh {
					refresh(t, r)
				}
				if _, err := r.Join(context.Background()); !errors.Is(err, c.want) {
					t.Errorf("%s (snapshot %v): got %v, want %v", c.name, fresh, err, c.want)
				}
				r.Close()
			}
		}
	})
}

func TestAFullRoomTakesNobodyIn(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := testSale(time.Now())
		arm(t, client, rec, nil)
		d := testDeps(client, nil)
		d.MaxWaitingTickets = 5
		r := OpenRoom(d, rec)
		t.Cleanup(r.Close)
		var in, full atomic.Int64
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				switch _, err := r.Join(context.Background()); {
				case err == nil:
					in.Add(1)
				case errors.Is(err, problem.RoomFull):
					full.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if in.Load() != 5 || full.Load() != 15 {
			t.Fatalf("%d joined and %d were turned away", in.Load(), full.Load())
		}
		callUpTo(t, r, 2)
		join(t, r, 2)
		if _, err := r.Join(context.Background()); !errors.Is(err, problem.RoomFull) {
			t.Fatalf("the eighth: %v", err)
		}
	})
}

func TestAVisitorsWay(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		rec := testSale(time.Now(), func(r *sale.Record) { r.Admission.MaxActive = 1 })
		r := openRoom(t, client, rec, nil)
		tickets := join(t, r, 3)
		refresh(t, r)
		if v := r.Look(tickets[1], sale.PhaseLive, false); v.State != Waiting || v.Place != 2 || v.Ahead != 1 {
			t.Fatalf("in the line: %+v", v)
		}
		if _, _, _, err := r.Claim(ctx, tickets[0]); !errors.Is(err, problem.NotCalled) {
			t.Fatalf("claim before the call: %v", err)
		}
		advance(t, r, plenty)
		v := r.Look(tickets[0], sale.PhaseLive, false)
		if v.State != Called || v.ClaimBefore.Before(time.Now().Add(time.Minute)) {
			t.Fatalf("called: %+v", v)
		}
		pass, token, again, err := r.Claim(ctx, tickets[0])
		if err != nil || again {
			t.Fatalf("claim: %v, again %v", err, again)
		}
		other := openNode(t, client, rec, nil)
		pass2, token2, again, err := other.Claim(ctx, tickets[0])
		if err != nil || !again || pass2 != pass || token2 != token {
			t.Fatalf("claim again on another node: %+v %v %v", pass2, again, err)
		}
		if got, err := other.deps.Passes.Verify(token, rec.ID, r.Snapshot().Now()); err != nil || got != pass {
			t.Fatalf("verify: %+v %v", got, err)
		}
		if v := r.Look(tickets[0], sale.PhaseLive, false); v.State != Admitted {
			t.Fatalf("after the claim: %+v", v)
		}
		if s := advance(t, r, plenty); s.Called != 1 || s.Active != 1 {
			t.Fatalf("the cap of one is full, but %d are called and %d active", s.Called, s.Active)
		}
		if err := r.Release(ctx, pass); err != nil {
			t.Fatal(err)
		}
		if !r.Revoked(pass) || other.Revoked(pass) {
			t.Fatal("this node must know at once, the other not before it refreshes")
		}
		if refresh(t, other); !other.Revoked(pass) {
			t.Fatal("the other node does not learn of the release")
		}
		for name, node := range map[string]*Room{"this": r, "other": other} {
			if v := node.Look(tickets[0], sale.PhaseLive, false); v.State != Missed {
				t.Fatalf("%s node after the release: %+v", name, v)
			}
			if _, _, _, err := node.Claim(ctx, tickets[0]); !errors.Is(err, problem.TurnMissed) {
				t.Fatalf("%s node, a claim with a used ticket: %v", name, err)
			}
		}
		testenv.Eventually(t, 5*time.Second, "the next call", func() bool { return advance(t, r, plenty).Called == 2 })
	})
}

func TestWhoLeavesIsGoneAndIsPassedOver(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		r := openRoom(t, client, testSale(time.Now(), func(r *sale.Record) { r.Admission.RatePerMinute = 1 }), nil)
		tickets := join(t, r, 4)
		for range 2 {
			for _, gone := range tickets[:2] {
				if err := r.Leave(ctx, gone); err != nil {
					t.Fatal(err)
				}
			}
		}
		if v := r.Look(tickets[0], sale.PhaseLive, false); v.State != Missed {
			t.Fatalf("after leaving: %+v", v)
		}
		// At one a minute a single call is made; those who left do not cost it.
		if s := advance(t, r, plenty); s.Called != 3 || s.Outstanding != 1 {
			t.Fatalf("called %d, outstanding %d; want the third visitor alone", s.Called, s.Outstanding)
		}
		if _, _, _, err := r.Claim(ctx, tickets[0]); !errors.Is(err, problem.TurnMissed) {
			t.Fatalf("claim after leaving: %v", err)
		}
		if err := r.Leave(ctx, tickets[2]); err != nil {
			t.Fatal(err)
		}
		if s := refresh(t, r); s.Outstanding != 0 {
			t.Fatalf("%d outstanding after the called one left", s.Outstanding)
		}
		if err := r.Leave(ctx, Ticket{Number: 999}); !errors.Is(err, problem.TicketInvalid) {
			t.Fatalf("leave with a number nobody has: %v", err)
		}
	})
}

func TestLeavingGivesThePassBack(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), nil)
		ticket := join(t, r, 1)[0]
		advance(t, r, plenty)
		pass, _, _, err := r.Claim(context.Background(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Leave(context.Background(), ticket); err != nil {
			t.Fatal(err)
		}
		if s := refresh(t, r); s.Active != 0 || !r.Revoked(pass) {
			t.Fatalf("%d active, revoked %v", s.Active, r.Revoked(pass))
		}
	})
}

// race claims every ticket on every node at once and counts the admissions.
func race(t *testing.T, nodes []*Room, tickets []Ticket) (admitted, refused int64) {
	t.Helper()
	var in, out atomic.Int64
	var all sync.WaitGroup
	for _, ticket := range tickets {
		for _, node := range nodes {
			all.Go(func() {
				_, _, again, err := node.Claim(context.Background(), ticket)
				switch {
				case err == nil && !again:
					in.Add(1)
				case errors.Is(err, problem.NotCalled):
					out.Add(1)
				case err != nil:
					t.Errorf("claim: %v", err)
				}
			})
		}
	}
	all.Wait()
	return in.Load(), out.Load()
}

func TestTheCapIsExactUnderConcurrency(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := testSale(time.Now(), func(r *sale.Record) { r.Admission.MaxActive = 10 })
		nodes := []*Room{openRoom(t, client, rec, nil), openNode(t, client, rec, nil)}
		tickets := join(t, nodes[0], 80)
		callUpTo(t, nodes[0], 80)
		refresh(t, nodes[1])
		if in, _ := race(t, nodes, tickets); in != 10 {
			t.Fatalf("%d admitted at a cap of 10", in)
		}
		refresh(t, nodes[0])
		v := nodes[0].Look(tickets[79], sale.PhaseLive, false)
		if v.State != Called && v.State != Admitted {
			t.Fatalf("whoever meets the cap keeps the turn: %+v", v)
		}
		// Live changes count at once: up lets the difference in, down lets nobody in.
		rec.Version, rec.Admission.MaxActive = 2, 13
		arm(t, client, rec, nil)
		if in, _ := race(t, nodes, tickets); in != 3 {
			t.Fatalf("%d more admitted when the cap rose by 3", in)
		}
		rec.Version, rec.Admission.MaxActive = 3, 5
		arm(t, client, rec, nil)
		if in, _ := race(t, nodes, tickets); in != 0 {
			t.Fatalf("%d admitted above the lowered cap", in)
		}
		stats, err := Stats(context.Background(), client, rec.ID)
		if err != nil || stats.PeakActive != 13 || stats.MaxActiveLimit != 13 || !stats.WithinLimits() {
			t.Fatalf("stats %+v, %v", stats, err)
		}
	})
}

func TestTheRateIsExactUnderConcurrency(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := testSale(time.Now(), func(r *sale.Record) { r.Admission.RatePerMinute = 15 })
		nodes := []*Room{openRoom(t, client, rec, nil), openNode(t, client, rec, nil)}
		tickets := join(t, nodes[0], 80)
		callUpTo(t, nodes[0], 80)
		refresh(t, nodes[1])
		if in, out := race(t, nodes, tickets); in != 15 || out < 65 {
			t.Fatalf("%d admitted at 15 a minute, %d refused", in, out)
		}
		rec.Version, rec.Admission.RatePerMinute = 2, 18
		arm(t, client, rec, nil)
		if in, _ := race(t, nodes, tickets); in != 3 {
			t.Fatalf("%d more admitted when the rate rose by 3", in)
		}
		s := refresh(t, nodes[0])
		if s.AdmittedLastMinute != 18 || s.Outstanding != 62 {
			t.Fatalf("%d in the last minute, %d outstanding", s.AdmittedLastMinute, s.Outstanding)
		}
		stats, err := Stats(context.Background(), client, rec.ID)
		if err != nil || stats.PeakPerMinute != 18 || !stats.WithinLimits() || stats.Claimed != 18 {
			t.Fatalf("stats %+v, %v", stats, err)
		}
	})
}

func TestAnOpenGateAdmitsWithoutALine(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := testSale(time.Now(), func(r *sale.Record) {
			r.Admission.Mode, r.Admission.MaxActive, r.Admission.RatePerMinute = sale.Open, 1, 1
		})
		r := openRoom(t, client, rec, nil)
		tickets := join(t, r, 5)
		if v := r.Look(tickets[4], sale.PhaseLive, false); v.State != Called {
			t.Fatalf("look: %+v", v)
		}
		if in, _ := race(t, []*Room{r}, tickets); in != 5 {
			t.Fatalf("%d of 5 admitted", in)
		}
		if s := advance(t, r, plenty); s.Called != 0 || s.Active != 5 {
			t.Fatalf("called %d, active %d", s.Called, s.Active)
		}
	})
}

func TestANodeThatMissedTooMuchReadsEverythingAnew(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		rec := testSale(time.Now(), func(r *sale.Record) { r.Admission.RatePerMinute = 600_000 })
		r, late := openRoom(t, client, rec, nil), openNode(t, client, rec, nil)
		tickets := join(t, r, 6)
		callUpTo(t, r, 3)
		callUpTo(t, r, 6)
		passes := make([]Pass, 4)
		for i := range passes {
			var err error
			if passes[i], _, _, err = r.Claim(ctx, tickets[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(r.Release(ctx, passes[0]), r.Leave(ctx, tickets[4])); err != nil {
			t.Fatal(err)
		}
		if err := client.Do(ctx, client.B().Ltrim().Key(r.keys[6]).Start(-1).Stop(-1).Build()).Error(); err != nil {
			t.Fatal(err)
		}
		refresh(t, late)
		want := []State{Missed, Admitted, Admitted, Admitted, Missed, Called}
		for i, ticket := range tickets {
			if v := late.Look(ticket, sale.PhaseLive, false); v.State != want[i] {
				t.Errorf("ticket %d: %s, want %s", i+1, v.State, want[i])
			}
		}
		if !late.Revoked(passes[0]) || late.Revoked(passes[1]) {
			t.Error("the late node has the revocations wrong")
		}
	})
}

func TestALostRoomIsNotReadyAndForgetsNothing(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), nil)
		ticket := join(t, r, 3)[2]
		callUpTo(t, r, 1)
		if err := Wipe(context.Background(), client, "drop", testTerm); err != nil {
			t.Fatal(err)
		}
		if s := refresh(t, r); s.Ready || s.Called != 1 {
			t.Fatalf("ready %v, called %d", s.Ready, s.Called)
		}
		if v := r.Look(ticket, sale.PhaseLive, false); v.State != Waiting || v.Ahead != 1 {
			t.Fatalf("%+v", v)
		}
		if _, err := r.Join(context.Background()); !errors.Is(err, problem.Unavailable) {
			t.Fatalf("join: %v", err)
		}
		if _, _, _, err := r.Claim(context.Background(), ticket); !errors.Is(err, problem.Unavailable) {
			t.Fatalf("claim: %v", err)
		}
		if err := r.Advance(context.Background(), testTerm, plenty); err == nil {
			t.Fatal("advance found a room")
		}
	})
}

func TestTheLookOfEveryPhase(t *testing.T) {
	c, client := newClock(t)
	r := openRoom(t, client, testSale(c.now), nil)
	tickets := join(t, r, 4)
	callUpTo(t, r, 3)
	if _, _, _, err := r.Claim(context.Background(), tickets[0]); err != nil {
		t.Fatal(err)
	}
	if err := r.Leave(context.Background(), tickets[1]); err != nil {
		t.Fatal(err)
	}
	refresh(t, r)
	for _, c := range []struct {
		phase   sale.Phase
		heldOut bool
		want    [4]State // admitted, left, called, waiting
	}{
		{sale.PhasePrequeue, false, [4]State{Admitted, Missed, Early, Early}},
		{sale.PhaseLive, false, [4]State{Admitted, Missed, Called, Waiting}},
		{sale.PhaseLive, true, [4]State{Admitted, Missed, Called, HeldOut}},
		{sale.PhasePaused, false, [4]State{Admitted, Missed, Paused, Paused}},
		{sale.PhaseSoldOut, false, [4]State{Admitted, Missed, SoldOut, SoldOut}},
		{sale.PhaseEnded, false, [4]State{Ended, Ended, Ended, Ended}},
	} {
		for i, ticket := range tickets {
			v := r.Look(ticket, c.phase, c.heldOut)
			if v.State != c.want[i] || v.PollAfterMillis < 100 || v.PollAfterMillis > 30_000 {
				t.Errorf("%s, held out %v, ticket %d: %+v, want %s", c.phase, c.heldOut, i+1, v, c.want[i])
			}
		}
	}
}

func BenchmarkParseAndLook(b *testing.B) {
	c, client := newClock(b)
	rec := testSale(c.now, func(r *sale.Record) {
		r.Admission.Order, r.StartsAt = sale.Draw, c.now.Add(time.Minute)
	})
	r := openRoom(b, client, rec, nil)
	tickets := join(b, r, 2000)
	c.forward(2 * time.Minute)
	advance(b, r, plenty)
	token := r.deps.Tickets.Sign(tickets[1500])
	if v := r.Look(tickets[1500], sale.PhaseLive, false); !v.PlaceKnown {
		b.Fatalf("%+v", v)
	}
	b.ReportAllocs()
	for b.Loop() {
		ticket, err := r.deps.Tickets.Parse([]byte(token), "drop")
		if err != nil {
			b.Fatal(err)
		}
		if v := r.Look(ticket, sale.PhaseLive, false); v.Place == 0 {
			b.Fatal("no place")
		}
	}
}
