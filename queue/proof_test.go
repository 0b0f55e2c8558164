package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

func useProof(t testing.TB, r *Room, id byte, epoch uint32, expiresAt time.Time, want error) {
	t.Helper()
	if err := r.UseProof(context.Background(), [16]byte{id}, epoch, expiresAt); !errors.Is(err, want) {
		t.Fatalf("proof %d: %v, want %v", id, err, want)
	}
}

func TestAProofIsUsedOnceOverAllNodes(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec := testSale(time.Now())
		first := openRoom(t, client, rec, nil)
		second := openNode(t, client, rec, nil)
		soon := time.Now().Add(time.Minute)
		useProof(t, first, 1, 1, soon, nil)
		useProof(t, first, 1, 1, soon, ErrProofUsed)
		useProof(t, second, 1, 1, soon, ErrProofUsed)
		useProof(t, second, 2, 1, soon, nil)
		useProof(t, first, 2, 1, soon, ErrProofUsed)
	})
}

func TestOneOfManyWhoBringTheSameProofMayUseIt(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), nil)
		soon := time.Now().Add(time.Minute)
		oneOfFifty(t, ErrProofUsed, func() error { return r.UseProof(context.Background(), [16]byte{7}, 1, soon) })
	})
}

// A command is sent again when the connection broke before its answer came.
func TestTheRequestThatTookAProofMayBeSentAgain(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), nil)
		for _, step := range []struct{ request, want string }{{"a", "ok"}, {"a", "ok"}, {"b", "used"}, {"a", "ok"}} {
			got, err := proofScript.Exec(context.Background(), client, []string{r.keys[keyRoom], "ps:{drop}:room:proof:1"},
				[]string{"1", decimal(time.Now().Add(time.Minute).UnixMilli()), step.request}).ToString()
			if err != nil || got != step.want {
				t.Fatalf("request %s: %s, %v, want %s", step.request, got, err, step.want)
			}
		}
	})
}

func TestAProofIsKeptUntilItIsExpiredByTheClockOfRedis(t *testing.T) {
	c, client := newClock(t)
	r := openRoom(t, client, testSale(c.now), nil)
	ends := c.now.Add(time.Minute)
	useProof(t, r, 1, 1, ends, nil)
	c.mini.FastForward(62 * time.Second) // the embedded engine may end a key that much too early
	c.forward(time.Minute - time.Millisecond)
	useProof(t, r, 1, 1, ends, ErrProofUsed)
	c.forward(time.Millisecond)
	useProof(t, r, 1, 1, ends, ErrProofExpired)
	c.mini.FastForward(10 * time.Second)
	for _, key := range c.mini.Keys() {
		if key == "ps:{drop}:room:proof:01000000000000000000000000000000" {
			t.Fatal("what was used is kept for longer than it can matter")
		}
	}
}

// After a loss nobody knows what was used: all earlier proofs are refused, and while the room is not back nothing is
// decided.
func TestNoProofOutlivesALossOfRedis(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		j := &memoryJournal{}
		r := openRoom(t, client, testSale(time.Now()), j)
		soon := time.Now().Add(time.Minute)
		useProof(t, r, 1, 1, soon, nil)
		flush(t, client)
		useProof(t, r, 1, 1, soon, problem.Unavailable)
		useProof(t, r, 2, 1, soon, problem.Unavailable)
		rec := testSale(time.Now())
		rec.Epoch, rec.Version = 2, 2
		arm(t, client, rec, j.fold())
		refresh(t, r)
		useProof(t, r, 1, 1, soon, ErrProofExpired)
		useProof(t, r, 2, 1, soon, ErrProofExpired)
		if got, err := r.Epoch(); err != nil || got != 2 {
			t.Fatalf("epoch %d, %v", got, err)
		}
		useProof(t, r, 3, 2, soon, nil)
	})
}

func TestNoProofIsTakenForGoodWhenNobodyCanBeAsked(t *testing.T) {
	_, client := newClock(t)
	r := openRoom(t, client, testSale(epoch), nil)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.UseProof(over, [16]byte{1}, 1, epoch.Add(time.Minute)); !errors.Is(err, problem.Unavailable) {
		t.Fatal(err)
	}
}
