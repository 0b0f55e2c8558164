package queue

import "math"

// back is what is left of an item and when the held part of it may come back.
type back struct {
	free, held  float64
	first, last int64 // when the first and the last hold end, ms of Redis TIME; 0 = not known
	holds       Holds
}

// spread widens the time in which holds end to that of another item too.
func (b *back) spread(o back) {
	if o.held <= 0 || o.first == 0 {
		return
	}
	if b.first == 0 || o.first < b.first {
		b.first = o.first
	}
	b.last = max(b.last, o.last)
}

// deviationsP90 is how many standard deviations above the mean nine tenths of a normal distribution lie.
const deviationsP90 = 1.2816

// wait expects when there is a unit for the needed-th of those who take one, in ms from now: as likely as not,
// and nine times of ten, until then. It is pure. Free units are there at once. Of the held ones, each comes back
// with the probability LapseShare at the end of its hold; the ends are spread evenly from the first to the last.
// How many holds must end until enough have come back is a negative binomial number, here by its mean and
// deviation. That any comes back at all is what the outlook tells: when more holds would have to end than there
// are, the wait is that until the last of them, and its holder may still prolong it.
func (b *back) wait(needed float64, now int64) (p50, p90 int64) {
	short := math.Ceil(needed - b.free)
	switch {
	case short <= 0:
		return 0, 0
	case b.held <= 0:
		return maxETASeconds * 1000, maxETASeconds * 1000
	}
	lapse := min(max(b.holds.LapseShare, minLapseShare), 1)
	mean := short / lapse
	// The second part is how far the nth end may be from where even spreading puts it.
	variance := short*(1-lapse)/(lapse*lapse) + mean*max(1-mean/b.held, 0)
	high := mean + deviationsP90*math.Sqrt(variance)
	return b.endOf(mean, now), max(b.endOf(mean, now), b.endOf(high, now)+b.extension(high))
}

// minLapseShare bounds how many holds one unit is expected to take.
const minLapseShare = 0.02

// endOf is when the nth hold ends, in ms from now.
func (b *back) endOf(nth float64, now int64) int64 {
	first, last := b.first, b.last
	if first == 0 {
		first, last = now, now+b.holds.LastsMillis
	}
	if b.held > 1 {
		first += int64(float64(max(last-first, 0)) * min((nth-1)/(b.held-1), 1))
	}
	return min(max(first-now, 1000), maxETASeconds*1000)
}

// extension is how much later the nth hold may end when there are not that many.
func (b *back) extension(nth float64) int64 {
	if nth <= b.held {
		return 0
	}
	return b.holds.ExtendMillis
}
