//go:build faults

package main

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/checkout"
	"github.com/penstock/penstock/internal/testenv"
)

const (
	rushVisitors  = 20_000
	rushWithin    = 10 * time.Second
	rushFor       = 140 * time.Second
	rushKillAfter = 75 * time.Second // the leader, with kill -9
	rushRate      = 6000
	rushCap       = 3600
	rushLines     = 40              // connections to each gate
	rushStep      = 5 * time.Second // of the log
	// rushLeastUse is the share of the rate that is asked of the minute in which nobody leads for about 3 s, which are
	// 5 % of it.
	rushLeastUse = 0.97
	// rushMostRefused is the share of the claims that may meet a limit.
	rushMostRefused = 0.001
	// On a machine that has other work the visitors themselves come late, and then together. What they leave of the
	// rate says nothing of the calls when more than rushMostSlow of the answers took longer than rushSlow.
	rushSlow     = 250 * time.Millisecond
	rushMostSlow = 0.01
)

// TestFaultARushKeepsEveryLimitAndUsesTheRate lets 20,000 visitors come to three gates within ten seconds. Three of
// ten never claim, and the leader is killed. What every admission and every call was is read from the journal.
func TestFaultARushKeepsEveryLimitAndUsesTheRate(t *testing.T) {
	stores := newRealStores(t)
	env := append(stores.env(), "PENSTOCK_SECRET="+splitSecret)
	gates := make([]*server, 3)
	for i := range gates {
		gates[i] = newServer(t, append([]string{fmt.Sprintf("PENSTOCK_NODE_ID=gate-%d", i)}, env...)...)
		gates[i].start()
	}
	gates[0].createSale("rush", 1_000_000, map[string]any{"admission": map[string]any{
		"rate_per_minute": rushRate, "max_active": rushCap, "pass_ttl": "30s", "claim_window": "30s",
	}})
	for _, gate := range gates[1:] {
		gate.awaitSale("rush")
	}
	w := &rush{t: t, gates: gates, lines: make(chan *frontConn, rushLines*len(gates)), until: time.Now().Add(rushFor)}
	for i := range rushLines * len(gates) {
		w.lines <- dialFront(t, gates[i%len(gates)].front)
	}
	began := time.Now()
	w.began = began
	var all sync.WaitGroup
	for i := range rushVisitors {
		all.Go(func() { w.visit(i, began.Add(rand.N(rushWithin))) })
	}
	<-time.After(time.Until(began.Add(rushKillAfter)))
	killed := w.killLeader(stores.redis.URL)
	<-time.After(5 * time.Second)
	gates[killed].cmd = nil
	gates[killed].start()
	all.Wait()
	t.Logf("%d joined, %d claimed; gate %d led and was killed after %s; %d requests broke off",
		w.joined.Load(), w.claimed.Load(), killed, rushKillAfter, w.broken.Load())
	log := readRushLog(t, stores.nats.URL)
	log.judgeLimits(t)
	w.judgeUse(log.used(t, began))
}

// rush is the crowd.
type rush struct {
	t                       testing.TB
	gates                   []*server
	lines                   chan *frontConn
	began, until            time.Time
	joined, claimed, broken atomic.Int64
	answered, slow          atomic.Int64 // from when the crowd has come
	// refused are claims of the called for whom there was no room at that moment, by the step in which that was.
	refused [rushFor/rushStep + 1]atomic.Int64
}

// send makes a request over a line that is free. A line that broke is replaced by one to another gate.
func (w *rush) send(method, path, ticket string) frontAnswer {
	sent := time.Now()
	c := <-w.lines
	a := c.call(method, path, ticket)
	if a.status != 0 && sent.After(w.began.Add(rushWithin)) {
		w.answered.Add(1)
		if time.Since(sent) > rushSlow {
			w.slow.Add(1)
		}
	}
	if a.status == 0 {
		w.broken.Add(1)
		c.close()
		for c = nil; c == nil; {
			host := strings.TrimPrefix(w.gates[rand.N(len(w.gates))].front, "http://")
			c = tryFront(w.t, host)
		}
	}
	w.lines <- c
	return a
}

func (w *rush) visit(i int, at time.Time) {
	<-time.After(time.Until(at))
	var here frontAnswer
	for here.status != http.StatusCreated && time.Now().Before(w.until) {
		if here = w.send("POST", "/v1/sales/rush/tickets", ""); here.status != http.StatusCreated {
			<-time.After(200 * time.Millisecond)
		}
	}
	w.joined.Add(1)
	ticket := here.Ticket
	for here.State != "called" && time.Now().Before(w.until) {
		<-time.After(time.Duration(max(here.PollAfterMS, 200)) * time.Millisecond)
		if next := w.send("GET", "/v1/sales/rush/ticket", ticket); next.status == http.StatusOK {
			here = next
		}
	}
	if here.State != "called" || i%10 < 3 {
		return
	}
	for time.Now().Before(w.until) {
		claim := w.send("POST", "/v1/sales/rush/passes", ticket)
		if claim.status/100 == 2 {
			w.claimed.Add(1)
			return
		}
		if strings.Contains(claim.text, "admission is full") {
			w.refused[min(time.Since(w.began), rushFor)/rushStep].Add(1)
		}
		<-time.After(200 * time.Millisecond)
	}
}

// judgeUse judges the share of the rate that was used, and the claims that met a limit.
func (w *rush) judgeUse(used float64) {
	w.t.Helper()
	refused, sum := make([]int64, len(w.refused)), int64(0)
	for i := range refused {
		refused[i] = w.refused[i].Load()
		sum += refused[i]
	}
	slow := float64(w.slow.Load()) / float64(max(w.answered.Load(), 1))
	w.t.Logf("claims of the called that met a limit in each %s: %v; %.2f %% of the answers took longer than %s", rushStep, refused, 100*slow, rushSlow)
	if slow > rushMostSlow {
		w.t.Log("too slow a machine to judge how much of the rate was used")
		return
	}
	if float64(sum) > rushMostRefused*float64(w.claimed.Load()) {
		w.t.Errorf("%d claims of the called met a limit", sum)
	}
	if used < rushLeastUse {
		w.t.Errorf("%.1f %% of the rate was used, want %.0f %%", 100*used, 100*rushLeastUse)
	}
}

// killLeader kills the gate that leads, and returns which one that is.
func (w *rush) killLeader(redisURL string) int {
	client := testenv.ConnectRedis(w.t, redisURL)
	lease, err := client.Do(w.t.Context(), client.B().Get().Key("ps:{@leader}:lease").Build()).ToString()
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range w.gates {
		if strings.HasSuffix(lease, fmt.Sprintf(" gate-%d", i)) {
			w.gates[i].kill()
			return i
		}
	}
	w.t.Fatalf("nobody leads: %q", lease)
	return 0
}

// rushLog is what the journal has of the admissions, and of the calls before each of them.
type rushLog struct {
	admitted, expires []int64 // ms
	inversions        int
}

func readRushLog(t *testing.T, natsURL string) *rushLog {
	broker, err := checkout.Connect(t.Context(), natsURL, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = broker.Close(t.Context()) }()
	log, called, seen := &rushLog{}, uint64(0), make(map[uint64]bool)
	for record, err := range broker.Journal().Replay(t.Context(), "rush", time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		if len(record) < 3 || record[0] != 'q' {
			continue
		}
		var n [4]uint64
		rest := record[3:]
		for i := range n {
			value, size := binary.Uvarint(rest)
			n[i], rest = value, rest[max(size, 0):]
		}
		switch record[2] {
		case 'W':
			called = max(called, n[0])
		case 'C':
			if seen[n[0]] {
				continue
			}
			if seen[n[0]] = true; n[0] > called {
				log.inversions++ // admitted before the calls had come so far
			}
			log.admitted, log.expires = append(log.admitted, int64(n[3])), append(log.expires, int64(n[2])*1000)
		}
	}
	slices.Sort(log.admitted)
	slices.Sort(log.expires)
	return log
}

// judgeLimits compares every rolling minute, and every moment at which somebody was admitted, with the limits.
func (l *rushLog) judgeLimits(t *testing.T) {
	t.Helper()
	if len(l.admitted) == 0 {
		t.Fatal("nobody was admitted")
	}
	mostInMinute, mostActive, first, over := 0, 0, 0, 0
	for i, at := range l.admitted {
		for at-l.admitted[first] > 60_000 {
			first++
		}
		for over < len(l.expires) && l.expires[over] <= at {
			over++
		}
		mostInMinute, mostActive = max(mostInMinute, i-first+1), max(mostActive, i+1-over)
	}
	t.Logf("%d admissions; most in any 60 s: %d of %d; most active: %d of %d; inversions: %d",
		len(l.admitted), mostInMinute, rushRate, mostActive, rushCap, l.inversions)
	if mostInMinute > rushRate || mostActive > rushCap || l.inversions > 0 {
		t.Error("a limit was not kept")
	}
}

// used is the share of the rate that was used in the minute after the first, in which the leader is killed.
func (l *rushLog) used(t *testing.T, began time.Time) float64 {
	t.Helper()
	used, steps := 0, make([]int, rushFor/rushStep+1)
	from := began.Add(time.Minute).UnixMilli()
	for _, at := range l.admitted {
		steps[min(max(time.UnixMilli(at).Sub(began), 0), rushFor)/rushStep]++
		if at >= from && at < from+60_000 {
			used++
		}
	}
	share := float64(used) / rushRate
	t.Logf("admitted in each %s: %v; second minute: %.1f %% of the rate", rushStep, steps, 100*share)
	return share
}
