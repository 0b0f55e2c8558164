//go:build faults

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

const (
	// soakKills is how many processes the test command kills; `make soak-kill` kills more (SOAK_KILLS).
	soakKills = 12
	// soakTurns is how many purchases may begin after each kill.
	soakTurns = 60
	// soakPatience is how long after a kill orders must be accepted again, on a loaded machine.
	soakPatience = 60 * time.Second
)

// victim is a process that the soak kills and starts again.
type victim struct {
	name  string
	kill  func() error
	start func() error
}

// soakedKill is one kill.
type soakedKill struct {
	victim string
	at     time.Time
}

// TestFaultProcessesKilledAtRandomLoseNothing kills, at random moments of a drop, a random one of gate,
// drain, console, Redis, NATS and Postgres, and starts it again. Meanwhile the sale is never unknown.
// In the end every unit is ordered once, and every accepted order is in the ledger once.
func TestFaultProcessesKilledAtRandomLoseNothing(t *testing.T) {
	soak := newSoak(t)
	soak.split.start()
	units := soak.kills*soakTurns + 200
	soak.split.console.createSale("drop", units, map[string]any{
		"admission":   map[string]any{"rate_per_minute": 60000, "max_active": 10000, "pass_ttl": "2h", "release_on_order": false},
		"reservation": map[string]any{"ttl": "10s"},
		"ends_at":     time.Now().UTC().Add(3 * time.Hour),
	})
	crowd := newCrowd(soak.split.gate.front, "drop")
	crowd.pause, crowd.drift = 200*time.Millisecond, 5
	crowd.turns.Store(soakTurns)
	crowd.start(t)
	crowd.watch(t)
	testenv.Eventually(t, soakPatience, "the drop is under way", func() bool { return crowd.diary.count() > 0 })

	began := time.Now()
	for i, v := range soak.order() {
		soak.strike(t, crowd, i, v)
	}
	soak.awaitUp(t)
	crowd.sellOut(t, units, 2*soakPatience)
	crowd.diary.wantAllCommitted(t, soak.split.gate.front, soakPatience)
	wantSoldOutExactly(t, soak.split.console, units)
	crowd.diary.wantNothingWrong(t)
	t.Logf("%d kills in %s, %d restarts by the supervisor, %d orders accepted, %d requests repeated\n%s",
		len(soak.done), time.Since(began).Round(time.Second), soak.supervised, crowd.diary.count(), crowd.diary.retryCount(), soak.table(crowd.diary))
}

// soak is the processes of the test, and what was killed so far.
type soak struct {
	split      *split
	victims    []victim
	kills      int
	dice       *rand.Rand
	supervised int
	done       []soakedKill
}

func newSoak(t *testing.T) *soak {
	t.Helper()
	stores := newRealStores(t)
	s := &soak{kills: soakKills}
	if text := os.Getenv("SOAK_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("SOAK_KILLS=%s: want a number of 1 or more", text)
		}
		s.kills = n
	}
	seed := uint64(time.Now().UnixNano())
	s.dice = rand.New(rand.NewPCG(seed, seed))
	t.Logf("%d kills, random seed %d", s.kills, seed)
	s.split = newSplit(t, stores.env()...)
	ctx := t.Context()
	s.victims = []victim{
		ofRole("gate", s.split.gate), ofRole("drain", s.split.drain), ofRole("console", s.split.console),
		{"Redis", stores.redis.Kill, func() error { return stores.redis.Start(ctx) }},
		{"NATS", stores.nats.Kill, func() error { return stores.nats.Start(ctx) }},
		{"Postgres", stores.postgres.Kill, func() error { return stores.postgres.Start(ctx) }},
	}
	return s
}

func ofRole(name string, process *server) victim {
	return victim{
		name:  name,
		kill:  func() error { process.kill(); return nil },
		start: func() error { process.launch(); return nil },
	}
}

// order is whom to kill: at random, each as often as any other.
func (s *soak) order() []victim {
	var order []victim
	for len(order) < s.kills {
		for _, i := range s.dice.Perm(len(s.victims)) {
			order = append(order, s.victims[i])
		}
	}
	return order[:s.kills]
}

// strike kills one process at a random moment and starts it again after a random pause. Two times in
// three it waits until orders are accepted again; else the next kill falls into the recovery.
func (s *soak) strike(t *testing.T, c *crowd, i int, v victim) {
	t.Helper()
	s.wait(t.Context(), 1200*time.Millisecond)
	c.turns.Store(soakTurns)
	kill := soakedKill{victim: v.name, at: time.Now()}
	if err := v.kill(); err != nil {
		t.Fatal(err)
	}
	s.done = append(s.done, kill)
	s.wait(t.Context(), 800*time.Millisecond)
	if err := v.start(); err != nil {
		t.Fatal(err)
	}
	outcome := "not waited for"
	if s.dice.IntN(3) < 2 {
		var after time.Duration
		testenv.Eventually(t, soakPatience, "an order is accepted after the kill of "+v.name, func() (found bool) {
			s.supervised += s.split.supervise()
			after, found = c.diary.resumed(kill.at)
			return found
		})
		outcome = after.Round(time.Millisecond).String()
	}
	t.Logf("kill %d of %d: %-8s next order after %s; %d orders so far", i+1, s.kills, v.name, outcome, c.diary.count())
}

// wait waits for a random time below most.
func (s *soak) wait(ctx context.Context, most time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(s.dice.Int64N(int64(most)))):
	}
}

// awaitUp waits until all processes of Penstock are ready.
func (s *soak) awaitUp(t *testing.T) {
	t.Helper()
	testenv.Eventually(t, soakPatience, "all processes are ready", func() bool {
		s.supervised += s.split.supervise()
		return !slices.ContainsFunc(s.split.processes(), func(p *server) bool { return !p.isReady() })
	})
}

// table tells for each victim how often it was killed, and how long after that the next order was
// accepted at the latest.
func (s *soak) table(d *diary) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "killed\ttimes\tlongest time to the next accepted order")
	for _, v := range s.victims {
		times, longest := 0, time.Duration(0)
		for _, kill := range s.done {
			if kill.victim != v.name {
				continue
			}
			times++
			if after, found := d.resumed(kill.at); found {
				longest = max(longest, after)
			}
		}
		fmt.Fprintf(w, "%s\t%d\t%s\n", v.name, times, longest.Round(time.Millisecond))
	}
	_ = w.Flush() // into memory
	return text.String()
}
