//go:build sizes

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/queue"
)

const (
	waitingSecret = "the-secret-of-those-who-wait-0123456789"
	waitingCrowd  = 10_000_000
	waitingFew    = 1000
	// waitingSample are the tickets that poll, and waitingLeave of them leave.
	waitingSample   = 20_000
	waitingLeave    = 500
	waitingJoiners  = 1024
	waitingPollFor  = 5 * time.Second
	waitingMostRSS  = 100 << 20
	waitingMostRoom = 4 << 20 // bytes of the room in Redis: one bit for each ticket, and what does not grow
)

// TestTenMillionWaitAndTheServerKeepsNothingOfThem lets ten million visitors join a room, as a node beside the server
// with the same secret, through the script of each join. Then some of them poll the server and leave. The server's
// memory stays small, and Redis has as many keys as before.
func TestTenMillionWaitAndTheServerKeepsNothingOfThem(t *testing.T) {
	stores := newRealStores(t)
	s := newServer(t, append(stores.env(), "PENSTOCK_SECRET="+waitingSecret,
		fmt.Sprintf("PENSTOCK_MAX_WAITING_TICKETS=%d", 2*waitingCrowd))...)
	s.start()
	s.createSale("crowd", 1000, map[string]any{"admission": map[string]any{"rate_per_minute": 1, "max_active": 1}})
	w := &waitingRoom{t: t, s: s, redis: testenv.ConnectRedis(t, stores.redis.URL)}
	w.open()
	w.join(waitingFew)
	w.visit()
	few := w.measure()
	began := time.Now()
	w.join(waitingCrowd - waitingFew)
	t.Logf("%d joined in %s", waitingCrowd, time.Since(began).Round(time.Millisecond))
	w.visit()
	many := w.measure()
	t.Logf("%10d wait: %s", waitingFew, few)
	t.Logf("%10d wait: %s", waitingCrowd, many)
	if many.peak > waitingMostRSS {
		t.Errorf("the server needed %d MB", many.peak>>20)
	}
	if !slices.Equal(many.keys, few.keys) {
		t.Errorf("the keys %q instead of %q", many.keys, few.keys)
	}
	if many.room > waitingMostRoom {
		t.Errorf("the room takes %d bytes of Redis", many.room)
	}
}

// waitingRoom is the crowd, as one more node of the sale.
type waitingRoom struct {
	t       *testing.T
	s       *server
	redis   rueidis.Client
	tickets *queue.TicketKeys
	room    *queue.Room
	sample  []string
}

func (w *waitingRoom) open() {
	keys, err := deriveKeys([]byte(waitingSecret), nil, "")
	if err != nil {
		w.t.Fatal(err)
	}
	w.tickets = queue.NewTicketKeys(keys.tickets.current, nil, nil)
	w.room = queue.OpenRoom(queue.Deps{
		Redis: w.redis, Tickets: w.tickets, Passes: queue.NewPassKeys(keys.passes.current, nil, nil),
		NodeID: "crowd", MaxWaitingTickets: 2 * waitingCrowd,
	}, sale.Record{Sale: sale.Sale{ID: "crowd", Admission: sale.Admission{RatePerMinute: 1, MaxActive: 1, Mode: sale.Queue}}})
	w.t.Cleanup(w.room.Close)
	w.s.awaitSale("crowd")
}

// join takes n numbers, and keeps waitingSample of the tickets.
func (w *waitingRoom) join(n int) {
	ctx, stop := context.WithTimeout(w.t.Context(), 3*time.Minute)
	defer stop()
	var left atomic.Int64
	left.Store(int64(n))
	var mu sync.Mutex
	w.sample = w.sample[:0]
	var all sync.WaitGroup
	for range waitingJoiners {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				ticket, err := w.room.Join(ctx)
				if err != nil {
					w.t.Error(err)
					return
				}
				if rand.IntN(max(n/waitingSample, 1)) == 0 {
					mu.Lock()
					w.sample = append(w.sample, w.tickets.Sign(ticket))
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	rand.Shuffle(len(w.sample), func(i, j int) { w.sample[i], w.sample[j] = w.sample[j], w.sample[i] })
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// visit lets those of the sample poll for a while, and some of them leave.
func (w *waitingRoom) visit() {
	until := time.Now().Add(waitingPollFor)
	var polls atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c := dialFront(w.t, w.s.front)
			defer c.close()
			for time.Now().Before(until) {
				a := c.call("GET", "/v1/sales/crowd/ticket", w.sample[rand.IntN(len(w.sample))])
				if a.status != http.StatusOK || a.State != "waiting" && a.State != "called" {
					w.t.Errorf("poll: %d %s", a.status, a.text)
					return
				}
				polls.Add(1)
			}
		})
	}
	all.Wait()
	c := dialFront(w.t, w.s.front)
	defer c.close()
	for _, ticket := range w.sample[:waitingLeave] {
		if a := c.call("DELETE", "/v1/sales/crowd/ticket", ticket); a.status/100 != 2 {
			w.t.Fatalf("leave: %d %s", a.status, a.text)
		}
	}
	w.t.Logf("%d polls", polls.Load())
}

// footprint is what the visitors cost.
type footprint struct {
	resident, peak int64    // bytes of the server
	keys           []string // in Redis, of all kinds
	room           int64    // bytes of the keys of the sale's room
}

func (f footprint) String() string {
	return fmt.Sprintf("server %d MB (at most %d MB), Redis %d keys, %d KB of the room", f.resident>>20, f.peak>>20, len(f.keys), f.room>>10)
}

func (w *waitingRoom) measure() (f footprint) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.s.cmd.Process.Pid))
	if err != nil {
		w.t.Fatal(err)
	}
	f.resident = numberAfter(w.t, string(status), `VmRSS:\s+(\d+) kB`) << 10
	f.peak = numberAfter(w.t, string(status), `VmHWM:\s+(\d+) kB`) << 10
	ctx, do := w.t.Context(), w.redis
	// The leader's report on drift is there for a minute, and is written again each 15 s.
	testenv.Eventually(w.t, time.Minute, "the leader has measured the drift", func() bool {
		f.keys, err = do.Do(ctx, do.B().Keys().Pattern("*").Build()).AsStrSlice()
		return err == nil && slices.ContainsFunc(f.keys, func(name string) bool { return strings.HasSuffix(name, "{crowd}:drift") })
	})
	slices.Sort(f.keys)
	names, err := do.Do(ctx, do.B().Keys().Pattern("*{crowd}:room*").Build()).AsStrSlice()
	if err != nil || len(names) == 0 {
		w.t.Fatalf("%v %v", names, err)
	}
	for _, name := range names {
		bytes, err := do.Do(ctx, do.B().MemoryUsage().Key(name).Samples(0).Build()).AsInt64()
		if err != nil {
			w.t.Fatal(err)
		}
		f.room += bytes
	}
	return f
}
