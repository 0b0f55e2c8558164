package main

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

const (
	killBuyers = 16
	killStock  = 150
)

// TestAKilledServerLosesNoAcceptedOrder kills the process with SIGKILL twice while buyers buy, and
// starts it again. Whatever was answered 2xx must be in the ledger, once, and nothing oversold.
func TestAKilledServerLosesNoAcceptedOrder(t *testing.T) {
	for name, env := range backends() {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, env(t)...)
			s.start()
			s.createSale("drop", killStock, nil)
			accepted := &orderBook{orders: map[string]string{}}
			done := make(chan struct{})
			var buyers sync.WaitGroup
			for i := range killBuyers {
				buyers.Go(func() { buyUntil(t, s.front, fmt.Sprintf("buyer-%d", i), accepted, done) })
			}
			for round := range 2 {
				want := (round + 1) * killStock / 3
				testenv.Eventually(t, 60*time.Second, fmt.Sprintf("%d orders are accepted", want), func() bool { return accepted.count() >= want })
				s.kill()
				s.start()
				s.awaitSale("drop")
			}
			testenv.Eventually(t, 90*time.Second, "the buyers are told that it is sold out", func() bool {
				a, err := send(http.DefaultClient, call{method: "GET", url: s.front + "/v1/sales/drop"})
				if err != nil {
					return false
				}
				items, _ := a.body["items"].([]any)
				first, _ := items[0].(map[string]any)
				return first["availability"] != "in_stock" && first["availability"] != "low"
			})
			close(done)
			buyers.Wait()
			accepted.eachIsCommitted(t, s.front)
			s.verify()
			if n := accepted.count(); n > killStock {
				t.Fatalf("%d orders accepted for %d units", n, killStock)
			}
		})
	}
}

// orderBook remembers what the server promised.
type orderBook struct {
	mu     sync.Mutex
	orders map[string]string // order → reservation
}

func (b *orderBook) add(order, reservation string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.orders[order] = reservation
}

func (b *orderBook) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.orders)
}

func (b *orderBook) eachIsCommitted(t *testing.T, front string) {
	t.Helper()
	for order := range b.orders {
		testenv.Eventually(t, 20*time.Second, "order "+order+" is committed", func() bool {
			a, err := send(http.DefaultClient, call{method: "GET", url: front + "/v1/orders/" + order})
			return err == nil && a.status == http.StatusOK && a.text("status") == "committed"
		})
	}
}

// buyUntil buys one unit after the other as a customer of many names would, and repeats with the
// same key whatever got no answer or a 503, as a good client does.
func buyUntil(t *testing.T, front, name string, book *orderBook, done <-chan struct{}) {
	client := &http.Client{Timeout: 10 * time.Second}
	v := &visitor{front: front, sale: "drop", name: name, client: client}
	if !admitPatiently(v, done) {
		return
	}
	for i := 0; ; i++ {
		v.name = fmt.Sprintf("%s-%d", name, i)
		held, ok := persist(v, v.reservation("A", 1, fmt.Sprintf("r-%s", v.name)), done)
		if !ok {
			return
		}
		if held.status == http.StatusForbidden || held.status == http.StatusUnauthorized {
			t.Errorf("%s was admitted and is refused: %s", name, held.raw)
			return
		}
		if held.status != http.StatusCreated {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
				continue
			}
		}
		reservation := held.text("id")
		placed, ok := persist(v, v.order(reservation, "o-"+reservation), done)
		if ok && (placed.status == http.StatusAccepted || placed.status == http.StatusOK) {
			book.add(placed.text("id"), reservation)
		}
	}
}

func admitPatiently(v *visitor, done <-chan struct{}) bool {
	for {
		joined, ok := persist(v, call{method: "POST", url: v.salePath("/tickets"), header: v.header()}, done)
		if !ok {
			return false
		}
		if v.ticket == "" {
			v.ticket = joined.text("ticket")
		}
		claimed, ok := persist(v, call{method: "POST", url: v.salePath("/passes"), header: v.header()}, done)
		if !ok {
			return false
		}
		if v.pass = claimed.text("pass"); v.pass != "" {
			return true
		}
		<-time.After(30 * time.Millisecond)
	}
}

// persist repeats a call until it is answered with something else than 5xx; false when done.
func persist(v *visitor, c call, done <-chan struct{}) (answer, bool) {
	for {
		a, err := send(v.client, c)
		if err == nil && a.status < http.StatusInternalServerError {
			return a, true
		}
		if err != nil && !errors.Is(err, errNoAnswer) {
			return answer{}, false
		}
		select {
		case <-done:
			return answer{}, false
		case <-time.After(50 * time.Millisecond):
		}
	}
}
