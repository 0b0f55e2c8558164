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

// renewedTwice lets a pass of 60 s be prolonged twice, by 30 s.
func renewedTwice(r *sale.Record) {
	r.Admission.PassTTL, r.Admission.Renewal = sale.Duration(time.Minute), sale.Renewal{By: sale.Duration(30 * time.Second), Max: 2}
}

func renew(t testing.TB, r *Room, p Pass) Renewal {
	t.Helper()
	got, err := r.Renew(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func renewFails(t testing.TB, r *Room, p Pass, want problem.Code) {
	t.Helper()
	if got, err := r.Renew(context.Background(), p); !errors.Is(err, want) {
		t.Fatalf("renewed as %+v, %v, want %s", got, err, want)
	}
}

func TestAPassIsRenewedAsOftenAsItsSaleSays(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, j := testSale(time.Now(), renewedTwice, func(r *sale.Record) { r.Admission.MaxActive = 1 }), &memoryJournal{}
		r, other := openRoom(t, client, rec, j), openNode(t, client, rec, j)
		ticket := join(t, r, 2)[0]
		callUpTo(t, r, 2)
		first := mustClaim(t, r, ticket)
		second := renew(t, other, first)
		if got := second.Pass.ExpiresAt.Sub(first.ExpiresAt); got != 30*time.Second || !second.Pass.IssuedAt.Equal(first.IssuedAt) || second.Left != 1 {
			t.Fatalf("later by %s: %+v", got, second)
		}
		for _, node := range []*Room{r, other} {
			if again := renew(t, node, first); again != second {
				t.Fatalf("the same request again: %+v, want %+v", again, second)
			}
		}
		verified, err := r.deps.Passes.Verify(second.Token, rec.ID, time.Now())
		if err != nil || verified != second.Pass {
			t.Fatalf("%+v, %v", verified, err)
		}
		if pass := mustClaim(t, r, ticket); pass != second.Pass {
			t.Fatalf("claimed again: %+v", pass)
		}
		third := renew(t, r, second.Pass)
		if third.Left != 0 || third.Pass.ExpiresAt.Sub(first.ExpiresAt) != time.Minute {
			t.Fatalf("%+v", third)
		}
		renewFails(t, r, third.Pass, problem.RenewalRefused)
		if s := refresh(t, r); s.Active != 1 || s.AdmittedLastMinute != 1 {
			t.Fatalf("%d active, %d admitted", s.Active, s.AdmittedLastMinute)
		}
		if v := r.Look(ticket, sale.PhaseLive, false); v.State != Admitted {
			t.Fatalf("%+v", v)
		}
		if kept := j.fold().passes[ticket.Number]; kept.expires != third.Pass.ExpiresAt.Unix() || kept.renewals != 2 {
			t.Fatalf("journaled %+v", kept)
		}
	})
}

func TestARenewedPassKeepsItsSlotUntilItsNewEnd(t *testing.T) {
	k, client := newClock(t)
	r := openRoom(t, client, testSale(k.now, renewedTwice, func(r *sale.Record) { r.Admission.MaxActive = 1 }), nil)
	tickets := join(t, r, 2)
	callUpTo(t, r, 2)
	pass := mustClaim(t, r, tickets[0])
	k.forward(50 * time.Second)
	renewed := renew(t, r, pass).Pass
	k.forward(renewed.ExpiresAt.Sub(k.now) - time.Millisecond)
	advance(t, r, Outside{Items: []Units{{}}, LevelFactor: 1}) // calls nobody
	if s := refresh(t, r); s.Active != 1 {
		t.Fatalf("%d active before the end", s.Active)
	}
	claimFails(t, r, tickets[1], problem.NotCalled)
	k.forward(time.Millisecond)
	renewFails(t, r, renewed, problem.PassInvalid)
	mustClaim(t, r, tickets[1])
	if stats, err := Stats(context.Background(), client, "drop"); err != nil || !stats.WithinLimits() {
		t.Fatalf("%+v, %v", stats, err)
	}
}

func TestARenewedPassSurvivesALossOfRedis(t *testing.T) {
	k, client := newClock(t)
	rec, j := testSale(k.now, renewedTwice), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	ticket := join(t, r, 1)[0]
	callUpTo(t, r, 1)
	renewed := renew(t, r, mustClaim(t, r, ticket)).Pass
	r = lose(t, client, rec, j)
	if pass := mustClaim(t, r, ticket); pass != renewed {
		t.Fatalf("%+v, want %+v", pass, renewed)
	}
	last := renew(t, r, renewed)
	if last.Left != 0 {
		t.Fatalf("%+v", last)
	}
	renewFails(t, r, last.Pass, problem.RenewalRefused)
}

// TestARenewalThatTheJournalDoesNotHaveIsNotTold: the same request is answered once the journal is back.
func TestARenewalThatTheJournalDoesNotHaveIsNotTold(t *testing.T) {
	k, client := newClock(t)
	rec, j := testSale(k.now, renewedTwice), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	ticket := join(t, r, 1)[0]
	callUpTo(t, r, 1)
	pass := mustClaim(t, r, ticket)
	j.setFail(errors.New("disk"))
	renewFails(t, r, pass, problem.Unavailable)
	if got, _, _, err := r.Claim(context.Background(), ticket); !errors.Is(err, problem.Unavailable) {
		t.Fatalf("a pass whose end is not journaled is told: %+v, %v", got, err)
	}
	j.setFail(nil)
	if got := mustClaim(t, r, ticket); j.fold().passes[ticket.Number].expires != got.ExpiresAt.Unix() {
		t.Fatalf("told %+v, journaled %+v", got, j.fold().passes[ticket.Number])
	}
	if renewed := renew(t, r, pass); renewed.Left != 1 {
		t.Fatalf("%+v", renewed)
	}
}

func TestWhichPassesAreNotRenewed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*sale.Record)
		after  func(testing.TB, *Room, rueidis.Client, Pass)
		want   problem.Code
	}{
		"a sale without": {func(r *sale.Record) { r.Admission.Renewal = sale.Renewal{} }, func(testing.TB, *Room, rueidis.Client, Pass) {}, problem.RenewalRefused},
		"given back": {nil, func(t testing.TB, r *Room, _ rueidis.Client, p Pass) {
			if err := r.Release(context.Background(), p); err != nil {
				t.Fatal(err)
			}
		}, problem.PassInvalid},
		"after the end": {nil, func(t testing.TB, _ *Room, client rueidis.Client, _ Pass) {
			rec := testSale(epoch, renewedTwice)
			rec.Ended, rec.Version = true, 2
			arm(t, client, rec, nil)
		}, problem.SaleNotOpen},
	} {
		t.Run(name, func(t *testing.T) {
			k, client := newClock(t)
			rec := testSale(k.now, renewedTwice)
			if c.change != nil {
				c.change(&rec)
			}
			r := openRoom(t, client, rec, nil)
			ticket := join(t, r, 1)[0]
			callUpTo(t, r, 1)
			pass := mustClaim(t, r, ticket)
			c.after(t, r, client, pass)
			renewFails(t, r, pass, c.want)
		})
	}
}
