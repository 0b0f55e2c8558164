package queue

import (
	"math"
	"math/rand/v2"
)

const (
	// maxPollsPerSecond bounds the polls of one room's line, however long it is.
	maxPollsPerSecond = 5000
	// pollFrontMillis is the shortest interval, before the jitter of a fifth either way, for those who are next.
	// It grows to pollSoonMillis in a line that calls many a second, where many are next.
	pollFrontMillis    = 200
	pollFrontPerSecond = 35
	// pollSoonMillis and pollFarMillis bound the interval in such a line, with the jitter to 1 … 30 s. Only
	// maxPollsPerSecond may stretch it further.
	pollSoonMillis = 1250
	pollFarMillis  = 25_000
	pollJitter     = 0.2
	// pollShare is the part of the expected wait after which one asks again.
	pollShare = 10

	maxETASeconds = 24 * 60 * 60
)

// pollMillis is when a visitor whose turn is expected in waitMillis should ask again, before
// jitter: often near the front, seldom far back, never after most of the wait has passed, and so
// seldom that a line of waiting visitors makes at most about maxPollsPerSecond, besides the few
// polls that everyone makes at the end of the wait.
func pollMillis(waitMillis int64, waiting uint64, perSecond float64) int64 {
	soon := pollFront(perSecond)
	base := min(max(waitMillis/pollShare, soon), pollFarMillis)
	fair := int64(waiting) * 1000 / maxPollsPerSecond
	return max(min(max(base, fair), waitMillis*4/5), soon)
}

// pollFront is the interval of those who are next. With it they make a few thousand polls a second at most.
func pollFront(perSecond float64) int64 {
	return int64(min(max(pollFrontMillis*perSecond/pollFrontPerSecond, pollFrontMillis), pollSoonMillis))
}

// pollIdleMillis is the interval of those who wait for nothing in particular.
func pollIdleMillis(baseMillis int64, waiting uint64) int64 {
	return max(baseMillis, int64(waiting)*1000/maxPollsPerSecond)
}

// pollBeforeStart spreads those who wait for the start: while it is far off they ask seldom, and
// the last question before it falls behind it, over as long as the line needs at the bounded rate.
func pollBeforeStart(untilStartMillis int64, waiting uint64) int64 {
	spread := max(int64(waiting)*1000/maxPollsPerSecond, pollSoonMillis)
	interval := max(min(untilStartMillis/2, pollFarMillis), spread)
	if untilStartMillis > interval {
		return jittered(interval)
	}
	return max(untilStartMillis, 0) + 100 + rand.Int64N(spread)
}

// jittered keeps the visitors of a crowd from asking in step.
func jittered(millis int64) int64 {
	return int64(float64(millis) * (1 - pollJitter + 2*pollJitter*rand.Float64()))
}

// pace is how fast the line moves, in places a second.
type pace struct {
	likely   float64
	slow     float64 // about nine times of ten it is at least this
	measured bool
}

// seconds returns how long the line takes for ahead places and one more.
func (p pace) seconds(ahead uint64) (p50, p90 int64) {
	return etaSeconds(ahead, p.likely), etaSeconds(ahead, p.slow)
}

func etaSeconds(ahead uint64, perSecond float64) int64 {
	if perSecond <= 0 {
		return maxETASeconds
	}
	return int64(math.Min(math.Ceil(float64(ahead+1)/perSecond), maxETASeconds))
}

// expectedPace is the pace before anything has been measured: the agreed rate, made up for those
// who do not show up.
func expectedPace(ratePerMinute, showUpRate float64) pace {
	perSecond := ratePerMinute / 60 / min(max(showUpRate, minShowUp), 1)
	return pace{likely: perSecond, slow: perSecond / 2}
}

const (
	bucketMillis = 5_000
	maxBuckets   = 12
)

// speedometer measures how fast the line moves while somebody waits in it, in buckets of five
// seconds over the last minute. The slow pace is the second slowest bucket. Share is the lane's part of the calls,
// which is expected while nothing was measured.
type speedometer struct {
	gen     string
	buckets []float64 // places a second, oldest first
	since   int64     // start of the current bucket, ms; 0 when none is open
	passed  uint64    // visitors called until its start
}

func (m *speedometer) read(s *Snapshot, share float64) pace {
	if m.gen != s.room.gen {
		*m = speedometer{gen: s.room.gen}
	}
	now := s.NowMillis
	moving := s.Waiting > 0 && !s.Paused && now >= s.room.starts
	switch {
	case !moving:
		m.since = 0
	case m.since == 0:
		m.since, m.passed = now, s.passed()
	case now-m.since >= bucketMillis:
		speed := float64(s.passed()-min(m.passed, s.passed())) * 1000 / float64(now-m.since)
		if m.buckets = append(m.buckets, speed); len(m.buckets) > maxBuckets {
			m.buckets = append(m.buckets[:0], m.buckets[1:]...)
		}
		m.since, m.passed = now, s.passed()
	}
	expected := expectedPace(s.RatePerMinute*share, s.ShowUpRate)
	if len(m.buckets) < 2 {
		return expected
	}
	return m.summary(expected.likely)
}

// passed counts the places up to the watermark, without the absent ones.
func (s *Snapshot) passed() uint64 { return s.Called - s.absent.upTo(s.Called) }

func (m *speedometer) summary(expected float64) pace {
	sum, lowest, second := 0.0, math.Inf(1), math.Inf(1)
	for _, speed := range m.buckets {
		sum += speed
		if speed < lowest {
			lowest, second = speed, lowest
		} else if speed < second {
			second = speed
		}
	}
	// A line that stands still is told a long time rather than none.
	likely := max(sum/float64(len(m.buckets)), expected/100)
	return pace{likely: likely, slow: min(max(second, likely/4), likely), measured: true}
}
