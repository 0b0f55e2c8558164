package queue

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

// admit lets one visitor into a new room.
func admit(t *testing.T, client rueidis.Client, j *memoryJournal, now time.Time) (*Room, Pass) {
	t.Helper()
	r := openRoom(t, client, testSale(now), j)
	ticket := join(t, r, 1)[0]
	callUpTo(t, r, 1)
	return r, mustClaim(t, r, ticket)
}

func handOver(t testing.TB, r *Room, p Pass) HandoverCode {
	t.Helper()
	text, err := r.HandOver(p)
	if err != nil {
		t.Fatal(err)
	}
	code, err := r.deps.Tickets.ParseCode(text)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

func redeemFails(t testing.TB, r *Room, c HandoverCode, want problem.Code) {
	t.Helper()
	if pass, _, err := r.Redeem(context.Background(), c); !errors.Is(err, want) {
		t.Fatalf("got %+v, %v; want %s", pass, err, want)
	}
}

func mustRedeem(t testing.TB, r *Room, c HandoverCode) (Pass, string) {
	t.Helper()
	pass, token, err := r.Redeem(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return pass, token
}

func TestACodeGivesThePassOfItsVisitorOnce(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r, pass := admit(t, client, nil, time.Now())
		code := handOver(t, r, pass)
		got, token := mustRedeem(t, r, code)
		if got != pass || token != r.deps.Passes.Sign(pass) {
			t.Fatalf("got %+v, want %+v", got, pass)
		}
		redeemFails(t, r, code, problem.CodeUsed)
	})
}

func TestEachRedirectHasACodeOfItsOwn(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r, pass := admit(t, client, nil, time.Now())
		first, second, third := handOver(t, r, pass), handOver(t, r, pass), handOver(t, r, pass)
		mustRedeem(t, r, first)
		mustRedeem(t, r, third)
		redeemFails(t, r, second, problem.CodeUsed) // a later one was used
		redeemFails(t, r, third, problem.CodeUsed)
	})
}

func TestOneOfManyWhoBringTheSameCodeGetsThePass(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r, pass := admit(t, client, nil, time.Now())
		code := handOver(t, r, pass)
		oneOfFifty(t, problem.CodeUsed, func() error {
			_, _, err := r.Redeem(context.Background(), code)
			return err
		})
	})
}

// oneOfFifty has fifty do the same at the same time, and wants one of them to succeed and all others to be refused.
func oneOfFifty(t *testing.T, refusal error, do func() error) {
	t.Helper()
	var succeeded, refused atomic.Int64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			switch err := do(); {
			case err == nil:
				succeeded.Add(1)
			case errors.Is(err, refusal):
				refused.Add(1)
			}
		})
	}
	all.Wait()
	if succeeded.Load() != 1 || refused.Load() != 49 {
		t.Fatalf("%d succeeded, %d were refused as %v", succeeded.Load(), refused.Load(), refusal)
	}
}

func TestARequestThatIsSentAgainIsAnsweredTheSame(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r, pass := admit(t, client, nil, time.Now())
		code := handOver(t, r, pass)
		run := func(request string) string {
			keys := []string{r.keys[keyRoom], r.keys[keyPasses], r.keys[keyIssued], "ps:{drop}:room:redeemed:1"}
			parts, err := redeemScript.Exec(context.Background(), client, keys,
				[]string{"1", "1", strconv.FormatInt(code.MadeMicros, 10), "60000", request}).AsStrSlice()
			if err != nil {
				t.Fatal(err)
			}
			return parts[0]
		}
		for _, step := range []struct{ request, want string }{{"a", "ok"}, {"a", "ok"}, {"b", "used"}, {"a", "ok"}} {
			if got := run(step.request); got != step.want {
				t.Fatalf("request %s: %s, want %s", step.request, got, step.want)
			}
		}
	})
}

func TestACodeIsGoodForAMinute(t *testing.T) {
	for _, one := range []struct {
		after time.Duration
		want  problem.Code
	}{{CodeLife - time.Millisecond, ""}, {CodeLife, problem.CodeExpired}, {2 * CodeLife, problem.CodeExpired}} {
		c, client := newClock(t)
		r, pass := admit(t, client, nil, c.now)
		code := HandoverCode{Sale: "drop", Ticket: pass.Ticket, Epoch: 1, MadeMicros: c.now.UnixMicro()}
		c.forward(one.after)
		if one.want == "" {
			mustRedeem(t, r, code)
		} else {
			redeemFails(t, r, code, one.want)
		}
	}
}

// A node whose clock were wrong could give a code a longer life; by no more than its life again.
func TestACodeOfTheFarFutureIsRefused(t *testing.T) {
	c, client := newClock(t)
	r, pass := admit(t, client, nil, c.now)
	code := HandoverCode{Sale: "drop", Ticket: pass.Ticket, Epoch: 1, MadeMicros: c.now.Add(CodeLife).UnixMicro()}
	redeemFails(t, r, code, problem.CodeExpired)
}

func TestAUsedCodeStaysUsedUntilItExpires(t *testing.T) {
	c, client := newClock(t)
	r, pass := admit(t, client, nil, c.now)
	code := HandoverCode{Sale: "drop", Ticket: pass.Ticket, Epoch: 1, MadeMicros: c.now.UnixMicro()}
	mustRedeem(t, r, code)
	c.mini.FastForward(CodeLife + 2*time.Second) // the embedded engine may end a key that much too early
	c.forward(CodeLife - time.Millisecond)
	redeemFails(t, r, code, problem.CodeUsed)
	c.mini.FastForward(10 * time.Second)
	if c.mini.Exists("ps:{drop}:room:redeemed:1") {
		t.Fatal("what was used is kept for longer than it can matter")
	}
}

func TestAnOldCodeIsRefusedFromMemory(t *testing.T) {
	c, client := newClock(t)
	r, pass := admit(t, client, nil, c.now)
	c.forward(3 * CodeLife)
	refresh(t, r)
	over, cancel := context.WithCancel(context.Background())
	cancel() // nobody can be asked any more
	old := HandoverCode{Sale: "drop", Ticket: pass.Ticket, Epoch: 1, MadeMicros: epoch.UnixMicro()}
	if _, _, err := r.Redeem(over, old); !errors.Is(err, problem.CodeExpired) {
		t.Fatal(err)
	}
	if _, _, err := r.Redeem(over, handOver(t, r, pass)); !errors.Is(err, problem.Unavailable) {
		t.Fatalf("a fresh one: %v", err)
	}
}

func TestACodeOfAPassThatIsOverGivesNothing(t *testing.T) {
	c, client := newClock(t)
	r, pass := admit(t, client, nil, c.now)
	code := handOver(t, r, pass)
	if err := r.Release(context.Background(), pass); err != nil {
		t.Fatal(err)
	}
	redeemFails(t, r, code, problem.CodeExpired)

	c, client = newClock(t)
	r, pass = admit(t, client, nil, c.now)
	c.forward(10 * time.Minute)
	refresh(t, r)
	redeemFails(t, r, handOver(t, r, pass), problem.CodeExpired)
}

func TestNoCodeOutlivesALossOfRedis(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		j := &memoryJournal{}
		r, pass := admit(t, client, j, time.Now())
		used, fresh := handOver(t, r, pass), handOver(t, r, pass)
		mustRedeem(t, r, used)
		flush(t, client)
		redeemFails(t, r, used, problem.Unavailable)
		refresh(t, r)
		if _, err := r.HandOver(pass); !errors.Is(err, problem.Unavailable) {
			t.Fatalf("a code for a room that is lost: %v", err)
		}
		rec := testSale(time.Now())
		rec.Epoch, rec.Version = 2, 2
		arm(t, client, rec, j.fold())
		refresh(t, r)
		redeemFails(t, r, used, problem.CodeExpired)
		redeemFails(t, r, fresh, problem.CodeExpired)
		if got, _ := mustRedeem(t, r, handOver(t, r, pass)); got != pass {
			t.Fatalf("got %+v, want %+v", got, pass)
		}
	})
}

// A sale that is deleted and made again begins with ticket 1 and epoch 1.
func TestACodeOfAnEarlierSaleOfTheSameNameGivesNothing(t *testing.T) {
	c, client := newClock(t)
	r, pass := admit(t, client, nil, c.now)
	code := handOver(t, r, pass)
	if err := Wipe(context.Background(), client, "drop", testTerm); err != nil {
		t.Fatal(err)
	}
	c.forward(10 * time.Second)
	again, other := admit(t, client, nil, c.now)
	if other.Ticket != pass.Ticket {
		t.Fatalf("ticket %d, want that of the earlier sale", other.Ticket)
	}
	redeemFails(t, again, code, problem.CodeExpired)
}
