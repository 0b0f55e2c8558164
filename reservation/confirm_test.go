package reservation

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func confirmation(id, key string, payload byte) Confirmation {
	return Confirmation{By: proved, ReservationID: id, IdempotencyKey: key, PayloadHash: [16]byte{payload}, Order: []byte("order \x00\n" + id)}
}

func mustConfirm(t testing.TB, s *Stock, c Confirmation) Confirmed {
	t.Helper()
	got, err := s.Confirm(context.Background(), c)
	if err != nil {
		t.Fatalf("confirm: %v", err)
	}
	return got
}

// short is a sale whose reservations last only a moment.
func short() sale.Record {
	rec := drop()
	rec.Reservation.TTL = sale.Duration(30 * time.Millisecond)
	return rec
}

func untilExpired(t testing.TB, s *Stock, id string) {
	t.Helper()
	testenv.Eventually(t, 5*time.Second, "the reservation to expire", func() bool {
		r, err := s.Get(context.Background(), id)
		return err == nil && r.Status == StatusExpired
	})
}

func TestConfirmMovesUnitsAndPutsTheOrderInTheOutbox(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		r := mustReserve(t, s, ask1("k", "ann", 2))
		c := confirmation(r.ID, "o", 1)
		got := mustConfirm(t, s, c)
		if got.Again || got.Published || !bytes.Equal(got.Order, c.Order) || got.Reservation.Status != StatusConfirmed ||
			got.Reservation.OrderID != OrderID(r.ID) || got.Reservation.OrderStatus != OrderQueued {
			t.Fatalf("got %+v", got)
		}
		wantCounts(t, client, "SHOE", 8, 0, 2)
		again := mustConfirm(t, s, c)
		if !again.Again || again.Published || !bytes.Equal(again.Order, c.Order) {
			t.Fatalf("again %+v", again)
		}
		out, err := s.Outbox(ctx, 0, 10)
		if err != nil || len(out) != 1 || out[0].ReservationID != r.ID || !bytes.Equal(out[0].Order, c.Order) {
			t.Fatalf("outbox %+v, %v", out, err)
		}
		if young, err := s.Outbox(ctx, time.Minute, 10); err != nil || len(young) != 0 {
			t.Fatalf("young %+v, %v", young, err)
		}
		if err := s.Published(ctx, s.Epoch(), []string{r.ID}); err != nil {
			t.Fatal(err)
		}
		if again = mustConfirm(t, s, c); !again.Again || !again.Published || again.Order != nil {
			t.Fatalf("published %+v", again)
		}
		wantCounts(t, client, "SHOE", 8, 0, 2)
	})
}

func TestConfirmRefuses(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		one, two := mustReserve(t, s, ask1("1", "ann", 1)), mustReserve(t, s, ask1("2", "ann", 1))
		freed := mustReserve(t, s, ask1("3", "ann", 1))
		for range 2 {
			if err := release(ctx, s, freed.ID, proved); err != nil {
				t.Fatalf("release: %v", err)
			}
		}
		mustConfirm(t, s, confirmation(one.ID, "o", 1))
		foreign := makeID("drop", 2, one.ID[len(one.ID)-coreLength:])
		for name, c := range map[string]struct {
			c    Confirmation
			code problem.Code
		}{
			"other payload, same key":  {confirmation(one.ID, "o", 2), problem.IdempotencyMismatch},
			"other payload, other key": {confirmation(one.ID, "p", 2), problem.AlreadyOrdered},
			"key of another order":     {confirmation(two.ID, "o", 1), problem.IdempotencyMismatch},
			"released":                 {confirmation(freed.ID, "q", 1), problem.AlreadyResolved},
			"another epoch":            {confirmation(foreign, "r", 1), problem.UnknownReservation},
			"another sale":             {confirmation(makeID("sale", 1, one.ID[len(one.ID)-coreLength:]), "r", 1), problem.UnknownReservation},
			"nonsense":                 {confirmation("rsv_x", "r", 1), problem.UnknownReservation},
		} {
			_, err := s.Confirm(ctx, c.c)
			if err == nil {
				t.Errorf("%s: accepted", name)
				continue
			}
			wantCode(t, err, c.code)
		}
		if got := mustConfirm(t, s, confirmation(one.ID, "another key", 1)); !got.Again {
			t.Error("the same content under another key is the same order")
		}
		wantCode(t, release(ctx, s, one.ID, proved), problem.AlreadyResolved)
		_, err := s.Extend(ctx, one.ID, proved)
		wantCode(t, err, problem.AlreadyResolved)
		wantCounts(t, client, "SHOE", 8, 1, 1)
	})
}

func TestATimeThatIsOverIsOverWithOrWithoutTheSweeper(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, short()), context.Background()
		one, two := mustReserve(t, s, ask1("1", "ann", 1)), mustReserve(t, s, ask1("2", "ann", 2))
		untilExpired(t, s, one.ID)
		untilExpired(t, s, two.ID)
		wantCounts(t, client, "SHOE", 7, 3, 0)
		for range 2 {
			_, err := s.Confirm(ctx, confirmation(one.ID, "o", 1))
			wantCode(t, err, problem.ReservationExpired)
			_, err = s.Extend(ctx, one.ID, proved)
			wantCode(t, err, problem.ReservationExpired)
			wantCode(t, release(ctx, s, one.ID, proved), problem.ReservationExpired)
			wantCounts(t, client, "SHOE", 8, 2, 0)
		}
		for _, want := range []int{1, 0} {
			if n, err := s.Expire(ctx, 10); err != nil || n != want {
				t.Fatalf("expired %d, %v; want %d", n, err, want)
			}
		}
		wantCounts(t, client, "SHOE", 10, 0, 0)
		_, err := s.Confirm(ctx, confirmation(two.ID, "o", 1))
		wantCode(t, err, problem.ReservationExpired)
		if a := audited(t, client); a.Customers != 0 {
			t.Fatalf("%d customers are still counted", a.Customers)
		}
	})
}

func TestExtendGivesTheFullTimeAgainAsOftenAsAllowed(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		r := mustReserve(t, s, ask1("1", "ann", 1))
		testenv.Eventually(t, time.Second, "the clock to move", func() bool { return time.Since(r.CreatedAt) > 3*time.Millisecond })
		longer, err := s.Extend(ctx, r.ID, proved)
		if err != nil || !longer.ExpiresAt.After(r.ExpiresAt) || longer.Extensions != 1 || longer.Status != StatusHeld {
			t.Fatalf("extended %+v, %v", longer, err)
		}
		_, err = s.Extend(ctx, r.ID, proved)
		wantCode(t, err, problem.ExtensionRefused)
		_, err = s.Extend(ctx, makeID("drop", 1, "AAAAAAAAAAAAAAAAAAAAAA"), proved)
		wantCode(t, err, problem.UnknownReservation)
	})
}

func TestExpireIsBoundedAndExpiresEachOnceWhoeverSweeps(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := short()
		rec.Items[0].Stock = 100
		s, ctx := open(t, client, rec), context.Background()
		var last Reservation
		for i := range 100 {
			last = mustReserve(t, s, ask1(fmt.Sprint(i), fmt.Sprint(i), 1))
		}
		untilExpired(t, s, last.ID)
		var mu sync.Mutex
		var wg sync.WaitGroup
		total := 0
		for range 8 {
			wg.Go(func() {
				for {
					n, err := s.Expire(ctx, 7)
					if err != nil || n > 7 {
						t.Errorf("expired %d, %v", n, err)
					}
					mu.Lock()
					total += n
					mu.Unlock()
					if n == 0 || err != nil {
						return
					}
				}
			})
		}
		wg.Wait()
		if total != 100 {
			t.Fatalf("%d expiries of 100 reservations", total)
		}
		wantCounts(t, client, "SHOE", 100, 0, 0)
	})
}

func TestConfirmAndExpiryRaceToOneEnd(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := short()
		rec.Reservation.TTL = sale.Duration(300 * time.Millisecond) // long enough for a busy machine to confirm some
		rec.Items[0].Stock = 200
		s, ctx := open(t, client, rec), context.Background()
		var wg sync.WaitGroup
		var mu sync.Mutex
		confirmed, returned := 0, 0
		for i := range 200 {
			r := mustReserve(t, s, ask1(fmt.Sprint(i), fmt.Sprint(i), 1))
			wg.Go(func() {
				for try := 0; ; try++ { // some at once, some at the last moment
					now, err := s.Get(ctx, r.ID)
					if err != nil || now.Status == StatusExpired || i%3 == 0 {
						break
					}
					if i%3 == 1 && time.Until(r.ExpiresAt) < 2*time.Millisecond {
						break
					}
				}
				if _, err := s.Confirm(ctx, confirmation(r.ID, "o"+r.ID, 1)); err == nil {
					mu.Lock()
					confirmed++
					mu.Unlock()
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		for running := true; running; {
			select {
			case <-done:
				running = false
			default:
			}
			n, err := s.Expire(ctx, 10)
			if err != nil {
				t.Fatal(err)
			}
			returned += n
		}
		for n := 1; n > 0; returned += n {
			n, _ = s.Expire(ctx, 1000)
		}
		// Two thirds want to be confirmed and one third to expire: fewer than ten of either is no race.
		if confirmed+returned != 200 || confirmed < 10 || returned < 10 {
			t.Fatalf("%d confirmed and %d expired of 200", confirmed, returned)
		}
		wantCounts(t, client, "SHOE", int64(returned), 0, int64(confirmed))
	})
}

func settlement(r Reservation) Settlement {
	return Settlement{ReservationID: r.ID, CustomerKey: r.Customer, Channel: r.Channel, Lines: r.Lines, OrderedAtMillis: 1000, CommittedAtMillis: 2000}
}

func TestSettleCommitsAndPutsRight(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		ordered, held, freed := mustReserve(t, s, ask1("1", "ann", 1)), mustReserve(t, s, ask1("2", "ann", 2)), mustReserve(t, s, ask1("3", "ann", 3))
		missing := Reservation{ID: makeID("drop", 1, "AAAAAAAAAAAAAAAAAAAAAA"), Customer: CustomerKey("bob"), Lines: []Line{{"HAT", 2}}}
		mustConfirm(t, s, confirmation(ordered.ID, "o", 1))
		if err := release(ctx, s, freed.ID, proved); err != nil {
			t.Fatal(err)
		}
		all := []Settlement{settlement(ordered), settlement(held), settlement(freed), settlement(missing), settlement(ordered), settlement(held), settlement(missing)}
		for _, want := range []Settled{{Repaired: 1, ForcedUnits: 5}, {}} {
			got, err := s.Settle(ctx, all)
			if err != nil || got != want {
				t.Fatalf("settled %+v, %v; want %+v", got, err, want)
			}
			wantCounts(t, client, "SHOE", 4, 0, 6)
			wantCounts(t, client, "HAT", 3, 0, 2)
		}
		if a := audited(t, client); a.Outbox != 0 || a.Orders != 4 || a.ForcedUnits != 5 || a.Repaired != 1 || a.Customers != 2 {
			t.Fatalf("audit %+v", a)
		}
		for _, r := range []Reservation{ordered, held, freed, missing} {
			id, err := ReservationIDOf(OrderID(r.ID))
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Get(ctx, id)
			if err != nil || got.OrderStatus != OrderCommitted || got.CommittedAt.UnixMilli() != 2000 {
				t.Fatalf("order %+v, %v", got, err)
			}
		}
		if got := mustConfirm(t, s, confirmation(held.ID, "late", 1)); !got.Again || !got.Published {
			t.Fatalf("confirm after settle %+v", got)
		}
	})
}

func TestTheOutboxIsWalkedInBoundedSteps(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := drop()
		rec.Items[0].Stock = 1000
		s, ctx := open(t, client, rec), context.Background()
		want := map[string]bool{}
		var wg sync.WaitGroup
		var mu sync.Mutex
		for i := range 300 {
			wg.Go(func() {
				r := mustReserve(t, s, ask1(fmt.Sprint(i), "ann", 1))
				mustConfirm(t, s, Confirmation{By: proved, ReservationID: r.ID, IdempotencyKey: r.ID, Order: bytes.Repeat([]byte("x"), 500)})
				mu.Lock()
				want[r.ID] = true
				mu.Unlock()
			})
		}
		wg.Wait()
		for try := 0; len(want) > 0; try++ {
			out, err := s.Outbox(ctx, 0, 40)
			if err != nil || len(out) > 40 || try > 1000 {
				t.Fatal(len(out), err)
			}
			var ids []string
			for _, o := range out {
				delete(want, o.ReservationID)
				ids = append(ids, o.ReservationID)
			}
			if err := s.Published(ctx, s.Epoch(), ids); err != nil {
				t.Fatal(err)
			}
		}
		if a := audited(t, client); a.Outbox != 0 || a.Orders != 300 {
			t.Fatalf("audit %+v", a)
		}
	})
}
