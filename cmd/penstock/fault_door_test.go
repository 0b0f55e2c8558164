//go:build faults

package main

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	doorVisitors = 60
	doorFor      = 6 * time.Second
	// doorLeast is what is asked of a machine that is busy with other tests, and with the race detector in the
	// tests; the figure of a quiet machine is in the log.
	doorLeast = 200
)

// TestFaultVisitorsPassAFreeRoomAtOnce has 60 visitors at a time enter a free room, one after the other: each joins
// and claims. Nobody may have to ask twice.
func TestFaultVisitorsPassAFreeRoomAtOnce(t *testing.T) {
	stores := newRealStores(t)
	s := newServer(t, stores.env()...)
	s.start()
	s.createSale("door", 1_000_000, map[string]any{
		"admission": map[string]any{"rate_per_minute": 600_000, "max_active": 1_000_000},
	})
	var passed atomic.Int64
	var mu sync.Mutex
	var took []time.Duration
	var all sync.WaitGroup
	until := time.Now().Add(doorFor)
	for range doorVisitors {
		all.Go(func() {
			c := dialFront(t, s.front)
			defer c.close()
			var mine []time.Duration
			for time.Now().Before(until) {
				began := time.Now()
				joined := c.post("/v1/sales/door/tickets", "")
				if joined.status != http.StatusCreated || joined.State != "called" {
					t.Errorf("join: %d %s", joined.status, joined.text)
					return
				}
				if admitted := c.post("/v1/sales/door/passes", joined.Ticket); admitted.status != http.StatusCreated {
					t.Errorf("claim: %d %s", admitted.status, admitted.text)
					return
				}
				mine = append(mine, time.Since(began))
				passed.Add(1)
			}
			mu.Lock()
			took = append(took, mine...)
			mu.Unlock()
		})
	}
	all.Wait()
	slices.Sort(took)
	perSecond := float64(passed.Load()) / doorFor.Seconds()
	t.Logf("%d at a time: %.0f admissions a second, join and claim p50 %s, p99 %s", doorVisitors, perSecond, took[len(took)/2], took[len(took)*99/100])
	if perSecond < doorLeast {
		t.Errorf("%.0f admissions a second", perSecond)
	}
	one := dialFront(t, s.front)
	defer one.close()
	var alone []time.Duration
	for range 200 {
		began := time.Now()
		joined := one.post("/v1/sales/door/tickets", "")
		one.post("/v1/sales/door/passes", joined.Ticket)
		alone = append(alone, time.Since(began))
	}
	slices.Sort(alone)
	t.Logf("one at a time: join and claim p50 %s, p99 %s", alone[len(alone)/2], alone[len(alone)*99/100])
	room, ok := s.admin(http.StatusOK, "GET", "/sales/door/stats", nil).body["room"].(map[string]any)
	if !ok {
		t.Fatal("no figures of the room")
	}
	figure := func(name string) int64 { n, _ := room[name].(float64); return int64(n) }
	if figure("peak_active") > figure("max_active_limit") || figure("peak_per_minute") > figure("per_minute_limit") ||
		figure("claimed") != passed.Load()+int64(len(alone)) {
		t.Errorf("%v, and %d passed", room, passed.Load()+int64(len(alone)))
	}
}
