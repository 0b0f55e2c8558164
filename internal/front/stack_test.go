package front

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/rueidis"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/embedded"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/roomlink"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/internal/saleindex"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

const waitFor = 10 * time.Second

// stack is a front on the real stages: rooms and stock on an embedded Redis, orders through an
// embedded NATS, drained into a map that stands for the ledger.
type stack struct {
	*Server
	t       testing.TB
	url     string
	mini    *miniredis.Miniredis
	client  rueidis.Client
	tickets *queue.TicketKeys
	passes  *queue.PassKeys
	logged  *lockedBuffer
	shopKey string
	vipKey  string // of a shop that has the channel vip
	oneKey  string // of a shop that is limited to the sale autumn

	mu     sync.Mutex
	ledger map[string]checkout.Stored
	paused bool // the drain commits nothing
}

type stackOption func(*Deps)

var stackSecret = []byte("0123456789abcdef0123456789abcdef")

func newStack(t testing.TB, options ...stackOption) *stack {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	s := &stack{
		t: t, mini: testenv.Mini(t), ledger: make(map[string]checkout.Stored), logged: &lockedBuffer{},
		tickets: queue.NewTicketKeys(stackSecret, nil, nil), passes: queue.NewPassKeys(stackSecret, nil, nil),
	}
	client, err := redis.Connect(ctx, "redis://"+s.mini.Addr())
	if err != nil {
		t.Fatal(err)
	}
	s.client = client
	if err := saleindex.New(client).MarkComplete(ctx); err != nil { // every sale that there is has been published
		t.Fatal(err)
	}
	shelf := s.newCatalog()
	running.Go(func() { _ = shelf.Run(ctx) })
	running.Go(func() { s.conduct(ctx, shelf) })
	desk := s.newDesk(ctx, shelf, &running)
	var shopHash, vipHash, oneHash string
	s.shopKey, shopHash = auth.NewKey()
	s.vipKey, vipHash = auth.NewKey()
	s.oneKey, oneHash = auth.NewKey()
	shops := map[string]auth.Identity{
		shopHash: {KeyID: "shop-1", Name: "shop", Role: auth.Shop},
		vipHash:  {KeyID: "shop-2", Name: "vip desk", Role: auth.Shop, Channels: []string{"vip", "fax"}},
		oneHash:  {KeyID: "shop-3", Name: "autumn desk", Role: auth.Shop, Sales: []string{"autumn"}},
	}
	deps := Deps{
		Sales: shelf, Tickets: s.tickets, Passes: s.passes, Desk: desk, LookupOrder: s.lookup,
		Holders: reservation.NewHolderKeys(stackSecret), RoomLinks: roomlink.NewKeys(stackSecret),
		Keys: auth.NewKeys("bootstrap-key-of-the-admin", func(_ context.Context, asked string) (auth.Identity, bool, error) {
			holder, found := shops[asked]
			return holder, found, nil
		}),
		Log:     slog.New(slog.NewJSONHandler(s.logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Metrics: prometheus.NewRegistry(), Demo: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
	for _, option := range options {
		option(&deps)
	}
	s.serve(deps)
	t.Cleanup(func() {
		cancel()
		stop, done := context.WithTimeout(context.Background(), waitFor)
		defer done()
		if err := s.Shutdown(stop); err != nil {
			t.Error("shutdown:", err)
		}
		running.Wait()
		client.Close()
	})
	return s
}

func (s *stack) serve(deps Deps) {
	s.t.Helper()
	var err error
	if s.Server, err = New(deps); err != nil {
		s.t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.url = "http://" + ln.Addr().String()
	go func() {
		if err := s.Serve(ln); err != nil {
			s.t.Error("serve:", err)
		}
	}()
}

func (s *stack) newCatalog() *salecache.Cache {
	quiet := slog.New(slog.DiscardHandler)
	return salecache.New(salecache.Deps{
		Index: saleindex.New(s.client), Log: quiet,
		OpenRoom: func(rec sale.Record, _ func()) *queue.Room {
			return queue.OpenRoom(queue.Deps{Redis: s.client, Tickets: s.tickets, Passes: s.passes, Log: quiet, NodeID: "n1"}, rec)
		},
		OpenStock: func(rec sale.Record, gate string, _ func()) *reservation.Stock {
			return reservation.OpenStock(reservation.Deps{Redis: s.client, Secret: stackSecret, GateKey: gate, Log: quiet}, rec)
		},
	})
}

// conduct does what the leader does: it calls the line and sweeps what has expired.
func (s *stack) conduct(ctx context.Context, shelf *salecache.Cache) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, entry := range shelf.All() {
			_ = entry.Room().Advance(ctx, 1, entry.Outside(1))
			_, _ = entry.Stock().Expire(ctx, 100)
		}
	}
}

func (s *stack) newDesk(ctx context.Context, shelf *salecache.Cache, running *sync.WaitGroup) *checkout.Desk {
	quiet := slog.New(slog.DiscardHandler)
	nats, err := embedded.StartNATS(s.t.TempDir(), quiet)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nats.Shutdown)
	conn, err := nats.Connect()
	if err != nil {
		s.t.Fatal(err)
	}
	broker, err := checkout.ConnectTo(ctx, conn, quiet)
	if err != nil {
		s.t.Fatal(err)
	}
	orders := broker.OrderLog(checkout.LogOptions{})
	drain := broker.NewDrain(checkout.DrainDeps{
		Commit: s.commit, Log: quiet,
		DeadLetter: func(context.Context, []byte, error) (bool, error) { return false, nil },
		Settle: func(ctx context.Context, saleID string, orders []checkout.Order, at int64) error {
			return settle(ctx, shelf.Get(saleID), orders, at)
		},
	})
	running.Go(func() { _ = drain.Run(ctx) })
	desk := checkout.NewDesk(orders, quiet)
	s.t.Cleanup(func() {
		stop, cancel := context.WithTimeout(context.Background(), waitFor)
		defer cancel()
		orders.Close()
		_ = broker.Close(stop)
	})
	return desk
}

func settle(ctx context.Context, entry *salecache.Entry, orders []checkout.Order, at int64) error {
	_, err := entry.Stock().Settle(ctx, checkout.Settlements(orders, at))
	return err
}

func (s *stack) commit(_ context.Context, orders []checkout.Order) (checkout.CommitResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused {
		return checkout.CommitResult{}, io.ErrUnexpectedEOF
	}
	var result checkout.CommitResult
	for _, o := range orders {
		if _, there := s.ledger[o.ID]; there {
			result.Duplicate++
			continue
		}
		s.ledger[o.ID] = checkout.Stored{Order: o, Status: reservation.OrderCommitted, CommittedAtMillis: time.Now().UnixMilli()}
		result.Inserted = append(result.Inserted, o.Reservation)
	}
	return result, nil
}

func (s *stack) lookup(_ context.Context, id string) (checkout.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, there := s.ledger[id]; there {
		return o, nil
	}
	return checkout.Stored{}, problem.UnknownOrder
}

// liveSale is a sale that began a minute ago; change may adapt it.
func liveSale(id string, change func(*sale.Sale)) sale.Sale {
	now := time.Now()
	one := sale.Sale{
		ID: id, Name: "Spring drop", OpensAt: now.Add(-2 * time.Minute), StartsAt: now.Add(-time.Minute), EndsAt: now.Add(time.Hour),
		Admission:   sale.Admission{Order: sale.FIFO, RatePerMinute: 60_000, MaxActive: 100},
		Reservation: sale.Terms{MaxExtensions: 1},
		Items:       []sale.Item{{SKU: "SNKR-42", Name: "Sneaker 42", Stock: 10, Price: &sale.Price{Amount: 12900, Currency: "EUR"}}},
		TargetURL:   "/demo/checkout",
	}
	if change != nil {
		change(&one)
	}
	return one.WithDefaults()
}

// open puts a sale on and waits until the front knows it.
func (s *stack) open(one sale.Sale) *salecache.Entry {
	s.t.Helper()
	if err := one.Validate(); err != nil {
		s.t.Fatal(err)
	}
	s.publish(sale.Record{Sale: one, Version: 1, Epoch: 1})
	testenv.Eventually(s.t, waitFor, "the front knows the sale", func() bool {
		entry := s.Sales.Get(one.ID)
		return entry != nil && entry.Ready()
	})
	return s.Sales.Get(one.ID)
}

func (s *stack) publish(rec sale.Record) {
	s.t.Helper()
	ctx := context.Background()
	for _, err := range []error{
		armRoom(ctx, s.client, rec), armStock(ctx, s.client, rec), saleindex.New(s.client).Publish(ctx, rec),
	} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	s.Sales.AskLeader() // so that the front looks at once
}

// armRoom makes the room of a sale, or brings its new version there.
func armRoom(ctx context.Context, client rueidis.Client, rec sale.Record) error {
	err := queue.Update(ctx, client, rec, 1)
	if !errors.Is(err, queue.ErrLost) {
		return err
	}
	return queue.Arm(ctx, client, rec, nil, 1)
}

// armStock puts the stock of a sale into Redis, or brings its new version there.
func armStock(ctx context.Context, client rueidis.Client, rec sale.Record) error {
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

// change publishes the next version of a sale and waits until the front has it.
func (s *stack) change(entry *salecache.Entry, change func(*sale.Record)) {
	s.t.Helper()
	rec := entry.Record()
	change(&rec)
	rec.Version++
	s.publish(rec)
	testenv.Eventually(s.t, waitFor, "the front has the change", func() bool { return entry.Record().Version == rec.Version })
	now := entry.Now()
	testenv.Eventually(s.t, waitFor, "both snapshots follow", func() bool {
		return entry.Room().Snapshot().NowMillis > now.UnixMilli() && entry.Stock().Snapshot().Version == rec.Version
	})
}

// answer is a response that was read to its end.
type answer struct {
	*http.Response
	body []byte
}

func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(a.body, &doc); err != nil {
		t.Fatalf("%s: %v", a.body, err)
	}
	return doc
}

// text returns a member that is a string.
func (a answer) text(t testing.TB, member string) string {
	t.Helper()
	text, ok := a.json(t)[member].(string)
	if !ok {
		t.Fatalf("no text %q in %s", member, a.body)
	}
	return text
}

type header map[string]string

// do sends a request, and holds whatever comes back to openapi.yaml.
func (s *stack) do(method, path string, h header, body string) answer {
	s.t.Helper()
	request, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range h {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	got := answer{Response: response}
	if got.body, err = io.ReadAll(response.Body); err != nil {
		s.t.Fatal(err)
	}
	if s.Sites == nil { // a shop answers what it likes
		conforms(s.t, request, got)
	}
	return got
}

// expect sends a request that must have this status and, of a refusal, this code.
func (s *stack) expect(status int, code problem.Code, method, path string, h header, body string) answer {
	s.t.Helper()
	got := s.do(method, path, h, body)
	if got.StatusCode != status {
		s.t.Fatalf("%s %s: status %d, want %d: %s", method, path, got.StatusCode, status, got.body)
	}
	if code != "" {
		s.checkProblem(got, code, path)
	}
	return got
}

func (s *stack) checkProblem(got answer, code problem.Code, path string) {
	s.t.Helper()
	if kind := got.Header.Get("Content-Type"); kind != problem.ContentType {
		s.t.Fatalf("%s: a refusal of the type %q: %s", path, kind, got.body)
	}
	if got.Request.Method == http.MethodHead {
		return
	}
	doc := got.json(s.t)
	where, _, _ := strings.Cut(path, "?")
	if doc["code"] != string(code) || doc["status"] != float64(got.StatusCode) || doc["instance"] != where {
		s.t.Fatalf("%s: want the code %s: %s", path, code, got.body)
	}
	if got.Header.Get("Penstock-Request-Id") == "" {
		s.t.Fatalf("%s: a refusal without a request id", path)
	}
}

// admitted goes the whole way into the shop.
func (s *stack) admitted(saleID string) (ticket, pass string) {
	s.t.Helper()
	ticket = s.expect(201, "", "POST", "/v1/sales/"+saleID+"/tickets", nil, "").text(s.t, "ticket")
	s.awaitState(saleID, ticket, "called")
	return ticket, s.expect(201, "", "POST", "/v1/sales/"+saleID+"/passes", header{"Penstock-Ticket": ticket}, "").text(s.t, "pass")
}

func (s *stack) awaitState(saleID, ticket, state string) answer {
	s.t.Helper()
	var last answer
	testenv.Eventually(s.t, waitFor, "the ticket is "+state, func() bool {
		last = s.expect(200, "", "GET", "/v1/sales/"+saleID+"/ticket", header{"Penstock-Ticket": ticket}, "")
		return last.text(s.t, "state") == state
	})
	return last
}

func reserveBody(customer, sku string, quantity int) string {
	return `{"customer":"` + customer + `","items":[{"sku":"` + sku + `","quantity":` + strconv.Itoa(quantity) + `}]}`
}

// held reserves one unit with a pass.
func (s *stack) held(saleID, pass, key string) answer {
	s.t.Helper()
	h := header{"Penstock-Pass": pass, "Idempotency-Key": key}
	return s.expect(201, "", "POST", "/v1/sales/"+saleID+"/reservations", h, reserveBody("zoe", "SNKR-42", 1))
}

// lockedBuffer takes the log of a server that is still running.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
