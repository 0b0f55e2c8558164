//go:build faults

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/shadow"
	"github.com/penstock/penstock/internal/testenv"
)

// racyShop sells its last unit to everybody who looks at it at the same time: each reads the stock, sees one, and
// writes that there is none. It answers once as many look as race.
type racyShop struct {
	race int

	mu      sync.Mutex
	stock   int
	looking int
	raced   chan struct{}
	orders  map[string]bool // that it has accepted
	heard   map[string]int  // the header Penstock-Shadow by how often it came
}

func newRacyShop(stock, race int) *racyShop {
	return &racyShop{race: race, stock: stock, raced: make(chan struct{}), orders: map[string]bool{}, heard: map[string]int{}}
}

func (s *racyShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/checkout/orders" {
		fmt.Fprint(w, "the shop")
		return
	}
	s.mu.Lock()
	s.heard[strings.Join(r.Header.Values("Penstock-Shadow"), "|")]++
	last := s.stock == 1
	switch {
	case s.stock == 0:
		s.mu.Unlock()
		http.Error(w, "sold out", http.StatusConflict)
		return
	case last:
		if s.looking++; s.looking == s.race {
			close(s.raced)
		}
	default:
		s.stock--
	}
	s.mu.Unlock()
	if last {
		<-s.raced
	}
	s.mu.Lock()
	if last {
		s.stock = 0
	}
	number := fmt.Sprintf("order-%d", len(s.orders)+1)
	s.orders[number] = true
	s.mu.Unlock()
	w.Header().Set("Location", "/orders/"+number)
	w.Header().Set("Order", number)
	w.WriteHeader(http.StatusSeeOther)
}

func (s *racyShop) accepted() map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.orders)
}

const shadowSites = `
sites:
- hosts: ["*"]
  upstream: {servers: ["%s"]}
  rules:
  - {path: /checkout, sale: drop}
  mirror:
  - path: /checkout/orders
    sale: drop
    accepted: [303]
    sku: {form: sku}
    quantity: {form: quantity, value: "1"}
    customer: {form: email}
    reference: {reply_header: Order}
`

// behind starts Penstock in front of a shop.
func behind(t *testing.T, shop http.Handler, backend func(testing.TB) []string) *server {
	t.Helper()
	upstream := httptest.NewServer(shop)
	t.Cleanup(upstream.Close)
	sites := writeFile(t, "sites.yaml", fmt.Sprintf(shadowSites, upstream.URL))
	s := newServer(t, append(backend(t), "PENSTOCK_SITES="+sites)...)
	s.start()
	return s
}

// shadowReport reads the report of a sale.
func (s *server) shadowReport(saleID string) (r shadow.Report) {
	s.t.Helper()
	if err := json.Unmarshal(s.admin(http.StatusOK, "GET", "/sales/"+saleID+"/shadow?examples=1000", nil).raw, &r); err != nil {
		s.t.Fatal(err)
	}
	return r
}

// awaitShadow waits until a number of calls was decided, and none waits.
func (s *server) awaitShadow(saleID string, seen int64) (r shadow.Report) {
	s.t.Helper()
	testenv.Eventually(s.t, 60*time.Second, fmt.Sprintf("%d calls are decided", seen), func() bool {
		r = s.shadowReport(saleID)
		return r.Calls.Seen >= seen && r.Calls.Pending == 0
	})
	return r
}

// checkoutBy sends the form of a buyer, who forges what the shop is told.
func (s *server) checkoutBy(client *http.Client, buyer string) (int, error) {
	form := url.Values{"sku": {"A"}, "email": {buyer}}
	req, err := http.NewRequest(http.MethodPost, s.front+"/checkout/orders", strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Penstock-Shadow", "admit")
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// rush has buyers come at the same time and counts the answers.
func (s *server) rush(buyers, atOnce int) map[int]int {
	s.t.Helper()
	client := &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: atOnce},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var mu sync.Mutex
	answers := map[int]int{}
	next := make(chan int)
	var all sync.WaitGroup
	for range atOnce {
		all.Go(func() {
			for n := range next {
				status, err := s.checkoutBy(client, fmt.Sprintf("buyer-%d@example.com", n))
				if err != nil {
					s.t.Error(err)
				}
				mu.Lock()
				answers[status]++
				mu.Unlock()
			}
		})
	}
	for n := range buyers {
		next <- n
	}
	close(next)
	all.Wait()
	return answers
}

func TestFaultShadowModeFindsAPlantedOversell(t *testing.T) {
	const stock, buyers, race = 100, 300, 8
	for name, backend := range backends() {
		t.Run(name, func(t *testing.T) {
			shop := newRacyShop(stock, race)
			s := behind(t, shop, backend)
			s.createSale("drop", stock, map[string]any{"shadow": true})

			answers := s.rush(buyers, race)
			sold := shop.accepted()
			const oversold = race - 1
			if len(sold) != stock+oversold || answers[http.StatusSeeOther] != len(sold) || answers[http.StatusConflict] != buyers-len(sold) {
				t.Fatalf("the shop sold %d of %d, and buyers were answered %v", len(sold), stock, answers)
			}
			if len(shop.heard) != 1 || shop.heard["wait;reason=pass_required"] != buyers {
				t.Errorf("the shop was told %v", shop.heard)
			}

			s.awaitShadow("drop", buyers)
			testenv.Eventually(t, 10*time.Second, "the gate is in the report", func() bool { return s.shadowReport("drop").Gate.Requests == buyers })
			r := s.shadowReport("drop")
			if !r.Complete || r.Agreed {
				t.Errorf("complete %v, agreed %v: %q", r.Complete, r.Agreed, r.Summary)
			}
			a := r.Items[0]
			if a.SKU != "A" || a.ShopSold != int64(len(sold)) || a.PenstockSold != stock || a.Oversold != oversold || a.Owed != oversold {
				t.Errorf("the item is reported as %+v", a)
			}
			if r.Calls.ShopSold != oversold || r.Calls.PenstockSold != 0 || r.Calls.BothSold != stock || r.Calls.BothRefused+r.Calls.Unclear != buyers-int64(len(sold)) || r.Gate.Waiting["pass_required"] != buyers {
				t.Errorf("calls %+v, gate %+v", r.Calls, r.Gate)
			}
			s.namesTheOversold(&r, sold)
			s.verify()
			if out, code := s.command("shadow", "--sale", "drop"); code != exitFailed || !strings.Contains(out, "it sold 107, and 100 were allocated") {
				t.Errorf("exit %d:\n%s", code, out)
			}
			s.terminate()
			s.start()
			s.awaitSale("drop")
			if again := s.shadowReport("drop"); !again.Complete || again.Calls != r.Calls || again.Gate.Requests != r.Gate.Requests {
				t.Errorf("after a restart: complete %v, %+v, gate %+v", again.Complete, again.Calls, again.Gate)
			}
		})
	}
}

// namesTheOversold checks that each order of the shop is either one of the sale or one that was oversold.
func (s *server) namesTheOversold(r *shadow.Report, sold map[string]bool) {
	s.t.Helper()
	for _, one := range r.Examples {
		if !sold[one.Reference] || one.Kind != shadow.ShopSoldOnly || one.Code != "sold_out" || one.Units["A"] != 1 {
			s.t.Errorf("an example that is no oversell: %+v", one)
		}
		delete(sold, one.Reference)
	}
	var page struct {
		Orders []struct {
			Metadata struct {
				Shadow    bool   `json:"shadow"`
				Reference string `json:"reference"`
			} `json:"metadata"`
		} `json:"orders"`
	}
	testenv.Eventually(s.t, 20*time.Second, "the orders are in the ledger", func() bool {
		raw := s.admin(http.StatusOK, "GET", "/sales/drop/orders?limit=1000", nil).raw
		return json.Unmarshal(raw, &page) == nil && len(page.Orders) == 100
	})
	for _, order := range page.Orders {
		if !order.Metadata.Shadow || !sold[order.Metadata.Reference] {
			s.t.Errorf("an order that the shop did not take: %+v", order)
		}
		delete(sold, order.Metadata.Reference)
	}
	if len(sold) != 0 {
		s.t.Errorf("orders of the shop that are reported nowhere: %v", slices.Collect(maps.Keys(sold)))
	}
}

func TestFaultShadowModeTellsAShopThatRefusesTooEarly(t *testing.T) {
	shop := newRacyShop(40, 1)
	s := behind(t, shop, func(testing.TB) []string { return nil })
	s.createSale("drop", 100, map[string]any{"shadow": true})
	s.rush(60, 1)
	r := s.awaitShadow("drop", 60)
	if r.Calls.PenstockSold != 20 || r.Calls.BothSold != 40 || len(r.Examples) != 20 || r.Examples[0].Kind != shadow.PenstockSoldOnly {
		t.Fatalf("%+v, %d examples: %q", r.Calls, len(r.Examples), r.Summary)
	}
	s.verify()
	stats := s.admin(http.StatusOK, "GET", "/sales/drop/verify", nil)
	if one := stats.body["sales"].([]any)[0].(map[string]any)["items"].([]any)[0].(map[string]any); one["available"] != 60.0 || one["held"] != 0.0 || one["sold"] != 40.0 {
		t.Errorf("what was only asked about is not free: %v", one)
	}
}

// shadowCall is a call as a shop's backend tells it.
func shadowCall(outcome, reference, customer string, units int) map[string]any {
	one := map[string]any{"outcome": outcome, "reference": reference}
	if customer != "" {
		one["customer"], one["items"] = customer, []any{map[string]any{"sku": "A", "quantity": units}}
	}
	return one
}

func (s *server) tellShadow(status int, key, idempotencyKey string, calls ...any) answer {
	s.t.Helper()
	header := map[string]string{"Idempotency-Key": idempotencyKey}
	if key != "" {
		header["Authorization"] = "Bearer " + key
	}
	return must(s.t, status, call{method: "POST", url: s.front + "/v1/sales/drop/shadow", header: header, body: map[string]any{"calls": calls}})
}

func (s *server) keyOf(role string) string {
	s.t.Helper()
	return s.admin(http.StatusCreated, "POST", "/keys", map[string]any{"name": "of " + role, "role": role}).text("key")
}

func TestFaultABackendTellsWhatItsShopDecided(t *testing.T) {
	for name, backend := range backends() {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, backend(t)...)
			s.start()
			s.createSale("drop", 3, map[string]any{"shadow": true, "reservation": map[string]any{"per_customer": 2}})
			shop := s.keyOf("shop")

			s.tellShadow(http.StatusUnauthorized, "", "k", shadowCall("accepted", "o-1", "ada", 1))
			s.tellShadow(http.StatusForbidden, s.keyOf("viewer"), "k", shadowCall("accepted", "o-1", "ada", 1))
			s.tellShadow(http.StatusNotFound, shop, "k0", map[string]any{
				"outcome": "accepted", "reference": "o-0", "customer": "ada", "items": []any{map[string]any{"sku": "Z", "quantity": 1}},
			})

			batch := []any{
				shadowCall("accepted", "o-1", "ada", 2), shadowCall("accepted", "o-2", "ada", 1), // one too many
				shadowCall("accepted", "o-3", "eve", 1), shadowCall("accepted", "o-4", "bob", 1), // of three units
				shadowCall("refused", "c-5", "kim", 1),
			}
			first := s.tellShadow(http.StatusOK, shop, "k1", batch...)
			for i, want := range []string{"", "limit_exceeded", "", "sold_out", "sold_out"} {
				one := first.body["calls"].([]any)[i].(map[string]any)
				if code, _ := one["code"].(string); code != want || one["agrees"] != (i == 0 || i == 2 || i == 4) {
					t.Errorf("call %d: %v, want the code %q", i, one, want)
				}
			}
			if again := s.tellShadow(http.StatusOK, shop, "k1", batch...); string(again.raw) != string(first.raw) {
				t.Errorf("the same request again: %s", again.raw)
			}
			s.tellShadow(http.StatusUnprocessableEntity, shop, "k1", shadowCall("accepted", "o-9", "ada", 2))

			// What comes back can be sold once more; what was oversold was never there.
			s.tellShadow(http.StatusOK, shop, "k2", shadowCall("cancelled", "o-4", "", 0), shadowCall("cancelled", "o-3", "", 0))
			s.tellShadow(http.StatusOK, shop, "k2", shadowCall("cancelled", "o-4", "", 0), shadowCall("cancelled", "o-3", "", 0))
			s.tellShadow(http.StatusNotFound, shop, "k3", shadowCall("cancelled", "o-3", "", 0))
			s.tellShadow(http.StatusOK, shop, "k4", shadowCall("accepted", "o-6", "zoe", 1), shadowCall("refused", "c-7", "kim", 1))

			r := s.shadowReport("drop")
			want := shadow.Calls{Seen: 7, BothSold: 3, BothRefused: 2, ShopSold: 2, Cancelled: 2}
			if a := r.Items[0]; r.Calls != want || a.ShopSold != 6 || a.Oversold != 1 || a.Cancelled != 2 || a.Allocated != 4 || a.Owed != 1 || !r.Complete {
				t.Errorf("%+v\n%+v\n%q", r.Calls, a, r.Summary)
			}
			s.verify()
		})
	}
}

func TestFaultWhatCannotBeToldOfAMirroredCallIsSaid(t *testing.T) {
	var seen sync.Map // what reached the shop, by its length
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen.Store(len(body), true)
		status, _ := strconv.Atoi(r.URL.Query().Get("status"))
		if status == 0 {
			panic(http.ErrAbortHandler) // no answer
		}
		w.Header().Set("Order", r.URL.Query().Get("order"))
		w.WriteHeader(status)
	})
	upstream := httptest.NewServer(mux)
	defer upstream.Close()
	sites := writeFile(t, "sites.yaml", `
sites:
- hosts: ["*"]
  upstream: {servers: ["`+upstream.URL+`"]}
  mirror:
  - {path: /orders, sale: drop, items: /lines, sku: {json: /sku}, quantity: {json: /n}, customer: {json: /who}, reference: {reply_header: Order}}
`)
	s := newServer(t, "PENSTOCK_SITES="+sites)
	s.start()
	s.createSale("drop", 10, map[string]any{"shadow": true})
	line := func(sku string) string { return `{"who":"ada","lines":[{"sku":"` + sku + `","n":1}]}` }
	for _, c := range []struct{ query, body string }{
		{"status=201&order=1", line("A")},
		{"status=201&order=1", line("A")}, // the shop's word that it is the same
		{"status=409", line("A")},
		{"status=500", line("A")},
		{"status=302", line("A")},
		{"status=0", line("A")},
		{"status=200&order=2", line("other")},
		{"status=200&order=3", "no JSON"},
		{"status=200&order=4", line("A") + strings.Repeat(" ", 100_000)},
		{"status=200&order=5", strings.Replace(line("A"), "ada", strings.Repeat("a", 200), 1)},
	} {
		for _, body := range []io.Reader{strings.NewReader(c.body), io.MultiReader(strings.NewReader(c.body))} { // with a length, and in chunks
			res, err := http.Post(s.front+"/orders?"+c.query, "application/json", body)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
		}
	}
	if _, whole := seen.Load(len(line("A")) + 100_000); !whole {
		t.Error("a large body was not passed on unchanged")
	}
	r := s.awaitShadow("drop", 3)
	want := map[shadow.Unseen]int64{
		shadow.UnseenUnclear: 4, shadow.UnseenNoAnswer: 2, shadow.UnseenUnreadable: 4, shadow.UnseenBody: 2,
	}
	testenv.Eventually(t, 10*time.Second, "what was not seen is in the report", func() bool {
		r = s.shadowReport("drop")
		return maps.Equal(r.NotSeen.Reasons, want)
	})
	if r.Complete || r.Calls.BothSold != 1 || r.Calls.PenstockSold != 2 || r.Calls.Seen != 3 || r.Calls.Others != 2 {
		t.Errorf("%+v %+v %q", r.Calls, r.NotSeen, r.Summary)
	}
}

func TestFaultASaleInShadowModeStandsInNobodysWay(t *testing.T) {
	s := newServer(t)
	s.start()
	s.createSale("drop", 3, map[string]any{"shadow": true, "target_url": "https://shop.example/checkout"})
	s.createSale("real", 3, nil)
	shop := s.keyOf("shop")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

	gate, err := send(client, call{method: "GET", url: s.front + "/v1/auth?sale=drop"})
	if err != nil || gate.status != http.StatusNoContent || gate.header.Get("Penstock-Shadow") != "wait;reason=pass_required" {
		t.Errorf("the gate answers %d %v %v", gate.status, gate.header, err)
	}
	forged, err := send(client, call{method: "GET", url: s.front + "/v1/auth?sale=drop", header: map[string]string{"Penstock-Pass": "x"}})
	if err != nil || forged.status != http.StatusNoContent || forged.header.Get("Penstock-Shadow") != "wait;reason=pass_invalid" {
		t.Errorf("the gate answers %d %v %v", forged.status, forged.header, err)
	}
	room, err := send(client, call{method: "GET", url: s.front + "/sales/drop"})
	if err != nil || room.status != http.StatusSeeOther || room.header.Get("Location") != "https://shop.example/checkout" {
		t.Errorf("the room answers %d %v %v", room.status, room.header, err)
	}
	for _, c := range []struct {
		status int
		code   string
		call   call
	}{
		{http.StatusConflict, "sale_in_shadow", (&visitor{front: s.front, sale: "drop", name: "ada"}).reservation("A", 1, "k")},
		{http.StatusConflict, "sale_in_shadow", call{method: "GET", url: s.front + "/v1/sales/drop/orders", header: map[string]string{"Authorization": "Bearer " + shop}}},
		{http.StatusConflict, "not_in_shadow", call{
			method: "POST", url: s.front + "/v1/sales/real/shadow", header: map[string]string{"Authorization": "Bearer " + shop, "Idempotency-Key": "k"},
			body: map[string]any{"calls": []any{shadowCall("accepted", "o-1", "ada", 1)}},
		}},
	} {
		if a := must(t, c.status, c.call); a.text("code") != c.code {
			t.Errorf("%s %s: %s", c.call.method, c.call.url, a.raw)
		}
	}
	if a := s.admin(http.StatusConflict, "GET", "/sales/real/shadow", nil); a.text("code") != "not_in_shadow" {
		t.Error(string(a.raw))
	}
	for id, on := range map[string]bool{"drop": false, "real": true} {
		if a := s.admin(http.StatusConflict, "PATCH", "/sales/"+id, map[string]any{"shadow": on}); a.text("code") != "sale_is_live" {
			t.Error(string(a.raw))
		}
	}
	testenv.Eventually(t, 10*time.Second, "the gate is in the report", func() bool { return s.shadowReport("drop").Gate.Requests == 2 })
}
