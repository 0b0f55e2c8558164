//go:build faults

package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

const (
	oneClientJoins  = 10_000
	oneClientAtOnce = 64
	oneClientMost   = 120 // the default of joins_per_address: at once, and in each minute
)

// TestFaultOneClientOfTenThousandJoinsIsHeldToItsLimit has one address send 10,000 joins without cookies, as fast as it
// can. The next visitor, from another address, has no more than its limit ahead, and a second address is unaffected.
// The report says so, also after the process was killed.
func TestFaultOneClientOfTenThousandJoinsIsHeldToItsLimit(t *testing.T) {
	list := filepath.Join(t.TempDir(), "datacentres")
	if err := os.WriteFile(list, []byte("203.0.113.128/25\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newServer(t, "PENSTOCK_DATACENTRES="+list)
	s.start()
	s.createSale("drop", 1000, map[string]any{"admission": map[string]any{"rate_per_minute": 1, "max_active": 1}})
	client := &http.Client{Timeout: crowdPatience, Transport: &http.Transport{MaxIdleConnsPerHost: oneClientAtOnce}}
	join := func(from string) answer {
		a, err := send(client, call{method: "POST", url: s.front + "/v1/sales/drop/tickets", header: map[string]string{"X-Forwarded-For": from}})
		if err != nil {
			t.Error(err)
		}
		return a
	}
	statuses, took := joinAtOnce(oneClientJoins, func() int { return join("198.51.100.1").status })
	t.Logf("10,000 joins in %s: %v", took, statuses)
	given := statuses[http.StatusCreated]
	if most := int(oneClientMost * (1 + took.Minutes())); given < oneClientMost || given > most+1 || given+statuses[http.StatusTooManyRequests] != oneClientJoins {
		t.Fatalf("want %d to %d places and 429 for the rest: %v", oneClientMost, most, statuses)
	}
	next := join("198.51.100.2")
	if ahead, known := next.body["ahead"].(float64); next.status != http.StatusCreated || !known || int(ahead) > given {
		t.Fatalf("the next visitor: %d %s", next.status, next.raw)
	}
	for i := range 100 {
		if a := join("198.51.100.3"); a.status != http.StatusCreated {
			t.Fatalf("join %d of a second address: %d %s", i, a.status, a.raw)
		}
	}
	join("203.0.113.200") // of a data centre
	reported := func() string {
		return fmt.Sprint(s.admin(http.StatusOK, "GET", "/sales/drop/bots", nil).body)
	}
	want := fmt.Sprintf("map[blocked:%d likely_bots:1 people:%d ", oneClientJoins-given, given+101)
	testenv.Eventually(t, 20*time.Second, "the report is "+want, func() bool {
		got := reported()
		return len(got) > len(want) && got[:len(want)] == want
	})
	s.kill()
	s.start()
	if got := reported(); got[:len(want)] != want {
		t.Fatalf("after a restart: %s", got)
	}
}

// joinAtOnce joins n times over oneClientAtOnce connections, and counts the answers by status.
func joinAtOnce(n int, join func() int) (statuses map[int]int, took time.Duration) {
	statuses = map[int]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	began := time.Now()
	for range oneClientAtOnce {
		all.Go(func() {
			for range n / oneClientAtOnce {
				status := join()
				mu.Lock()
				statuses[status]++
				mu.Unlock()
			}
		})
	}
	for range n % oneClientAtOnce {
		status := join()
		mu.Lock()
		statuses[status]++
		mu.Unlock()
	}
	all.Wait()
	return statuses, time.Since(began)
}
