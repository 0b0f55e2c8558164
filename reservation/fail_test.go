package reservation

import (
	"context"
	"testing"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

// wantWithheld checks how many units of the shoes are withheld.
func wantWithheld(t *testing.T, client rueidis.Client, units int64) {
	t.Helper()
	for _, item := range audited(t, client).Items {
		if item.SKU == "SHOE" && item.Withheld != units {
			t.Fatalf("%d units are withheld, want %d", item.Withheld, units)
		}
	}
}

func mustFail(t *testing.T, s *Stock, returnUnits bool, want int, orders ...Reservation) {
	t.Helper()
	var all []Settlement
	for _, r := range orders {
		all = append(all, settlement(r))
	}
	n, err := s.Fail(context.Background(), all, returnUnits)
	if err != nil || n != want {
		t.Fatalf("%d orders failed, %v; want %d", n, err, want)
	}
}

func wantOrder(t *testing.T, s *Stock, id, status string) {
	t.Helper()
	got, err := s.Get(context.Background(), id)
	if err != nil || got.Status != StatusConfirmed || got.OrderStatus != status || got.OrderID != OrderID(id) {
		t.Fatalf("got %+v, %v; want an order that is %s", got, err, status)
	}
}

func TestAFailedOrderGivesItsUnitsBack(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		rec.Items[0].PerCustomer = 4
		s := open(t, client, rec)
		queued, held, committed := mustReserve(t, s, ask1("1", "ann", 2)), mustReserve(t, s, ask1("2", "ann", 1)), mustReserve(t, s, ask1("3", "bob", 1))
		freed := mustReserve(t, s, ask1("4", "bob", 1))
		mustConfirm(t, s, confirmation(queued.ID, "o", 1))
		mustConfirm(t, s, confirmation(committed.ID, "p", 1))
		if _, err := s.Settle(ctx, []Settlement{settlement(committed)}); err != nil {
			t.Fatal(err)
		}
		if err := release(ctx, s, freed.ID, proved); err != nil {
			t.Fatal(err)
		}
		missing := Reservation{ID: makeID("drop", 1, "AAAAAAAAAAAAAAAAAAAAAA"), Customer: CustomerKey("bob"), Lines: []Line{{"HAT", 2}}}
		mustFail(t, s, true, 4, queued, queued, held, freed, missing, committed)
		mustFail(t, s, true, 0, queued, held, freed, missing, committed)
		mustFail(t, s, false, 0, queued)
		wantCounts(t, client, "SHOE", 9, 0, 1)
		wantCounts(t, client, "HAT", 5, 0, 0)
		for _, r := range []Reservation{queued, held, freed, missing} {
			wantOrder(t, s, r.ID, OrderFailed)
		}
		wantOrder(t, s, committed.ID, OrderCommitted)
		if out, err := s.Outbox(ctx, 0, 10); err != nil || len(out) != 0 {
			t.Fatalf("outbox %v, %v", out, err)
		}
		if again := mustConfirm(t, s, confirmation(queued.ID, "o", 1)); !again.Again || !again.Published || again.Reservation.OrderStatus != OrderFailed {
			t.Fatalf("confirmed again %+v", again)
		}
		_, err := s.Confirm(ctx, confirmation(queued.ID, "o", 2))
		wantCode(t, err, problem.IdempotencyMismatch)
		wantCode(t, release(ctx, s, queued.ID, proved), problem.AlreadyResolved)
		_, err = s.Extend(ctx, queued.ID, proved)
		wantCode(t, err, problem.AlreadyResolved)
		mustReserve(t, s, ask1("5", "ann", 4)) // the limit was given back
	})
}

func TestTheUnitsOfAFailedOrderCanBeWithheld(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		r := mustReserve(t, s, ask1("1", "ann", 3))
		mustConfirm(t, s, confirmation(r.ID, "o", 1))
		mustFail(t, s, false, 1, r)
		wantCounts(t, client, "SHOE", 7, 0, 0)
		wantWithheld(t, client, 3)
		wantCode(t, s.Allot(ctx, "SHOE", 2, testTerm), problem.StockConflict)
		if err := s.Allot(ctx, "SHOE", 3, testTerm); err != nil {
			t.Fatal(err)
		}
		if s.Refresh(ctx) != nil || s.Snapshot().Items[0].Available != 0 || s.Snapshot().Items[0].Withheld != 3 {
			t.Fatalf("snapshot %+v", s.Snapshot().Items[0])
		}
		for range 2 {
			if err := s.Reacquire(ctx, r.ID); err != nil {
				t.Fatal(err)
			}
		}
		wantCounts(t, client, "SHOE", 0, 0, 3)
		wantWithheld(t, client, 0)
		wantOrder(t, s, r.ID, OrderQueued)
	})
}

func TestAFailedOrderTakesItsUnitsAgainWhenTheyAreFree(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		rec.Items[0].PerCustomer, rec.Reservation.PerCustomer = 6, 7
		s := open(t, client, rec)
		r := mustReserve(t, s, Request{IdempotencyKey: "1", Customer: "ann", Lines: []Line{{"SHOE", 4}, {"HAT", 1}}})
		wantCode(t, s.Reacquire(ctx, r.ID), problem.AlreadyResolved)
		mustConfirm(t, s, confirmation(r.ID, "o", 1))
		mustFail(t, s, true, 1, r)
		other := mustReserve(t, s, ask1("2", "bob", 6))
		more := mustReserve(t, s, ask1("3", "cem", 1))
		wantCode(t, s.Reacquire(ctx, r.ID), problem.SoldOut)
		if release(ctx, s, more.ID, proved) != nil || release(ctx, s, other.ID, proved) != nil {
			t.Fatal("release")
		}
		mine := mustReserve(t, s, ask1("4", "ann", 3))
		wantCode(t, s.Reacquire(ctx, r.ID), problem.LimitExceeded)
		if err := release(ctx, s, mine.ID, proved); err != nil {
			t.Fatal(err)
		}
		hats := mustReserve(t, s, hat("5", "ann", 3))
		wantCode(t, s.Reacquire(ctx, r.ID), problem.LimitExceeded)
		if err := release(ctx, s, hats.ID, proved); err != nil {
			t.Fatal(err)
		}
		if err := s.Reacquire(ctx, r.ID); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, client, "SHOE", 6, 0, 4)
		wantCounts(t, client, "HAT", 4, 0, 1)
		if got, err := s.Settle(ctx, []Settlement{settlement(r)}); err != nil || got != (Settled{}) {
			t.Fatalf("settled %+v, %v", got, err)
		}
		wantOrder(t, s, r.ID, OrderCommitted)
		wantCode(t, s.Reacquire(ctx, makeID("drop", 1, "AAAAAAAAAAAAAAAAAAAAAA")), problem.UnknownReservation)
	})
}

func TestAFailedOrderThatIsInTheLedgerAllTheSameIsSettled(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		returned, withheld := mustReserve(t, s, ask1("1", "ann", 2)), mustReserve(t, s, ask1("2", "ann", 3))
		mustConfirm(t, s, confirmation(returned.ID, "o", 1))
		mustConfirm(t, s, confirmation(withheld.ID, "p", 1))
		mustFail(t, s, true, 1, returned)
		mustFail(t, s, false, 1, withheld)
		got, err := s.Settle(ctx, []Settlement{settlement(returned), settlement(withheld)})
		if err != nil || got != (Settled{ForcedUnits: 2}) {
			t.Fatalf("settled %+v, %v", got, err)
		}
		wantCounts(t, client, "SHOE", 5, 0, 5)
		wantWithheld(t, client, 0)
		wantOrder(t, s, returned.ID, OrderCommitted)
		wantOrder(t, s, withheld.ID, OrderCommitted)
	})
}

func TestFailedOrdersAreRestored(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		maker := newCoreMaker([]byte("secret"))
		var orders []RestoredOrder
		for i := range 2 {
			orders = append(orders, RestoredOrder{ReservationID: makeID("drop", 1, maker.core("drop", "", string(rune('a'+i)))), CustomerKey: CustomerKey("ann"),
				Lines: []Line{{"SHOE", int64(2 + i)}}, OrderedAtMillis: 5, Failed: true, Withheld: i == 1})
		}
		if err := rebuild(ctx, client, rec, orders, nil); err != nil {
			t.Fatal(err)
		}
		s := open(t, client, rec)
		wantCounts(t, client, "SHOE", 7, 0, 0)
		wantWithheld(t, client, 3)
		for _, o := range orders {
			wantOrder(t, s, o.ReservationID, OrderFailed)
			if err := s.Reacquire(ctx, o.ReservationID); err != nil {
				t.Fatal(err)
			}
		}
		wantCounts(t, client, "SHOE", 5, 0, 5)
	})
}
