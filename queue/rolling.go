package queue

import (
	"maps"
	"slices"

	"github.com/penstock/penstock/internal/sale"
)

// Peak is the moment at which most were counted, and by how much a limit was ever exceeded.
type Peak struct {
	// Most were counted at AtMillis, where Limit was in force.
	Most, AtMillis, Limit int64
	// Over is by how much the limit in force was exceeded at most, at OverAtMillis; 0 when it never was.
	Over, OverAtMillis int64
	// Unlimited counts moments for which no limit is known.
	Unlimited int64
}

func (p *Peak) see(at, count, limit int64, known bool) {
	if count > p.Most {
		p.Most, p.AtMillis, p.Limit = count, at, limit
	}
	switch {
	case !known:
		p.Unlimited++
	case count-limit > p.Over:
		p.Over, p.OverAtMillis = count-limit, at
	}
}

// limitLine are limits by their time, each different from the one before.
type limitLine []Limits

// with adds limits. The same ones are journaled again and again.
func (l limitLine) with(next Limits) limitLine {
	at, there := slices.BinarySearchFunc(l, next.AtMillis, func(have Limits, at int64) int { return int(have.AtMillis - at) })
	if there || at > 0 && l[at-1].same(next) {
		return l
	}
	if len(l) >= maxLimitChanges {
		return l
	}
	return slices.Insert(slices.Clone(l), at, next)
}

// maxLimitChanges bounds the changes that are known of one sale. A standby line that is switched once a minute has
// fewer in two days.
const maxLimitChanges = 10_000

func (l Limits) same(other Limits) bool {
	return l.RatePerMinute == other.RatePerMinute && l.MaxActive == other.MaxActive && l.Mode == other.Mode
}

// at returns the limits that were in force: of a moment at which they were changed, both.
func (l limitLine) at(millis int64) (now, before Limits, known bool) {
	i, there := slices.BinarySearchFunc(l, millis, func(have Limits, at int64) int { return int(have.AtMillis - at) })
	if !there {
		i--
	}
	if i < 0 {
		return Limits{}, Limits{}, false
	}
	now, before = l[i], l[i]
	if there && i > 0 {
		before = l[i-1]
	}
	return now, before, true
}

// openAt reports whether the gate was open, so that neither line nor limits held.
func (l limitLine) openAt(millis int64) bool {
	now, before, known := l.at(millis)
	return known && (now.Mode == sale.Open || before.Mode == sale.Open)
}

// rollingReach is how much later than its moment an admission may come into the journal and still be counted in its
// place, in ms. Nodes journal within seconds.
const rollingReach = 5 * 60_000

// rolling counts admissions in every closed interval of 60 s, and the passes in force, at each ms at which somebody
// was admitted. Admissions may come out of order within rollingReach, which bounds what it keeps.
type rolling struct {
	pending map[int64]int64 // admissions by the ms, not counted yet
	expires map[int64]int64 // passes by the second of their end
	newest  int64
	counted int64 // up to this ms, everything is counted
	swept   int64 // up to this second, ended passes are counted
	window  []msCount
	inside  int64 // admissions in the window
	live    int64 // passes in force
	minute  Peak
	active  Peak
	late    int64
}

type msCount struct{ at, count int64 }

func newRolling() rolling {
	return rolling{pending: make(map[int64]int64), expires: make(map[int64]int64)}
}

func (r *rolling) add(at, expiresSeconds int64, limits *limitLine) {
	if at <= r.counted {
		r.late++
		return
	}
	r.pending[at]++
	r.expires[expiresSeconds]++
	if r.newest = max(r.newest, at); r.newest-r.counted > 2*rollingReach {
		r.count(r.newest-rollingReach, limits)
	}
}

// renew moves the end of one pass.
func (r *rolling) renew(fromSeconds, toSeconds int64) {
	if fromSeconds < toSeconds && r.expires[fromSeconds] > 0 {
		r.expires[fromSeconds]--
		r.expires[toSeconds]++
	}
}

func (r *rolling) finish(limits *limitLine) { r.count(r.newest, limits) }

// count goes on up to a moment, in the order of time.
func (r *rolling) count(upto int64, limits *limitLine) {
	due := make([]int64, 0, len(r.pending))
	for at := range r.pending {
		if at <= upto {
			due = append(due, at)
		}
	}
	slices.Sort(due)
	for _, at := range due {
		r.step(at, r.pending[at], limits)
		delete(r.pending, at)
	}
	r.counted = upto
}

func (r *rolling) step(at, count int64, limits *limitLine) {
	r.end(at / 1000)
	r.live += count
	if limits.openAt(at) {
		return // no limit holds, and the admission does not weigh on the rate
	}
	for len(r.window) > 0 && at-r.window[0].at > minuteMillis {
		r.inside -= r.window[0].count
		r.window = r.window[1:]
	}
	r.window = append(r.window, msCount{at: at, count: count})
	r.inside += count
	now, before, known := limits.at(at)
	r.minute.see(at, r.inside, max(now.RatePerMinute, before.RatePerMinute), known)
	r.active.see(at, r.live, max(now.MaxActive, before.MaxActive), known)
}

// end counts the passes that have ended by a second.
func (r *rolling) end(second int64) {
	if second-r.swept > int64(len(r.expires)) { // fewer ends than seconds
		for _, s := range slices.Sorted(maps.Keys(r.expires)) {
			if s > second {
				break
			}
			r.drop(s)
		}
	} else {
		for s := r.swept + 1; s <= second; s++ {
			r.drop(s)
		}
	}
	r.swept = second
}

func (r *rolling) drop(second int64) {
	r.live -= r.expires[second]
	delete(r.expires, second)
}
