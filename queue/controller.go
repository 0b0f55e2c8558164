package queue

import (
	"math"
	"time"
)

// Line is the state of a room on which the controller decides.
type Line struct {
	Called uint64
	// End is the last place that may be called.
	End uint64
	// Share and Owed are those of the lane of everybody, and Lanes are the priority lanes. Without any, the lane of
	// everybody is the line.
	Share, Owed float64
	Lanes       []LaneLine
	// Coming are the called of all lanes who are still expected to claim.
	Coming uint64
	// Expected is how many of the Coming will come, by how long ago they were called.
	Expected float64
	// DelayMillis is how long visitors take from the call to the claim, on average.
	DelayMillis        int64
	Active             int
	AdmittedLastMinute int
	// LeavingMinute are those of AdmittedLastMinute who count no longer in DelayMillis from now.
	LeavingMinute int
	// AdmittedLately are those of the last decideWithin.
	AdmittedLately int64
	// AdmittedSinceAside are those who were admitted since the units were set aside.
	AdmittedSinceAside int64
	// Claimed counts all admissions so far.
	Claimed int64
	// Shown and NoShow count, over the windows that have closed, who came and who did not.
	Shown, NoShow int64
	// OverdueShown and OverdueMissing count, over the windows that are open, who came and who did not, of those
	// whose usual delay is over.
	OverdueShown, OverdueMissing int64
	Memory                       Memory
}

// Memory is what the controller carries from one decision to the next.
type Memory struct {
	// Credit is how many admissions may be called for at CreditAtMillis; below 0 before the first decision.
	Credit         float64
	CreditAtMillis int64
	ShowUpRate     float64
	// SeenShown and SeenNoShow are the counts that ShowUpRate accounts for.
	SeenShown, SeenNoShow int64
}

// Inputs are the limits under which the controller decides.
type Inputs struct {
	NowMillis     int64
	StartsMillis  int64 // since when visitors may be called
	Live          bool  // started, not ended, not paused, places known, mode queue
	RatePerMinute float64
	MaxActive     int
	// UnitsAllocated belong to the sale; UnitsAvailable of them are neither held nor sold, and below
	// 0 when that is not known. Both are sums over the items, to none of which a negative number counts.
	UnitsAllocated, UnitsAvailable int64
	// UnitsAside of the available ones only those may take who are admitted from now on.
	UnitsAside int64
	// LevelFactor slows the calls under pressure: 1 normal … 0 stop.
	LevelFactor float64
	// Gone reports that nobody is at a place: the ticket has left, was used already, or is not known to
	// be in anybody's hands; nil for none.
	Gone func(place uint64) bool
}

// Reason names what bounded a decision.
type Reason string

// The reasons why no more were called.
const (
	NotLive   Reason = "not_live"
	LineEmpty Reason = "line_empty"
	Pacing    Reason = "pacing"
	CapFull   Reason = "cap"
	RateFull  Reason = "rate"
	NoStock   Reason = "stock"
)

// Decision is where the watermark goes.
type Decision struct {
	Called uint64
	// Skipped are the newly called places whose tickets were gone already.
	Skipped uint64
	// Owed is what the lane of everybody is owed from now on, and Lanes are the moves of the priority lanes.
	Owed   float64
	Lanes  []LaneMove
	Memory Memory
	Why    Reason
	// Late visitors, so many, may be admitted late before the decision is written: nobody was called for their room.
	Late int64
}

const (
	// minShowUp bounds how far the calls run ahead of those who come.
	minShowUp = 0.1
	// showUpInertia is how many outcomes weigh as much as all that was known before.
	showUpInertia = 20
	// burstMillis is how much unused credit is kept.
	burstMillis = 1000
	// paceShare of the rate is called for. The rest, a second's worth in a minute, takes up that
	// visitors do not claim as evenly as they are called; without it many would meet the rate's
	// limit for a moment.
	paceShare = 59.0 / 60
	// catchUp is how much faster calls may get than the pace while a line waits and the last minute had fewer
	// admissions than the rate: a leader was lost, or fewer came than expected. catchUpGain says how fast a gap
	// takes them there.
	catchUp     = 0.25
	catchUpGain = 5
	// hurryTo is the share of the rate up to which the calls hurry. Nearer to the whole of it the called would meet
	// the rate's limit.
	hurryTo = 0.99
	// spareShare of the rate is not called for, so that the called do not meet its limit.
	spareShare = 1.0 / 200
	// hurryDelay is how long visitors may take to claim, on average, for calls to be made faster.
	hurryDelay = 5 * time.Second
	// maxSkips bounds the places looked at in one decision.
	maxSkips = 10_000
)

// Decide says how far the watermarks move. It is pure.
//
// Credit, in admissions, grows evenly at the rate (see paceShare); each call costs the show-up rate, the
// share of an admission that it is expected to become. Beyond the pace, calls stop where those who are
// expected to come would exceed the cap, the rolling minute or the units that are left. How the calls are divided among
// lanes says splitCalls.
func Decide(line Line, in Inputs) Decision {
	d := Decision{Called: line.Called, Owed: line.Owed, Memory: remember(line, in)}
	if !in.Live {
		d.Why = NotLive
		return d // a lane without a move stands
	}
	showUp := expectedShowUp(line, d.Memory.ShowUpRate)
	calls, why := math.Floor(d.Memory.Credit/showUp+1e-9), Pacing
	for _, limit := range []struct {
		calls float64
		why   Reason
	}{
		{byCap(line, in, showUp), CapFull},
		{byRate(line, in, showUp), RateFull},
		{byStock(line, in, showUp), NoStock},
	} {
		if limit.calls < calls {
			calls, why = limit.calls, limit.why
		}
	}
	own := LaneLine{Called: line.Called, End: line.End, Share: line.Share, Owed: line.Owed, Gone: in.Gone}
	moves, called := splitCalls(append([]LaneLine{own}, line.Lanes...), uint64(max(calls, 0)))
	d.Called, d.Skipped, d.Owed, d.Lanes = moves[0].Called, moves[0].Skipped, moves[0].Owed, moves[1:]
	if d.Why = why; !line.after(d).waits() {
		d.Why = LineEmpty
	}
	d.Memory.Credit = max(d.Memory.Credit-float64(called)*showUp, 0)
	return d
}

// remember brings credit and show-up rate up to now.
func remember(line Line, in Inputs) Memory {
	m := line.Memory
	m.ShowUpRate = showUpRate(line)
	m.SeenShown, m.SeenNoShow = line.Shown, line.NoShow
	perMilli := in.RatePerMinute / 60_000 * paceShare * in.LevelFactor
	burst := max(perMilli*burstMillis, 1)
	perMilli *= hurry(line, in)
	switch {
	case m.Credit < 0 || !in.Live:
		m.Credit = -1
		if in.Live { // the first decision: what has grown since the start, and credit for one call at least
			grown := float64(in.NowMillis-in.StartsMillis) * perMilli
			m.Credit = min(max(grown, min(1, in.RatePerMinute*in.LevelFactor)), burst)
		}
	case in.NowMillis > m.CreditAtMillis:
		m.Credit = min(m.Credit+float64(in.NowMillis-m.CreditAtMillis)*perMilli, burst)
	}
	m.CreditAtMillis = in.NowMillis
	return m
}

// hurry is how much faster than the pace the calls are, so that the rate is used. It waits for a whole minute, in
// which the calls are as even as they can be. Where visitors claim slowly it would come too late, and make waves.
func hurry(line Line, in Inputs) float64 {
	if !line.waits() || in.NowMillis-in.StartsMillis < minuteMillis || line.DelayMillis > hurryDelay.Milliseconds() {
		return 1
	}
	gap := hurryTo*in.LevelFactor - (float64(line.AdmittedLastMinute)+arriving(line))/in.RatePerMinute
	return 1 + min(max(gap*catchUpGain, 0), catchUp)
}

// expectedShowUp is the show-up rate with what is seen of the windows that are still open.
func expectedShowUp(line Line, rate float64) float64 {
	n := float64(line.OverdueShown + line.OverdueMissing)
	return min(max((rate*showUpInertia+float64(line.OverdueShown))/(showUpInertia+n), minShowUp), 1)
}

// showUpRate is a moving average of came / (came + did not come) over closed windows, in which n
// new outcomes weigh n against showUpInertia.
func showUpRate(line Line) float64 {
	rate := min(max(line.Memory.ShowUpRate, minShowUp), 1)
	came, missed := line.Shown-line.Memory.SeenShown, line.NoShow-line.Memory.SeenNoShow
	n := float64(came + missed)
	if came < 0 || missed < 0 || n == 0 {
		return rate
	}
	weight := n / (n + showUpInertia)
	return min(max(rate+weight*(float64(came)/n-rate), minShowUp), 1)
}

// fill is how many may be called so that they and those coming, at the show-up rate, fill the slots.
func fill(slots, showUp float64, coming uint64) float64 {
	return math.Floor(slots/showUp+1e-9) - float64(coming)
}

func byCap(line Line, in Inputs, showUp float64) float64 {
	return fill(float64(in.MaxActive-line.Active), showUp, line.Coming)
}

// arriving is by how many the admissions of the rolling minute grow, or shrink when it is below 0, until those who
// were called have claimed: they come, and as the minute rolls on, earlier admissions leave it.
func arriving(line Line) float64 {
	return line.Expected - float64(line.LeavingMinute)
}

// stillToCome is the chance that a visitor comes who was called ageMillis ago and has not come yet, where showUp of
// those called come, after delayMillis on average. The time they take is taken for exponential.
func stillToCome(ageMillis, delayMillis int64, showUp float64) float64 {
	later := showUp * math.Exp(-float64(max(ageMillis, 0))/float64(max(delayMillis, 1)))
	if later <= 0 { // so long ago that it is too small to be told from 0
		return 0
	}
	return later / (1 - showUp + later)
}

// byRate keeps the admissions of the rolling minute, now and when those who were called have claimed, within the
// rate. A part of it stays free, as visitors do not claim as evenly as is expected of them.
func byRate(line Line, in Inputs, showUp float64) float64 {
	room := in.RatePerMinute - math.Floor(in.RatePerMinute*spareShare) - float64(line.AdmittedLastMinute) - max(arriving(line), 0)
	return math.Floor(room/showUp + 1e-9)
}

// byStock keeps the expected visitors within the units that are left, one unit each. Of those
// admitted, the ones who may still take a unit are no more than are active, than came lately (who
// came earlier has decided), and than have come without a unit having gone for it.
func byStock(line Line, in Inputs, showUp float64) float64 {
	if in.UnitsAvailable < 0 {
		return math.Inf(1)
	}
	taken := max(in.UnitsAllocated-in.UnitsAvailable, 0)
	undecided := min(int64(line.Active), line.AdmittedLately, max(line.Claimed-taken, 0))
	// Those admitted before units were set aside take none of them.
	later := min(line.AdmittedSinceAside, undecided)
	free := in.UnitsAvailable - undecided
	if in.UnitsAside > 0 {
		free = max(in.UnitsAvailable-in.UnitsAside-(undecided-later), 0) + in.UnitsAside - later
	}
	return fill(float64(free), showUp, line.Coming)
}

// withLate is the line once so many visitors more are admitted late. Each takes a slot, a place in the rolling minute
// and a unit, and none of the calls.
func (l Line) withLate(n int64) Line {
	l.Active, l.AdmittedLastMinute = l.Active+int(n), l.AdmittedLastMinute+int(n)
	l.AdmittedLately, l.AdmittedSinceAside, l.Claimed = l.AdmittedLately+n, l.AdmittedSinceAside+n, l.Claimed+n
	return l
}

// waits reports whether any lane may have somebody to call.
func (l Line) waits() bool {
	for _, lane := range l.Lanes {
		if lane.Called < lane.End {
			return true
		}
	}
	return l.Called < l.End
}

// after is the line once a decision is made.
func (l Line) after(d Decision) Line {
	l.Called = d.Called
	lanes := make([]LaneLine, len(l.Lanes))
	for i, lane := range l.Lanes {
		lane.Called = d.Lanes[i].Called
		lanes[i] = lane
	}
	l.Lanes = lanes
	return l
}
