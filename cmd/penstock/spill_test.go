package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/testenv"
)

// channelUnits are the units of A in each channel: available, held, sold.
func (s *server) channelUnits() map[string][3]float64 {
	s.t.Helper()
	got := s.admin(http.StatusOK, "GET", "/sales/drop/stock", nil)
	units := map[string][3]float64{}
	if got.body["live"] != true {
		return units
	}
	for name, one := range got.body["items"].([]any)[0].(map[string]any)["channels"].(map[string]any) {
		of := one.(map[string]any)
		units[name] = [3]float64{of["available"].(float64), of["held"].(float64), of["sold"].(float64)}
	}
	return units
}

// TestUnitsThatSpilledOverAreWhatTheyWereAfterRedisIsLost orders and holds units of another channel, and empties
// Redis: ledger and journal must tell whose they are.
func TestUnitsThatSpilledOverAreWhatTheyWereAfterRedisIsLost(t *testing.T) {
	memory := testenv.Redis(t)
	s := newServer(t, append(realOrderLog(t), "PENSTOCK_REDIS_URL="+memory.URL, "PENSTOCK_POSTGRES_URL="+testenv.Postgres(t).URL)...)
	s.start()
	s.createSale("drop", 10, map[string]any{
		"channels": map[string]any{"web": 2, "app": 3}, "durability": "durable",
		"spill": []any{map[string]any{"from": "app", "to": "web", "when": "sold_out"}},
	})
	v := &visitor{front: s.front, sale: "drop", name: "ada"}
	v.admit(t)
	held := must(t, http.StatusCreated, v.reservation("A", 5, "r-1")).text("id")
	order := must(t, http.StatusAccepted, v.order(held, "o-1")).text("id")
	must(t, http.StatusCreated, v.reservation("A", 2, "r-2"))
	must(t, http.StatusConflict, v.reservation("A", 4, "r-3"))
	want := map[string][3]float64{"web": {0, 0, 4}, "app": {3, 2, 1}}
	testenv.Eventually(t, 20*time.Second, "the order is committed", func() bool {
		return must(t, http.StatusOK, call{method: "GET", url: s.front + "/v1/orders/" + order}).text("status") == "committed"
	})
	same := func() bool {
		got := s.channelUnits()
		return len(got) == 2 && got["web"] == want["web"] && got["app"] == want["app"]
	}
	if !same() {
		t.Fatalf("before the loss %v, want %v", s.channelUnits(), want)
	}
	onRedis(t, memory, func(b rueidis.Builder) rueidis.Completed { return b.Flushall().Build() })
	testenv.Eventually(t, 20*time.Second, "each channel has what it had", same)
	drawn := s.admin(http.StatusOK, "GET", "/sales/drop/orders", nil).body["orders"].([]any)[0].(map[string]any)["drawn"].([]any)
	if first := drawn[0].(map[string]any); len(drawn) != 1 || first["channel"] != "app" || first["quantity"] != 1.0 {
		t.Fatalf("the order tells %v", drawn)
	}
	s.verify()
}

// TestASpillIsOpenedWhileTheSaleIsLive has an operator give what the app has not sold to the web.
func TestASpillIsOpenedWhileTheSaleIsLive(t *testing.T) {
	s := newServer(t)
	s.start()
	s.createSale("drop", 10, map[string]any{"channels": map[string]any{"web": 2, "app": 3}})
	v := &visitor{front: s.front, sale: "drop", name: "ada"}
	v.admit(t)
	must(t, http.StatusCreated, v.reservation("A", 4, "r-1"))
	no := must(t, http.StatusConflict, v.reservation("A", 1, "r-2"))
	if no.text("code") != "sold_out" {
		t.Fatalf("%s", no.raw)
	}
	s.admin(http.StatusConflict, "PATCH", "/sales/drop", map[string]any{"channels": map[string]any{"web": 5}})
	s.admin(http.StatusOK, "PATCH", "/sales/drop", map[string]any{"spill": []any{map[string]any{"from": "app", "when": "sold_out"}}})
	testenv.Eventually(t, 10*time.Second, "the web sells what is of the app", func() bool {
		a, err := send(http.DefaultClient, v.reservation("A", 1, "r-2"))
		return err == nil && a.status == http.StatusCreated
	})
	s.verify()
}
