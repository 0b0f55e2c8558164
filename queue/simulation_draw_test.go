//go:build simulations

package queue

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/penstock/penstock/internal/sale"
)

// biasSeeds is over how many seeds the places are counted. They are fixed, so that a test always comes out alike.
const biasSeeds = 10_000

func seedNumber(i uint64) []byte {
	return binary.LittleEndian.AppendUint64(make([]byte, 0, seedBytes), i)[:seedBytes:seedBytes]
}

// chiSquared counts the places that a ticket gets over the seeds, and compares them with all being as likely. The
// result is in standard deviations of the chi-squared distribution, above its mean.
func chiSquared(count uint64, place func(seed []byte) uint64) float64 {
	places := make([]float64, count)
	for i := range uint64(biasSeeds) {
		places[place(seedNumber(i))-1]++
	}
	expected, chi, df := float64(biasSeeds)/float64(count), 0.0, float64(count-1)
	for _, times := range places {
		chi += (times - expected) * (times - expected) / expected
	}
	return (chi - df) / math.Sqrt(2*df)
}

// mostDeviations is what chance does not exceed once in 100,000 such counts.
const mostDeviations = 6

// TestSimulationOverTenThousandSeedsEachPlaceIsAsLikely counts each of several tickets by itself. The same count finds a
// permutation that favours a ticket in one of fifty draws, one that only rotates the places by half of what it should,
// and one that takes a number modulo the count.
func TestSimulationOverTenThousandSeedsEachPlaceIsAsLikely(t *testing.T) {
	for _, lane := range []Lane{0, 1, MaxLane} {
		for _, count := range []uint64{2, 10, 50, 100} {
			for _, n := range []uint64{1, 2, count/2 + 1, count} {
				if got := chiSquared(count, func(seed []byte) uint64 { return NewDraw(seed, lane, count).Place(numberIn(lane, n)) }); math.Abs(got) > mostDeviations {
					t.Errorf("ticket %d of %d in lane %d is %.1f standard deviations off", n, count, lane, got)
				}
			}
		}
	}
	const count = 50
	for name, biased := range map[string]func(seed []byte) uint64{
		"one of fifty draws is steered": func(seed []byte) uint64 {
			if binary.LittleEndian.Uint64(seed)%50 == 0 {
				return 1
			}
			return NewDraw(seed, 0, count).Place(7)
		},
		"half of the places only":   func(seed []byte) uint64 { return 1 + NewDraw(seed, 0, count).Place(7)/2 },
		"a number modulo the count": func(seed []byte) uint64 { return 1 + sipHash(0, 0, binary.LittleEndian.Uint64(seed))%64%count },
	} {
		if got := chiSquared(count, biased); got <= mostDeviations {
			t.Errorf("%s: only %.1f standard deviations off", name, got)
		}
	}
}

// The permutations of the lanes of one draw say nothing of each other: over the seeds, the place of a ticket in one
// lane is as likely beside each place of the same ticket in the other.
func TestSimulationThePlacesInOneLaneSayNothingOfThoseInAnother(t *testing.T) {
	const count = 7
	pairs := func(seed []byte) uint64 {
		return NewDraw(seed, 0, count).Place(3) + count*(NewDraw(seed, 1, count).Place(numberIn(1, 3))-1)
	}
	if got := chiSquared(count*count, pairs); math.Abs(got) > mostDeviations {
		t.Errorf("%.1f standard deviations off", got)
	}
	same := func(seed []byte) uint64 { return (NewDraw(seed, 0, count).Place(3)-1)*(count+1) + 1 }
	if got := chiSquared(count*count, same); got <= mostDeviations {
		t.Errorf("one permutation for both lanes is only %.1f standard deviations off", got)
	}
}

// Over many seeds each ticket must get each place about equally often, or an early number would
// be worth something.
func TestSimulationTheDrawFavoursNobody(t *testing.T) {
	const draws = 20_000
	for _, count := range []uint64{2, 3, 7, 64, 65} {
		for _, n := range []Number{1, 2, Number(count)} {
			places := make([]float64, count)
			var seed [seedBytes]byte
			for i := range uint64(draws) {
				binary.LittleEndian.PutUint64(seed[:], i)
				places[NewDraw(seed[:], 0, count).Place(n)-1]++
			}
			expected := float64(draws) / float64(count)
			chi := 0.0
			for _, times := range places {
				chi += (times - expected) * (times - expected) / expected
			}
			// Six standard deviations of the chi-squared distribution; the seeds are fixed.
			df := float64(count - 1)
			if chi > df+6*math.Sqrt(2*df) {
				t.Errorf("ticket %d among %d: chi-squared %.1f for %v degrees of freedom", n, count, chi, df)
			}
		}
	}
}

// In the simulation insiderEntrants have joined, in each lane. Until the counts are frozen the insider may let up to
// insiderChoices more join, or fewer, and chooses which of them is the insider's own.
const (
	insiderEntrants = 600
	insiderChoices  = 24
	insiderSales    = 2000
)

// steer makes, of all the choices that the insider has, the one with the best place in the draw that the insider
// believes in, and returns the share of the line that is ahead in the draw that is made. The insider's own place is in
// a lane; the others come to the lane joined, which may be another one.
func steer(lane, joined Lane, believed, made func(counts drawCounts) *Draw) float64 {
	best, chosen, share := Number(0), drawCounts(nil), 2.0
	for more := uint64(1); more <= insiderChoices; more++ {
		counts := drawCounts{insiderEntrants, insiderEntrants}
		counts[joined] += more
		d, first := believed(counts), uint64(insiderEntrants)-insiderChoices
		if joined == lane {
			first = insiderEntrants
		}
		for n := first + 1; n <= counts[lane]; n++ {
			if ahead := float64(d.Place(numberIn(lane, n))-1) / float64(counts[lane]); ahead < share {
				best, chosen, share = numberIn(lane, n), counts, ahead
			}
		}
	}
	return float64(made(chosen).Place(best)-1) / float64(chosen[lane])
}

// TestSimulationAnInsiderWhoChoosesWhoTakesPartGainsNoPlace simulates an operator who knows all that the servers know until the
// counts are frozen: the seed, the plan, every entrant. The beacon, or the share of the one party that keeps it to
// itself, is not among that. Where the seed alone decides, the same insider is nearly always in front.
func TestSimulationAnInsiderWhoChoosesWhoTakesPartGainsNoPlace(t *testing.T) {
	chance := rand.New(rand.NewPCG(20261201, 10))
	random := func() string {
		b := make([]byte, 48)
		for i := range b {
			b[i] = byte(chance.Uint32())
		}
		return hex.EncodeToString(b)
	}
	plans := map[string]drawPlan{
		"the seed alone":                    {},
		"a beacon":                          {Beacon: &beaconPlan{ChainHash: "chain"}},
		"shares, of which one is not known": {Shares: []sale.Share{{Party: "shop"}, {Party: "brand"}}},
	}
	for _, at := range []struct{ lane, joined Lane }{{0, 0}, {1, 1}, {1, 0}} {
		lane := at.lane
		for name, plan := range plans {
			var tenth int
			var sum float64
			for range insiderSales {
				seed, known := mustHex(t, random())[:seedBytes], random()[:64]
				guess := drawParts{Round: 7, Signature: random(), Shares: []string{known, random()[:64]}}
				comes := drawParts{Round: 7, Signature: random(), Shares: []string{known, random()[:64]}}
				made := func(parts drawParts) func(drawCounts) *Draw {
					return func(counts drawCounts) *Draw {
						return NewDraw(completedSeed("drop", seed, counts, plan, parts), lane, counts.in(lane))
					}
				}
				ahead := steer(lane, at.joined, made(guess), made(comes))
				sum += ahead
				if ahead < 0.1 {
					tenth++
				}
			}
			mean, inFront := sum/insiderSales, float64(tenth)/insiderSales
			t.Logf("lane %d, others join lane %d, %s: %.3f of the line is ahead of the insider on average; in the first tenth in %.3f of the sales", lane, at.joined, name, mean, inFront)
			// Of uniform places the mean has a standard deviation of 0.289/√2000 = 0.0065, and the share of 0.0067.
			steered := mean < 0.5-6*0.0065 || inFront > 0.1+6*0.0067
			if knew := plan.empty(); knew != steered || knew && inFront < 0.85 {
				t.Errorf("lane %d, %s: steered is %v", lane, name, steered)
			}
		}
	}
}
