package console

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/leader"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/recovery"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/internal/saleindex"
	"github.com/penstock/penstock/internal/sales"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/internal/testenv/orderlog"
	"github.com/penstock/penstock/internal/verify"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

// office is what the console steers: sales that a leader carries to Redis, and the verdict on them.
type office struct {
	sales    *sales.Sales
	verifier *verify.Verifier
}

// newOffice joins the real parts and runs them until the test ends.
func newOffice(t *testing.T, books *ledger.Ledger, client rueidis.Client, board *degrade.Board, mayArm func(context.Context) error, log *slog.Logger) office {
	t.Helper()
	broker := orderlog.Broker(t, log)
	secret := []byte("0123456789abcdef0123456789abcdef")
	openStock := func(rec sale.Record, _ string, lost func()) *reservation.Stock {
		return reservation.OpenStock(reservation.Deps{Redis: client, Secret: secret, Lost: lost, Log: log}, rec)
	}
	stockOf := func(rec sale.Record) *reservation.Stock { return openStock(rec, "", nil) }
	index := saleindex.New(client)
	cache := salecache.New(salecache.Deps{
		Index: index, Log: log, OpenStock: openStock,
		OpenRoom: func(rec sale.Record, lost func()) *queue.Room {
			return queue.OpenRoom(queue.Deps{
				Redis: client, Tickets: queue.NewTicketKeys(secret, nil, nil), Passes: queue.NewPassKeys(secret, nil, nil), Lost: lost, Log: log,
			}, rec)
		},
	})
	recovering := recovery.New(recovery.Deps{
		Ledger: books, Redis: client, Index: index, Sales: cache, Broker: broker, Journal: broker.Journal(),
		OpenStock: stockOf, MayArm: mayArm, Log: log,
	})
	leads := leader.New(leader.NewLease(client, "test", 2*time.Second), log, leader.Task{Name: "recovery", Run: recovering.Run})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = board.Run(ctx) })
	running.Go(func() { _ = cache.Run(ctx) })
	running.Go(func() { _ = leads.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	testenv.Eventually(t, 10*time.Second, "the sales have been read", cache.HasRead)
	one := sales.New(sales.Deps{Ledger: books, Index: index, Cache: cache, MayArm: mayArm, Log: log})
	return office{sales: one, verifier: verify.New(verify.Deps{
		Sales: one, Ledger: books, Redis: client, Broker: broker, Board: board, OpenStock: stockOf,
	})}
}
