package front

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

// shelfOfOrders stands for the ledger: a sequence of orders, in which a cursor is a position.
type shelfOfOrders struct {
	mu     sync.Mutex
	orders []checkout.Stored
	looks  int
}

func (o *shelfOfOrders) add(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.orders = append(o.orders, checkout.Stored{Status: "committed", CommittedAtMillis: 2, Order: checkout.Order{
		ID: id, Sale: "spring", Reservation: "rsv_" + id, CustomerDoc: []byte(`{"email":"ada@shop.example"}`), PaymentRef: "p-1",
		CreatedAtMillis: 1, Lines: []checkout.Line{{SKU: "SNKR-42", Quantity: 1, UnitAmount: 12900, Currency: "EUR"}},
	}})
}

func (o *shelfOfOrders) read(_ context.Context, saleID, after string, limit int) ([]checkout.Stored, string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.looks++
	from, err := strconv.Atoi("0" + after)
	if err != nil || from > len(o.orders) || saleID != "spring" {
		return nil, "", problem.BadRequest
	}
	to := min(from+limit, len(o.orders))
	return o.orders[from:to], strconv.Itoa(to), nil
}

func (o *shelfOfOrders) looked() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.looks
}

const ordersPath = "/v1/sales/spring/orders"

// orderStack is a front with a sale and a shelf of orders.
func orderStack(t *testing.T, options ...stackOption) (*stack, *shelfOfOrders, header) {
	t.Helper()
	shelf := &shelfOfOrders{}
	s := newStack(t, append(options, func(d *Deps) { d.NewOrders = shelf.read })...)
	s.open(liveSale("spring", nil))
	return s, shelf, header{"Authorization": "Bearer " + s.shopKey}
}

func TestAShopReadsEachOrderOnceWithItsCustomer(t *testing.T) {
	s, shelf, h := orderStack(t)
	for i := range 3 {
		shelf.add(fmt.Sprintf("ord_%d", i))
	}
	var seen []string
	next, more := "", true
	for more {
		got := s.expect(200, "", "GET", ordersPath+"?limit=2&after="+next, h, "")
		if got.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("personal data may be kept: %v", got.Header)
		}
		for _, o := range got.json(t)["orders"].([]any) {
			one := o.(map[string]any)
			seen = append(seen, one["id"].(string))
			if one["customer"].(map[string]any)["email"] != "ada@shop.example" || one["payment_ref"] != "p-1" {
				t.Fatalf("got %v", one)
			}
		}
		next, more = got.text(t, "next"), got.json(t)["more"].(bool)
	}
	if strings.Join(seen, " ") != "ord_0 ord_1 ord_2" {
		t.Fatalf("seen %v", seen)
	}
	empty := s.expect(200, "", "GET", ordersPath+"?after="+next, h, "")
	if empty.text(t, "next") != next || len(empty.json(t)["orders"].([]any)) != 0 {
		t.Fatalf("after the last order: %s", empty.body)
	}
}

func TestOnlyAShopIsToldItsCustomers(t *testing.T) {
	admin, adminHash := auth.NewKey()
	s, shelf, _ := orderStack(t, func(d *Deps) {
		d.Keys = auth.NewKeys("bootstrap", func(_ context.Context, hash string) (auth.Identity, bool, error) {
			return auth.Identity{KeyID: "key_a", Role: auth.Admin}, hash == adminHash, nil
		})
	})
	shelf.add("ord_1")
	unknown, _ := auth.NewKey()
	s.expect(401, problem.Unauthorized, "GET", ordersPath, nil, "")
	s.expect(401, problem.Unauthorized, "GET", ordersPath, header{"Authorization": "Bearer " + unknown}, "")
	s.expect(401, problem.Unauthorized, "GET", ordersPath, header{"Authorization": "Bearer bootstrap"}, "")
	s.expect(403, problem.Forbidden, "GET", ordersPath, header{"Authorization": "Bearer " + admin}, "")
	if shelf.looked() != 0 {
		t.Fatal("the ledger was asked for somebody who may not know")
	}
}

func TestAQueryForOrdersIsReadStrictly(t *testing.T) {
	s, _, h := orderStack(t)
	for _, query := range []string{"limit=0", "limit=201", "limit=x", "limit=", "wait_seconds=26", "wait_seconds=-1", "wait_seconds=1.5", "after=x"} {
		s.expect(400, problem.BadRequest, "GET", ordersPath+"?"+query, h, "")
	}
	s.expect(404, problem.UnknownSale, "GET", "/v1/sales/none/orders", h, "")
	s.NewOrders = nil
	s.expect(503, problem.Unavailable, "GET", ordersPath, h, "")
}

// wait asks for the next order and hands over the answer when it comes.
func (s *stack) wait(h header) <-chan answer {
	got := make(chan answer, 1)
	go func() { got <- s.do("GET", ordersPath+"?wait_seconds=25", h, "") }()
	return got
}

func (s *stack) awaitReaders(n int) {
	s.t.Helper()
	testenv.Eventually(s.t, waitFor, strconv.Itoa(n)+" readers wait", func() bool {
		s.orderReaders.mu.Lock()
		defer s.orderReaders.mu.Unlock()
		return s.orderReaders.all == n && s.inFlight.Load() == 0
	})
}

func TestAShopThatWaitsIsToldTheNextOrder(t *testing.T) {
	s, shelf, h := orderStack(t)
	got := s.wait(h)
	s.awaitReaders(1)
	shelf.add("ord_1")
	select {
	case a := <-got:
		if !strings.Contains(string(a.body), `"ord_1"`) {
			t.Fatalf("got %s", a.body)
		}
	case <-time.After(waitFor):
		t.Fatal("the order is there, and who waits is not told")
	}
	s.awaitReaders(0)
	short := s.expect(200, "", "GET", ordersPath+"?after=1&wait_seconds=1", h, "")
	if len(short.json(t)["orders"].([]any)) != 0 || short.text(t, "next") != "1" {
		t.Fatalf("when the time is over: %s", short.body)
	}
}

func TestOneKeyWaitsInFewPlacesAndForNoLoad(t *testing.T) {
	s, shelf, h := orderStack(t, func(d *Deps) { d.MaxInFlight = 4 })
	waiting := make([]<-chan answer, readersOfKey)
	for i := range waiting {
		waiting[i] = s.wait(h)
	}
	s.awaitReaders(readersOfKey)
	refused := s.expect(429, problem.RateLimited, "GET", ordersPath, h, "")
	if refused.Header.Get("Retry-After") == "" {
		t.Fatal("no Retry-After")
	}
	_, pass := s.admitted("spring")
	s.held("spring", pass, "k") // the node is calm: who waits costs nothing
	shelf.add("ord_1")
	for _, got := range waiting {
		if a := <-got; a.StatusCode != 200 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
	s.awaitReaders(0)
}

func TestANodeThatStopsLetsItsReadersGo(t *testing.T) {
	s, _, h := orderStack(t)
	got := s.wait(h)
	s.awaitReaders(1)
	ctx, cancel := context.WithTimeout(context.Background(), waitFor)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if a := <-got; a.StatusCode != 200 || !strings.Contains(string(a.body), `"orders":[]`) {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
}

func TestReadersOfOrdersAreBoundedInAll(t *testing.T) {
	r := newOrderReaders()
	var leave []func()
	for i := range readersInAll {
		out, err := r.enter(fmt.Sprintf("key_%d", i))
		if err != nil {
			t.Fatal(err)
		}
		leave = append(leave, out)
	}
	if _, err := r.enter("key_more"); !errors.Is(err, problem.Overloaded) {
		t.Fatalf("got %v", err)
	}
	for _, out := range leave {
		out()
	}
	if r.all != 0 || len(r.byKey) != 0 {
		t.Fatalf("%d readers of %d keys are left", r.all, len(r.byKey))
	}
}
