//go:build faults

package main

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// TestFaultOrdersAreAcceptedWhileTheLedgerIsDown stops Postgres in a sale: the level rises, the flag
// turns over OFREP, orders go on being accepted, and all of them are in the ledger afterwards.
func TestFaultOrdersAreAcceptedWhileTheLedgerIsDown(t *testing.T) {
	postgres := testenv.PostgresDedicated(t)
	s := newServer(t, append(realOrderLog(t), "PENSTOCK_REDIS_URL="+testenv.Redis(t).URL, "PENSTOCK_POSTGRES_URL="+postgres.URL)...)
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
		key := fmt.Sprint(len(orders))
		held := must(t, http.StatusCreated, v.reservation("A", 1, "r-"+key)).text("id")
		orders = append(orders, must(t, http.StatusAccepted, v.order(held, "o-"+key)).text("id"))
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

// TestFaultANodeIsReadyForWhatItCanDo takes the stores away one after the other: polls and pages go on
// from memory, so that the node stays ready and names what is missing.
func TestFaultANodeIsReadyForWhatItCanDo(t *testing.T) {
	stores := newRealStores(t)
	s := newServer(t, stores.env()...)
	s.start()
	s.createSale("drop", 100, nil)
	v := &visitor{front: s.front, sale: "drop", name: "ada"}
	v.admit(t)
	part := func(name string) (ok bool) {
		a := must(t, http.StatusOK, call{method: "GET", url: s.front + "/readyz"})
		parts, _ := a.body["parts"].(map[string]any)
		one, _ := parts[name].(map[string]any)
		ok, known := one["ok"].(bool)
		if !known {
			t.Fatalf("no part %s in %v", name, a.body)
		}
		return ok
	}
	for _, name := range []string{"sales", "redis", "order_log", "ledger"} {
		testenv.Eventually(t, 10*time.Second, name+" is well", func() bool { return part(name) })
	}
	for _, store := range []struct {
		name string
		stop func() error
	}{{"ledger", stores.postgres.Stop}, {"order_log", stores.nats.Stop}, {"redis", stores.redis.Stop}} {
		if err := store.stop(); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, 15*time.Second, store.name+" is reported", func() bool { return !part(store.name) })
		must(t, http.StatusOK, call{method: "GET", url: v.salePath("/ticket"), header: v.header()})
		must(t, http.StatusOK, call{method: "GET", url: s.front + "/v1/sales/drop"})
		must(t, http.StatusOK, call{method: "GET", url: s.console + "/readyz"})
	}
}

// TestFaultDrainDelayServesOnUnready sends SIGTERM: the node turns unready at once, serves for the delay,
// and a second SIGTERM ends the delay.
func TestFaultDrainDelayServesOnUnready(t *testing.T) {
	s := newServer(t, "PENSTOCK_DRAIN_DELAY=2m")
	s.start()
	s.createSale("drop", 100, nil)
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 5*time.Second, "the node is unready", func() bool {
		a, err := send(http.DefaultClient, call{method: "GET", url: s.front + "/readyz"})
		return err == nil && a.status == http.StatusServiceUnavailable
	})
	must(t, http.StatusCreated, call{method: "POST", url: s.front + "/v1/sales/drop/tickets"})
	if code := s.terminate(); code != 0 { // within 30 s, although the delay is 2 minutes
		t.Fatalf("exit code %d", code)
	}
}
