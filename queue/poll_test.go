package queue

import (
	"testing"

	"pgregory.net/rapid"
)

func TestPollsAreBoundedNearFrequentAndFarSeldom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wait := rapid.Int64Range(0, 10*60*60*1000).Draw(t, "wait")
		waiting := rapid.Uint64Range(0, 100_000).Draw(t, "waiting")
		speed := rapid.Float64Range(0.1, 10_000).Draw(t, "speed")
		got := jittered(pollMillis(wait, waiting, speed))
		if got < 160 || speed > 250 && got < 1000 || got > 30_000 {
			t.Fatalf("%d ms", got)
		}
		if wait > 4000 && got > wait {
			t.Fatalf("asks again in %d ms, called in %d ms", got, wait)
		}
	})
	if next := pollMillis(1_000, 1000, 10); next != pollFrontMillis {
		t.Errorf("next in line: %d ms", next)
	}
	if near := pollMillis(3_000, 1000, 1000); near > 2000 {
		t.Errorf("near the front: %d ms", near)
	}
	if far := pollMillis(600_000, 1000, 10); far < 20_000 {
		t.Errorf("ten minutes away: %d ms", far)
	}
}

func TestTheWholeLinePollsNoMoreThanIsAllowed(t *testing.T) {
	for _, c := range []struct {
		waiting   uint64
		perSecond float64
	}{{10_000, 10}, {200_000, 100}, {1_000_000, 100}, {1_000_000, 1000}} {
		total := 0.0
		for ahead := uint64(0); ahead < c.waiting; ahead += 10 {
			wait := float64(ahead) / c.perSecond * 1000
			total += 10 * 1000 / float64(pollMillis(int64(wait), c.waiting, c.perSecond))
		}
		if limit := maxPollsPerSecond + max(2200, 11*c.perSecond); total > limit {
			t.Errorf("%d waiting at %v calls a second: %.0f polls a second", c.waiting, c.perSecond, total)
		}
	}
}

func TestPollsOfACrowdBeforeTheStartSpreadBehindIt(t *testing.T) {
	const waiting, untilStart = 100_000, 3_000
	first, last := int64(1<<40), int64(0)
	for range 10_000 {
		at := pollBeforeStart(untilStart, waiting)
		first, last = min(first, at), max(last, at)
	}
	if first < untilStart || last < untilStart+15_000 || last > untilStart+25_000 {
		t.Fatalf("the crowd comes back between %d and %d ms", first, last)
	}
	if far := pollBeforeStart(3_600_000, 10); far < 20_000 || far > 30_000 {
		t.Fatalf("an hour before: %d ms", far)
	}
}

func TestTheExpectedWaitComesFromTheMeasuredSpeed(t *testing.T) {
	m := speedometer{}
	s := &Snapshot{RatePerMinute: 600, ShowUpRate: 1, NowMillis: 1, Waiting: 1000}
	if p := m.read(s, 1); p.measured || p.likely != 10 {
		t.Fatalf("before the first measurement: %+v", p)
	}
	for i := range 30 {
		s.NowMillis += bucketMillis
		s.Called += 25 + uint64(i%2)*10 // five and seven a second
		p := m.read(s, 1)
		if i < maxBuckets {
			continue
		}
		if !p.measured || p.likely < 5.9 || p.likely > 6.1 || p.slow != 5 {
			t.Fatalf("after %d buckets: %+v", i+1, p)
		}
		p50, p90 := p.seconds(599)
		if p50 < 98 || p50 > 102 || p90 != 120 {
			t.Fatalf("eta %d … %d s", p50, p90)
		}
	}
	s.Waiting = 0
	s.NowMillis += 100 * bucketMillis
	m.read(s, 1)
	s.Waiting = 1
	s.NowMillis++
	if p := m.read(s, 1); p.likely < 5.9 {
		t.Fatalf("an empty line counted as a slow one: %+v", p)
	}
}
