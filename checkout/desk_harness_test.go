package checkout_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/internal/testenv/orderlog"
	"github.com/penstock/penstock/reservation"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// node is a desk with all that is behind it: embedded Redis and NATS, and a drain into every ledger.
type node struct {
	*checkout.Desk
	stock *reservation.Stock
}

func openDesk(t *testing.T, rec sale.Record, ledgers map[string]*ledger.Ledger) *node {
	t.Helper()
	client := testenv.ConnectRedis(t, testenv.MiniURL(t))
	rec.StartsAt, rec.EndsAt = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	arming, err := reservation.Begin(t.Context(), client, rec, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := arming.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	stock := reservation.OpenStock(reservation.Deps{Redis: client, Secret: []byte(strings.Repeat("s", 32)), GateKey: redis.Key(rec.ID, "gate"), Log: quiet()}, rec)
	t.Cleanup(stock.Close)

	broker := orderlog.Broker(t, quiet())
	log := broker.OrderLog(checkout.LogOptions{})
	t.Cleanup(log.Close)
	runDrain(t, broker, stock, ledgers)
	desk := checkout.NewDesk(log, quiet())

	return &node{Desk: desk, stock: stock}
}

// runDrain commits each batch to all ledgers; a repetition is a duplicate to each of them.
func runDrain(t *testing.T, b *checkout.Broker, stock *reservation.Stock, ledgers map[string]*ledger.Ledger) {
	t.Helper()
	drain := b.NewDrain(checkout.DrainDeps{
		Commit: func(ctx context.Context, orders []checkout.Order) (result checkout.CommitResult, err error) {
			for _, l := range ledgers {
				if result, err = l.CommitOrders(ctx, orders); err != nil {
					return result, err
				}
			}
			return result, nil
		},
		Permanent: ledger.IsPermanent,
		DeadLetter: func(ctx context.Context, raw []byte, refusal error) (failed bool, err error) {
			for _, l := range ledgers {
				if failed, err = l.AddDeadLetter(ctx, raw, refusal); err != nil {
					return false, err
				}
			}
			return failed, nil
		},
		Settle: func(ctx context.Context, _ string, orders []checkout.Order, atMillis int64) error {
			_, err := stock.Settle(ctx, checkout.Settlements(orders, atMillis))
			return err
		},
		Log: quiet(),
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = drain.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func (n *node) reserve(t *testing.T, number int) string {
	t.Helper()
	r, _, err := n.stock.Reserve(t.Context(), reservation.Request{
		IdempotencyKey: fmt.Sprint(number), Scope: "t", Customer: fmt.Sprint("customer-", number), Lines: []reservation.Line{{SKU: "SHOE", Quantity: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}
