package reservation

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// passUntil is when the passes of admit are over.
func passUntil(t testing.TB, client rueidis.Client, s *Stock, pass string) time.Time {
	t.Helper()
	until, err := client.Do(context.Background(), client.B().Zscore().Key(s.keys.gate).Member(pass).Build()).AsFloat64()
	if err != nil {
		t.Fatal(err)
	}
	return time.UnixMilli(int64(until))
}

// withPass asks for a shoe with a pass that is in the gate.
func withPass(t testing.TB, client rueidis.Client, s *Stock, pass, key, customer string) Request {
	t.Helper()
	req := ask1(key, customer, 1)
	req.Bearer, req.PassUntil = pass, passUntil(t, client, s, pass)
	return req
}

func refuseReserve(t testing.TB, s *Stock, req Request, code problem.Code) {
	t.Helper()
	_, _, err := s.Reserve(context.Background(), req)
	wantCode(t, err, code)
}

func TestAPassBelongsToTheCustomerOfItsFirstReservation(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		admit(t, client, s.keys.gate, "7", "8")
		refuseReserve(t, s, Request{IdempotencyKey: "much", Customer: "eve", Bearer: "7", PassUntil: passUntil(t, client, s, "7"),
			Lines: []Line{{"SHOE", 11}}}, problem.SoldOut) // a refusal binds nobody
		first := mustReserve(t, s, withPass(t, client, s, "7", "1", "ann"))
		for i := range 50 {
			refuseReserve(t, s, withPass(t, client, s, "7", fmt.Sprint("made-up ", i), fmt.Sprint("customer ", i)), problem.PassBound)
		}
		mustReserve(t, s, withPass(t, client, s, "7", "2", "ann"))
		mustReserve(t, s, withPass(t, client, s, "8", "other", "bob"))
		if err := release(ctx, s, first.ID, proved); err != nil {
			t.Fatal(err)
		}
		refuseReserve(t, s, withPass(t, client, s, "7", "3", "bob"), problem.PassBound)
		wantCounts(t, client, "SHOE", 8, 2, 0)
	})
}

func TestAPassIsBoundWithinABatch(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s := open(t, client, drop())
		admit(t, client, s.keys.gate, "7", "8")
		out, err := s.runReserve(context.Background(), prepared(t, s,
			withPass(t, client, s, "7", "1", "ann"), withPass(t, client, s, "7", "2", "bob"), withPass(t, client, s, "8", "3", "bob"),
			withPass(t, client, s, "7", "4", "ann"), ask1("5", "cem", 1)))
		if err != nil {
			t.Fatal(err)
		}
		wantCode(t, out[1].err, problem.PassBound)
		for _, i := range []int{0, 2, 3, 4} {
			if out[i].err != nil {
				t.Errorf("request %d: %v", i, out[i].err)
			}
		}
		wantCounts(t, client, "SHOE", 6, 4, 0)
		if err := s.Refresh(context.Background()); err != nil || s.Snapshot().Reservations != 4 {
			t.Fatalf("%d reservations hold units, %v", s.Snapshot().Reservations, err)
		}
	})
}

// Of one pass the reservation is held, of one it was given back, of one it was ordered.
func TestPassesStayBoundWhenRedisIsRebuilt(t *testing.T) {
	for _, durability := range []sale.Durability{sale.Journaled, sale.Durable} {
		testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
			rec, ctx, journal := drop(), context.Background(), &book{}
			rec.Durability = durability
			s := open(t, client, rec, journal.keep)
			passes := []string{"7", "8", "9"}
			admit(t, client, s.keys.gate, passes...)
			requests := make([]Request, len(passes))
			made := make([]Reservation, len(passes))
			for i, pass := range passes {
				requests[i] = withPass(t, client, s, pass, "1", "ann")
				requests[i].Scope = pass
				made[i] = mustReserve(t, s, requests[i])
			}
			if err := release(ctx, s, made[1].ID, proved); err != nil {
				t.Fatal(err)
			}
			mustConfirm(t, s, confirmation(made[2].ID, "o", 1))
			flush(t, client)

			slices.Reverse(journal.records)
			rec.Epoch = 2
			if err := rebuild(ctx, client, rec, []RestoredOrder{restoredOrder(made[2], 6)}, folded(journal.records...)); err != nil {
				t.Fatal(err)
			}
			s.Update(rec)
			admit(t, client, s.keys.gate, passes...) // the waiting room is restored by its own journal
			for i, pass := range passes {
				refuseReserve(t, s, withPass(t, client, s, pass, "2", "bob"), problem.PassBound)
				if holds, err := s.Holds(ctx, pass); err != nil || holds != (i == 0) {
					t.Errorf("pass %s holds units: %v, %v", pass, holds, err)
				}
			}
			mine := Proof{Bearers: []string{"7"}}
			if _, err := s.Extend(ctx, made[0].ID, Proof{Bearers: []string{"8"}}); err == nil {
				t.Error("a stranger extended the reservation")
			}
			if _, err := s.Extend(ctx, made[0].ID, mine); err != nil {
				t.Error(err)
			}
			again := confirmation(made[2].ID, "o", 1)
			again.By = Proof{Bearers: []string{"8"}}
			_, err := s.Confirm(ctx, again)
			wantCode(t, err, problem.NotTheHolder)
			again.By = Proof{Bearers: []string{"9"}}
			mustConfirm(t, s, again)
			wantCounts(t, client, "SHOE", 8, 1, 1)
		})
	}
}

func TestPassesThatAreOverLeaveNothingBehind(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		until := time.Now().Add(2 * time.Second)
		for i := range 5 {
			pass := fmt.Sprint(i)
			add := client.B().Zadd().Key(s.keys.gate).ScoreMember().ScoreMember(float64(until.UnixMilli()), pass).Build()
			if err := client.Do(ctx, add).Error(); err != nil {
				t.Fatal(err)
			}
			mustReserve(t, s, withPass(t, client, s, pass, pass, "ann"))
		}
		if n, err := s.Expire(ctx, 1000); n != 0 || err != nil {
			t.Fatalf("%d expired, %v", n, err)
		}
		passes := func() (n int) {
			fields, err := client.Do(ctx, client.B().Hkeys().Key(s.keys.customers).Build()).AsStrSlice()
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range fields {
				if field[:1] == passMark {
					n++
				}
			}
			return n
		}
		if n := passes(); n != 5 {
			t.Fatalf("%d passes are bound", n)
		}
		if err := s.Refresh(ctx); err != nil || s.Snapshot().NextDueMillis != until.UnixMilli() {
			t.Fatalf("next due at %d, %v; the passes are over at %d", s.Snapshot().NextDueMillis, err, until.UnixMilli())
		}
		testenv.Eventually(t, 10*time.Second, "the passes are forgotten", func() bool {
			if n, err := s.Expire(ctx, 2); n != 0 || err != nil {
				t.Fatalf("%d expired, %v", n, err)
			}
			return passes() == 0
		})
		if err := s.Refresh(ctx); err != nil || s.Snapshot().Reservations != 5 {
			t.Fatalf("%d reservations hold units, %v", s.Snapshot().Reservations, err)
		}
		wantCounts(t, client, "SHOE", 5, 5, 0)
	})
}

func TestAPassHoldsUnitsUntilTheyAreOrderedOrGivenBack(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := drop()
		rec.Items[0].Stock = 100
		s, ctx := open(t, client, rec), context.Background()
		admit(t, client, s.keys.gate, "7", "9")
		holds := func(pass string) bool {
			t.Helper()
			held, err := s.Holds(ctx, pass)
			if err != nil {
				t.Fatal(err)
			}
			return held
		}
		if !holds("7") {
			t.Fatal("nothing is known of the pass, and it is said to hold nothing")
		}
		one, two := mustReserve(t, s, withPass(t, client, s, "7", "1", "ann")), mustReserve(t, s, withPass(t, client, s, "7", "2", "ann"))
		mustConfirm(t, s, confirmation(one.ID, "o", 1))
		if !holds("7") {
			t.Fatal("the second reservation is held")
		}
		if err := release(ctx, s, two.ID, proved); err != nil {
			t.Fatal(err)
		}
		if holds("7") {
			t.Fatal("nothing is held any more")
		}
		for i := range boundMost + 1 {
			r := mustReserve(t, s, withPass(t, client, s, "9", fmt.Sprint("many ", i), "cem"))
			if err := release(ctx, s, r.ID, proved); err != nil {
				t.Fatal(err)
			}
		}
		if !holds("9") {
			t.Fatal("of a pass with many reservations it is not known that it holds nothing")
		}
	})
}

func TestAPassHoldsNothingOnceItsReservationHasLapsed(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s := open(t, client, short())
		admit(t, client, s.keys.gate, "8")
		lapsing := mustReserve(t, s, withPass(t, client, s, "8", "3", "bob"))
		untilExpired(t, s, lapsing.ID)
		if held, err := s.Holds(context.Background(), "8"); err != nil || held {
			t.Fatalf("the reservation has lapsed, swept or not: %v, %v", held, err)
		}
	})
}

// Whoever has no pass is bound to no customer: in the mode open a ticket says who asks, and no more.
func TestABearerWithoutAPassIsNotBound(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s := open(t, client, drop())
		for i, customer := range []string{"ann", "bob"} {
			req := ask1(fmt.Sprint(i), customer, 1)
			req.Bearer = "7"
			if r := mustReserve(t, s, req); r.Bearer != "7" || !r.PassUntil.IsZero() {
				t.Fatalf("got %+v", r)
			}
		}
	})
}

func TestOwnersOfPassesThatAreOverAreForgottenOnTheWay(t *testing.T) {
	all := make(owners)
	all.note(&record{bearer: "1", customer: "ann", created: 10, until: 100})
	all.note(&record{bearer: "1", customer: "bob", created: 5, until: 100})
	all.note(&record{bearer: "2", customer: "cem", created: 20, until: 200})
	all.note(&record{bearer: "3", customer: "dan", created: 20})
	all.dropLapsed(101)
	if len(all) != 1 || all["2"].customer != "cem" {
		t.Fatalf("%+v", all)
	}
	all.note(&record{bearer: "1", customer: "ann", created: 10, until: 100})
	all.note(&record{bearer: "1", customer: "bob", created: 5, until: 100})
	if all["1"].customer != "bob" {
		t.Fatalf("the first reservation was not the first: %+v", all["1"])
	}
}
