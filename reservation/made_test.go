package reservation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

const (
	loops    = memorySpare + 5_000
	maxTries = 20 // of one request
)

// loopReserveAndRelease is what one impatient client does, many times at once. Who is told that the store did not
// answer in time asks again with the same request, as a client does: a busy machine fails nothing here.
func loopReserveAndRelease(t *testing.T, s *Stock, from, to int) {
	t.Helper()
	ctx := context.Background()
	var wg sync.WaitGroup
	work := make(chan int)
	for range 32 {
		wg.Go(func() {
			for i := range work {
				err := reserveAndRelease(ctx, s, i)
				for tries := 1; errors.Is(err, problem.Unavailable) && tries < maxTries; tries++ {
					err = reserveAndRelease(ctx, s, i)
				}
				if err != nil {
					t.Errorf("loop %d: %v", i, err)
				}
			}
		})
	}
	for i := from; i < to; i++ {
		work <- i
	}
	close(work)
	wg.Wait()
}

func reserveAndRelease(ctx context.Context, s *Stock, i int) error {
	r, _, err := s.Reserve(ctx, hat(fmt.Sprint("loop", i), "zoe", 1))
	if err != nil {
		return err
	}
	return release(ctx, s, r.ID, proved)
}

func length(t *testing.T, client rueidis.Client, key string) int64 {
	t.Helper()
	n, err := client.Do(context.Background(), client.B().Llen().Key(key).Build()).AsInt64()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestALoopOfReserveAndReleaseLeavesNothingThatGrows(t *testing.T) {
	client := testenv.ConnectRedis(t, testenv.Redis(t).URL)
	nothingGrowsInALoop(t, client, func() { expireSoon(t, client) })
}

// nothingGrowsInALoop fails if something of a loop of reserve and release stays. forgetResolved lets the time pass for
// which what was released is remembered.
func nothingGrowsInALoop(t *testing.T, client rueidis.Client, forgetResolved func()) {
	t.Helper()
	ctx := context.Background()
	rec := drop()
	rec.Items[1].Stock = 100
	s := open(t, client, rec)
	held, ordered := mustReserve(t, s, ask1("held", "ann", 4)), mustReserve(t, s, ask1("ordered", "bob", 6))
	mustConfirm(t, s, confirmation(ordered.ID, "o", 1))
	reader := open(t, client, rec)
	remembers(t, reader) // the shoes are sold out
	loopReserveAndRelease(t, s, 0, loops/2)
	remembers(t, reader)
	loopReserveAndRelease(t, s, loops/2, loops)

	if n := length(t, client, s.keys.made); n > 64 {
		t.Errorf("the list names %d reservations, 2 are alive", n)
	}
	newcomer := open(t, client, rec)
	remembers(t, newcomer)
	remembers(t, reader)
	if snap := reader.Snapshot(); snap.Made < loops || snap.MadeEntries > 64 {
		t.Errorf("the list stands at %d with %d entries", snap.Made, snap.MadeEntries)
	}
	for name, node := range map[string]*Stock{"newcomer": newcomer, "reader": reader} {
		if n := len(node.memory.cores); n > memorySpare+200 {
			t.Errorf("%s remembers %d", name, n)
		}
		if again := mustReserve(t, node, ask1("held", "ann", 4)); again.ID != held.ID {
			t.Errorf("%s: the repetition got %s, not %s", name, again.ID, held.ID)
		}
		if again := mustReserve(t, node, ask1("ordered", "bob", 6)); again.ID != ordered.ID {
			t.Errorf("%s: the repetition got %s, not %s", name, again.ID, ordered.ID)
		}
		_, _, err := node.Reserve(ctx, ask1("held", "ann", 3))
		wantCode(t, err, problem.IdempotencyMismatch)
		_, _, err = node.Reserve(ctx, ask1("other", "cem", 1))
		wantCode(t, err, problem.SoldOut)
	}
	if again := mustReserve(t, s, hat(fmt.Sprint("loop", loops-1), "zoe", 1)); again.Status != StatusHeld {
		t.Errorf("the repetition of a released one got %+v", again)
	}
	wantCounts(t, client, "HAT", 100, 0, 0)

	forgetResolved()
	if left := keysLeft(t, client); len(left) > 12 {
		t.Errorf("%d keys are left", len(left))
	}
}

// expireSoon checks that each released record has a time to live of 15 minutes at most, and removes it.
func expireSoon(t *testing.T, client rueidis.Client) {
	t.Helper()
	const script = "local n = 0 " +
		"for _, key in ipairs(redis.call('KEYS', '*:r:*')) do " +
		"local ttl = redis.call('PTTL', key) " +
		"if ttl > 0 and ttl <= tonumber(ARGV[1]) then redis.call('DEL', key) n = n + 1 end " +
		"end return n"
	n, err := client.Do(context.Background(), client.B().Eval().Script(script).Numkeys(0).Arg(fmt.Sprint(resolvedKeep.Milliseconds())).Build()).AsInt64()
	if err != nil || n != loops {
		t.Fatalf("%d records have a time to live, %v", n, err)
	}
}

func TestExpiryKeepsTheListInProportionToo(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := short(), context.Background()
		rec.Items[0].Stock = 10_000
		s := open(t, client, rec)
		for round := range 5 {
			var wg sync.WaitGroup
			for i := range 200 {
				wg.Go(func() { mustReserve(t, s, ask1(fmt.Sprint(round, " ", i), "ann", 1)) })
			}
			wg.Wait()
			expired := 0
			testenv.Eventually(t, 5*time.Second, "the sweep", func() bool {
				n, err := s.Expire(ctx, 50)
				expired += n
				return err == nil && expired == 200
			})
		}
		if n := length(t, client, s.keys.made); n > 64 {
			t.Fatalf("the list names %d reservations, none is alive", n)
		}
		wantCounts(t, client, "SHOE", 10_000, 0, 0)
	})
}
