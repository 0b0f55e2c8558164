//go:build sizes

package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/testenv"
)

// measured is of how many tickets, reservations, orders and connections a size is the mean.
const measured = 4000

// sizes are the bytes that each store holds.
type sizes struct{ redis, nats, postgres int64 }

// measuredStores are those of one server.
type measuredStores struct {
	redis    rueidis.Client
	monitor  string
	postgres string
}

func (s measuredStores) measure(t *testing.T) sizes {
	t.Helper()
	info, err := s.redis.Do(t.Context(), s.redis.B().Info().Section("memory").Build()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	database, err := psql(t, s.postgres, "-tAc", "SELECT pg_database_size(current_database())")
	if err != nil {
		t.Fatal(database)
	}
	jetstream := must(t, http.StatusOK, call{method: "GET", url: s.monitor + "/jsz"})
	return sizes{
		redis: numberAfter(t, info, `(?m)^used_memory:(\d+)`), nats: int64(jetstream.body["storage"].(float64)),
		postgres: numberAfter(t, database, `^(\d+)`),
	}
}

func numberAfter(t *testing.T, text, pattern string) int64 {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no %s in %s", pattern, text)
	}
	n, err := strconv.ParseInt(found[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// together does something so many times, by sixteen at once.
func together(times int, do func(i int)) {
	var running sync.WaitGroup
	for worker := range 16 {
		running.Go(func() {
			for i := worker; i < times; i += 16 {
				do(i)
			}
		})
	}
	running.Wait()
}

// TestSizes prints what docs/sizing.md says of memory and disk, on real stores.
func TestSizes(t *testing.T) {
	memory, broker, database := testenv.Redis(t), testenv.NATS(t), testenv.Postgres(t).URL
	s := newServer(t, "PENSTOCK_REDIS_URL="+memory.URL, "PENSTOCK_NATS_URL="+broker.URL, "PENSTOCK_NATS_MONITOR_URL="+broker.MonitorURL,
		"PENSTOCK_POSTGRES_URL="+database, "PENSTOCK_MAX_CONNECTIONS_PER_ADDRESS=0")
	s.start()
	s.createSale("drop", 100_000, map[string]any{"admission": map[string]any{"mode": "open"}})
	held := measuredStores{redis: testenv.ConnectRedis(t, memory.URL), monitor: broker.MonitorURL, postgres: database}
	before := held.measure(t)
	tell := func(what string) {
		<-time.After(3 * time.Second) // until the journal and the drain are done
		now := held.measure(t)
		t.Logf("%-12s Redis %5d, NATS %5d, Postgres %5d bytes each", what,
			(now.redis-before.redis)/measured, (now.nats-before.nats)/measured, (now.postgres-before.postgres)/measured)
		before = now
	}
	together(measured, func(int) { must(t, http.StatusCreated, call{method: "POST", url: s.front + "/v1/sales/drop/tickets"}) })
	tell("tickets")
	ids, proofs := make([]string, measured), make([]string, measured)
	together(measured, func(i int) {
		v := &visitor{front: s.front, sale: "drop", name: fmt.Sprintf("visitor-%d@example.com", i)}
		made := must(t, http.StatusCreated, v.reservation("A", 1, "r"))
		ids[i], proofs[i] = made.text("id"), made.header.Get("Penstock-Holder")
	})
	tell("reservations")
	together(measured, func(i int) {
		v := &visitor{front: s.front, sale: "drop", name: fmt.Sprintf("visitor-%d@example.com", i), holder: proofs[i]}
		must(t, http.StatusAccepted, v.order(ids[i], "o"))
	})
	tell("orders")
	s.measureConnections(t)
}

// measureConnections prints what the process needs for connections on which a request was answered.
func (s *server) measureConnections(t *testing.T) {
	t.Helper()
	resident := func() int64 {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return numberAfter(t, string(status), `VmRSS:\s+(\d+) kB`) << 10
	}
	before := resident()
	for range measured {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.front, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write([]byte("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1024)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%-12s process %d bytes each, of %d MB with %d of them", "connections", (resident()-before)/measured, resident()>>20, measured)
}
