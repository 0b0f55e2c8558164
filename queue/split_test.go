package queue

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// shares draws the shares of 1 … 9 lanes, which add up to 1.
func drawShares(t *rapid.T) []float64 {
	parts := rapid.SliceOfN(rapid.IntRange(1, 95), 1, int(MaxLane)+1).Draw(t, "parts")
	total := 0
	for _, part := range parts {
		total += part
	}
	shares := make([]float64, len(parts))
	for i, part := range parts {
		shares[i] = float64(part) / float64(total)
	}
	return shares
}

func TestWhileAllLanesHaveVisitorsNoneIsACallAwayFromItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shares := drawShares(t)
		lanes := make([]LaneLine, len(shares))
		for i, share := range shares {
			lanes[i] = LaneLine{End: maxNumber, Share: share}
		}
		total := uint64(0)
		for range rapid.IntRange(1, 60).Draw(t, "decisions") {
			calls := rapid.Uint64Range(0, 40).Draw(t, "calls")
			moves, met := splitCalls(lanes, calls)
			if met != calls {
				t.Fatalf("%d of %d calls were made although everybody waits", met, calls)
			}
			total += calls
			for i, move := range moves {
				lanes[i].Called, lanes[i].Owed = move.Called, move.Owed
				if off := float64(move.Called) - shares[i]*float64(total); math.Abs(off) > 1+1e-6 {
					t.Fatalf("after %d calls lane %d with the share %.3f has %d: %.3f off", total, i, shares[i], move.Called, off)
				}
			}
		}
	})
}

// Lanes empty and fill again, and places are gone: still no call is lost or made twice, and whoever waits is called
// before long.
func TestLanesThatEmptyAndFillLoseNoCallAndStarveNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shares := drawShares(t)
		lanes := make([]LaneLine, len(shares))
		hungry := make([]float64, len(shares)) // calls made to others since the lane waits without one
		seed := rapid.Uint64().Draw(t, "gone")
		gone := func(lane int) func(uint64) bool {
			return func(place uint64) bool { return (place*2654435761^seed>>lane)%5 == 0 }
		}
		for i, share := range shares {
			lanes[i] = LaneLine{Share: share, Gone: gone(i)}
		}
		for range rapid.IntRange(1, 80).Draw(t, "decisions") {
			there := uint64(0)
			for i := range lanes {
				lanes[i].End += rapid.Uint64Range(0, 12).Draw(t, "arrivals")
				for place := lanes[i].Called + 1; place <= lanes[i].End; place++ {
					if !gone(i)(place) {
						there++
					}
				}
			}
			calls := rapid.Uint64Range(0, 30).Draw(t, "calls")
			moves, met := splitCalls(lanes, calls)
			if met != min(calls, there) {
				t.Fatalf("%d calls were made of %d allowed, with %d visitors there", met, calls, there)
			}
			called := uint64(0)
			for i, move := range moves {
				met1 := uint64(0)
				for place := lanes[i].Called + 1; place <= move.Called; place++ {
					if !gone(i)(place) {
						met1++
					}
				}
				if move.Called < lanes[i].Called || move.Called > lanes[i].End || move.Called-lanes[i].Called != met1+move.Skipped {
					t.Fatalf("lane %d went from %d to %d of %d with %d skipped", i, lanes[i].Called, move.Called, lanes[i].End, move.Skipped)
				}
				called += met1
				left := false
				for place := move.Called + 1; place <= lanes[i].End; place++ {
					left = left || !gone(i)(place)
				}
				if hungry[i] += float64(met - met1); met1 > 0 || !left {
					hungry[i] = float64(0)
				}
				// The worst that a share allows, with what the other lanes may be owed from before.
				if most := (2 + float64(len(shares))) / shares[i]; hungry[i] > most+float64(calls) {
					t.Fatalf("lane %d with the share %.3f waits while %v others are called", i, shares[i], hungry[i])
				}
				if math.Abs(move.Owed) > maxOwed {
					t.Fatalf("lane %d is owed %v", i, move.Owed)
				}
				lanes[i].Called, lanes[i].Owed = move.Called, move.Owed
			}
			if called != met {
				t.Fatalf("%d called in the lanes, %d counted", called, met)
			}
		}
	})
}

func TestAnEmptyLaneLeavesItsCallsToTheOthersInProportion(t *testing.T) {
	lanes := []LaneLine{
		{End: maxNumber, Share: 0.5},
		{End: 0, Share: 0.3},
		{End: maxNumber, Share: 0.2},
	}
	moves, met := splitCalls(lanes, 7000)
	if met != 7000 || moves[0].Called != 5000 || moves[1].Called != 0 || moves[2].Called != 2000 {
		t.Fatalf("got %+v after %d calls; want 5000, 0 and 2000", moves, met)
	}
}

func TestAMillionVIPsDoNotStarveTheLaneOfEverybody(t *testing.T) {
	lanes := []LaneLine{{End: 1000, Share: 0.05}, {End: 1_000_000, Share: 0.95}}
	since := 0
	for range 4000 {
		moves, _ := splitCalls(lanes, 1)
		since++
		if moves[0].Called > lanes[0].Called {
			since = 0
		}
		if since > 20 {
			t.Fatalf("%d calls in a row went to the priority lane", since)
		}
		for i := range lanes {
			lanes[i].Called, lanes[i].Owed = moves[i].Called, moves[i].Owed
		}
	}
	if lanes[0].Called != 200 {
		t.Fatalf("the lane of everybody had %d of 4000 calls; its share is 200", lanes[0].Called)
	}
}
