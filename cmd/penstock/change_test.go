package main

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/testenv"
)

// sellOut buys all three units of A, and returns the orders once they are committed.
func sellOut(t *testing.T, s *server, v *visitor) {
	t.Helper()
	for _, key := range []string{"1", "2", "3"} {
		held := must(t, http.StatusCreated, v.reservation("A", 1, "r-"+key)).text("id")
		order := must(t, http.StatusAccepted, v.order(held, "o-"+key)).text("id")
		testenv.Eventually(t, 10*time.Second, "the order is committed", func() bool {
			return must(t, http.StatusOK, call{method: "GET", url: s.front + "/v1/orders/" + order}).text("status") == "committed"
		})
	}
}

// onRedis runs one command on a server of the test.
func onRedis(t *testing.T, server *testenv.RedisServer, command func(rueidis.Builder) rueidis.Completed) {
	t.Helper()
	client, err := redis.Connect(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Do(t.Context(), command(client.B())).Error(); err != nil {
		t.Fatal(err)
	}
}

// TestAnOperatorsChangeOfALostSaleSellsNothingTwice changes a sold-out sale at the very moment at
// which Redis has forgotten it.
func TestAnOperatorsChangeOfALostSaleSellsNothingTwice(t *testing.T) {
	memory := testenv.Redis(t)
	s := newServer(t, append(realOrderLog(t), "PENSTOCK_REDIS_URL="+memory.URL, "PENSTOCK_POSTGRES_URL="+testenv.Postgres(t).URL)...)
	s.start()
	s.createSale("drop", 3, nil)
	v := &visitor{front: s.front, sale: "drop", name: "ada"}
	v.admit(t)
	sellOut(t, s, v)
	onRedis(t, memory, func(b rueidis.Builder) rueidis.Completed { return b.Flushall().Build() })
	s.admin(http.StatusOK, "POST", "/sales/drop/pause", nil)
	s.admin(http.StatusOK, "POST", "/sales/drop/resume", nil)
	wantSoldOut(t, v)
	s.verify()
}

// TestARedisThatComesBackOlderIsRebuilt restarts Redis with what it held before the last sales.
func TestARedisThatComesBackOlderIsRebuilt(t *testing.T) {
	memory := testenv.Redis(t)
	s := newServer(t, append(realOrderLog(t), "PENSTOCK_REDIS_URL="+memory.URL, "PENSTOCK_POSTGRES_URL="+testenv.Postgres(t).URL)...)
	s.start()
	s.createSale("drop", 3, nil)
	v := &visitor{front: s.front, sale: "drop", name: "ada"}
	v.admit(t)
	onRedis(t, memory, func(b rueidis.Builder) rueidis.Completed { return b.Save().Build() })
	sellOut(t, s, v)
	if err := memory.Restart(t.Context()); err != nil { // by kill: what was not saved is gone
		t.Fatal(err)
	}
	// Until the loss is noticed, half a second, units may be held that are sold; none of them may
	// be ordered by the time the stock adds up again.
	testenv.Eventually(t, 20*time.Second, "the stock is what it was", func() bool {
		a, err := send(http.DefaultClient, call{method: "GET", url: s.console + "/admin/v1/sales/drop/stats", header: map[string]string{"Authorization": "Bearer " + testAdminKey}})
		if err != nil || a.status != http.StatusOK {
			return false
		}
		items, _ := a.body["items"].([]any)
		first, _ := items[0].(map[string]any)
		return first["available"] == 0.0 && first["sold"] == 3.0
	})
	wantSoldOut(t, v)
	s.verify()
}

// wantSoldOut tries to buy until the server answers, and fails unless it says that nothing is left.
func wantSoldOut(t *testing.T, v *visitor) {
	t.Helper()
	testenv.Eventually(t, 20*time.Second, "the buyer is told that it is sold out", func() bool {
		a, err := send(http.DefaultClient, v.reservation("A", 1, "late"))
		if err == nil && a.status == http.StatusCreated {
			t.Fatalf("a unit was sold twice: %s", a.raw)
		}
		return err == nil && a.text("code") == "sold_out"
	})
}

func TestStockChangesAtOnceLeaveRedisAndLedgerInAgreement(t *testing.T) {
	s := newServer(t)
	s.start()
	s.createSale("drop", 1000, nil)
	var changes sync.WaitGroup
	for i := range 12 {
		changes.Go(func() {
			change := call{
				method: "PATCH", url: s.console + "/admin/v1/sales/drop/items/A/stock", body: map[string]any{"change_by": 3 * (i%5 - 3)},
				header: map[string]string{"Authorization": "Bearer " + testAdminKey},
			}
			if change.body.(map[string]any)["change_by"] == 0 {
				return
			}
			if _, err := send(http.DefaultClient, change); err != nil {
				t.Error(err)
			}
		})
	}
	changes.Wait()
	s.verify()
}

func TestASaleCreatedAgainUnderItsIDIsTheNewOne(t *testing.T) {
	s := newServer(t)
	s.start()
	later := time.Now().UTC().Add(time.Hour)
	s.createSale("drop", 7, map[string]any{"name": "old", "starts_at": later, "ends_at": later.Add(time.Hour)})
	s.verify()
	s.admin(http.StatusNoContent, "DELETE", "/sales/drop", nil)
	s.createSale("drop", 5, map[string]any{"name": "new"})
	shown := func() (name, phase string) {
		doc := must(t, http.StatusOK, call{method: "GET", url: s.front + "/v1/sales/drop"})
		return doc.text("name"), doc.text("phase")
	}
	testenv.Eventually(t, 3*time.Second, "the front shows the new sale", func() bool {
		name, phase := shown()
		return name == "new" && phase == "live"
	})
	// And goes on to, while the leader looks at it a few times.
	for until := time.Now().Add(2 * time.Second); time.Now().Before(until); {
		if name, phase := shown(); name != "new" || phase != "live" {
			t.Fatalf("the sale went back to %q, %s", name, phase)
		}
	}
	s.verify()
}
