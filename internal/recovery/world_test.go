package recovery

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/leader"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/internal/saleindex"
	"github.com/penstock/penstock/internal/sales"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/internal/testenv/orderlog"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

func TestMain(m *testing.M) { testenv.Main(m) }

var testSecret = []byte("0123456789abcdef0123456789abcdef")

// world is one process without its listeners: the stores, the cache, the façade and, when it is
// started, the leader.
type world struct {
	t      *testing.T
	redis  rueidis.Client
	ledger *ledger.Ledger
	broker *checkout.Broker
	index  *saleindex.Index
	cache  *salecache.Cache
	sales  *sales.Sales
	desk   *checkout.Desk
	mayArm atomic.Pointer[error]
	leads  context.CancelFunc
	led    sync.WaitGroup
}

func newWorld(t *testing.T, redisURL string) *world {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	client := testenv.ConnectRedis(t, redisURL)
	w := &world{t: t, redis: client}
	var err error
	if w.ledger, err = ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"), log, ledger.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.ledger.Close() })
	w.broker = orderlog.Broker(t, log)
	w.index = saleindex.New(client)
	w.cache = salecache.New(salecache.Deps{Index: w.index, Log: log, OpenRoom: w.openRoom, OpenStock: w.openStock})
	w.sales = sales.New(sales.Deps{Ledger: w.ledger, Index: w.index, Cache: w.cache, MayArm: w.permission, Log: log})
	orders := w.broker.OrderLog(checkout.LogOptions{})
	w.desk = checkout.NewDesk(orders, log)
	t.Cleanup(orders.Close)
	w.background(w.cache.Run)
	w.background(w.newDrain(log).Run)
	w.lead()
	return w
}

// background runs a loop until the test ends.
func (w *world) background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = run(ctx)
	}()
	w.t.Cleanup(func() { cancel(); <-done })
}

func (w *world) newDrain(log *slog.Logger) *checkout.Drain {
	return w.broker.NewDrain(checkout.DrainDeps{
		Commit: w.ledger.CommitOrders, Permanent: ledger.IsPermanent, DeadLetter: w.ledger.AddDeadLetter, Log: log,
		Settle: func(ctx context.Context, saleID string, orders []checkout.Order, at int64) error {
			entry := w.cache.Get(saleID)
			if entry == nil || !entry.Stock().Snapshot().Ready {
				return nil
			}
			_, err := entry.Stock().Settle(ctx, checkout.Settlements(orders, at))
			return err
		},
	})
}

func (w *world) openRoom(rec sale.Record, lost func()) *queue.Room {
	return queue.OpenRoom(queue.Deps{
		Redis: w.redis, Tickets: queue.NewTicketKeys(testSecret, nil, nil), Passes: queue.NewPassKeys(testSecret, nil, nil),
		Journal: w.broker.Journal().Append, Lost: lost, NodeID: "test",
	}, rec)
}

func (w *world) openStock(rec sale.Record, gate string, lost func()) *reservation.Stock {
	journal := w.broker.Journal()
	return reservation.OpenStock(reservation.Deps{
		Redis: w.redis, Secret: testSecret, GateKey: gate, Journal: journal.Append, Enqueue: func(id string, r [][]byte) { _ = journal.Enqueue(id, r) }, Lost: lost,
	}, rec)
}

func (w *world) permission(context.Context) error {
	if err := w.mayArm.Load(); err != nil {
		return *err
	}
	return nil
}

// permit lets sales be armed, or refuses with an error.
func (w *world) permit(err error) {
	if err == nil {
		w.mayArm.Store(nil)
		return
	}
	w.mayArm.Store(&err)
}

func (w *world) recovery() *Recovery {
	return New(Deps{
		Ledger: w.ledger, Redis: w.redis, Index: w.index, Sales: w.cache, Broker: w.broker, Journal: w.broker.Journal(),
		OpenStock: func(rec sale.Record) *reservation.Stock { return w.openStock(rec, "", nil) },
		MayArm:    w.permission, Log: slog.New(slog.DiscardHandler),
	})
}

// lead starts a leader; depose ends it, as a lost lease would.
func (w *world) lead() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w.leads = cancel
	log := slog.New(slog.DiscardHandler)
	recovering := w.recovery()
	one := leader.New(leader.NewLease(w.redis, "test", 2*time.Second), log,
		leader.Task{Name: "recovery", Run: recovering.Run}, leader.Every("watch", 200*time.Millisecond, log, recovering.Watch()))
	w.led.Go(func() { _ = one.Run(ctx) })
	w.t.Cleanup(w.depose)
}

func (w *world) depose() {
	w.leads()
	w.led.Wait()
}

// create makes a sale that is open to everybody, live, and armed.
func (w *world) create(id string, stock int64) sale.Record {
	w.t.Helper()
	return w.createSale(openSale(id, stock))
}

func (w *world) createSale(s sale.Sale) sale.Record {
	w.t.Helper()
	testenv.Eventually(w.t, 10*time.Second, "the cache has heard of redis", func() bool { return w.cache.HasRead() })
	rec, err := w.sales.Create(context.Background(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	w.awaitReady(s.ID)
	return rec
}

func openSale(id string, stock int64) sale.Sale {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return sale.Sale{
		ID: id, Name: id, StartsAt: now.Add(-time.Minute), EndsAt: now.Add(time.Hour),
		Admission: sale.Admission{Mode: sale.Open}, Items: []sale.Item{{SKU: "A", Stock: stock}},
	}.WithDefaults()
}

func (w *world) awaitReady(id string) {
	w.t.Helper()
	testenv.Eventually(w.t, 20*time.Second, "the sale "+id+" is armed", func() bool {
		entry := w.cache.Get(id)
		return entry != nil && entry.Ready()
	})
}

// forget empties Redis and waits until the sale is back in a later epoch.
func (w *world) forget(id string) sale.Record {
	w.t.Helper()
	ctx := context.Background()
	before := w.cache.Get(id).Record().Epoch
	if err := w.redis.Do(ctx, w.redis.B().Flushall().Build()).Error(); err != nil {
		w.t.Fatal(err)
	}
	testenv.Eventually(w.t, 20*time.Second, "the sale is back in a later epoch", func() bool {
		entry := w.cache.Get(id)
		return entry.Ready() && entry.Record().Epoch > before
	})
	return w.cache.Get(id).Record()
}

// order is an accepted order of one unit that has not come to the ledger.
func (w *world) order(id, name string) checkout.Order {
	now := time.Now().UnixMilli()
	held := "rsv_" + id + "_1_" + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%-16.16s", name))
	return checkout.Order{
		ID: reservation.OrderID(held), Sale: id, Reservation: held, Customer: name, CreatedAtMillis: now, Epoch: 1,
		Lines: []checkout.Line{{SKU: "A", Quantity: 1}},
	}
}

// fail makes an order that the ledger refuses for good.
func (w *world) fail(id, name string, refusal error) {
	w.t.Helper()
	w.keepFailed(w.order(id, name), refusal)
}

func (w *world) keepFailed(o checkout.Order, refusal error) {
	w.t.Helper()
	raw, err := checkout.EncodeOrder(o)
	if err != nil {
		w.t.Fatal(err)
	}
	if failed, err := w.ledger.AddDeadLetter(context.Background(), raw, refusal); err != nil || !failed {
		w.t.Fatalf("the order is not failed: %v", err)
	}
}

// counts reads the item of a sale from Redis.
func (w *world) counts(id string) reservation.Counts {
	w.t.Helper()
	stock := w.cache.Get(id).Stock()
	if err := stock.Refresh(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	return stock.Snapshot().Items[0]
}

func (w *world) allocated(id string) ledger.ItemCount {
	w.t.Helper()
	items, err := w.ledger.Items(context.Background(), id)
	if err != nil || len(items) != 1 {
		w.t.Fatalf("items %v, %v", items, err)
	}
	return items[0]
}

// changeBy changes the stock of A by so many units.
func (w *world) changeBy(by int64) error {
	results, _, err := w.sales.ChangeStock(context.Background(), "drop", []ledger.StockChange{{SKU: "A", By: by}}, false)
	if err != nil {
		return err
	}
	return results[0].Err
}
