//go:build faults

package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/testenv"
)

// awaitOpen waits until the front would let somebody into the sale.
func (s *server) awaitOpen(id string) {
	s.t.Helper()
	testenv.Eventually(s.t, 20*time.Second, "the sale "+id+" takes visitors", func() bool {
		a, err := send(http.DefaultClient, call{method: "POST", url: s.front + "/v1/sales/" + id + "/tickets"})
		return err == nil && a.status == http.StatusCreated
	})
}

// unknowns counts the answers that call a sale unknown.
type unknowns struct {
	mu    sync.Mutex
	found []string
	asked int
}

func (u *unknowns) look(front, id string) {
	for path, accept := range map[string]string{"/v1/sales/" + id: "", "/sales/" + id: "text/html"} {
		a, err := send(http.DefaultClient, call{method: "GET", url: front + path, header: map[string]string{"Accept": accept, "Purpose": "prefetch"}})
		if err != nil {
			continue
		}
		u.mu.Lock()
		u.asked++
		if a.status == http.StatusNotFound || strings.Contains(string(a.raw), "no such sale") {
			u.found = append(u.found, path+": "+string(a.raw))
		}
		u.mu.Unlock()
	}
}

// TestFaultALiveSaleIsNeverCalledUnknown looks at a sale all the time while Redis is emptied and while the
// process is killed, right after the sale was created and later.
func TestFaultALiveSaleIsNeverCalledUnknown(t *testing.T) {
	memory := testenv.Redis(t)
	s := newServer(t, append(realOrderLog(t), "PENSTOCK_REDIS_URL="+memory.URL, "PENSTOCK_POSTGRES_URL="+testenv.Postgres(t).URL)...)
	s.start()
	s.createSale("drop", 10, nil)
	watch := &unknowns{}
	done := make(chan struct{})
	var watching sync.WaitGroup
	for range 2 {
		watching.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					watch.look(s.front, "drop")
				}
			}
		})
	}
	s.kill()
	s.start()
	s.awaitOpen("drop")
	for range 3 {
		onRedis(t, memory, func(b rueidis.Builder) rueidis.Completed { return b.Flushall().Build() })
		s.awaitOpen("drop")
	}
	close(done)
	watching.Wait()
	if len(watch.found) > 0 || watch.asked < 20 {
		t.Fatalf("%d of %d answers call the sale unknown, first: %.1q", len(watch.found), watch.asked, watch.found)
	}
	// The sale is open again before the node is certain that there are no others: until then it says 503.
	testenv.Eventually(t, 20*time.Second, "a sale that does not exist is unknown", func() bool {
		a, err := send(http.DefaultClient, call{method: "GET", url: s.front + "/v1/sales/none"})
		return err == nil && a.status == http.StatusNotFound
	})
}
