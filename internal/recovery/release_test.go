package recovery

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/sales"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

// line is a sale whose line moves when the test says so.
type line struct {
	*world
	id      string
	tickets []queue.Ticket
}

func (w *world) newLine(id string, visitors, mostActive int) *line {
	w.t.Helper()
	one := openSale(id, 1000)
	one.Admission.Mode, one.Admission.RatePerMinute, one.Admission.MaxActive = sale.Queue, 60_000, mostActive
	w.createSale(one)
	l := &line{world: w, id: id, tickets: make([]queue.Ticket, visitors)}
	for i := range l.tickets {
		testenv.Eventually(w.t, 10*time.Second, "a visitor joins", func() (ok bool) {
			ticket, err := l.room().Join(context.Background())
			l.tickets[i] = ticket
			return err == nil
		})
	}
	return l
}

func (l *line) room() *queue.Room { return l.cache.Get(l.id).Room() }

// call moves the line until so many are called.
func (l *line) call(upto uint64) {
	l.t.Helper()
	ctx := context.Background()
	testenv.Eventually(l.t, 10*time.Second, strconv.FormatUint(upto, 10)+" are called", func() bool {
		term, err := l.redis.Do(ctx, l.redis.B().Hget().Key(redis.Key(l.id, "room")).Field("term").Build()).AsInt64()
		if err != nil {
			l.t.Fatal(err)
		}
		entry := l.cache.Get(l.id)
		if err := entry.Refresh(ctx); err != nil {
			l.t.Fatal(err)
		}
		if err := entry.Room().Advance(ctx, term, entry.Outside(1)); err != nil {
			l.t.Fatal(err)
		}
		return l.look().Called >= upto
	})
}

func (l *line) look() *queue.Snapshot {
	l.t.Helper()
	if err := l.room().Refresh(context.Background()); err != nil {
		l.t.Fatal(err)
	}
	return l.room().Snapshot()
}

func (l *line) claim(tickets []queue.Ticket) []queue.Pass {
	l.t.Helper()
	passes := make([]queue.Pass, len(tickets))
	for i, ticket := range tickets {
		pass, _, _, err := l.room().Claim(context.Background(), ticket)
		if err != nil {
			l.t.Fatalf("claim of ticket %d: %v", ticket.Number, err)
		}
		passes[i] = pass
	}
	return passes
}

// age makes Redis believe that passes were issued a minute earlier.
func (l *line) age(passes []queue.Pass) {
	l.t.Helper()
	for _, pass := range passes {
		issued := strconv.FormatInt(pass.IssuedAt.Unix()-60, 10)
		if err := l.redis.Do(context.Background(), l.redis.B().Hset().Key(redis.Key(l.id, "room:issued")).FieldValue().FieldValue(pass.ID, issued).Build()).Error(); err != nil {
			l.t.Fatal(err)
		}
	}
}

// hold reserves a unit with each of the passes.
func (l *line) hold(passes []queue.Pass) (held []reservation.Reservation) {
	l.t.Helper()
	for _, pass := range passes {
		one, _, err := l.cache.Get(l.id).Stock().Reserve(context.Background(), reservation.Request{
			IdempotencyKey: "k" + pass.ID, Scope: "test", Customer: "c" + pass.ID, Bearer: pass.ID, PassUntil: pass.ExpiresAt,
			Lines: []reservation.Line{{SKU: "A", Quantity: 1}},
		})
		if err != nil {
			l.t.Fatal(err)
		}
		held = append(held, one)
	}
	return held
}

func (l *line) release(wanted sales.Release, released, holding int) sales.Released {
	l.t.Helper()
	done, err := l.sales.ReleasePasses(context.Background(), l.id, wanted)
	if err != nil || done.Released != released || done.Holding != holding {
		l.t.Fatalf("%+v gives %+v, %v; want %d released and %d that hold", wanted, done, err, released, holding)
	}
	return done
}

func TestPassesThatHoldNothingAreReleasedAndStaySoAfterALoss(t *testing.T) {
	w := newWorld(t, testenv.Redis(t).URL)
	ctx := context.Background()
	l := w.newLine("drop", 200, 100)
	l.call(100)
	if called := l.look().Called; called != 100 {
		t.Fatalf("%d are called into 100 slots", called)
	}
	passes := l.claim(l.tickets[:100])
	held := l.hold(passes[:30])

	l.release(sales.Release{}, 0, 0) // they have just come
	l.age(passes)
	counted := l.release(sales.Release{DryRun: true}, 70, 30)
	if l.look().Active != 100 {
		t.Fatal("a dry run releases passes")
	}
	l.release(sales.Release{IssuedBefore: passes[0].IssuedAt.Add(-time.Hour)}, 0, 0)
	first := l.release(sales.Release{IssuedBefore: counted.IssuedBefore, Most: 50}, 50, 30)
	rest := l.release(sales.Release{IssuedBefore: counted.IssuedBefore}, 20, 30)
	if !first.More || rest.More {
		t.Fatalf("more is %v and then %v", first.More, rest.More)
	}
	l.release(sales.Release{IssuedBefore: counted.IssuedBefore}, 0, 30) // again

	l.call(170)
	if s := l.look(); s.Active != 30 || s.Called != 170 {
		t.Fatalf("%d are active and %d called", s.Active, s.Called)
	}
	l.claim(l.tickets[100:170])
	l.release(sales.Release{IssuedBefore: counted.IssuedBefore}, 0, 30) // nobody who came later
	check := func() {
		t.Helper()
		s := l.look()
		if s.Active != 100 || s.AdmittedLastMinute != 170 {
			t.Fatalf("%d are active, %d were admitted", s.Active, s.AdmittedLastMinute)
		}
		for i, pass := range passes {
			if gone := l.room().Revoked(pass); gone != (i >= 30) {
				t.Errorf("pass %s is revoked: %v", pass.ID, gone)
			}
		}
		if _, _, _, err := l.room().Claim(ctx, l.tickets[170]); !errors.Is(err, problem.NotCalled) {
			t.Errorf("the next claims beyond the cap: %v", err)
		}
	}
	check()
	if err := w.broker.Journal().Flush(ctx); err != nil {
		t.Fatal(err)
	}
	w.forget("drop")
	check()
	for _, one := range held {
		got, err := w.cache.Get("drop").Stock().Get(ctx, one.ID)
		if err != nil || got.Status != one.Status {
			t.Fatalf("a held unit is %+v, %v", got, err)
		}
	}
}

// TestMorePassesThanOnePageAreReleased has many that end in the same second, of which some stay.
func TestMorePassesThanOnePageAreReleased(t *testing.T) {
	const all = 2*queue.MaxIssuedPasses + 100
	w := newWorld(t, testenv.Redis(t).URL)
	l := w.newLine("drop", all, all)
	l.call(all)
	passes := l.claim(l.tickets)
	l.hold(passes[:150])
	l.age(passes)
	l.release(sales.Release{DryRun: true}, all-150, 150)
	l.release(sales.Release{}, all-150, 150)
	if s := l.look(); s.Active != 150 {
		t.Fatalf("%d are active", s.Active)
	}
}

func TestPassesOfASaleThatRedisDoesNotHoldAreNotReleased(t *testing.T) {
	w := newWorld(t, "redis://"+testenv.Mini(t).Addr())
	if _, err := w.sales.ReleasePasses(context.Background(), "none", sales.Release{}); !errors.Is(err, problem.NotArmed) {
		t.Fatalf("%v", err)
	}
}
