//go:build faults

package main

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

const (
	oneKeyAttempts  = 1000
	oneKeyAddresses = 50
	oneKeyAtOnce    = 100
)

// TestFaultOneKeyHasOnePlaceOverThreeGates has a customer try 1,000 times, from 50 addresses and over three gates, to
// get a place. Redis, which keeps nothing on disk, is killed between them.
func TestFaultOneKeyHasOnePlaceOverThreeGates(t *testing.T) {
	redis := testenv.Redis(t)
	stores := realStores{redis: redis, nats: testenv.NATS(t), postgres: testenv.PostgresDedicated(t)}
	env := append(stores.env(), "PENSTOCK_SECRET=the-same-secret-for-all-three-gates", joinKeys)
	gates := make([]*server, 3)
	for i := range gates {
		gates[i] = newServer(t, env...)
		gates[i].start()
	}
	gates[0].createSale("drop", 100, map[string]any{
		"starts_at": time.Now().UTC().Add(time.Hour), "opens_at": time.Now().UTC().Add(-time.Second), "ends_at": time.Now().UTC().Add(2 * time.Hour),
		"identity": map[string]any{"join_token": "required", "shared_keys": []string{"k1"}},
	})
	for _, gate := range gates {
		gate.awaitSale("drop")
	}
	token := joinTokenOf(t, "drop", "customer-7")
	var mu sync.Mutex
	tickets := map[string]int{}
	var created, troubled, answered atomic.Int64
	client := &http.Client{Timeout: crowdPatience, Transport: &http.Transport{MaxIdleConnsPerHost: oneKeyAtOnce}}
	attempt := func(n int) {
		request := call{
			method: "POST", url: gates[n%len(gates)].front + "/v1/sales/drop/tickets", body: map[string]any{"join_token": token},
			header: map[string]string{"X-Forwarded-For": fmt.Sprintf("198.51.100.%d", n%oneKeyAddresses)},
		}
		for until := time.Now().Add(time.Minute); time.Now().Before(until); {
			a, err := send(client, request)
			if err != nil || a.status >= http.StatusInternalServerError {
				troubled.Add(1)
				<-time.After(50 * time.Millisecond)
				continue
			}
			if a.status != http.StatusOK && a.status != http.StatusCreated {
				t.Errorf("%d %s", a.status, a.raw)
				return
			}
			if a.status == http.StatusCreated {
				created.Add(1)
			}
			mu.Lock()
			tickets[a.text("ticket")]++
			mu.Unlock()
			answered.Add(1)
			return
		}
		t.Error("no answer in a minute")
	}
	next := make(chan int)
	var all sync.WaitGroup
	for range oneKeyAtOnce {
		all.Go(func() {
			for n := range next {
				attempt(n)
			}
		})
	}
	for n := range oneKeyAttempts {
		if n == oneKeyAttempts/2 {
			if err := redis.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := redis.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		next <- n
	}
	close(next)
	all.Wait()
	t.Logf("%d attempts answered, %d of them with a new place, %d answers of trouble while redis was away", answered.Load(), created.Load(), troubled.Load())
	if len(tickets) != 1 || created.Load() > 1 || troubled.Load() == 0 {
		t.Errorf("%d different tickets: %v", len(tickets), tickets)
	}
}
