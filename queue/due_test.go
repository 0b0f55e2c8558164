package queue

import (
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func TestNothingIsDueInAQuietRoom(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		now := time.Now()
		for name, rec := range map[string]sale.Record{
			"live":               testSale(now),
			"scheduled":          testSale(now, func(r *sale.Record) { r.OpensAt, r.StartsAt = now.Add(time.Hour), now.Add(2*time.Hour) }),
			"over":               testSale(now, func(r *sale.Record) { r.EndsAt = now.Add(-time.Second) }),
			"over, with a draw":  testSale(now, func(r *sale.Record) { r.Admission.Order, r.EndsAt = sale.Draw, now.Add(-time.Second) }),
			"draft, with a draw": testSale(now, func(r *sale.Record) { r.Admission.Order, r.Draft = sale.Draw, true }),
		} {
			r := openRoom(t, client, rec, &memoryJournal{})
			if due := r.NextDueMillis(); due != 0 && due < now.Add(24*time.Hour).UnixMilli() || r.DueIn() <= 0 {
				t.Errorf("%s: due at %d", name, due)
			}
			if err := Wipe(t.Context(), client, rec.ID, testTerm); err != nil {
				t.Fatal(err)
			}
			refresh(t, r)
			if due := r.NextDueMillis(); due != 0 {
				t.Errorf("%s, lost: due at %d", name, due)
			}
		}
	})
}

func TestWhatIsDueInARoom(t *testing.T) {
	c, client := newClock(t)
	j := &memoryJournal{}
	rec := testSale(c.now, func(r *sale.Record) { r.Admission.MaxActive = 1 })
	r := openRoom(t, client, rec, j)
	in := func() time.Duration { return time.UnixMilli(r.NextDueMillis()).Sub(c.now) }
	tickets := join(t, r, 2)
	if refresh(t, r); in() > 0 {
		t.Fatalf("somebody waits, and the next tick is due in %s", in())
	}
	advance(t, r, plenty)
	c.forward(time.Second)
	rec.Version, rec.Paused = 2, true
	arm(t, client, rec, nil)
	if refresh(t, r); in() < time.Minute {
		t.Fatalf("during a pause a tick is due in %s", in())
	}
	c.forward(time.Second)
	rec.Version, rec.Paused = 3, false
	arm(t, client, rec, nil)
	if refresh(t, r); in() > 0 {
		t.Fatalf("after the pause a tick is due in %s", in())
	}
	callUpTo(t, r, 2)
	window := r.Look(tickets[0], sale.PhaseLive, false).ClaimBefore
	if refresh(t, r); !time.UnixMilli(r.NextDueMillis()).Equal(window) {
		t.Fatalf("due in %s, the window ends in %s", in(), window.Sub(c.now))
	}
	pass := mustClaim(t, r, tickets[0])
	c.forward(3 * time.Minute)
	advance(t, r, plenty)
	if refresh(t, r); !time.UnixMilli(r.NextDueMillis()).Equal(pass.ExpiresAt) {
		t.Fatalf("due in %s, the pass ends in %s", in(), pass.ExpiresAt.Sub(c.now))
	}
	c.forward(10 * time.Minute)
	advance(t, r, plenty)
	if s := refresh(t, r); s.Active != 0 || in() <= 0 || in() > keepStateEvery {
		t.Fatalf("%d active; the state is journaled again in %s", s.Active, in())
	}
	c.forward(in())
	before := len(j.records)
	if advance(t, r, plenty); len(j.records) == before || in() != keepStateEvery {
		t.Fatalf("%d records, due in %s", len(j.records)-before, in())
	}
}

func TestAScheduledDrawIsPreparedWhenTheDoorsOpen(t *testing.T) {
	c, client := newClock(t)
	rec := testSale(c.now, func(r *sale.Record) {
		r.Admission.Order, r.OpensAt, r.StartsAt = sale.Draw, c.now.Add(time.Minute), c.now.Add(2*time.Minute)
	})
	j := &memoryJournal{}
	r := openRoom(t, client, rec, j)
	if s := advance(t, r, plenty); s.DrawCommitment != "" || len(j.records) != 0 {
		t.Fatalf("before the doors open: commitment %q, %d records", s.DrawCommitment, len(j.records))
	}
	if due := r.NextDueMillis(); due != rec.OpensAt.UnixMilli() {
		t.Fatalf("due at %d, the doors open at %d", due, rec.OpensAt.UnixMilli())
	}
	c.forward(time.Minute)
	if s := advance(t, r, plenty); s.DrawCommitment == "" {
		t.Fatal("no commitment when the doors are open")
	}
	if due := r.NextDueMillis(); due != rec.StartsAt.UnixMilli() {
		t.Fatalf("due at %d, the start is at %d", due, rec.StartsAt.UnixMilli())
	}
}
