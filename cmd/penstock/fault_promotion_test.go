//go:build faults

package main

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

const (
	// promotionRounds is how many promotions each test makes; FAULT_PROMOTIONS asks for more.
	promotionRounds = 2
	promotionMaxLag = 30
	// resumeWithin is how soon after a promotion orders must be accepted again. The long form
	// measures on a machine of its own; the short form allows for a loaded one.
	resumeWithin       = 5 * time.Second
	resumeWithinLoaded = 30 * time.Second
	// promotionKey is a key of the sale "drop".
	promotionKey = "ps:{drop}:stock"
)

// pairedRedis is Redis with a replica that can take over: a cluster, or one with sentinels.
type pairedRedis interface {
	Master(ctx context.Context, key string) (*testenv.RedisServer, error)
	Replica(ctx context.Context, key string) (*testenv.RedisServer, error)
	AwaitPromotion(ctx context.Context, replica *testenv.RedisServer) error
	Rejoin(ctx context.Context, deposed *testenv.RedisServer) error
}

// promotion is a way in which a replica becomes the master.
type promotion struct {
	name    string
	promote func(t *testing.T, master, replica *testenv.RedisServer)
}

// TestFaultPromotedReplicaThatIsBehindSellsNothingTwice promotes, in a drop, a replica that lacks the
// last orders. Nothing is sold twice, every accepted order gets into the ledger, and the drop goes on.
func TestFaultPromotedReplicaThatIsBehindSellsNothingTwice(t *testing.T) {
	t.Run("cluster", func(t *testing.T) {
		cluster := testenv.RedisCluster(t)
		takenOver := promotion{"taken over, the master lives", func(t *testing.T, _, replica *testenv.RedisServer) {
			t.Helper()
			if err := cluster.TakeOver(t.Context(), replica); err != nil {
				t.Fatal(err)
			}
		}}
		promoteInADrop(t, cluster, cluster.URL, []promotion{byDeath(cluster), takenOver})
	})
	t.Run("sentinel", func(t *testing.T) {
		sentinels := testenv.RedisSentinel(t)
		promoteInADrop(t, sentinels, sentinels.URL, []promotion{byDeath(sentinels)})
	})
}

// byDeath kills the master, and waits until the others have noticed and promoted the replica.
func byDeath(servers pairedRedis) promotion {
	return promotion{"master killed", func(t *testing.T, master, replica *testenv.RedisServer) {
		t.Helper()
		if err := master.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := servers.AwaitPromotion(t.Context(), replica); err != nil {
			t.Fatal(err)
		}
	}}
}

// promoteInADrop makes the rounds; the ways to promote take turns.
func promoteInADrop(t *testing.T, servers pairedRedis, redisURL string, ways []promotion) {
	t.Helper()
	rounds, allowed := promotionRounds, resumeWithinLoaded
	if text := os.Getenv("FAULT_PROMOTIONS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("FAULT_PROMOTIONS=%s: want a number of 1 or more", text)
		}
		rounds, allowed = n, resumeWithin
	}
	nats := testenv.NATS(t)
	s := newServer(t, "PENSTOCK_REDIS_URL="+redisURL, "PENSTOCK_NATS_URL="+nats.URL,
		"PENSTOCK_NATS_MONITOR_URL="+nats.MonitorURL, "PENSTOCK_POSTGRES_URL="+testenv.Postgres(t).URL)
	s.start()
	units := rounds*(3*promotionMaxLag+60) + 100
	s.createSale("drop", units, map[string]any{
		"admission":   map[string]any{"rate_per_minute": 60000, "max_active": 10000, "pass_ttl": "2h", "release_on_order": false},
		"reservation": map[string]any{"ttl": "10s"},
	})
	crowd := newCrowd(s.front, "drop")
	crowd.pause = 100 * time.Millisecond
	crowd.start(t)
	crowd.watch(t)
	var longest time.Duration
	for round := range rounds {
		way := ways[round%len(ways)]
		lag := 1 + rand.IntN(promotionMaxLag)
		after := promoteBehind(t, servers, crowd, way, lag)
		longest = max(longest, after)
		t.Logf("promotion %d of %d, %s, %d orders behind: the next order after %s; %d orders so far",
			round+1, rounds, way.name, lag, after.Round(time.Millisecond), crowd.diary.count())
		if after > allowed {
			t.Errorf("orders were accepted again after %s, want %s", after, allowed)
		}
	}
	crowd.sellOut(t, units, 2*time.Minute)
	crowd.diary.wantAllCommitted(t, s.front, time.Minute)
	wantSoldOutExactly(t, s, units)
	crowd.diary.wantNothingWrong(t)
	t.Logf("%d promotions, %d orders for %d units; orders were accepted again after %s at the latest",
		rounds, crowd.diary.count(), units, longest.Round(time.Millisecond))
}

// promoteBehind lets the replica fall behind by a number of orders, promotes it under load, and
// returns how long after the promotion the next order was accepted. Then the deposed master is made
// the replica of the new one.
func promoteBehind(t *testing.T, servers pairedRedis, c *crowd, way promotion, lag int) time.Duration {
	t.Helper()
	before := c.diary.count()
	c.turns.Store(promotionMaxLag)
	testenv.Eventually(t, time.Minute, "orders are accepted before the promotion", func() bool { return c.diary.count() >= before+10 })
	master, err := servers.Master(t.Context(), promotionKey)
	if err != nil {
		t.Fatal(err)
	}
	replica, err := servers.Replica(t.Context(), promotionKey)
	if err != nil {
		t.Fatal(err)
	}
	if err := master.CutReplicas(t.Context()); err != nil {
		t.Fatal(err)
	}
	before = c.diary.count()
	c.turns.Store(int64(lag) + 60) // buyers go on while the replica is promoted
	testenv.Eventually(t, time.Minute, "the replica is behind", func() bool { return c.diary.count() >= before+lag })
	way.promote(t, master, replica)
	promoted := time.Now()
	var after time.Duration
	testenv.Eventually(t, time.Minute, "orders are accepted after the promotion", func() (found bool) {
		after, found = c.diary.resumed(promoted)
		return found
	})
	if err := servers.Rejoin(t.Context(), master); err != nil {
		t.Fatal(err)
	}
	return after
}
