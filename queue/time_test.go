package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

func mustClaim(t testing.TB, r *Room, ticket Ticket) Pass {
	t.Helper()
	pass, _, _, err := r.Claim(context.Background(), ticket)
	if err != nil {
		t.Fatalf("claim of ticket %d: %v", ticket.Number, err)
	}
	return pass
}

func claimFails(t testing.TB, r *Room, ticket Ticket, want problem.Code) {
	t.Helper()
	if _, _, _, err := r.Claim(context.Background(), ticket); !errors.Is(err, want) {
		t.Fatalf("claim of ticket %d: %v, want %s", ticket.Number, err, want)
	}
}

func TestARollingMinuteEndsToTheMillisecond(t *testing.T) {
	c, client := newClock(t)
	r := openRoom(t, client, testSale(c.now, func(r *sale.Record) { r.Admission.RatePerMinute = 2 }), nil)
	tickets := join(t, r, 4)
	callUpTo(t, r, 4)
	mustClaim(t, r, tickets[0])
	c.forward(20 * time.Second)
	mustClaim(t, r, tickets[1])
	c.forward(40 * time.Second)
	// Exactly 60 s after the first: the closed interval still holds two.
	_, _, _, err := r.Claim(context.Background(), tickets[2])
	var refusal *problem.Refusal
	if !errors.As(err, &refusal) || refusal.Code != problem.NotCalled || len(refusal.Fields) != 1 ||
		refusal.Fields[0] != problem.F("poll_after_ms", int64(minRetryMillis)) {
		t.Fatalf("told %v", err)
	}
	c.forward(time.Millisecond)
	mustClaim(t, r, tickets[2])
	claimFails(t, r, tickets[3], problem.NotCalled)
	c.forward(19_999 * time.Millisecond)
	claimFails(t, r, tickets[3], problem.NotCalled)
	c.forward(time.Millisecond)
	mustClaim(t, r, tickets[3])
	if s := refresh(t, r); s.AdmittedLastMinute != 2 {
		t.Fatalf("%d in the last minute", s.AdmittedLastMinute)
	}
}

func TestAPassEndsAndItsSlotIsFreeAtOnce(t *testing.T) {
	c, client := newClock(t)
	r := openRoom(t, client, testSale(c.now, func(r *sale.Record) {
		r.Admission.MaxActive, r.Admission.PassTTL = 1, sale.Duration(10*time.Second)
	}), nil)
	tickets := join(t, r, 2)
	callUpTo(t, r, 2)
	pass := mustClaim(t, r, tickets[0])
	if !pass.ExpiresAt.Equal(c.now.Add(10 * time.Second)) {
		t.Fatalf("expires %s", pass.ExpiresAt)
	}
	c.forward(10*time.Second - time.Millisecond)
	claimFails(t, r, tickets[1], problem.NotCalled)
	c.forward(time.Millisecond)
	if s := refresh(t, r); s.Active != 0 {
		t.Fatalf("%d active after the end", s.Active)
	}
	mustClaim(t, r, tickets[1])
	claimFails(t, r, tickets[0], problem.TurnMissed)
	if v := r.Look(tickets[0], sale.PhaseLive, false); v.State != Missed {
		t.Fatalf("%+v", v)
	}
	c.forward(time.Minute)
	advance(t, r, plenty)
	if n, err := client.Do(context.Background(), client.B().Zcard().Key(r.GateKey()).Build()).AsInt64(); err != nil || n != 0 {
		t.Fatalf("%d passes are kept after their end, %v", n, err)
	}
}

func TestAClaimWindowEnds(t *testing.T) {
	c, client := newClock(t)
	r := openRoom(t, client, testSale(c.now), nil)
	tickets := join(t, r, 3)
	callUpTo(t, r, 2)
	before := r.Look(tickets[0], sale.PhaseLive, false).ClaimBefore
	if left := before.Sub(c.now); left < 2*time.Minute || left > 2*time.Minute+500*time.Millisecond {
		t.Fatalf("the window is %s", left)
	}
	c.forward(before.Sub(c.now) - time.Millisecond)
	mustClaim(t, r, tickets[0])
	c.forward(time.Millisecond)
	claimFails(t, r, tickets[1], problem.TurnMissed)
	refresh(t, r)
	if v := r.Look(tickets[1], sale.PhaseLive, false); v.State != Missed {
		t.Fatalf("%+v", v)
	}
	if s := refresh(t, r); s.Outstanding != 1 {
		t.Fatalf("%d outstanding before the window is closed", s.Outstanding)
	}
	s := advance(t, r, Outside{Items: []Units{{}}})
	if s.Outstanding != 0 || s.room.shown != 1 || s.room.noShow != 1 {
		t.Fatalf("outstanding %d, %d came, %d did not", s.Outstanding, s.room.shown, s.room.noShow)
	}
	claimFails(t, r, tickets[1], problem.TurnMissed)
	if v := r.Look(tickets[1], sale.PhaseLive, false); v.State != Missed {
		t.Fatalf("after the window was closed: %+v", v)
	}
}

func TestEveryCallHasItsOwnWindowOnEveryNode(t *testing.T) {
	c, client := newClock(t)
	rec := testSale(c.now)
	r, other := openRoom(t, client, rec, nil), openNode(t, client, rec, nil)
	tickets := join(t, r, 8)
	for i := range tickets {
		callUpTo(t, r, uint64(i+1))
		if i%2 == 1 {
			refresh(t, other) // sees two calls at a time, of which the last may share a deadline with the next
		}
		c.forward(time.Duration(i%3) * 300 * time.Millisecond)
	}
	full := openNode(t, client, rec, nil)
	if len(full.Snapshot().calls) < 3 {
		t.Fatalf("%d windows", len(full.Snapshot().calls))
	}
	for _, ticket := range tickets {
		want := full.Look(ticket, sale.PhaseLive, false).ClaimBefore
		for name, node := range map[string]*Room{"this": r, "other": other} {
			refresh(t, node)
			if got := node.Look(ticket, sale.PhaseLive, false).ClaimBefore; !got.Equal(want) {
				t.Errorf("%s node, ticket %d: until %s, want %s", name, ticket.Number, got, want)
			}
		}
	}
}

func TestWhoLeavesIsNoNoShow(t *testing.T) {
	c, client := newClock(t)
	r := openRoom(t, client, testSale(c.now, func(r *sale.Record) { r.Admission.RatePerMinute = 600_000 }), nil)
	tickets := join(t, r, 6)
	leave := func(ticket Ticket) {
		if err := r.Leave(context.Background(), ticket); err != nil {
			t.Fatal(err)
		}
	}
	leave(tickets[0]) // before the call
	for r.Snapshot().Called < 6 {
		c.forward(time.Millisecond)
		advance(t, r, plenty)
	}
	leave(tickets[1]) // after it
	mustClaim(t, r, tickets[2])
	if s := refresh(t, r); s.Outstanding != 3 {
		t.Fatalf("%d outstanding", s.Outstanding)
	}
	c.forward(3 * time.Minute)
	s := advance(t, r, plenty)
	if s.Outstanding != 0 || s.room.shown != 1 || s.room.noShow != 3 {
		t.Fatalf("outstanding %d, %d came, %d did not", s.Outstanding, s.room.shown, s.room.noShow)
	}
	join(t, r, 3)
	callUpTo(t, r, 9)
	if s := refresh(t, r); s.Outstanding != 3 {
		t.Fatalf("%d outstanding of three who were called after them", s.Outstanding)
	}
}

func TestOnlyThoseCalledLatelyAreExpected(t *testing.T) {
	c, client := newClock(t)
	r := openRoom(t, client, testSale(c.now, func(r *sale.Record) { r.Admission.MaxActive, r.Admission.RatePerMinute = 5, 60_000 }), nil)
	tickets := join(t, r, 20)
	for range 10 {
		c.forward(100 * time.Millisecond)
		advance(t, r, plenty)
	}
	if s := r.Snapshot(); s.Called != 5 {
		t.Fatalf("%d called for five slots", s.Called)
	}
	mustClaim(t, r, tickets[0])
	mustClaim(t, r, tickets[1])
	c.forward(4 * time.Second)
	if s := advance(t, r, plenty); s.Called != 5 {
		t.Fatalf("%d called while three are expected", s.Called)
	}
	c.forward(2 * time.Second)
	if s := advance(t, r, plenty); s.Called != 8 || s.Outstanding != 6 {
		t.Fatalf("%d called, %d outstanding; three slots stay empty behind closed tabs", s.Called, s.Outstanding)
	}
}

func TestWhoMeetsTheCapKeepsTheTurn(t *testing.T) {
	c, client := newClock(t)
	rec := testSale(c.now, func(r *sale.Record) { r.Admission.MaxActive = 1 })
	r, other := openRoom(t, client, rec, nil), openNode(t, client, rec, nil)
	tickets := join(t, r, 2)
	callUpTo(t, r, 2)
	pass := mustClaim(t, r, tickets[0])
	c.forward(90 * time.Second)
	claimFails(t, r, tickets[1], problem.NotCalled)
	c.forward(90 * time.Second)
	advance(t, r, Outside{Items: []Units{{}}}) // the window of the call is over; the renewed one is not
	for _, node := range []*Room{r, other} {
		refresh(t, node)
		v := node.Look(tickets[1], sale.PhaseLive, false)
		if v.State != Called || v.ClaimBefore.Sub(c.now) != 30*time.Second {
			t.Fatalf("%+v", v)
		}
	}
	if s := r.Snapshot(); s.Outstanding != 1 || s.room.shown != 2 || s.room.noShow != 0 {
		t.Fatalf("outstanding %d, %d came, %d did not", s.Outstanding, s.room.shown, s.room.noShow)
	}
	if err := r.Release(context.Background(), pass); err != nil {
		t.Fatal(err)
	}
	mustClaim(t, other, tickets[1])
	if s := refresh(t, r); s.Outstanding != 0 || s.Active != 1 {
		t.Fatalf("outstanding %d, active %d", s.Outstanding, s.Active)
	}
}

func TestARenewedTurnEndsToo(t *testing.T) {
	c, client := newClock(t)
	r := openRoom(t, client, testSale(c.now, func(r *sale.Record) { r.Admission.MaxActive = 1 }), nil)
	tickets := join(t, r, 2)
	callUpTo(t, r, 2)
	mustClaim(t, r, tickets[0])
	claimFails(t, r, tickets[1], problem.NotCalled)
	c.forward(2 * time.Minute)
	claimFails(t, r, tickets[1], problem.TurnMissed)
	c.forward(time.Second)
	if s := advance(t, r, Outside{Items: []Units{{}}}); s.Outstanding != 0 {
		t.Fatalf("%d outstanding", s.Outstanding)
	}
	if v := r.Look(tickets[1], sale.PhaseLive, false); v.State != Missed {
		t.Fatalf("%+v", v)
	}
}

func TestAPauseTakesNobodysWindow(t *testing.T) {
	c, client := newClock(t)
	rec := testSale(c.now, func(r *sale.Record) { r.Admission.MaxActive = 1 })
	r := openRoom(t, client, rec, nil)
	tickets := join(t, r, 5)
	callUpTo(t, r, 3)
	mustClaim(t, r, tickets[0])
	claimFails(t, r, tickets[1], problem.NotCalled) // a renewed window
	before := r.Look(tickets[2], sale.PhaseLive, false).ClaimBefore
	c.forward(time.Minute)

	rec.Version, rec.Paused = 2, true
	arm(t, client, rec, nil)
	if s := advance(t, r, plenty); !s.Paused || s.Called != 3 {
		t.Fatalf("paused %v, called %d", s.Paused, s.Called)
	}
	claimFails(t, r, tickets[2], problem.SalePaused)
	if _, _, again, err := r.Claim(context.Background(), tickets[0]); err != nil || !again {
		t.Fatalf("whoever has a pass keeps it: again %v, %v", again, err)
	}
	c.forward(time.Hour)
	if s := advance(t, r, plenty); s.Called != 3 || s.Outstanding != 2 {
		t.Fatalf("called %d, outstanding %d during the pause", s.Called, s.Outstanding)
	}
	if v := r.Look(tickets[2], sale.PhasePaused, false); v.State != Paused {
		t.Fatalf("%+v", v)
	}

	rec.Version, rec.Paused = 3, false
	arm(t, client, rec, nil)
	arm(t, client, rec, nil) // once more changes nothing
	refresh(t, r)
	for i, ticket := range tickets[1:3] {
		v := r.Look(ticket, sale.PhaseLive, false)
		if v.State != Called || v.ClaimBefore.Before(before.Add(time.Hour-time.Second)) {
			t.Fatalf("ticket %d: %+v, before the pause until %s", i+2, v, before)
		}
	}
	if v := r.Look(tickets[2], sale.PhaseLive, false); !v.ClaimBefore.Equal(before.Add(time.Hour)) {
		t.Fatalf("until %s, before the pause %s", v.ClaimBefore, before)
	}
	c.forward(before.Add(time.Hour).Sub(c.now) - time.Millisecond)
	mustClaim(t, r, tickets[2])
}

func TestASettingsChangeKeepsWhatWasCounted(t *testing.T) {
	c, client := newClock(t)
	rec := testSale(c.now)
	r := openRoom(t, client, rec, nil)
	tickets := join(t, r, 10)
	callUpTo(t, r, 4)
	mustClaim(t, r, tickets[0])
	before := refresh(t, r)
	deadline := r.Look(tickets[1], sale.PhaseLive, false).ClaimBefore
	rec.Version = 5
	rec.Admission.ClaimWindow, rec.Admission.Order = sale.Duration(10*time.Second), sale.Draw
	arm(t, client, rec, nil)
	older := rec
	older.Version, older.Admission.RatePerMinute = 4, 1
	arm(t, client, older, nil)
	after := refresh(t, r)
	if after.Called != before.Called || after.Entrants != before.Entrants || after.Active != 1 || after.room.gen != before.room.gen {
		t.Fatalf("before %+v, after %+v", before, after)
	}
	if after.RatePerMinute != 600 {
		t.Fatal("an older version took over")
	}
	if v := r.Look(tickets[9], sale.PhaseLive, false); v.Place != 10 {
		t.Fatalf("the rule of the line changed under a visitor's feet: %+v", v)
	}
	if v := r.Look(tickets[1], sale.PhaseLive, false); !v.ClaimBefore.Equal(deadline) {
		t.Fatalf("a promised window shrank from %s to %s", deadline, v.ClaimBefore)
	}
	callUpTo(t, r, 5)
	if v := r.Look(tickets[4], sale.PhaseLive, false); v.ClaimBefore.Before(deadline) {
		t.Fatal("someone further back must claim earlier")
	}
}

func TestTheDrawFromCommitmentToSeed(t *testing.T) {
	c, client := newClock(t)
	rec := testSale(c.now, func(r *sale.Record) {
		r.Admission.Order, r.StartsAt = sale.Draw, c.now.Add(time.Minute)
	})
	j := &memoryJournal{}
	r := openRoom(t, client, rec, j)
	if s := r.Snapshot(); s.DrawCommitment != "" {
		t.Fatal("the commitment is shown before it is safe")
	}
	tickets := join(t, r, 50)
	s := advance(t, r, plenty)
	if s.DrawCommitment == "" || s.DrawSeed != "" || s.Called != 0 || j.fold().Seed == nil {
		t.Fatalf("before the draw: %+v", s)
	}
	commitment := s.DrawCommitment
	v := r.Look(tickets[0], sale.PhasePrequeue, false)
	if v.State != Early || v.PlaceKnown || v.Place != 0 || v.ETAP50Seconds < 60 || v.ETAP90Seconds < v.ETAP50Seconds {
		t.Fatalf("before the draw: %+v", v)
	}
	claimFails(t, r, tickets[0], problem.NotCalled)

	c.forward(time.Minute)
	late := join(t, r, 1)[0] // before the leader's tick, and yet after the start
	if v := r.Look(tickets[0], sale.PhaseLive, false); v.State != Early {
		t.Fatalf("started, not drawn: %+v", v)
	}
	claimFails(t, r, tickets[0], problem.NotCalled)
	s = advance(t, r, plenty)
	if !s.Drawn || s.DrawCount != 50 || s.DrawCommitment != commitment || s.Called == 0 {
		t.Fatalf("after the draw: %+v", s)
	}
	d := drawFromText(s.DrawSeed, 0, s.DrawCount)
	if d == nil || Commitment(mustHex(t, s.DrawSeed)) != commitment {
		t.Fatalf("seed %q does not fit the commitment %s", s.DrawSeed, commitment)
	}
	for _, ticket := range tickets {
		if v := r.Look(ticket, sale.PhaseLive, false); v.Place != d.Place(ticket.Number) {
			t.Fatalf("ticket %d is told place %d, the draw says %d", ticket.Number, v.Place, d.Place(ticket.Number))
		}
	}
	if v := r.Look(late, sale.PhaseLive, false); v.Place != 51 {
		t.Fatalf("who came after the start has place %d", v.Place)
	}
	first := tickets[d.NumberAt(1)-1]
	// A node that has not heard of the draw finds out by itself.
	stale := OpenRoom(testDeps(client, nil), rec)
	t.Cleanup(stale.Close)
	mustClaim(t, stale, first)
	restored := j.fold()
	if !restored.Drawn || restored.counts.whole() != 50 {
		t.Fatalf("the journal knows %+v", restored)
	}
}

func TestADrawIsNotShownWhileItCouldBeLost(t *testing.T) {
	c, client := newClock(t)
	rec := testSale(c.now, func(r *sale.Record) { r.Admission.Order = sale.Draw })
	j := &memoryJournal{}
	r := openRoom(t, client, rec, j)
	join(t, r, 5)
	j.setFail(errors.New("disk full"))
	if err := r.Advance(context.Background(), testTerm, plenty); !errors.Is(err, problem.Unavailable) {
		t.Fatalf("advance: %v", err)
	}
	if s := refresh(t, r); s.DrawSeed != "" || s.DrawCommitment != "" || s.Called != 0 {
		t.Fatalf("%+v", s)
	}
	j.setFail(nil)
	if s := advance(t, r, plenty); s.DrawSeed == "" || s.Called == 0 {
		t.Fatalf("%+v", s)
	}
}

func TestTheClockOfTheNodeDoesNotMatter(t *testing.T) {
	c, client := newClock(t)
	c.now = time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	c.mini.SetTime(c.now)
	r := openRoom(t, client, testSale(c.now), nil)
	if off := r.Snapshot().Now().Sub(c.now); off < 0 || off > 10*time.Second {
		t.Fatalf("the room's clock is %s off that of redis", off)
	}
	ticket := join(t, r, 1)[0]
	advance(t, r, plenty)
	if v := r.Look(ticket, sale.PhaseLive, false); v.State != Called {
		t.Fatalf("%+v", v)
	}
}

func TestTheRoomGoesOnAfterOnePassOfSeveralHasEnded(t *testing.T) {
	c, client := newClock(t)
	r := openRoom(t, client, testSale(c.now, func(r *sale.Record) {
		r.Admission.MaxActive, r.Admission.PassTTL = 2, sale.Duration(10*time.Second)
	}), nil)
	tickets := join(t, r, 4)
	callUpTo(t, r, 4)
	mustClaim(t, r, tickets[0])
	c.forward(5 * time.Second)
	mustClaim(t, r, tickets[1])
	c.forward(6 * time.Second) // the first pass is over, the second is not
	if err := r.Advance(context.Background(), testTerm, Outside{Items: []Units{{Available: 10}}, LevelFactor: 1}); err != nil {
		t.Fatal(err)
	}
	if s := refresh(t, r); s.Active != 1 {
		t.Fatalf("%d active passes, want 1", s.Active)
	}
	mustClaim(t, r, tickets[2])
	claimFails(t, r, tickets[3], problem.NotCalled)
	c.forward(5 * time.Second) // the second is over as well
	if err := r.Advance(context.Background(), testTerm, Outside{Items: []Units{{Available: 10}}, LevelFactor: 1}); err != nil {
		t.Fatal(err)
	}
	mustClaim(t, r, tickets[3])
}
