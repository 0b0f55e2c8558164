//go:build idle

package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/testenv"
)

const (
	idleScheduled = 1000
	idleLive      = 50
	idleFor       = 20 * time.Second
	// calmDown is how long what counts as busy after it was created takes to calm down.
	calmDown = 15 * time.Second
	// idleCPUShare is the most that all these sales may cost, of one core.
	idleCPUShare = 0.03
	// idleCommands is the most that they may cost Redis, in commands a second.
	idleCommands = 200
)

// TestSalesThatNobodyVisitsCostNextToNothing has a thousand scheduled sales and fifty live ones,
// and nobody there. One more opens and ends meanwhile, on time.
func TestSalesThatNobodyVisitsCostNextToNothing(t *testing.T) {
	t.Run("embedded: CPU time", func(t *testing.T) {
		s := newServer(t)
		s.start()
		s.createMany()
		soon := s.createSoon()
		<-time.After(calmDown)
		before := s.cpuTime()
		s.opensAndEndsOnTime(soon)
		used := s.cpuTime() - before
		s.firstVisitorSeesTheEnd()
		if share := used.Seconds() / idleFor.Seconds(); share > idleCPUShare {
			t.Fatalf("%.3f of a core, want at most %.2f", share, idleCPUShare)
		} else {
			t.Logf("%.3f of a core", share)
		}
	})
	t.Run("real: commands of redis", func(t *testing.T) {
		memory := testenv.Redis(t)
		s := newServer(t, append(realOrderLog(t), "PENSTOCK_REDIS_URL="+memory.URL, "PENSTOCK_POSTGRES_URL="+testenv.Postgres(t).URL)...)
		s.start()
		s.createMany()
		soon := s.createSoon()
		<-time.After(calmDown)
		before := commandsOf(t, memory)
		s.opensAndEndsOnTime(soon)
		used := commandsOf(t, memory) - before
		s.firstVisitorSeesTheEnd()
		if rate := float64(used) / idleFor.Seconds(); rate > idleCommands {
			t.Fatalf("%.0f commands a second, want at most %d", rate, idleCommands)
		} else {
			t.Logf("%.0f commands a second", rate)
		}
	})
}

// createMany makes the sales, many at a time.
func (s *server) createMany() {
	s.t.Helper()
	now := time.Now().UTC()
	work := make(chan string, idleScheduled+idleLive)
	for i := range idleScheduled {
		work <- fmt.Sprintf("later-%d", i)
	}
	for i := range idleLive {
		work <- fmt.Sprintf("live-%d", i)
	}
	close(work)
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for id := range work {
				starts := now.Add(-time.Minute)
				if strings.HasPrefix(id, "later") {
					starts = now.Add(time.Hour)
				}
				s.admin(http.StatusCreated, "POST", "/sales", map[string]any{
					"id": id, "name": id, "starts_at": starts, "ends_at": starts.Add(3 * time.Hour),
					"items": []any{map[string]any{"sku": "A", "stock": 10}},
				})
			}
		})
	}
	all.Wait()
	s.awaitSale("live-0")
}

// createSoon makes the sale that opens and ends while the rest is measured.
func (s *server) createSoon() (opens time.Time) {
	s.t.Helper()
	opens = time.Now().Add(calmDown + idleFor/4).UTC()
	s.admin(http.StatusCreated, "POST", "/sales", map[string]any{
		"id": "soon", "name": "soon", "starts_at": opens, "ends_at": opens.Add(idleFor / 4), "items": []any{map[string]any{"sku": "A", "stock": 10}},
	})
	return opens
}

// opensAndEndsOnTime lets idleFor pass, in which the sale "soon" opens and ends with nobody there. An
// operator looks at both moments.
func (s *server) opensAndEndsOnTime(opens time.Time) {
	s.t.Helper()
	begin := time.Now()
	phase := func() any {
		return s.admin(http.StatusOK, "GET", "/sales/soon", nil).body["phase"]
	}
	for _, moment := range []struct {
		at   time.Time
		want string
	}{{opens, "live"}, {opens.Add(idleFor / 4), "ended"}} {
		<-time.After(time.Until(moment.at))
		testenv.Eventually(s.t, 2*time.Second, "the sale is "+moment.want+" in time", func() bool { return phase() == moment.want })
	}
	<-time.After(idleFor - time.Since(begin))
}

// firstVisitorSeesTheEnd checks that the public document is right although nobody was there before.
func (s *server) firstVisitorSeesTheEnd() {
	s.t.Helper()
	got := must(s.t, http.StatusOK, call{method: "GET", url: s.front + "/v1/sales/soon"})
	if got.body["phase"] != "ended" {
		s.t.Fatalf("the first visitor after the end is told the phase %v", got.body["phase"])
	}
}

func (s *server) cpuTime() time.Duration {
	s.t.Helper()
	used, err := testenv.CPUTimeOfTree(s.cmd.Process.Pid)
	if err != nil {
		s.t.Fatal(err)
	}
	return used
}

// commandsOf counts the commands that the server has run so far, those inside scripts included.
func commandsOf(t *testing.T, server *testenv.RedisServer) int64 {
	t.Helper()
	client, err := redis.Connect(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	text, err := client.Do(t.Context(), client.B().Info().Section("stats").Build()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if count, found := strings.CutPrefix(strings.TrimSpace(line), "total_commands_processed:"); found {
			n, err := strconv.ParseInt(count, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("redis does not count its commands")
	return 0
}
