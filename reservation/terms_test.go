package reservation

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func TestUpdateChangesTermsAndNoCounter(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		s := open(t, client, rec)
		r := mustReserve(t, s, ask1("1", "ann", 3))
		mustConfirm(t, s, confirmation(r.ID, "o", 1))
		mustReserve(t, s, ask1("2", "ann", 2))
		rec.Version, rec.Items[0].Stock, rec.Items[0].PerCustomer = 2, 999, 6
		rec.Items = append(rec.Items, sale.Item{SKU: "BAG", Stock: 4})
		rec.Reservation.TTL = sale.Duration(time.Hour)
		for range 2 {
			if err := Update(ctx, client, rec, testTerm); err != nil {
				t.Fatal(err)
			}
		}
		s.Update(rec)
		wantCounts(t, client, "SHOE", 5, 2, 3)
		wantCounts(t, client, "BAG", 4, 0, 0)
		_, _, err := s.Reserve(ctx, ask1("3", "ann", 2))
		wantCode(t, err, problem.LimitExceeded)
		got := mustReserve(t, s, Request{IdempotencyKey: "4", Customer: "bob", Lines: []Line{{"BAG", 1}}})
		if got.ExpiresAt.Sub(got.CreatedAt) != time.Hour {
			t.Fatalf("time to live %v", got.ExpiresAt.Sub(got.CreatedAt))
		}
		wantCode(t, Update(ctx, client, drop(), testTerm), problem.Conflict)
		rec.Epoch++
		wantCode(t, Update(ctx, client, rec, testTerm), problem.Conflict)
	})
}

func TestAnotherEpochDecidesNothing(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx, journal := drop(), context.Background(), &book{}
		rec.Durability = sale.Journaled
		told := make(chan struct{}, 1)
		s := open(t, client, rec, journal.keep, func(d *Deps) { d.Lost = func() { told <- struct{}{} } })
		r := mustReserve(t, s, ask1("1", "ann", 1))
		rec.Epoch = 2
		if err := Wipe(ctx, client, rec.ID, testTerm); err != nil {
			t.Fatal(err)
		}
		if err := rebuild(ctx, client, rec, nil, folded(journal.records...)); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.Reserve(ctx, ask1("2", "ann", 1))
		wantCode(t, err, problem.Unavailable)
		_, err = s.Get(ctx, r.ID) // it is there, in the other epoch
		wantCode(t, err, problem.Unavailable)
		_, err = s.Confirm(ctx, confirmation(r.ID, "o", 1))
		wantCode(t, err, problem.Unavailable)
		wantCode(t, release(ctx, s, r.ID, proved), problem.Unavailable)
		_, err = s.Extend(ctx, r.ID, proved)
		wantCode(t, err, problem.Unavailable)
		_, err = s.Settle(ctx, []Settlement{settlement(r)})
		wantCode(t, err, problem.Unavailable)
		wantCode(t, s.Allot(ctx, "SHOE", 20, testTerm), problem.Unavailable)
		<-told
		if s.Snapshot().Epoch != 2 {
			t.Fatal("not refreshed")
		}
		s.Update(rec)
		mustConfirm(t, s, confirmation(r.ID, "o", 1))
		if again := mustReserve(t, s, ask1("1", "ann", 1)); again.ID != r.ID {
			t.Fatalf("the id changed with the epoch: %s, %s", again.ID, r.ID)
		}
		if made := mustReserve(t, s, ask1("2", "ann", 1)); made.Epoch != 2 {
			t.Fatalf("epoch %d", made.Epoch)
		}
		wantCounts(t, client, "SHOE", 8, 1, 1)
	})
}

func TestNothingIsDecidedBeforeTheStockIsReady(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		r := mustReserve(t, s, ask1("1", "ann", 1))
		flush(t, client)
		_, _, err := s.Reserve(ctx, ask1("2", "ann", 1))
		wantCode(t, err, problem.Unavailable)
		_, err = s.Get(ctx, r.ID)
		wantCode(t, err, problem.Unavailable)
		_, err = s.Confirm(ctx, confirmation(r.ID, "o", 1))
		wantCode(t, err, problem.Unavailable)
		wantCode(t, release(ctx, s, r.ID, proved), problem.Unavailable)
		if s.Refresh(ctx) != nil || s.Snapshot().Ready || s.SoldOut(r.Lines, "") {
			t.Fatal("an empty Redis passes for a stock")
		}
	})
}

func TestAllotMovesWhatIsAvailableOrRefuses(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		rec.Channels = map[string]int64{"app": 1, "web": 1}
		s := open(t, client, rec)
		mustReserve(t, s, ask1("1", "ann", 5))
		r := mustReserve(t, s, Request{IdempotencyKey: "2", Customer: "ann", Channel: "app", Lines: []Line{{"SHOE", 1}}})
		mustConfirm(t, s, confirmation(r.ID, "o", 1))
		wantCounts(t, client, "SHOE", 4, 5, 1)
		for range 2 {
			if err := s.Allot(ctx, "SHOE", 8, testTerm); err != nil {
				t.Fatal(err)
			}
			wantCounts(t, client, "SHOE", 2, 5, 1) // app 3, web 5: web keeps what it holds
		}
		wantCode(t, s.Allot(ctx, "SHOE", 5, testTerm), problem.StockConflict)
		if err := s.Allot(ctx, "SHOE", 6, testTerm); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, client, "SHOE", 0, 5, 1)
		if err := s.Allot(ctx, "SHOE", 30, testTerm); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, client, "SHOE", 24, 5, 1)
		wantCode(t, s.Allot(ctx, "SOCK", 5, testTerm), problem.UnknownSKU)
		if s.Refresh(ctx) != nil || s.Snapshot().Channels["app"][0].Allocated != 15 {
			t.Fatalf("snapshot %+v", s.Snapshot())
		}
	})
}

func TestNewChannelsShareTheUnitsThatAreThere(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		s := open(t, client, rec)
		r := mustReserve(t, s, ask1("1", "ann", 3))
		rec.Channels, rec.Version = map[string]int64{"app": 1, "web": 1}, 2
		arm(t, client, rec)
		s.Update(rec)
		wantCounts(t, client, "SHOE", 7, 3, 0)
		if err := release(ctx, s, r.ID, proved); err != nil {
			t.Fatal(err)
		}
		if err := s.Allot(ctx, "SHOE", 10, testTerm); err != nil {
			t.Fatal(err)
		}
		if s.Refresh(ctx) != nil || s.Snapshot().Channels["app"][0].Available != 5 || s.Snapshot().Channels["web"][0].Available != 5 {
			t.Fatalf("snapshot %+v", s.Snapshot())
		}
		audited(t, client)
	})
}

func wantOldTerm(t *testing.T, what string, err error, later int64) {
	t.Helper()
	var old *redis.OldTermError
	if !errors.As(err, &old) || old.Later != later {
		t.Errorf("%s: got %v, want a refusal because of term %d", what, err, later)
	}
}

func TestALeaderOfAnOlderTermChangesNothing(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		const older, later = 1764000000001, 1764000000002
		s := open(t, client, rec)
		mustReserve(t, s, ask1("1", "ann", 1))
		if err := s.Allot(ctx, "SHOE", 10, later); err != nil {
			t.Fatal(err)
		}
		rec.Version = 2
		wantOldTerm(t, "update", Update(ctx, client, rec, older), later)
		wantOldTerm(t, "allot", s.Allot(ctx, "SHOE", 20, older), later)
		wantOldTerm(t, "wipe", Wipe(ctx, client, rec.ID, older), later)
		_, err := Begin(ctx, client, rec, older)
		wantCode(t, err, problem.Conflict)
		wantCounts(t, client, "SHOE", 9, 1, 0)
		if err := Wipe(ctx, client, rec.ID, later); err != nil {
			t.Fatal(err)
		}
		_, err = Begin(ctx, client, rec, older)
		wantOldTerm(t, "begin after the wipe", err, later)
		if err := Update(ctx, client, rec, later); !errors.Is(err, problem.Unavailable) {
			t.Fatalf("update of a wiped stock: %v", err)
		}
	})
}

func TestALaterLeaderEndsTheArmingOfAnOlderOne(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		first, err := Begin(ctx, client, rec, 1)
		if err != nil {
			t.Fatal(err)
		}
		order := RestoredOrder{ReservationID: makeID("drop", 1, "AAAAAAAAAAAAAAAAAAAAAA"), CustomerKey: CustomerKey("ann"), Lines: []Line{{"SHOE", 1}}}
		if err := first.Orders(ctx, []RestoredOrder{order}); err != nil {
			t.Fatal(err)
		}
		second, err := Begin(ctx, client, rec, 2)
		if err != nil {
			t.Fatal(err)
		}
		wantOldTerm(t, "orders", first.Orders(ctx, []RestoredOrder{order}), 2)
		wantOldTerm(t, "finish", first.Finish(ctx, nil), 2)
		if err := second.Finish(ctx, nil); err != nil {
			t.Fatal(err)
		}
		wantOldTerm(t, "finish after the other", first.Finish(ctx, nil), 2)
		wantCode(t, second.Finish(ctx, nil), problem.Conflict)
		wantCounts(t, client, "SHOE", 10, 0, 0)
	})
}

func TestAvailableIsNeverToldBelowZero(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		rec.Channels = map[string]int64{"app": 2, "web": 8}
		s := open(t, client, rec)
		mustReserve(t, s, Request{IdempotencyKey: "1", Customer: "ann", Channel: "app", Lines: []Line{{"SHOE", 2}}})
		forced := Settlement{ReservationID: makeID("drop", 1, "AAAAAAAAAAAAAAAAAAAAAA"), CustomerKey: CustomerKey("bob"), Channel: "app",
			Lines: []Line{{"SHOE", 3}}, CommittedAtMillis: 1}
		if _, err := s.Settle(ctx, []Settlement{forced}); err != nil {
			t.Fatal(err)
		}
		if err := s.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		app, all := s.Snapshot().Channels["app"][0], s.Snapshot().Items[0]
		if app.Available != 0 || app.Owed != 3 || !app.adds() || all.Available != 8 || all.Owed != 3 || !all.adds() {
			t.Fatalf("app %+v, all %+v", app, all)
		}
		wantCounts(t, client, "SHOE", 8, 2, 3)
	})
}
