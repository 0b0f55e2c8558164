package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// TestOrdersAreAcceptedWhileTheLedgerIsDown stops Postgres in a sale: the level rises, the flag
// turns over OFREP, orders go on being accepted, and all of them are in the ledger afterwards.
func TestOrdersAreAcceptedWhileTheLedgerIsDown(t *testing.T) {
	postgres := testenv.PostgresDedicated(t)
	s := newServer(t, "PENSTOCK_REDIS_URL="+testenv.Redis(t).URL, "PENSTOCK_NATS_URL="+testenv.NATS(t).URL, "PENSTOCK_POSTGRES_URL="+postgres.URL)
	s.start()
	s.createSale("drop", 100_000, nil)
	v := &visitor{front: s.front, sale: "drop", name: "ada"}
	v.admit(t)
	flag := func() bool {
		a := must(t, http.StatusOK, call{method: "POST", url: s.front + "/ofrep/v1/evaluate/flags/recommendations", body: map[string]any{"context": map[string]any{}}})
		on, _ := a.body["value"].(bool)
		return on
	}
	testenv.Eventually(t, 5*time.Second, "the flag is on in calm times", flag)

	var orders []string
	buy := func() {
		t.Helper()
		v.name = fmt.Sprintf("ada-%d", len(orders))
		held := must(t, http.StatusCreated, v.reservation("A", 1, "r-"+v.name)).text("id")
		orders = append(orders, must(t, http.StatusAccepted, v.order(held, "o-"+v.name)).text("id"))
	}
	buy()
	if err := postgres.Stop(); err != nil {
		t.Fatal(err)
	}
	buy()
	testenv.Eventually(t, 30*time.Second, "the flag turns off", func() bool {
		buy()
		return !flag()
	})
	if err := postgres.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, order := range orders {
		testenv.Eventually(t, 30*time.Second, "order "+order+" is committed", func() bool {
			return must(t, http.StatusOK, call{method: "GET", url: s.front + "/v1/orders/" + order}).text("status") == "committed"
		})
	}
	s.verify()
}
