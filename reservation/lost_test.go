package reservation

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

// wantEverythingRefused checks that a stock which was lost neither gives out nor changes anything.
func wantEverythingRefused(t *testing.T, s *Stock, held, ordered Reservation) {
	t.Helper()
	ctx := context.Background()
	calls := map[string]func() error{
		"reserve":   func() error { _, _, err := s.Reserve(ctx, ask1("new", "zoe", 1)); return err },
		"repeat":    func() error { _, _, err := s.Reserve(ctx, ask1("1", "ann", 1)); return err },
		"recall":    func() error { _, err := s.runRecall(ctx, [][]string{{held.ID[len(held.ID)-coreLength:]}}); return err },
		"get":       func() error { _, err := s.Get(ctx, held.ID); return err },
		"extend":    func() error { _, err := s.Extend(ctx, held.ID, proved); return err },
		"confirm":   func() error { _, err := s.Confirm(ctx, confirmation(held.ID, "other", 1)); return err },
		"again":     func() error { _, err := s.Confirm(ctx, confirmation(ordered.ID, "o", 1)); return err },
		"release":   func() error { return release(ctx, s, held.ID, proved) },
		"settle":    func() error { _, err := s.Settle(ctx, []Settlement{settlement(ordered)}); return err },
		"published": func() error { return s.Published(ctx, s.Epoch(), []string{ordered.ID}) },
		"outbox":    func() error { _, err := s.Outbox(ctx, 0, 10); return err },
		"fail":      func() error { _, err := s.Fail(ctx, []Settlement{settlement(ordered)}, true); return err },
		"reacquire": func() error { return s.Reacquire(ctx, ordered.ID) },
		"update":    func() error { return Update(ctx, s.deps.Redis, s.plan.Load().rec, testTerm) },
		"expire":    func() error { _, err := s.Expire(ctx, 10); return err },
		"allot":     func() error { return s.Allot(ctx, "SHOE", 20, testTerm) },
	}
	for name, call := range calls {
		if doc, _ := problem.Of(call()); doc.Code != problem.Unavailable {
			t.Errorf("%s: answered %q, want %q", name, doc.Code, problem.Unavailable)
		}
	}
	if err := s.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	if snap := s.Snapshot(); snap.Ready || !snap.Lost {
		t.Errorf("the snapshot says ready %v, lost %v", snap.Ready, snap.Lost)
	}
}

// lossOf opens a stock with a held and an ordered reservation, takes its Redis away, and checks that
// whoever asks afterwards is refused.
func lossOf(t *testing.T, client rueidis.Client, lose func() (after rueidis.Client)) {
	t.Helper()
	var told atomic.Int64
	listen := func(d *Deps) { d.Lost = func() { told.Add(1) } }
	s := open(t, client, drop(), listen)
	held, ordered := mustReserve(t, s, ask1("1", "ann", 1)), mustReserve(t, s, ask1("2", "ann", 1))
	mustConfirm(t, s, confirmation(ordered.ID, "o", 1))
	if s.Refresh(context.Background()) != nil || !s.Snapshot().Ready || s.Snapshot().Lost {
		t.Fatalf("before the loss: %+v", s.Snapshot())
	}
	d := s.deps
	d.Redis = lose()
	after := OpenStock(d, drop())
	defer after.Close()
	wantEverythingRefused(t, after, held, ordered)
	testenv.Eventually(t, 5*time.Second, "the call of Lost", func() bool { return told.Load() > 0 })
	if n := told.Load(); n > 3 {
		t.Errorf("Lost was called %d times", n)
	}
}

func command(t *testing.T, client rueidis.Client, words ...string) string {
	t.Helper()
	text, err := client.Do(context.Background(), client.B().Arbitrary(words...).Build()).ToString()
	if err != nil {
		t.Fatalf("%v: %v", words, err)
	}
	return text
}

func TestARestartedServerThatKeptItsDataRefuses(t *testing.T) {
	server := testenv.Redis(t, testenv.AppendFsync("always"))
	lossOf(t, testenv.ConnectRedis(t, server.URL), func() rueidis.Client {
		if err := server.Restart(context.Background()); err != nil {
			t.Fatal(err)
		}
		client := testenv.ConnectRedis(t, server.URL)
		if command(t, client, "HGET", keysOf("drop", "").stock, "ready") != "1" {
			t.Fatal("the data did not come back")
		}
		return client
	})
}

func TestAPromotedReplicaRefusesWhateverItIsBehind(t *testing.T) {
	primary := testenv.Redis(t, testenv.RedisArg("repl-diskless-sync-delay", "0"))
	host, port, err := net.SplitHostPort(primary.Addr)
	if err != nil {
		t.Fatal(err)
	}
	replica := testenv.Redis(t, testenv.RedisArg("replicaof", host, port))
	client, other := testenv.ConnectRedis(t, primary.URL), testenv.ConnectRedis(t, replica.URL)
	lossOf(t, client, func() rueidis.Client {
		key := keysOf("drop", "").stock
		testenv.Eventually(t, 10*time.Second, "the replica has the stock", func() bool {
			sold, err := other.Do(context.Background(), other.B().Hget().Key(key).Field("sold|SHOE|*").Build()).ToString()
			return err == nil && sold == "1"
		})
		command(t, other, "REPLICAOF", host, "1") // nobody listens there: the replica keeps what it has
		s := OpenStock(Deps{Redis: client, Secret: []byte("0123456789abcdef0123456789abcdef")}, drop())
		defer s.Close()
		mustReserve(t, s, ask1("late", "bob", 5))
		if err := primary.Kill(); err != nil {
			t.Fatal(err)
		}
		command(t, other, "REPLICAOF", "NO", "ONE")
		return other
	})
}

func TestAMasterThatWasAReplicaMeanwhileRefuses(t *testing.T) {
	client := testenv.ConnectRedis(t, testenv.Redis(t).URL)
	lossOf(t, client, func() rueidis.Client {
		command(t, client, "REPLICAOF", "127.0.0.1", "1")
		command(t, client, "REPLICAOF", "NO", "ONE")
		return client
	})
}

func TestAnEmptiedServerRefuses(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		lossOf(t, client, func() rueidis.Client {
			flush(t, client)
			return client
		})
	})
}
