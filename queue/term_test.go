package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/redis"
	"github.com/penstock/penstock/internal/testenv"
)

func wantOldTerm(t *testing.T, what string, err error, later int64) {
	t.Helper()
	var old *redis.OldTermError
	if !errors.As(err, &old) || old.Later != later {
		t.Errorf("%s: %v, want that term %d is later", what, err, later)
	}
}

func TestAnOlderLeaderCanDoNothingToARoom(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		rec, j := testSale(time.Now()), &memoryJournal{}
		r, tickets, pass := visit(t, client, rec, j)
		s := refresh(t, r)
		if err := r.write(ctx, s, 9, s.stand(), "", ""); err != nil {
			t.Fatal(err)
		}
		newer := rec
		newer.Version++
		moved := s.stand()
		moved.Called++
		check := func(step string, later int64) {
			t.Helper()
			wantOldTerm(t, step+"arm", Arm(ctx, client, newer, nil, 8), later)
			wantOldTerm(t, step+"restore", Arm(ctx, client, newer, j.fold(), 8), later)
			wantOldTerm(t, step+"update", Update(ctx, client, newer, 8), later)
			wantOldTerm(t, step+"wipe", Wipe(ctx, client, rec.ID, 8), later)
			wantOldTerm(t, step+"remove", Remove(ctx, client, rec.ID, 8), later)
		}
		check("", 9)
		wantOldTerm(t, "advance", r.write(ctx, s, 8, moved, "", ""), 9)
		if after := refresh(t, r); after.Called != s.Called || after.room.version != rec.Version || after.Active != 1 {
			t.Fatalf("the older leader changed something: %+v", after)
		}
		if err := Wipe(ctx, client, rec.ID, 10); err != nil {
			t.Fatal(err)
		}
		check("after the wipe: ", 10)
		if s := refresh(t, r); s.Ready || !s.Lost {
			t.Fatal("the older leader made the room again")
		}
		if err := Arm(ctx, client, rec, j.fold(), 10); err != nil {
			t.Fatal(err)
		}
		if again := mustClaim(t, openNode(t, client, rec, j), tickets[0]); again != pass {
			t.Fatal("the pass is lost")
		}
	})
}

func TestARemovedSaleCanBeMadeAgainAndStays(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		rec := testSale(time.Now())
		r := openRoom(t, client, rec, nil)
		ttl := func() int64 {
			n, err := client.Do(ctx, client.B().Ttl().Key(r.keys[0]).Build()).AsInt64()
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if err := Remove(ctx, client, rec.ID, testTerm); err != nil {
			t.Fatal(err)
		}
		if left := ttl(); left <= 0 || left > 24*60*60 {
			t.Fatalf("the term is kept for %d s", left)
		}
		arm(t, client, rec, nil)
		if left := ttl(); left != -1 {
			t.Fatalf("the new room ends in %d s", left)
		}
		if got := join(t, r, 1)[0]; got.Number != 1 {
			t.Fatalf("the first number of a new room is %d", got.Number)
		}
	})
}

// begin runs the first steps of a restore.
func begin(t *testing.T, client rueidis.Client, a *arming) {
	t.Helper()
	a.client, a.keys = client, roomKeys(a.rec.ID)
	if status, err := a.restoreTickets(context.Background()); err != nil || status != "ok" {
		t.Fatalf("%s, %v", status, err)
	}
}

func TestARestoreThatIsOvertakenWritesNothingMore(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		rec, j := testSale(time.Now()), &memoryJournal{}
		r, _, _ := visit(t, client, rec, j)
		flush(t, client)
		first := &arming{rec: rec, restore: j.fold(), term: 8, token: "first"}
		begin(t, client, first)

		second := &arming{rec: rec, restore: j.fold(), term: 8, token: "second"}
		begin(t, client, second) // the same leader, again
		if status, err := first.putPasses(ctx); err != nil || status != "anew" {
			t.Fatalf("a step of the restore before: %s, %v", status, err)
		}
		if status, err := second.putPasses(ctx); err != nil || status != "ok" {
			t.Fatalf("a step of the restore under way: %s, %v", status, err)
		}

		third := &arming{rec: rec, restore: j.fold(), term: 9, token: "third"}
		begin(t, client, third) // a later leader
		_, err := second.putPasses(ctx)
		wantOldTerm(t, "a step of the older leader", err, 9)
		if err := Arm(ctx, client, rec, j.fold(), 9); err != nil {
			t.Fatal(err)
		}
		if s := refresh(t, r); !s.Ready || s.Active != 1 || s.AdmittedLastMinute != 1 {
			t.Fatalf("ready %v, %d active, %d in the last minute", s.Ready, s.Active, s.AdmittedLastMinute)
		}
	})
}

func TestARestoreBeginsAnewWhenTheServerChangesInTheMiddle(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		rec, j := testSale(time.Now()), &memoryJournal{}
		r, _, _ := visit(t, client, rec, j)
		flush(t, client)
		a := &arming{rec: rec, restore: j.fold(), term: testTerm, token: "one"}
		begin(t, client, a)
		// What a promoted replica has: a restore that was begun on another run.
		if err := client.Do(ctx, client.B().Hset().Key(r.keys[0]).FieldValue().FieldValue("restoring", "one@0.0").Build()).Error(); err != nil {
			t.Fatal(err)
		}
		if status, err := a.putUsed(ctx); err != nil || status != "anew" {
			t.Fatalf("a later step: %s, %v", status, err)
		}
		args := append(append([]string{decimal(a.term), "restore", a.token}, a.settings(make([]byte, seedBytes))...), a.restored()...)
		if status, err := statusOf(armScript.Exec(ctx, client, r.keys, args)); err != nil || status != "anew" {
			t.Fatalf("the last step: %s, %v", status, err)
		}
		arm(t, client, rec, j.fold())
		if s := refresh(t, r); !s.Ready || s.Active != 1 {
			t.Fatalf("ready %v, %d active", s.Ready, s.Active)
		}
	})
}
