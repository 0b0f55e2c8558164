package reservation

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

// keysLeft lists all keys of the engine.
func keysLeft(t *testing.T, client rueidis.Client) []string {
	t.Helper()
	names, err := client.Do(context.Background(), client.B().Keys().Pattern("*").Build()).AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestAWipeLeavesTheTermAndNothingElse(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		s := open(t, client, rec)
		held, ordered := mustReserve(t, s, ask1("1", "ann", 1)), mustReserve(t, s, ask1("2", "ann", 1))
		settled, freed := mustReserve(t, s, ask1("3", "ann", 1)), mustReserve(t, s, ask1("4", "ann", 1))
		mustConfirm(t, s, confirmation(ordered.ID, "o", 1))
		mustConfirm(t, s, confirmation(settled.ID, "p", 1))
		if _, err := s.Settle(ctx, []Settlement{settlement(settled)}); err != nil {
			t.Fatal(err)
		}
		if err := release(ctx, s, freed.ID, proved); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := Wipe(ctx, client, rec.ID, testTerm+1); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range keysLeft(t, client) {
			ttl, err := client.Do(ctx, client.B().Pttl().Key(name).Build()).AsInt64()
			if err != nil || ttl <= 0 || name != s.keys.stock && ttl > resolvedKeep.Milliseconds() {
				t.Errorf("%s is left for %d ms, %v", name, ttl, err)
			}
		}
		fields, err := client.Do(ctx, client.B().Hgetall().Key(s.keys.stock).Build()).AsStrMap()
		if err != nil || len(fields) != 1 || fields["term"] != fmt.Sprint(testTerm+1) {
			t.Fatalf("left %v, %v", fields, err)
		}
		wantEverythingRefused(t, s, held, ordered)
	})
}

func TestAWipeClosesTheSaleWithItsFirstStep(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		s := open(t, client, rec)
		held, ordered := mustReserve(t, s, ask1("1", "ann", 1)), mustReserve(t, s, ask1("2", "ann", 1))
		mustConfirm(t, s, confirmation(ordered.ID, "o", 1))
		args := []string{fmt.Sprint(testTerm), s.keys.records, "1", "1"}
		answer, err := wipeScript.Exec(ctx, client, s.keys.whole(), args).AsIntSlice()
		if err != nil || answer[0] != 1 {
			t.Fatalf("the first step: %v, %v", answer, err)
		}
		wantEverythingRefused(t, s, held, ordered)
		// Begin finishes what the wipe that was cut off has left.
		if err := rebuild(ctx, client, rec, nil, nil); err != nil {
			t.Fatal(err)
		}
		wantCounts(t, client, "SHOE", 10, 0, 0)
		if left := keysLeft(t, client); len(left) != 1 {
			t.Fatalf("left %v", left)
		}
	})
}

// A record that an earlier epoch left is not taken for one of the later epoch.
func TestALaterEpochDoesNotSeeTheRecordsOfAnEarlierOne(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, ctx := drop(), context.Background()
		s := open(t, client, rec)
		r := mustReserve(t, s, ask1("1", "ann", 1))
		record := s.plan.Load().records + r.ID[len(r.ID)-coreLength:]
		text := command(t, client, "GET", record)
		if err := Wipe(ctx, client, rec.ID, testTerm); err != nil {
			t.Fatal(err)
		}
		command(t, client, "SET", record, text)
		rec.Epoch = 2
		arm(t, client, rec)
		_, err := s.Get(ctx, r.ID) // this node does not know of the epoch yet
		wantCode(t, err, problem.Unavailable)
		s.Update(rec)
		_, err = s.Get(ctx, r.ID)
		wantCode(t, err, problem.UnknownReservation)
		if again := mustReserve(t, s, ask1("1", "ann", 1)); again.Epoch != 2 {
			t.Fatalf("the leftover of epoch 1 was taken for live: %+v", again)
		}
		wantCounts(t, client, "SHOE", 9, 1, 0)
	})
}

func TestResolvedReservationsAreForgottenAfterAQuarterOfAnHour(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s, ctx := open(t, client, drop()), context.Background()
		r := mustReserve(t, s, ask1("1", "ann", 1))
		if err := release(ctx, s, r.ID, proved); err != nil {
			t.Fatal(err)
		}
		ttl, err := client.Do(ctx, client.B().Pttl().Key(s.plan.Load().records+r.ID[len(r.ID)-coreLength:]).Build()).AsInt64()
		if err != nil || ttl <= 0 || ttl > (15*time.Minute).Milliseconds() {
			t.Fatalf("kept for %d ms, %v", ttl, err)
		}
	})
}

func TestTheScriptsKeepRecordsAsLongAsTheDocumentsSay(t *testing.T) {
	lua := string(text("scripts/shared/record.lua"))
	for name, keep := range map[string]time.Duration{"RESOLVED_KEEP_MS": resolvedKeep, "COMMITTED_KEEP_MS": committedKeep} {
		if want := fmt.Sprintf("local %s = %d ", name, keep.Milliseconds()); !strings.Contains(lua, want) {
			t.Errorf("record.lua lacks %q", want)
		}
	}
}
