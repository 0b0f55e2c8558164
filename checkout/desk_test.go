package checkout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/reservation"
)

func drop() sale.Record {
	now := time.Now()
	return sale.Record{Sale: sale.Sale{
		ID: "drop", Name: "Drop", StartsAt: now.Add(-time.Hour), EndsAt: now.Add(time.Hour),
		Reservation: sale.Terms{TTL: sale.Duration(time.Minute)}, Durability: sale.Memory,
		Items: []sale.Item{{SKU: "SHOE", Stock: 1000, Price: &sale.Price{Amount: 12900, Currency: "EUR"}}, {SKU: "HAT", Stock: 10}},
	}, Version: 1, Epoch: 1}
}

func openStock(t testing.TB, redisURL string, rec sale.Record) *reservation.Stock {
	t.Helper()
	return stockOf(t, testenv.ConnectRedis(t, redisURL), rec)
}

// arm puts the stock of a sale into Redis, or brings its new version there.
func arm(ctx context.Context, client rueidis.Client, rec sale.Record) error {
	err := reservation.Update(ctx, client, rec, 0)
	if !errors.Is(err, problem.Unavailable) {
		return err
	}
	arming, err := reservation.Begin(ctx, client, rec, 0)
	if err != nil {
		return err
	}
	return arming.Finish(ctx, nil)
}

func stockOf(t testing.TB, client rueidis.Client, rec sale.Record) *reservation.Stock {
	t.Helper()
	if err := arm(t.Context(), client, rec); err != nil {
		t.Fatal(err)
	}
	s := reservation.OpenStock(reservation.Deps{Redis: client, Secret: []byte(strings.Repeat("s", 32)), GateKey: redis.Key(rec.ID, "gate"), Log: quiet()}, rec)
	t.Cleanup(s.Close)
	return s
}

func reserve(t testing.TB, s *reservation.Stock, key string, lines ...reservation.Line) string {
	t.Helper()
	if lines == nil {
		lines = []reservation.Line{{SKU: "SHOE", Quantity: 1}}
	}
	r, _, err := s.Reserve(t.Context(), reservation.Request{IdempotencyKey: key, Scope: "t", Customer: "customer-" + key, Lines: lines})
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

func request(reservationID string) OrderRequest {
	return OrderRequest{
		Reservation: reservationID, IdempotencyKey: "k-" + reservationID, By: reservation.Proof{Proved: true},
		CustomerDoc: json.RawMessage(`{"name":"Ada"}`), PaymentRef: "pay_7", Metadata: json.RawMessage(`{"a":[1]}`),
	}
}

func openDesk(t testing.TB, b *Broker) *Desk {
	t.Helper()
	return NewDesk(orderLog(t, b, LogOptions{}), quiet())
}

// settleWith is what the program gives a drain as Settle.
func settleWith(s *reservation.Stock) func(context.Context, string, []Order, int64) error {
	return func(ctx context.Context, _ string, orders []Order, atMillis int64) error {
		_, err := s.Settle(ctx, Settlements(orders, atMillis))
		return err
	}
}

func TestAnOrderIsAcceptedOnceAndCarriedWhole(t *testing.T) {
	testenv.EachRedisURL(t, func(t *testing.T, redisURL string) {
		rec := drop()
		stock, b := openStock(t, redisURL, rec), onEmbedded(t, startEmbedded(t, t.TempDir()))
		desk := openDesk(t, b)
		req := request(reserve(t, stock, "1", reservation.Line{SKU: "SHOE", Quantity: 2}, reservation.Line{SKU: "HAT", Quantity: 1}))
		first, err := desk.Accept(t.Context(), stock, rec, req)
		if err != nil || first.Again {
			t.Fatal(first, err)
		}
		if lag, err := b.Lag(t.Context()); err != nil || lag.Pending != 1 {
			t.Fatalf("accepted, and the log has %+v, %v", lag, err)
		}
		second, err := desk.Accept(t.Context(), stock, rec, req)
		if err != nil || !second.Again || fmt.Sprint(second.Order) != fmt.Sprint(first.Order) {
			t.Fatalf("again: %+v, %v; want %+v", second, err, first)
		}
		other := req
		other.CustomerDoc = json.RawMessage(`{"name":"Eve"}`)
		if _, err := desk.Accept(t.Context(), stock, rec, other); !errors.Is(err, problem.IdempotencyMismatch) {
			t.Errorf("another payload: %v", err)
		}
		other.IdempotencyKey = "another"
		if _, err := desk.Accept(t.Context(), stock, rec, other); !errors.Is(err, problem.AlreadyOrdered) {
			t.Errorf("another payload and key: %v", err)
		}
		k := newBooks()
		deps := k.deps()
		deps.Settle = settleWith(stock)
		startDrain(t, b, deps)
		drained(t, b, 10*time.Second)
		got := k.orders[req.Reservation]
		if fmt.Sprint(got) != fmt.Sprint(first.Order) || got.ID != reservation.OrderID(req.Reservation) || string(got.CustomerDoc) != `{"name":"Ada"}` || got.PaymentRef != "pay_7" ||
			len(got.Lines) != 2 || got.Customer == "" || time.Since(time.UnixMilli(got.CreatedAtMillis)).Abs() > time.Minute {
			t.Errorf("the ledger got %+v", got)
		}
		for _, l := range got.Lines {
			if l.SKU == "SHOE" && (l.Quantity != 2 || l.UnitAmount != 12900 || l.Currency != "EUR") || l.SKU == "HAT" && l.UnitAmount != 0 {
				t.Errorf("line %+v", l)
			}
		}
		r, err := stock.Get(t.Context(), req.Reservation)
		if err != nil || r.CommittedAt.IsZero() {
			t.Errorf("settled: %+v, %v", r, err)
		}
	})
}

func TestManyOrdersOfManyShoppersAreInTheLedgerOnce(t *testing.T) {
	testenv.EachRedisURL(t, func(t *testing.T, redisURL string) {
		rec := drop()
		stock, b := openStock(t, redisURL, rec), onEmbedded(t, startEmbedded(t, t.TempDir()))
		desks := []*Desk{openDesk(t, b), openDesk(t, b)} // two nodes
		k := newBooks()
		deps := k.deps()
		deps.Settle = settleWith(stock)
		startDrain(t, b, deps)
		const orders = 300
		var all sync.WaitGroup
		for n := range orders {
			id := reserve(t, stock, fmt.Sprint(n))
			for _, desk := range desks { // everybody clicks twice, on either node
				all.Go(func() {
					o, err := desk.Accept(context.Background(), stock, rec, request(id))
					if err != nil || o.Reservation != id {
						t.Errorf("%+v, %v", o, err)
					}
				})
			}
		}
		all.Wait()
		drained(t, b, 20*time.Second)
		if c, _, d := k.counts(); c != orders || d != 0 {
			t.Fatalf("%d committed, %d dead letters", c, d)
		}
		eventually(t, 10*time.Second, "the outbox is empty", func() bool {
			left, err := stock.Outbox(context.Background(), 0, 100)
			return err == nil && len(left) == 0
		})
	})
}

func TestWithoutTheLogAnOrderIsNotAcceptedAndNotLost(t *testing.T) {
	testenv.EachRedisURL(t, func(t *testing.T, redisURL string) {
		rec := drop()
		s := startServer(t)
		m := NewMetrics(nil)
		stock, b := openStock(t, redisURL, rec), s.broker(t, WithMetrics(m))
		desk := openDesk(t, b)
		asked, forgotten := request(reserve(t, stock, "1")), request(reserve(t, stock, "2"))
		s.kill()
		for _, req := range []OrderRequest{asked, forgotten} {
			_, err := desk.Accept(t.Context(), stock, rec, req)
			var refusal *problem.Refusal
			if !errors.Is(err, problem.Unavailable) || !errors.As(err, &refusal) || refusal.RetryAfterSeconds < 1 {
				t.Fatalf("without the log: %v", err)
			}
		}
		s.restart()
		// One shopper asks again; the other has gone, and the relay takes the order on.
		eventually(t, 10*time.Second, "asking again succeeds", func() bool {
			accepted, err := desk.Accept(context.Background(), stock, rec, asked)
			return err == nil && accepted.Again
		})
		eventually(t, 10*time.Second, "the relay publishes the other", func() bool {
			_, err := desk.Relay(context.Background(), stock, rec)
			return err == nil && testutil.ToFloat64(m.ordersRelayed) > 0
		})
		left, err := stock.Outbox(t.Context(), 0, 10)
		if err != nil || len(left) != 0 {
			t.Errorf("in the outbox: %v, %v", left, err)
		}
		k := newBooks()
		startDrain(t, b, k.deps())
		drained(t, b, 10*time.Second)
		for _, req := range []OrderRequest{asked, forgotten} {
			if o := k.orders[req.Reservation]; string(o.CustomerDoc) != `{"name":"Ada"}` || len(o.Lines) != 1 || o.Lines[0].UnitAmount != 12900 {
				t.Errorf("the ledger got %+v", o)
			}
		}
		if c, _, _ := k.counts(); c != 2 {
			t.Errorf("%d orders", c)
		}
	})
}

func TestARelayLeavesYoungOrdersToTheirPublishers(t *testing.T) {
	rec := drop()
	stock, b := openStock(t, testenv.MiniURL(t), rec), onEmbedded(t, startEmbedded(t, t.TempDir()))
	desk := openDesk(t, b)
	draft, err := encodeDraft(request(""), rec, MaxOrderBytes)
	if err != nil {
		t.Fatal(err)
	}
	_, err = stock.Confirm(t.Context(), reservation.Confirmation{
		ReservationID: reserve(t, stock, "1"), IdempotencyKey: "k", By: reservation.Proof{Proved: true}, Order: draft,
	})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := desk.Relay(t.Context(), stock, rec); n != 0 || err != nil {
		t.Fatalf("relayed %d, %v", n, err)
	}
}

func TestTooLargeAnOrderIsRefusedBeforeItIsConfirmed(t *testing.T) {
	rec := drop()
	stock, b := openStock(t, testenv.MiniURL(t), rec), onEmbedded(t, startEmbedded(t, t.TempDir()))
	desk := openDesk(t, b)
	req := request(reserve(t, stock, "1"))
	req.Metadata = json.RawMessage(`"` + strings.Repeat("x", MaxDocumentBytes) + `"`)
	if _, err := desk.Accept(t.Context(), stock, rec, req); !errors.Is(err, problem.BodyTooLarge) {
		t.Errorf("too large: %v", err)
	}
	req.Metadata = json.RawMessage(`{`)
	if _, err := desk.Accept(t.Context(), stock, rec, req); !errors.Is(err, problem.BadRequest) {
		t.Errorf("no JSON: %v", err)
	}
	if r, err := stock.Get(t.Context(), req.Reservation); err != nil || r.OrderID != "" {
		t.Errorf("the reservation is %+v, %v", r, err)
	}
}

func TestUndrainedListsWhatTheLedgerHasNotGot(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		b := open()
		l := orderLog(t, b, LogOptions{})
		list := func() map[string]bool {
			got := map[string]bool{}
			for o, err := range b.Undrained(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				got[o.Reservation] = true
			}
			return got
		}
		if got := list(); len(got) != 0 {
			t.Fatalf("in an empty log: %v", got)
		}
		appendOrders(t, l, 0, 100)
		k := newBooks()
		stop := startDrain(t, b, k.deps())
		drained(t, b, 10*time.Second)
		stop()
		appendOrders(t, l, 100, 150)
		got := list()
		if len(got) != 50 || !got["rsv_149"] || got["rsv_99"] {
			t.Fatalf("%d undrained: %v", len(got), got)
		}
	})
}
