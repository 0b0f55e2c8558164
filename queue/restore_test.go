package queue

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func mustHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pretendAnotherRun makes a room look as if it had been armed before the server was restarted.
func pretendAnotherRun(t testing.TB, client rueidis.Client, r *Room) {
	t.Helper()
	if err := client.Do(context.Background(), client.B().Hset().Key(r.keys[0]).FieldValue().FieldValue("run", "0.0").Build()).Error(); err != nil {
		t.Fatal(err)
	}
}

func flush(t testing.TB, client rueidis.Client) {
	t.Helper()
	if err := client.Do(context.Background(), client.B().Flushall().Build()).Error(); err != nil {
		t.Fatal(err)
	}
}

func TestARoomComesBackFromItsJournal(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		rec := testSale(time.Now(), func(r *sale.Record) {
			r.Admission.Order, r.Admission.RatePerMinute, r.Admission.MaxActive = sale.Draw, 60_000, 20
		})
		j := &memoryJournal{}
		r := openRoom(t, client, rec, j)
		tickets := join(t, r, 40)
		advance(t, r, plenty)
		s := r.Snapshot()
		for s.Called < 10 {
			s = advance(t, r, plenty)
		}
		at := func(place uint64) Ticket { return tickets[s.numberAt(place)-1] }
		passes := make([]Pass, 4)
		tokens := make([]string, 4)
		for i := range passes {
			var err error
			if passes[i], tokens[i], _, err = r.Claim(ctx, at(uint64(i+1))); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(r.Release(ctx, passes[3]), r.Leave(ctx, at(5))); err != nil {
			t.Fatal(err)
		}
		before := refresh(t, r)

		flush(t, client)
		if s := refresh(t, r); s.Ready {
			t.Fatal("the loss is not noticed")
		}
		rec.Epoch, rec.Version = 2, 2
		arm(t, client, rec, j.fold())
		arm(t, client, rec, j.fold()) // idempotent
		after := refresh(t, r)
		if !after.Ready || after.Epoch != 2 || after.Called < before.Called || after.Active != 3 || after.AdmittedLastMinute < 4 {
			t.Fatalf("before %+v\nafter %+v", before, after)
		}
		if after.DrawSeed != before.DrawSeed || after.DrawCount != before.DrawCount || after.DrawCommitment != before.DrawCommitment {
			t.Fatal("the draw changed")
		}
		for _, ticket := range tickets {
			if v := r.Look(ticket, sale.PhaseLive, false); v.Place != before.draw.Place(ticket.Number) {
				t.Fatalf("ticket %d moved to place %d", ticket.Number, v.Place)
			}
		}
		if next := join(t, r, 1)[0]; next.Number <= 40 || next.Epoch != 2 {
			t.Fatalf("a number is given twice: %+v", next)
		}
		for i := range 3 {
			pass, token, again, err := r.Claim(ctx, at(uint64(i+1)))
			if err != nil || !again || pass != passes[i] || token != tokens[i] {
				t.Fatalf("pass %d: %+v again %v, %v; before %+v", i, pass, again, err, passes[i])
			}
		}
		claimFails(t, r, at(4), problem.TurnMissed)
		claimFails(t, r, at(5), problem.TurnMissed)
		if !r.Revoked(passes[3]) || r.Revoked(passes[0]) {
			t.Fatal("the revocations did not come back")
		}
		mustClaim(t, r, at(6)) // called before the loss: its window starts again
	})
}

func TestARestoreTakesNothingBackFromARoomThatWasNotLost(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		rec, j := testSale(time.Now()), &memoryJournal{}
		r := openRoom(t, client, rec, j)
		tickets := join(t, r, 3)
		callUpTo(t, r, 3)
		old := j.fold()
		passes := []Pass{mustClaim(t, r, tickets[0]), mustClaim(t, r, tickets[1])}
		if err := r.Release(ctx, passes[1]); err != nil {
			t.Fatal(err)
		}
		// Redis knows more than this part of the journal: nothing of it may be undone.
		arm(t, client, rec, old)
		if s := refresh(t, r); s.Active != 1 || s.Called != 3 || s.room.claimed != 2 {
			t.Fatalf("%+v", s)
		}
		claimFails(t, r, tickets[1], problem.TurnMissed)
		// A backup from before the release, which another run of the server has loaded.
		if err := client.Do(ctx, client.B().Zadd().Key(r.GateKey()).ScoreMember().
			ScoreMember(float64(passes[1].ExpiresAt.UnixMilli()), passes[1].ID).Build()).Error(); err != nil {
			t.Fatal(err)
		}
		pretendAnotherRun(t, client, r)
		if s := refresh(t, r); s.Ready || !s.Lost {
			t.Fatalf("ready %v, lost %v", s.Ready, s.Lost)
		}
		arm(t, client, rec, j.fold())
		if s := refresh(t, r); s.Active != 1 || !r.Revoked(passes[1]) {
			t.Fatalf("a pass that was given back is good again: %d active", s.Active)
		}
	})
}

func TestNoAdmissionIsTooManyAfterARestore(t *testing.T) {
	c, client := newClock(t)
	rec := testSale(c.now, func(r *sale.Record) { r.Admission.RatePerMinute, r.Admission.MaxActive = 3, 100 })
	j := &memoryJournal{}
	r := openRoom(t, client, rec, j)
	tickets := join(t, r, 6)
	callUpTo(t, r, 6)
	for _, ticket := range tickets[:2] {
		mustClaim(t, r, ticket)
		c.forward(10 * time.Second)
	}
	flush(t, client)
	restored := j.fold()
	restored.Called = 6 // called by hand, past the journal
	arm(t, client, rec, restored)
	refresh(t, r)
	mustClaim(t, r, tickets[2])
	claimFails(t, r, tickets[3], problem.NotCalled)
	c.forward(40*time.Second + time.Millisecond) // a minute after the first
	mustClaim(t, r, tickets[3])
	claimFails(t, r, tickets[4], problem.NotCalled)
}

func TestClosedWindowsStayClosedAfterARestore(t *testing.T) {
	c, client := newClock(t)
	rec := testSale(c.now, func(r *sale.Record) { r.Admission.RatePerMinute = 60_000 })
	j := &memoryJournal{}
	r := openRoom(t, client, rec, j)
	tickets := join(t, r, 1)
	advance(t, r, plenty)
	c.forward(3 * time.Minute)
	tickets = append(tickets, join(t, r, 1)...)
	if s := advance(t, r, plenty); s.Called != 2 {
		t.Fatalf("called %d", s.Called)
	}
	flush(t, client)
	arm(t, client, rec, j.fold())
	refresh(t, r)
	claimFails(t, r, tickets[0], problem.TurnMissed)
	mustClaim(t, r, tickets[1])
}

func TestNothingIsCalledOrAdmittedThatTheJournalDoesNotHave(t *testing.T) {
	c, client := newClock(t)
	j := &memoryJournal{}
	r := openRoom(t, client, testSale(c.now), j)
	ticket := join(t, r, 1)[0]
	j.setFail(errors.New("disk full"))
	if err := r.Advance(context.Background(), testTerm, plenty); err == nil {
		t.Fatal("advanced")
	}
	if s := refresh(t, r); s.Called != 0 {
		t.Fatalf("called %d", s.Called)
	}
	j.setFail(nil)
	advance(t, r, plenty)
	j.setFail(errors.New("disk full"))
	claimFails(t, r, ticket, problem.Unavailable)
	claimFails(t, r, ticket, problem.Unavailable) // the pass exists now, and is no more journaled than before
	j.setFail(nil)
	if len(j.fold().passes) != 0 {
		t.Fatal("the journal has the pass")
	}
	if _, _, again, err := r.Claim(context.Background(), ticket); err != nil || !again {
		t.Fatalf("again %v, %v", again, err)
	}
	if len(j.fold().passes) != 1 {
		t.Fatal("the pass was answered and not journaled")
	}
}

func TestALeaderThatIsNewJournalsTheWholeState(t *testing.T) {
	c, client := newClock(t)
	rec, j := testSale(c.now), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	join(t, r, 5)
	advance(t, r, plenty)
	later := &memoryJournal{}
	advance(t, openNode(t, client, rec, later), plenty)
	got, want := later.fold(), j.fold()
	if got.Mark != want.Mark || got.Called != want.Called || want.Called == 0 {
		t.Fatalf("the new leader's journal has mark %d and %d called; the old one's %d and %d", got.Mark, got.Called, want.Mark, want.Called)
	}
}

func TestFoldPassesOverWhatItDoesNotKnow(t *testing.T) {
	records := [][]byte{
		nil, {}, {'q'}, {'r', 1, 'M', 9}, {'q', 2, 'M', 9}, {'q', 1, '?', 9}, {'q', 1, 'M'}, {'q', 1, 'M', 0x80},
		{'q', 1, 'C', 1, 2}, {'q', 1, 'D', 1, 2, 3}, recordClaim(0, 1, 2, 3), recordClaim(maxNumber+1, 1, 2, 3),
		recordLeave(maxNumber + 1), recordRelease(77),
	}
	if r := Fold(slices.Values(records)); !r.Empty() || len(r.used[0]) != 0 || r.claimed != 0 {
		t.Fatalf("%+v", r)
	}
	records = append(records, recordMark(0, 64), append(recordMark(0, 70), "more, from a later version"...))
	if r := Fold(slices.Values(records)); r.Mark != 70 {
		t.Fatalf("mark %d", r.Mark)
	}
	if !(*Restored)(nil).Empty() {
		t.Fatal("nothing is not empty")
	}
}

func TestFoldNeedsNoMoreThanTheLivingPasses(t *testing.T) {
	r := Fold(func(yield func([]byte) bool) {
		for n := Number(1); n <= 20_000; n++ {
			at := int64(n) * 100
			if !yield(recordClaim(n, at/1000, at/1000+10, at)) {
				return
			}
		}
	})
	if len(r.passes) > 120 || len(r.admits) != 601 || r.claimed != 20_000 {
		t.Fatalf("%d passes, %d admissions, %d claimed", len(r.passes), len(r.admits), r.claimed)
	}
}

func FuzzFold(f *testing.F) {
	f.Add(recordMark(0, 7))
	f.Add(recordState(0, 7, 6, 5, 4, 3))
	f.Add(recordLapsed(0, 5))
	f.Add(recordDraw(hex.EncodeToString(make([]byte, seedBytes)), true, 9))
	f.Add(recordClaim(1, 2, 3, 4))
	f.Fuzz(func(t *testing.T, rec []byte) {
		r := Fold(slices.Values([][]byte{recordMark(0, 3), rec, rec}))
		if r.Mark < 3 || r.Mark > maxNumber || len(r.used[0]) > maxNumber/8*5/4+2 {
			t.Fatalf("%+v", r)
		}
	})
}

func TestAJournalOfAnEarlierVersionIsStillRead(t *testing.T) {
	r := Fold(slices.Values([][]byte{recordMark(0, 64), recordCalled(0, 5, 10, 20, 30), recordClaim(9, 1, 2000, 3), recordMark(0, 128)}))
	if r.Mark != 128 || r.Called != 5 || !slices.Equal(r.gaps(), spans{{10, 128}}) || r.proveWithin() != proveWithin {
		t.Fatalf("mark %d, called %d, uncertain %v, the line waits %s", r.Mark, r.Called, r.gaps(), r.proveWithin())
	}
}

func TestTheStateInTheJournalTellsOfAllUncertainNumbers(t *testing.T) {
	c, client := newClock(t)
	rec, j := testSale(c.now), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	for range 3 {
		join(t, r, 2)
		advance(t, r, plenty)
		join(t, r, 1) // the leader does not hear of it
		r = lose(t, client, rec, j)
	}
	join(t, r, 1)
	want := r.Snapshot().absent.gaps
	if len(want) != 3 {
		t.Fatalf("uncertain are %v", want)
	}
	later := &memoryJournal{} // without what came before
	advance(t, openNode(t, client, rec, later), plenty)
	got := later.fold().gaps()
	if !slices.Equal(got[:3], want) {
		t.Fatalf("the state tells of %v, want %v", got, want)
	}
}
