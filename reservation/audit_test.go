package reservation

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

// busy keeps buyers going in a sale until the function that it returns is called: they reserve, and of each
// three reservations one is released, one is ordered and published, and one lapses.
func busy(t *testing.T, s *Stock) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for buyer := range 8 {
		running.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				if err := visitOnce(ctx, s, buyer, i); err != nil && ctx.Err() == nil && !errors.Is(err, problem.Unavailable) {
					t.Errorf("buyer %d: %v", buyer, err)
				}
			}
		})
	}
	running.Go(func() {
		for ctx.Err() == nil {
			_, _ = s.Expire(ctx, 100)
		}
	})
	return sync.OnceFunc(func() { cancel(); running.Wait() })
}

func visitOnce(ctx context.Context, s *Stock, buyer, i int) error {
	r, _, err := s.Reserve(ctx, ask1(fmt.Sprint(buyer, "-", i), fmt.Sprint(buyer, "-", i), 1))
	if err != nil {
		return err
	}
	switch i % 3 {
	case 0:
		if err = release(ctx, s, r.ID, proved); errors.Is(err, problem.AlreadyResolved) || errors.Is(err, problem.ReservationExpired) {
			return nil
		}
		return err
	case 1:
		c, err := s.Confirm(ctx, confirmation(r.ID, fmt.Sprint("o", buyer, "-", i), 1))
		if errors.Is(err, problem.ReservationExpired) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.Published(ctx, c.Epoch, []string{r.ID})
	}
	return nil
}

func busyDrop() sale.Record {
	rec := drop()
	rec.Items[0].Stock = 1_000_000
	rec.Reservation.TTL = sale.Duration(100 * time.Millisecond)
	return rec
}

func shoes(t *testing.T, a AuditReport) ItemAudit {
	t.Helper()
	i := slices.IndexFunc(a.Items, func(i ItemAudit) bool { return i.SKU == "SHOE" })
	if i < 0 {
		t.Fatalf("audit %+v", a)
	}
	return a.Items[i]
}

func TestABusyStockIsCountedExactly(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s := open(t, client, busyDrop())
		stop := busy(t, s)
		defer stop()
		held, sold := false, false
		for until := time.Now().Add(2 * time.Second); time.Now().Before(until) || !held || !sold; {
			a, err := Audit(t.Context(), client, "drop")
			if err != nil {
				t.Fatal(err)
			}
			shoe := shoes(t, a)
			if !a.Ready || !a.Stable || a.Missing+a.Stray != 0 || !shoe.Balanced() {
				t.Fatalf("audit %+v", a)
			}
			if int64(len(a.Unpublished)) != a.Outbox {
				t.Fatalf("%d orders of the outbox are named, of %d", len(a.Unpublished), a.Outbox)
			}
			held, sold = held || shoe.Held > 0, sold || shoe.Sold > 0
		}
	})
}

func TestADriftOfABusyStockIsFound(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s := open(t, client, busyDrop())
		stop := busy(t, s)
		defer stop()
		drift := func(changes map[string]int64) {
			for field, by := range changes {
				if err := client.Do(t.Context(), client.B().Hincrby().Key(s.keys.stock).Field(field).Increment(by).Build()).Error(); err != nil {
					t.Fatal(err)
				}
			}
		}
		look := func() ItemAudit {
			a, err := AuditStock(t.Context(), client, "drop")
			if err != nil || !a.Stable {
				t.Fatalf("audit %+v: %v", a, err)
			}
			return shoes(t, a)
		}
		drift(map[string]int64{"held|SHOE|*": 1})
		if shoe := look(); shoe.Adds() || shoe.HoldsAdd() || shoe.Held-shoe.HeldByReservations != 1 {
			t.Errorf("a unit held too many is not seen: %+v", shoe)
		}
		drift(map[string]int64{"available|SHOE|*": -1})
		if shoe := look(); !shoe.Adds() || shoe.HoldsAdd() {
			t.Errorf("a unit that nobody holds is not seen: %+v", shoe)
		}
		drift(map[string]int64{"held|SHOE|*": -1})
		if shoe := look(); shoe.Adds() || !shoe.HoldsAdd() {
			t.Errorf("a unit that is gone is not seen: %+v", shoe)
		}
	})
}

func TestAnAuditTellsWhichOfItsOrdersAreStillUnpublished(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s := open(t, client, drop())
		one, two := mustReserve(t, s, ask1("a", "ann", 1)), mustReserve(t, s, ask1("b", "bob", 1))
		mustConfirm(t, s, confirmation(one.ID, "o1", 1))
		c := mustConfirm(t, s, confirmation(two.ID, "o2", 1))
		a := audited(t, client)
		mustConfirm(t, s, confirmation(mustReserve(t, s, ask1("c", "cem", 1)).ID, "o3", 1))
		left := func(want int64) {
			t.Helper()
			if got, err := StillUnpublished(t.Context(), client, "drop", a); err != nil || got != want {
				t.Fatalf("%d are unpublished (%v), want %d", got, err, want)
			}
		}
		left(2)
		if err := s.Published(t.Context(), c.Epoch, []string{one.ID}); err != nil {
			t.Fatal(err)
		}
		left(1)
		if err := s.Published(t.Context(), c.Epoch, []string{two.ID}); err != nil {
			t.Fatal(err)
		}
		left(0)
	})
}

func TestAnAuditKnowsWhetherTheStockIsStillTheSame(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s := open(t, client, drop())
		r := mustReserve(t, s, ask1("a", "ann", 1))
		a := audited(t, client)
		untouched := func(want bool) {
			t.Helper()
			if got, err := Untouched(t.Context(), client, "drop", a); err != nil || got != want {
				t.Fatalf("untouched: %v (%v), want %v", got, err, want)
			}
		}
		mustReserve(t, s, ask1("b", "bob", 1))
		untouched(true)
		if _, err := s.Settle(t.Context(), []Settlement{{
			ReservationID: r.ID, CustomerKey: r.Customer, Lines: r.Lines, OrderedAtMillis: 1, CommittedAtMillis: 2,
		}}); err != nil {
			t.Fatal(err)
		}
		untouched(false)
	})
}

func TestACustomerOverTheLimitOfTheSaleIsFound(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := drop()
		rec.Reservation.PerCustomer = 3
		s := open(t, client, rec)
		mustReserve(t, s, ask1("a", "ann", 2))
		mustReserve(t, s, hat("b", "ann", 1))
		if a := audited(t, client); a.SaleLimit != 3 || a.OverSaleLimit != 0 {
			t.Fatalf("audit %+v", a)
		}
		if err := client.Do(t.Context(), client.B().Hset().Key(s.keys.customers).FieldValue().FieldValue("zoe", "SHOE=2,HAT=2").Build()).Error(); err != nil {
			t.Fatal(err)
		}
		if a, err := Audit(t.Context(), client, "drop"); err != nil || a.OverSaleLimit != 1 {
			t.Fatalf("audit %+v: %v", a, err)
		}
	})
}
