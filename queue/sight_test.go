package queue

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/testenv"
)

func TestAPassIsUsedFromSoManyPlacesAndNoMore(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now()), &memoryJournal{})
		tickets := join(t, r, 2)
		callUpTo(t, r, 2)
		first, second := mustClaim(t, r, tickets[0]), mustClaim(t, r, tickets[1])
		sight := func(p Pass, kind, place string, most int) bool {
			t.Helper()
			may, err := r.Sight(t.Context(), p, kind, place, most)
			if err != nil {
				t.Fatal(err)
			}
			return may
		}
		for i := range 3 {
			if !sight(first, "network", "n"+strconv.Itoa(i), 3) {
				t.Fatalf("place %d is refused", i)
			}
		}
		if sight(first, "network", "n3", 3) || !sight(first, "network", "n0", 3) {
			t.Fatal("a fourth place is taken, or a known one refused")
		}
		if !sight(first, "device", "d0", 1) || sight(first, "device", "d1", 1) || !sight(second, "device", "d1", 1) {
			t.Fatal("kinds or passes are mixed up")
		}
		if err := r.Release(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Sight(t.Context(), first, "network", "n0", 3); !errors.Is(err, problem.PassInvalid) {
			t.Fatalf("a pass that was given back: %v", err)
		}
	})
}
