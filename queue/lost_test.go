package queue

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/embedded"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// visit makes a room with a journal in which one visitor has a pass, one was called and one waits.
func visit(t *testing.T, client rueidis.Client, rec sale.Record, j *memoryJournal) (*Room, []Ticket, Pass) {
	t.Helper()
	r := openRoom(t, client, rec, j)
	tickets := join(t, r, 2)
	testenv.Eventually(t, 5*time.Second, "both are called", func() bool { return advance(t, r, plenty).Called == 2 })
	tickets = append(tickets, join(t, r, 1)...)
	return r, tickets, mustClaim(t, r, tickets[0])
}

// refusesEverything checks that a room gives out and changes nothing, and says so at once.
func refusesEverything(t *testing.T, client rueidis.Client, rec sale.Record, tickets []Ticket, pass Pass) {
	t.Helper()
	ctx := context.Background()
	var lost atomic.Int64
	deps := testDeps(client, &memoryJournal{})
	deps.Lost = func() { lost.Add(1) }
	// A node that knows nothing of the room asks Redis for everything.
	r := OpenRoom(deps, rec)
	t.Cleanup(r.Close)
	_, joinErr := r.Join(ctx)
	_, _, _, claimErr := r.Claim(ctx, tickets[1])
	_, _, _, againErr := r.Claim(ctx, tickets[0])
	_, handOverErr := r.HandOver(pass)
	_, _, redeemErr := r.Redeem(ctx, HandoverCode{Sale: rec.ID, Ticket: pass.Ticket, MadeMicros: time.Now().UnixMicro()})
	for name, err := range map[string]error{
		"join": joinErr, "claim": claimErr, "claim again": againErr,
		"leave": r.Leave(ctx, tickets[2]), "release": r.Release(ctx, pass), "keep": r.Keep(ctx),
		"hand over": handOverErr, "redeem": redeemErr,
		"advance":         r.Advance(ctx, testTerm, plenty),
		"raise":           r.raise(ctx, grant{top: 1000}, 1),
		"advance, script": r.write(ctx, r.Snapshot(), testTerm, r.Snapshot().stand(), "", ""),
		"report":          reportOf(r, tickets[2].Number),
	} {
		var refusal *problem.Refusal
		if !errors.As(err, &refusal) || refusal.Code != problem.Unavailable || refusal.RetryAfterSeconds != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := refresh(t, r); s.Ready || !s.Lost {
		t.Errorf("ready %v, lost %v", s.Ready, s.Lost)
	}
	if n := lost.Load(); n < 1 || n > 5 {
		t.Errorf("the loss was reported %d times in a moment", n)
	}
	if err := Update(ctx, client, rec, testTerm); !errors.Is(err, ErrLost) {
		t.Errorf("a change of the settings: %v", err)
	}
	if stats, err := Stats(ctx, client, rec.ID); err != nil || stats.Ready {
		t.Errorf("stats %+v, %v", stats, err)
	}
}

func reportOf(r *Room, n Number) error {
	r.shown.note(r.Snapshot().room.gen, n)
	return r.report(context.Background())
}

// opensAgain restores the room and checks that everybody has what they had.
func opensAgain(t *testing.T, client rueidis.Client, rec sale.Record, j *memoryJournal, tickets []Ticket, pass Pass) {
	t.Helper()
	arm(t, client, rec, j.fold())
	r := openNode(t, client, rec, j)
	if s := r.Snapshot(); !s.Ready || s.Lost || s.Active != 1 {
		t.Fatalf("ready %v, lost %v, %d active", s.Ready, s.Lost, s.Active)
	}
	if again := mustClaim(t, r, tickets[0]); again != pass {
		t.Fatalf("another pass: %+v and %+v", again, pass)
	}
	mustClaim(t, r, tickets[1])
	if got := join(t, r, 1)[0]; got.Number <= tickets[2].Number {
		t.Fatalf("number %d was given twice", got.Number)
	}
}

func TestAfterARestartWithTheSameDataEverythingIsRefused(t *testing.T) {
	t.Run("real", func(t *testing.T) {
		server := testenv.Redis(t, testenv.AppendFsync("always"))
		rec, j := testSale(time.Now()), &memoryJournal{}
		client := testenv.ConnectRedis(t, server.URL)
		_, tickets, pass := visit(t, client, rec, j)
		if err := server.Restart(context.Background()); err != nil {
			t.Fatal(err)
		}
		client = testenv.ConnectRedis(t, server.URL)
		if n, err := client.Do(context.Background(), client.B().Hexists().Key(roomKeys(rec.ID)[0]).Field("entrants").Build()).AsInt64(); err != nil || n != 1 {
			t.Fatalf("the data did not survive the restart: %d, %v", n, err)
		}
		refusesEverything(t, client, rec, tickets, pass)
		opensAgain(t, client, rec, j, tickets, pass)
	})
	t.Run("embedded", func(t *testing.T) {
		engine := testenv.Mini(t)
		rec, j := testSale(time.Now()), &memoryJournal{}
		client := testenv.ConnectRedis(t, "redis://"+engine.Addr())
		_, tickets, pass := visit(t, client, rec, j)
		if err := embedded.AnswerInfo(engine); err != nil { // another run
			t.Fatal(err)
		}
		refusesEverything(t, client, rec, tickets, pass)
		opensAgain(t, client, rec, j, tickets, pass)
	})
}

func TestAReplicaThatTakesOverRefusesAtTheFirstCall(t *testing.T) {
	ctx := context.Background()
	master := testenv.Redis(t, testenv.RedisArg("repl-diskless-sync-delay", "0"))
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	second := testenv.Redis(t, testenv.RedisArg("replicaof", host, port))
	rec, j := testSale(time.Now()), &memoryJournal{}
	client := testenv.ConnectRedis(t, master.URL)
	r, tickets, pass := visit(t, client, rec, j)
	replica := testenv.ConnectRedis(t, second.URL)
	testenv.Eventually(t, 10*time.Second, "the replica has the room", func() bool {
		n, err := replica.Do(ctx, replica.B().Hget().Key(r.keys[0]).Field("claimed").Build()).AsInt64()
		return err == nil && n == 1
	})
	// Cut off: the replica keeps what it has and hears no more.
	if err := replica.Do(ctx, replica.B().Arbitrary("REPLICAOF", "127.0.0.1", "1").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	late := join(t, r, 5)
	if err := master.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := replica.Do(ctx, replica.B().Arbitrary("REPLICAOF", "NO", "ONE").Build()).Error(); err != nil {
		t.Fatal(err)
	}
	refusesEverything(t, replica, rec, tickets, pass)
	opensAgain(t, replica, rec, j, append(tickets[:2:2], late[4]), pass)
}

func TestALossIsReportedAtMostOnceASecond(t *testing.T) {
	var l losses
	if !l.due() || l.due() {
		t.Fatal("the first is due, and the second not")
	}
	past := time.Now().Add(-lostEvery)
	l.reported.Store(&past)
	if !l.due() {
		t.Fatal("after a second it is due again")
	}
}
