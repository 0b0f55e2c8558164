package reservation

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// prepared returns requests that go into one script call together.
func prepared(t testing.TB, s *Stock, reqs ...Request) []*ask {
	t.Helper()
	var asks []*ask
	for i := range reqs {
		one, err := s.prepare(&reqs[i])
		if err != nil {
			t.Fatal(err)
		}
		one.identify(&reqs[i])
		asks = append(asks, one)
	}
	return asks
}

func TestRepeatsWithinOneBatchSeeEachOther(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := drop()
		rec.Items[0].PerCustomer = 3
		s := open(t, client, rec)
		out, err := s.runReserve(context.Background(), prepared(t, s,
			ask1("a", "ann", 2), ask1("a", "ann", 2), ask1("a", "ann", 1), ask1("b", "ann", 2), ask1("c", "bob", 3),
			ask1("d", "cem", 3), ask1("e", "dan", 3), ask1("f", "eve", 2)))
		if err != nil {
			t.Fatal(err)
		}
		if out[0].known != "" || out[1].known == "" || out[2].known != out[1].known {
			t.Fatalf("repeats: %+v", out[:3])
		}
		wantCode(t, out[3].err, problem.LimitExceeded)
		wantCode(t, out[6].err, problem.SoldOut)
		for _, i := range []int{0, 4, 5, 7} {
			if out[i].err != nil {
				t.Fatalf("request %d: %v", i, out[i].err)
			}
		}
		wantCounts(t, client, "SHOE", 0, 10, 0)
	})
}

func TestConfirmationsWithinOneBatchSeeEachOther(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s := open(t, client, drop())
		one, two := mustReserve(t, s, ask1("1", "ann", 1)), mustReserve(t, s, ask1("2", "ann", 2))
		var orders []*order
		for _, c := range []Confirmation{
			confirmation(one.ID, "o", 1), confirmation(one.ID, "o", 1), confirmation(one.ID, "p", 2), confirmation(two.ID, "o", 1),
			confirmation(two.ID, "q", 1),
		} {
			prepared, err := s.prepareOrder(&c)
			if err != nil {
				t.Fatal(err)
			}
			orders = append(orders, prepared)
		}
		out, err := s.runConfirm(context.Background(), orders)
		if err != nil || out[0].err != nil || out[1].err != nil || out[4].err != nil {
			t.Fatalf("%+v, %v", out, err)
		}
		if out[0].confirmed.Again || !out[1].confirmed.Again || !bytes.Equal(out[1].confirmed.Order, orders[0].bytes) {
			t.Fatalf("repeats: %+v", out[:2])
		}
		wantCode(t, out[2].err, problem.AlreadyOrdered)
		wantCode(t, out[3].err, problem.IdempotencyMismatch)
		wantCounts(t, client, "SHOE", 7, 0, 3)
		if a := audited(t, client); a.Outbox != 2 || a.Orders != 2 {
			t.Fatalf("audit %+v", a)
		}
	})
}

func TestAnExtendedReservationExpiresAtItsNewTime(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := short()
		rec.Reservation.TTL = sale.Duration(2 * time.Second) // long enough for a busy machine to extend it
		s, ctx := open(t, client, rec), context.Background()
		r := mustReserve(t, s, ask1("1", "ann", 1))
		longer, err := s.Extend(ctx, r.ID, proved)
		if err != nil {
			t.Fatal(err)
		}
		score, err := client.Do(ctx, client.B().Zscore().Key(s.keys.due).Member(r.ID[len(r.ID)-coreLength:]).Build()).AsFloat64()
		if err != nil || int64(score) != longer.ExpiresAt.UnixMilli() {
			t.Fatalf("due at %v, %v; want %d", score, err, longer.ExpiresAt.UnixMilli())
		}
		n := 0
		testenv.Eventually(t, 20*time.Second, "the sweep", func() bool {
			got, err := s.Expire(ctx, 10)
			n += got
			return err == nil && n == 1
		})
		wantCounts(t, client, "SHOE", 10, 0, 0)
	})
}

func TestTheFirstCommitStays(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		r := mustReserve(t, s, ask1("1", "ann", 1))
		mustConfirm(t, s, confirmation(r.ID, "o", 1))
		first, second := settlement(r), settlement(r)
		second.CommittedAtMillis = 9000
		if _, err := s.Settle(ctx, []Settlement{first}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Settle(ctx, []Settlement{second}); err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(ctx, r.ID)
		if err != nil || got.CommittedAt.UnixMilli() != first.CommittedAtMillis {
			t.Fatalf("committed at %v, %v", got.CommittedAt, err)
		}
	})
}
