package reservation

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func ask1(key, customer string, units int64) Request {
	return Request{IdempotencyKey: key, Customer: customer, Lines: []Line{{SKU: "SHOE", Quantity: units}}}
}

func mustReserve(t testing.TB, s *Stock, req Request) Reservation {
	t.Helper()
	r, _, err := s.Reserve(context.Background(), req)
	if err != nil {
		t.Fatalf("reserve %+v: %v", req, err)
	}
	return r
}

// release gives a reservation back, again or for the first time.
func release(ctx context.Context, s *Stock, id string, by Proof) error {
	_, err := s.Release(ctx, id, by)
	return err
}

func wantCode(t testing.TB, err error, code problem.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Fatalf("got %v, want %s", err, code)
	}
}

// wantCounts checks the counters of an item and everything that must hold for a stock at any time.
func wantCounts(t testing.TB, client rueidis.Client, sku string, available, held, sold int64) {
	t.Helper()
	a := audited(t, client)
	for _, item := range a.Items {
		if item.SKU == sku && (item.Available != available || item.Held != held || item.Sold != sold) {
			t.Fatalf("%s: available %d held %d sold %d, want %d %d %d", sku,
				item.Available, item.Held, item.Sold, available, held, sold)
		}
	}
}

func audited(t testing.TB, client rueidis.Client) AuditReport {
	t.Helper()
	a, err := Audit(context.Background(), client, "drop")
	if err != nil {
		t.Fatal(err)
	}
	if !a.Ready || !a.Stable || a.Missing+a.Stray != 0 || len(a.Items) == 0 {
		t.Fatalf("audit %+v", a)
	}
	for _, item := range a.Items {
		if !item.Balanced() || item.Charged != item.Held+item.Sold || item.OverLimit > 0 {
			t.Fatalf("item does not add up: %+v", item)
		}
	}
	return a
}

func TestReserveHoldsUnitsAndSaysUntilWhen(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s := open(t, client, drop())
		before := time.Now()
		r := mustReserve(t, s, Request{IdempotencyKey: "k", Customer: "ann", Lines: []Line{{"SHOE", 2}, {"HAT", 1}, {"SHOE", 1}}})
		if want := []Line{{"SHOE", 3}, {"HAT", 1}}; !reflect.DeepEqual(r.Lines, want) {
			t.Fatalf("lines %v, want %v", r.Lines, want)
		}
		if r.Status != StatusHeld || r.Sale != "drop" || r.Customer != CustomerKey("ann") || r.Durability != sale.Memory || r.Epoch != 1 {
			t.Fatalf("got %+v", r)
		}
		if d := r.ExpiresAt.Sub(r.CreatedAt); d != time.Minute || r.CreatedAt.Before(before.Add(-time.Second)) {
			t.Fatalf("created %v expires after %v", r.CreatedAt, d)
		}
		got, err := s.Get(context.Background(), r.ID)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("get %+v, %v; want %+v", got, err, r)
		}
		wantCounts(t, client, "SHOE", 7, 3, 0)
		wantCounts(t, client, "HAT", 4, 1, 0)
	})
}

func TestTheSameKeyGivesTheSameReservationAndTakesNothingMore(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		req := Request{IdempotencyKey: "k", Customer: "ann", Lines: []Line{{"SHOE", 1}, {"HAT", 1}}}
		first := mustReserve(t, s, req)
		req.Lines = []Line{{"HAT", 1}, {"SHOE", 1}}
		if again := mustReserve(t, s, req); !reflect.DeepEqual(again, first) {
			t.Fatalf("again %+v, want %+v", again, first)
		}
		req.Lines[0].Quantity = 2
		_, _, err := s.Reserve(ctx, req)
		wantCode(t, err, problem.IdempotencyMismatch)
		req.Scope = "other"
		mustReserve(t, s, req)
		wantCounts(t, client, "HAT", 2, 3, 0)
		if err := release(ctx, s, first.ID, proved); err != nil {
			t.Fatal(err)
		}
		req.Scope, req.Lines[0].Quantity = "", 1
		if again := mustReserve(t, s, req); !reflect.DeepEqual(again, first) {
			t.Fatalf("after release %+v, want %+v", again, first)
		}
		wantCounts(t, client, "HAT", 3, 2, 0)
	})
}

func TestAReplayIsAnsweredWhateverHasBecomeOfTheSale(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		s := open(t, client, rec)
		first := mustReserve(t, s, ask1("k", "ann", 10))
		if err := s.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		if !s.SoldOut([]Line{{"SHOE", 1}}, "") || s.SoldOut([]Line{{"HAT", 1}}, "") {
			t.Fatal("the latch does not show what is left")
		}
		if again := mustReserve(t, s, ask1("k", "ann", 10)); !reflect.DeepEqual(again, first) {
			t.Fatalf("behind the latch %+v, want %+v", again, first)
		}
		_, _, err := s.Reserve(ctx, ask1("k", "ann", 9))
		wantCode(t, err, problem.IdempotencyMismatch)
		rec.Paused, rec.Version = true, 2
		arm(t, client, rec)
		other := open(t, client, rec)
		if again := mustReserve(t, other, ask1("k", "ann", 10)); !reflect.DeepEqual(again, first) {
			t.Fatalf("paused %+v, want %+v", again, first)
		}
	})
}

func TestRequestsThatCannotBeServedAreRefusedAndLeaveNothing(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s := open(t, client, drop())
		many := make([]Line, 51)
		for i := range many {
			many[i] = Line{"SHOE", 1}
		}
		for name, c := range map[string]struct {
			req  Request
			code problem.Code
		}{
			"no key":         {Request{Customer: "a", Lines: []Line{{"SHOE", 1}}}, problem.BadRequest},
			"no customer":    {Request{IdempotencyKey: "k", Lines: []Line{{"SHOE", 1}}}, problem.BadRequest},
			"no lines":       {Request{IdempotencyKey: "k", Customer: "a"}, problem.BadRequest},
			"too many lines": {Request{IdempotencyKey: "k", Customer: "a", Lines: many}, problem.BadRequest},
			"none":           {ask1("k", "a", 0), problem.InvalidQuantity},
			"negative":       {ask1("k", "a", -1), problem.InvalidQuantity},
			"too much":       {ask1("k", "a", 1001), problem.InvalidQuantity},
			"merged too much": {Request{IdempotencyKey: "k", Customer: "a",
				Lines: []Line{{"SHOE", 600}, {"SHOE", 600}}}, problem.InvalidQuantity},
			"unknown item":    {Request{IdempotencyKey: "k", Customer: "a", Lines: []Line{{"SOCK", 1}}}, problem.UnknownSKU},
			"unknown channel": {Request{IdempotencyKey: "k", Customer: "a", Channel: "app", Lines: []Line{{"HAT", 1}}}, problem.UnknownChannel},
			"second too many": {Request{IdempotencyKey: "k", Customer: "a", Lines: []Line{{"SHOE", 1}, {"HAT", 6}}}, problem.SoldOut},
			"no pass":         {Request{IdempotencyKey: "k", Customer: "a", Bearer: "7", PassUntil: time.Now().Add(time.Hour), Lines: []Line{{"HAT", 1}}}, problem.PassInvalid},
		} {
			if _, _, err := s.Reserve(context.Background(), c.req); !errors.Is(err, c.code) {
				t.Errorf("%s: got %v, want %s", name, err, c.code)
			}
		}
		wantCounts(t, client, "SHOE", 10, 0, 0)
		wantCounts(t, client, "HAT", 5, 0, 0)
	})
}

func TestSoldOutTellsWhetherSomeMayReturn(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		r := mustReserve(t, s, ask1("k", "ann", 10))
		wantMayReturn := func(want bool) {
			t.Helper()
			_, _, err := s.Reserve(ctx, ask1("other", "bob", 1))
			wantCode(t, err, problem.SoldOut)
			doc, _ := problem.Of(err)
			if doc.Fields[0].Name != "may_return" || doc.Fields[0].Value != want {
				t.Fatalf("fields %v, want may_return %v", doc.Fields, want)
			}
		}
		wantMayReturn(true)
		if _, err := s.Confirm(ctx, Confirmation{By: proved, ReservationID: r.ID, IdempotencyKey: "o", Order: []byte("{}")}); err != nil {
			t.Fatal(err)
		}
		wantMayReturn(false)
		if err := s.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		wantMayReturn(false)
	})
}

func TestTheLatchOpensWhenUnitsComeBack(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		shoe := []Line{{"SHOE", 1}}
		if s.Refresh(ctx) != nil || s.SoldOut(shoe, "") {
			t.Fatal("latched while everything is left")
		}
		r := mustReserve(t, s, ask1("k", "ann", 9))
		_, _, err := s.Reserve(ctx, ask1("two", "bob", 2))
		wantCode(t, err, problem.SoldOut)
		if s.SoldOut(shoe, "") {
			t.Fatal("latched while one is left")
		}
		mustReserve(t, s, ask1("one", "bob", 1))
		_, _, err = s.Reserve(ctx, ask1("two", "bob", 2))
		wantCode(t, err, problem.SoldOut)
		if !s.SoldOut(shoe, "") || !s.SoldOut([]Line{{"HAT", 1}, {"SHOE", 1}}, "") {
			t.Fatal("not latched by the answer of the script")
		}
		if n := testing.AllocsPerRun(100, func() { s.SoldOut(shoe, "") }); n != 0 {
			t.Fatalf("%v allocations", n)
		}
		elsewhere := OpenStock(s.deps, s.plan.Load().rec)
		if err := release(ctx, elsewhere, r.ID, proved); err != nil {
			t.Fatal(err)
		}
		if s.Refresh(ctx) != nil || s.SoldOut(shoe, "") {
			t.Fatal("still latched after refresh")
		}
		mustReserve(t, s, ask1("three", "bob", 9))
	})
}

func TestLimitsCountWhatIsHeldAndBought(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		rec.Items[0].PerCustomer = 2
		rec.Reservation.PerCustomer = 3
		s := open(t, client, rec)
		_, _, err := s.Reserve(ctx, ask1("a", "ann", 3))
		wantCode(t, err, problem.LimitExceeded)
		one := mustReserve(t, s, ask1("b", "ann", 1))
		two := mustReserve(t, s, ask1("c", "ann", 1))
		_, _, err = s.Reserve(ctx, ask1("d", "ann", 1))
		wantCode(t, err, problem.LimitExceeded)
		hat := Request{IdempotencyKey: "h", Customer: "ann", Lines: []Line{{"HAT", 2}}}
		_, _, err = s.Reserve(ctx, hat)
		wantCode(t, err, problem.LimitExceeded)
		mustReserve(t, s, ask1("a", "bob", 2)) // the refused key is free, and bob is another customer
		if _, err = s.Confirm(ctx, Confirmation{By: proved, ReservationID: one.ID, IdempotencyKey: "o", Order: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		if err := release(ctx, s, two.ID, proved); err != nil {
			t.Fatal(err)
		}
		mustReserve(t, s, hat)
		_, _, err = s.Reserve(ctx, ask1("e", "ann", 1))
		wantCode(t, err, problem.LimitExceeded)
		audited(t, client)
	})
}

func TestTheGateIsAskedForBearers(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		add := func(member string, until time.Time) {
			score := float64(until.UnixMilli())
			if err := client.Do(ctx, client.B().Zadd().Key(s.keys.gate).ScoreMember().ScoreMember(score, member).Build()).Error(); err != nil {
				t.Fatal(err)
			}
		}
		add("1", time.Now().Add(time.Hour))
		add("2", time.Now().Add(-time.Hour))
		for bearer, ok := range map[string]bool{"1": true, "2": false, "3": false} {
			req := ask1("k"+bearer, "ann", 1)
			req.Bearer, req.PassUntil = bearer, time.Now().Add(time.Hour)
			if _, _, err := s.Reserve(ctx, req); (err == nil) != ok || !ok && !errors.Is(err, problem.PassInvalid) {
				t.Errorf("bearer %s: %v", bearer, err)
			}
		}
	})
}

func TestTimesAndTheOperatorCloseTheSale(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		for name, c := range map[string]struct {
			change func(*sale.Record)
			code   problem.Code
		}{
			"early":  {func(r *sale.Record) { r.StartsAt = time.Now().Add(time.Minute) }, problem.SaleNotOpen},
			"late":   {func(r *sale.Record) { r.EndsAt = time.Now().Add(-time.Second) }, problem.SaleNotOpen},
			"draft":  {func(r *sale.Record) { r.Draft = true }, problem.SaleNotOpen},
			"ended":  {func(r *sale.Record) { r.Ended = true }, problem.SaleNotOpen},
			"paused": {func(r *sale.Record) { r.Paused = true }, problem.SalePaused},
		} {
			rec := drop()
			rec.ID = name
			s := open(t, client, rec)
			held := mustReserve(t, s, ask1("before", "ann", 1))
			rec.Version = 2
			c.change(&rec)
			arm(t, client, rec)
			_, _, err := s.Reserve(context.Background(), ask1("k", "ann", 1))
			wantCode(t, err, c.code)
			if _, err := s.Confirm(context.Background(), Confirmation{By: proved, ReservationID: held.ID, IdempotencyKey: "o", Order: []byte("1")}); err != nil {
				t.Errorf("%s: a held reservation cannot be confirmed: %v", name, err)
			}
		}
	})
}

func TestChannelsSellTheirOwnShares(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		rec.Channels = map[string]int64{"app": 2, "web": 8}
		s := open(t, client, rec)
		req := ask1("a", "ann", 3)
		req.Channel = "app"
		_, _, err := s.Reserve(ctx, req)
		wantCode(t, err, problem.SoldOut)
		req.Lines[0].Quantity = 2
		if r := mustReserve(t, s, req); r.Channel != "app" {
			t.Fatalf("channel %q", r.Channel)
		}
		if r := mustReserve(t, s, ask1("w", "ann", 8)); r.Channel != "web" {
			t.Fatalf("channel %q", r.Channel)
		}
		if err := s.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		snap := s.Snapshot()
		if snap.Channels["app"][0].Held != 2 || snap.Channels["web"][0].Held != 8 || snap.Items[0].Held != 10 {
			t.Fatalf("snapshot %+v", snap)
		}
		if !s.SoldOut([]Line{{"SHOE", 1}}, "app") || s.SoldOut([]Line{{"HAT", 1}}, "app") {
			t.Fatal("latch by channel")
		}
		wantCounts(t, client, "SHOE", 0, 10, 0)
	})
}

func TestLargeBatchesAreDividedByLines(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := drop()
		rec.Items = nil
		var lines []Line
		for i := range 60 {
			sku := fmt.Sprintf("S%d", i)
			rec.Items = append(rec.Items, sale.Item{SKU: sku, Stock: 100})
			lines = append(lines, Line{sku, 1})
		}
		s := open(t, client, rec)
		var asks []*ask
		for i := range 60 {
			req := Request{IdempotencyKey: fmt.Sprint(i), Customer: fmt.Sprint(i), Lines: lines[i%10 : i%10+50]}
			one, err := s.prepare(&req)
			if err != nil {
				t.Fatal(err)
			}
			one.identify(&req)
			asks = append(asks, one)
		}
		out, err := s.runReserve(context.Background(), asks)
		if err != nil || len(out) != len(asks) {
			t.Fatal(len(out), err)
		}
		for i := range out {
			if out[i].err != nil {
				t.Fatal(i, out[i].err)
			}
		}
		if a := audited(t, client); a.Live != 60 {
			t.Fatalf("live %d", a.Live)
		}
	})
}
