package queue

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/internal/testenv/drand"
)

// TestAnInsiderWhoReadsAllOfRedisBeforeTheFreezeCannotTellThePlaces reads every key of a real Redis before the start.
// The places that follow from what is there are not those of the draw; in a draw without a beacon they are.
func TestAnInsiderWhoReadsAllOfRedisBeforeTheFreezeCannotTellThePlaces(t *testing.T) {
	t.Parallel() // it waits by the clock
	const entrants = 200
	for _, withBeacon := range []bool{true, false} {
		t.Run(fmt.Sprintf("beacon %v", withBeacon), func(t *testing.T) {
			client := testenv.ConnectRedis(t, testenv.Redis(t).URL)
			now := time.Now()
			b := drand.New(t, "chain")
			rec := testSale(now, func(r *sale.Record) {
				r.Admission.Order, r.StartsAt = sale.Draw, now.Add(3*time.Second)
				if withBeacon {
					r.Draw = sale.DrawTerms{Beacon: b.Terms(now.Add(-time.Hour), time.Second), Wait: sale.Duration(time.Minute), IfMissing: sale.WaitOn}
				}
			})
			j := &memoryJournal{}
			r := openRoom(t, client, rec, j)
			join(t, r, entrants)
			advance(t, r, plenty)
			dump := readAll(t, client, "*{drop}*")
			seed := mustHex(t, dump["seed"])
			if Commitment(seed) != r.Snapshot().DrawFacts.Commitment {
				t.Fatal("the insider did not find the seed of the server")
			}
			guessed := NewDraw(seed, 0, entrants)
			testenv.Eventually(t, 20*time.Second, "the draw is made", func() bool {
				if want, wants := r.WantsBeacon(); wants {
					if err := r.GiveBeacon(context.Background(), testTerm, want, b.Sign(want.Round)); err != nil {
						t.Fatal(err)
					}
				}
				return advance(t, r, plenty).Drawn
			})
			facts := r.Snapshot().DrawFacts
			if withBeacon {
				for name, value := range dump {
					if strings.Contains(value, facts.CompletedSeed) || strings.Contains(value, facts.Beacon.Signature) {
						t.Errorf("%s had what was to complete the seed", name)
					}
				}
			}
			same := 0
			for n := Number(1); n <= entrants; n++ {
				if place, _ := r.Snapshot().place(n); place == guessed.Place(n) {
					same++
				}
			}
			// Of two random orders about one place in all is the same.
			if withBeacon && same > 8 || !withBeacon && same != entrants {
				t.Errorf("%d of %d places are those that the insider expected", same, entrants)
			}
		})
	}
}

// readAll reads every key, and the fields of hashes by their names.
func readAll(t testing.TB, client rueidis.Client, pattern string) map[string]string {
	t.Helper()
	ctx := context.Background()
	keys, err := client.Do(ctx, client.B().Keys().Pattern(pattern).Build()).AsStrSlice()
	if err != nil || len(keys) == 0 {
		t.Fatalf("keys %v, %v", keys, err)
	}
	all := make(map[string]string)
	for _, key := range keys {
		raw, err := client.Do(ctx, client.B().Dump().Key(key).Build()).ToString()
		if err != nil {
			t.Fatal(err)
		}
		all[key] = raw
		fields, err := client.Do(ctx, client.B().Hgetall().Key(key).Build()).AsStrMap()
		if err != nil { // no hash
			continue
		}
		for name, value := range fields {
			all[name] = value
		}
	}
	return all
}
