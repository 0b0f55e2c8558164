package reservation

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

func admit(t *testing.T, client rueidis.Client, gate string, bearers ...string) {
	t.Helper()
	until := float64(time.Now().Add(time.Hour).UnixMilli())
	for _, bearer := range bearers {
		if err := client.Do(context.Background(), client.B().Zadd().Key(gate).ScoreMember().ScoreMember(until, bearer).Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPassThatReservesAndReleasesInALoopIsSlowedDown(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		rec := drop()
		rec.Items[0].Stock = 1000
		s := open(t, client, rec)
		admit(t, client, s.keys.gate, "7", "8")
		of := func(bearer string, i int) Request {
			req := ask1(fmt.Sprint(bearer, " ", i), "ann", 1)
			req.Bearer, req.PassUntil = bearer, time.Now().Add(time.Hour)
			return req
		}
		for i := range releaseBurst {
			r := mustReserve(t, s, of("7", i))
			for range 2 { // the second one releases nothing
				if err := release(ctx, s, r.ID, proved); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, _, err := s.Reserve(ctx, of("7", releaseBurst))
		wantCode(t, err, problem.TooManyReleases)
		if doc, _ := problem.Of(err); doc.Status != 429 || doc.RetryAfterSeconds < 1 || doc.RetryAfterSeconds > 2 {
			t.Fatalf("status %d, retry after %d s", doc.Status, doc.RetryAfterSeconds)
		}
		for i := range 100 { // who reserves much and keeps it is not slowed, nor who has no pass
			mustReserve(t, s, of("8", i))
			mustReserve(t, s, ask1(fmt.Sprint(i), "bob", 1))
		}
		wantCounts(t, client, "SHOE", 800, 200, 0)
	})
}

func TestTheBucketOfABearerFillsAgain(t *testing.T) {
	var p releasePace
	const start = time.Hour
	for range releaseBurst {
		if p.wait("7", start) != 0 {
			t.Fatal("refused within the burst")
		}
		p.charge("7", start)
	}
	if got := p.wait("7", start); got != releaseEvery {
		t.Fatalf("waits %v", got)
	}
	if p.wait("7", start+releaseEvery) != 0 || p.wait("8", start) != 0 || p.wait("", start) != 0 {
		t.Fatal("refused with a token")
	}
	for range 10_000 {
		p.charge("7", start)
	}
	if got := p.wait("7", start); got <= releaseDebtMost*releaseEvery-releaseEvery || got > releaseDebtMost*releaseEvery+releaseEvery {
		t.Fatalf("waits %v after far too many", got)
	}
	p.charge("8", start+releaseMemory+1)
	p.charge("8", start+2*releaseMemory+2)
	if _, there := p.old["7"]; there || p.wait("7", start+2*releaseMemory+2) != 0 {
		t.Fatal("a full bucket is remembered")
	}
}

func TestManyBearersDoNotGrowTheMemory(t *testing.T) {
	var p releasePace
	for i := range 3 * releaseBearersMost {
		p.charge(fmt.Sprint(i), time.Second)
	}
	if n := len(p.young) + len(p.old); n > 2*releaseBearersMost {
		t.Fatalf("%d bearers are remembered", n)
	}
}

// Whatever a bearer does, it releases no more than the burst and one each two seconds, as far as each
// reservation that is released was made when the bearer had a token.
func TestReleasesKeepThePace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p releasePace
		var now time.Duration
		released := 0
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 3000).Draw(t, "pause_ms")) * time.Millisecond
			if p.wait("7", now) == 0 {
				p.charge("7", now)
				released++
			}
			if most := releaseBurst + int(now/releaseEvery); released > most {
				t.Fatalf("%d releases in %v", released, now)
			}
		}
	})
}
