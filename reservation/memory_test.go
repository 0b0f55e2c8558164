package reservation

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

// remembers waits until the node answers for the sale from memory.
func remembers(t *testing.T, s *Stock) {
	t.Helper()
	testenv.Eventually(t, 5*time.Second, "the node remembers what was made", func() bool {
		if err := s.Refresh(context.Background()); err != nil {
			t.Fatal(err)
		}
		return s.memory.excludes(s.Snapshot(), "nobody's core", nil)
	})
}

func TestSoldOutIsToldFromMemoryAndARepetitionStillGetsItsUnits(t *testing.T) {
	t.Run("embedded", func(t *testing.T) {
		engine := testenv.Mini(t)
		soldOutFromMemory(t, "redis://"+engine.Addr(), engine.Close)
	})
	t.Run("real", func(t *testing.T) {
		server := testenv.Redis(t)
		soldOutFromMemory(t, server.URL, func() {
			if err := server.Kill(); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func soldOutFromMemory(t *testing.T, url string, stop func()) {
	t.Helper()
	ctx := context.Background()
	there, here := open(t, testenv.ConnectRedis(t, url), drop()), open(t, testenv.ConnectRedis(t, url), drop())
	first := mustReserve(t, there, ask1("k", "ann", 10))
	remembers(t, here)
	if again := mustReserve(t, here, ask1("k", "ann", 10)); again.ID != first.ID {
		t.Fatalf("the repetition got %s, not %s", again.ID, first.ID)
	}
	stop()
	_, _, err := here.Reserve(ctx, ask1("other", "bob", 1))
	wantCode(t, err, problem.SoldOut)
	_, _, err = here.Reserve(ctx, ask1("k", "ann", 10)) // has to be looked up
	wantCode(t, err, problem.Unavailable)
}

func TestTheMemoryGoesOnWhenUnitsComeBackAndGo(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		here, there := open(t, client, drop()), open(t, client, drop())
		first := mustReserve(t, there, ask1("k", "ann", 10))
		remembers(t, here)
		if err := release(ctx, there, first.ID, proved); err != nil {
			t.Fatal(err)
		}
		second := mustReserve(t, there, ask1("k2", "bob", 10))
		remembers(t, here)
		for key, want := range map[string]Reservation{"k": first, "k2": second} {
			customer := map[string]string{"k": "ann", "k2": "bob"}[key]
			if again := mustReserve(t, here, ask1(key, customer, 10)); again.ID != want.ID {
				t.Fatalf("%s got %s, not %s", key, again.ID, want.ID)
			}
		}
		_, _, err := here.Reserve(ctx, ask1("k3", "cem", 1))
		wantCode(t, err, problem.SoldOut)
	})
}

func hat(key, customer string, units int64) Request {
	return Request{IdempotencyKey: key, Customer: customer, Lines: []Line{{SKU: "HAT", Quantity: units}}}
}

// The memory knows nothing of what was made after the snapshot, whereas a refusal closes a latch at any time.
func TestARepetitionGetsItsUnitsWhenARefusalClosedTheLatch(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		s := open(t, client, drop())
		mustReserve(t, s, ask1("k", "ann", 10))
		remembers(t, s)
		first := mustReserve(t, s, hat("k2", "bob", 5))
		_, _, err := s.Reserve(ctx, hat("k3", "cem", 1))
		wantCode(t, err, problem.SoldOut)
		if !s.SoldOut([]Line{{SKU: "HAT", Quantity: 1}}, "") {
			t.Fatal("the refusal has not closed the latch")
		}
		if again := mustReserve(t, s, hat("k2", "bob", 5)); again.ID != first.ID {
			t.Fatalf("the repetition got %s, not %s", again.ID, first.ID)
		}
		_, _, err = s.Reserve(ctx, hat("k4", "dan", 1))
		wantCode(t, err, problem.SoldOut)
	})
}

// The snapshot saw the pool empty, but units came back and went since.
func TestARepetitionGetsUnitsThatCameBackAfterTheSnapshot(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		s := open(t, client, drop())
		freed := mustReserve(t, s, ask1("k", "ann", 10))
		remembers(t, s)
		if err := release(ctx, s, freed.ID, proved); err != nil {
			t.Fatal(err)
		}
		first := mustReserve(t, s, ask1("k2", "bob", 10))
		_, _, err := s.Reserve(ctx, ask1("k3", "cem", 1))
		wantCode(t, err, problem.SoldOut)
		if again := mustReserve(t, s, ask1("k2", "bob", 10)); again.ID != first.ID {
			t.Fatalf("the repetition got %s, not %s", again.ID, first.ID)
		}
	})
}

// The position in the list says nothing about a list of another arming, even of the same epoch.
func TestTheMemoryOfAnEarlierArmingIsNotBelieved(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		here := open(t, client, drop())
		for i := range 5 {
			mustReserve(t, here, ask1(fmt.Sprint("before", i), "ann", 2))
		}
		remembers(t, here)
		if err := Wipe(ctx, client, "drop", testTerm); err != nil {
			t.Fatal(err)
		}
		there := open(t, client, drop())
		first := mustReserve(t, there, ask1("k", "bob", 10))
		if err := here.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		if again := mustReserve(t, here, ask1("k", "bob", 10)); again.ID != first.ID {
			t.Fatalf("the repetition got %s, not %s", again.ID, first.ID)
		}
		remembers(t, here)
		if again := mustReserve(t, here, ask1("k", "bob", 10)); again.ID != first.ID {
			t.Fatalf("the repetition got %s, not %s", again.ID, first.ID)
		}
	})
}
