package queue

import "time"

// decideWithin is how long an admitted visitor is expected to take a unit. Later ones still may:
// they meet the same stock as everybody. Without a bound a unit would lie idle for as long as the
// pass of a visitor who buys nothing.
const decideWithin = 20 * time.Second

// lately counts the admissions of the last decideWithin from the totals that the leader sees at its
// ticks. It belongs to the leader's loop.
type lately struct {
	ticks []claimsAt // the first is the youngest that is older than decideWithin, when there is one
}

type claimsAt struct {
	millis, claimed int64
	gen             string
}

// since counts the admissions from a moment on, as far as the leader has watched; before that all of the last
// minute count. Call it after count.
func (l *lately) since(s *Snapshot, millis int64) int64 {
	for i := len(l.ticks) - 1; i >= 0; i-- {
		if l.ticks[i].millis <= millis {
			return s.room.claimed - l.ticks[i].claimed
		}
	}
	return int64(s.AdmittedLastMinute)
}

// count notes the total of a tick. As long as the leader has not watched for decideWithin, all
// admissions of the last minute count.
func (l *lately) count(s *Snapshot) int64 {
	now := claimsAt{millis: s.NowMillis, claimed: s.room.claimed, gen: s.room.gen}
	if n := len(l.ticks); n > 0 && (l.ticks[n-1].gen != now.gen || l.ticks[n-1].claimed > now.claimed) {
		l.ticks = l.ticks[:0]
	}
	if n := len(l.ticks); n == 0 || l.ticks[n-1].claimed != now.claimed || now.millis-l.ticks[n-1].millis >= time.Second.Milliseconds() {
		l.ticks = append(l.ticks, now)
	}
	oldest := now.millis - decideWithin.Milliseconds()
	for len(l.ticks) > 1 && l.ticks[1].millis <= oldest {
		l.ticks = l.ticks[1:]
	}
	if l.ticks[0].millis > oldest {
		return int64(s.AdmittedLastMinute)
	}
	return min(now.claimed-l.ticks[0].claimed, int64(s.AdmittedLastMinute))
}
