package notify

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/roomlink"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/internal/saleindex"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

func TestMain(m *testing.M) { testenv.Main(m) }

const within = 20 * time.Second

var testSecret = []byte("0123456789abcdef0123456789abcdef")

// world is a node with its leader: the stores, the sales, a desk and a teller.
type world struct {
	t       *testing.T
	client  rueidis.Client
	ledger  *ledger.Ledger
	cache   *salecache.Cache
	tickets *queue.TicketKeys
	hooks   *WebhookKeys
	deps    TellerDeps
	push    *pushService
	shop    *webhookShop
	desk    *Desk
	longest atomic.Int64 // step of the calling, ns
}

// engines are what a test of the whole way runs on: everything embedded, and everything real.
func onEngines(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		test(t, newWorld(t, testenv.MiniURL(t), filepath.Join(t.TempDir(), "ledger.db")))
	})
	t.Run("real", func(t *testing.T) { test(t, newWorld(t, testenv.Redis(t).URL, testenv.Postgres(t).URL)) })
}

func newWorld(t *testing.T, redisURL, ledgerURL string) *world {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	w := &world{t: t, client: testenv.ConnectRedis(t, redisURL), tickets: queue.NewTicketKeys(testSecret, nil, nil)}
	var err error
	if w.ledger, err = ledger.Open(t.Context(), ledgerURL, quiet, ledger.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.ledger.Close() })
	if err := saleindex.New(w.client).MarkComplete(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.cache = salecache.New(salecache.Deps{
		Index: saleindex.New(w.client), Log: quiet,
		OpenRoom: func(rec sale.Record, _ func()) *queue.Room {
			return queue.OpenRoom(queue.Deps{Redis: w.client, Tickets: w.tickets, Passes: queue.NewPassKeys(testSecret, nil, nil), Log: quiet, NodeID: "n1"}, rec)
		},
		OpenStock: func(rec sale.Record, gate string, _ func()) *reservation.Stock {
			return reservation.OpenStock(reservation.Deps{Redis: w.client, Secret: testSecret, GateKey: gate, Log: quiet}, rec)
		},
	})
	seals, err := NewSeals(testSecret)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := NewPushKeys("", testSecret)
	if err != nil {
		t.Fatal(err)
	}
	w.hooks = NewWebhookKeys(testSecret)
	w.push, w.shop = newPushService(t, keys.Public()), newWebhookShop(t, w.hooks.Secret("drop"))
	var loopback config.PushHost
	if err := loopback.UnmarshalText([]byte(w.push.host())); err != nil {
		t.Fatal(err)
	}
	w.deps = TellerDeps{
		Deps: Deps{
			Ledger: w.ledger, Seals: seals, PushKeys: keys, PushHosts: PushHosts{loopback}, Contact: "mailto:ops@shop.example",
			PublicURL: "https://queue.shop.example", MaxPerSale: 10_000, Log: quiet,
		},
		Sales: w.cache, Tickets: w.tickets, Links: roomlink.NewKeys(testSecret), Webhooks: w.hooks, WebhookNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Roots: w.push.roots(),
	}
	w.desk = NewDesk(w.deps.Deps)
	w.background(w.cache.Run)
	w.background(w.call)
	return w
}

// background runs a loop until the test ends, or until stop is called.
func (w *world) background(run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = run(ctx)
	}()
	stop = func() { cancel(); <-done }
	w.t.Cleanup(stop)
	return stop
}

// call moves the lines, as the leader does.
func (w *world) call(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		began := time.Now()
		for _, entry := range w.cache.All() {
			_ = entry.Room().Advance(ctx, 1, queue.Outside{LevelFactor: 1, Items: []queue.Units{{Available: 100_000}}})
		}
		w.longest.Store(max(w.longest.Load(), int64(time.Since(began))))
	}
}

// tell starts a teller with a leader's term.
func (w *world) tell() (stop func()) {
	w.t.Helper()
	deps := w.deps
	deps.Metrics = prometheus.NewRegistry()
	teller, err := NewTeller(deps)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.background(func(ctx context.Context) error { return teller.Run(ctx, 1) })
}

// startsIn is how long visitors of a test can join before anybody is called.
const startsIn = 1500 * time.Millisecond

// sell puts a sale on whose doors are open and that starts in a moment.
func (w *world) sell(change func(*sale.Sale)) *salecache.Entry {
	w.t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	rec := sale.Record{Version: 1, Epoch: 1, CreatedAt: now, UpdatedAt: now}
	rec.Sale = sale.Sale{
		ID: "drop", Name: "The drop", OpensAt: now.Add(-2 * time.Minute), StartsAt: now.Add(startsIn), EndsAt: now.Add(time.Hour),
		Admission: sale.Admission{RatePerMinute: 60_000, MaxActive: 100_000, ClaimWindow: sale.Duration(time.Minute)},
		Items:     []sale.Item{{SKU: "A", Stock: 100_000}},
		Notify:    sale.Notify{WebPush: true, WebhookURL: w.shop.server.URL + "/turn"},
	}
	if change != nil {
		change(&rec.Sale)
	}
	rec.Sale = rec.WithDefaults()
	if err := rec.Validate(); err != nil {
		w.t.Fatal(err)
	}
	ctx := w.t.Context()
	if err := queue.Arm(ctx, w.client, rec, nil, 1); err != nil {
		w.t.Fatal(err)
	}
	stock, err := reservation.Begin(ctx, w.client, rec, 1)
	if err == nil {
		err = stock.Finish(ctx, nil)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.publish(rec)
	testenv.Eventually(w.t, within, "the sale", func() bool { e := w.cache.Get(rec.ID); return e != nil && e.Ready() })
	return w.cache.Get(rec.ID)
}

func (w *world) publish(rec sale.Record) {
	w.t.Helper()
	if err := saleindex.New(w.client).Publish(w.t.Context(), rec); err != nil {
		w.t.Fatal(err)
	}
}

// join takes a place in line.
func (w *world) join(entry *salecache.Entry) queue.Ticket {
	w.t.Helper()
	ticket, err := entry.Room().Join(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return ticket
}

func (w *world) subscribe(entry *salecache.Entry, ticket queue.Ticket, r Request) {
	w.t.Helper()
	rec := entry.Record()
	if err := w.desk.Subscribe(w.t.Context(), &rec.Sale, ticket, r); err != nil {
		w.t.Fatal(err)
	}
}

// left counts what the ledger still has.
func (w *world) left() int {
	w.t.Helper()
	rows, err := w.ledger.NotificationsAfter(w.t.Context(), 0, 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(rows)
}
