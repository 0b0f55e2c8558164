package queue

import (
	"context"
	"fmt"
)

// kept is what the leader has journaled of a room. It is never changed once published.
type kept struct {
	gen                      string
	stateMillis, givenMillis int64               // when the whole state, and the last number given, were journaled; ms of Redis TIME
	given                    [MaxLane + 1]uint64 // by lane
	lapsed                   [MaxLane + 1]uint64 // by lane, the last place whose window was journaled as closed
	limitsAt                 int64               // of the limits that were journaled
}

// given are the numbers given in each lane.
func (s *Snapshot) given() (n [MaxLane + 1]uint64) {
	for _, lane := range s.all() {
		n[lane.lane] = lane.Entrants
	}
	return n
}

// marked reports whether numbers were given in any lane.
func (s *Snapshot) marked() bool {
	return s.sum(func(lane *Snapshot) uint64 { return lane.room.mark }) > 0
}

// recordsOfState are those that bring the lane back to where it is.
func (s *Snapshot) recordsOfState() [][]byte {
	deadline := int64(0)
	if n := len(s.calls); n > 0 {
		deadline = s.calls[n-1].deadlineMillis
	}
	records := [][]byte{recordState(s.lane, s.room.mark, s.Called, s.room.floor, s.runMillis(s.NowMillis), deadline)}
	for _, known := range parseSpans(s.room.gaps).gapsUpTo(s.room.base) {
		records = append(records, recordGiven(s.lane, known.first-1, known.last))
	}
	return append(records, recordGiven(s.lane, s.room.base, s.Entrants))
}

// lapsed is the last place of the lane whose window has lapsed. The next move closes it in Redis.
func (s *Snapshot) lapsed(run int64) uint64 {
	floor := s.room.floor
	for _, c := range s.open() {
		if c.deadlineMillis > run {
			break
		}
		floor = c.last
	}
	return floor
}

// floors are the last places, in each lane, whose windows are closed.
func (s *Snapshot) floors() (n [MaxLane + 1]uint64) {
	for _, lane := range s.all() {
		n[lane.lane] = lane.room.floor
	}
	return n
}

// keepState journals the whole state when a room is new to this leader, when its limits were changed, and then now
// and again.
func (r *Room) keepState(ctx context.Context, s *Snapshot) error {
	if r.deps.Journal == nil || !s.marked() || s.NowMillis < r.stateDue(s) {
		return nil
	}
	var records [][]byte
	for _, lane := range s.all() {
		if lane.lane == 0 || lane.room.mark > 0 {
			records = append(records, lane.recordsOfState()...)
		}
	}
	records = append(records, recordLimits(s))
	records = append(records, recordsOfDraw(s)...)
	if err := r.deps.Journal(ctx, r.saleID, records); err != nil {
		return fmt.Errorf("journal the state of %s: %w", r.saleID, err)
	}
	r.keep(kept{gen: s.room.gen, stateMillis: s.NowMillis, givenMillis: s.NowMillis, given: s.given(), lapsed: s.floors(), limitsAt: s.room.limitsAt})
	return nil
}

// keep notes what was journaled.
func (r *Room) keep(k kept) {
	r.kept.Store(&k)
	r.plan()
}

// stateDue is when the whole state is to be journaled next, in ms of Redis TIME.
func (r *Room) stateDue(s *Snapshot) int64 {
	k := r.kept.Load()
	if k.gen != s.room.gen || k.limitsAt != s.room.limitsAt {
		return s.NowMillis
	}
	return k.stateMillis + keepStateEvery.Milliseconds()
}

// keepCalled journals the watermarks before they move, which windows have lapsed, so that a loss of Redis gives nobody
// a turn back that is over, and how far numbers were given, so that after a loss few numbers are uncertain.
//
// A watermark closes windows in the journal too, but not always all that have lapsed: the state has all of them as one,
// which ends with the last. And a window may lapse after the leader looked: then it is journaled by the next tick.
func (r *Room) keepCalled(ctx context.Context, s *Snapshot, d Decision) error {
	if r.deps.Journal == nil {
		return nil
	}
	var records [][]byte
	run := s.runMillis(s.NowMillis)
	next := *r.kept.Load()
	was := next
	for _, lane := range s.all() {
		if called := d.move(lane).Called; called > lane.Called {
			records = append(records, recordCalled(lane.lane, called, run, run+s.room.window+max(s.room.window/256, 100), s.NowMillis))
		}
		if floor := lane.lapsed(run); floor > was.lapsed[lane.lane] {
			records = append(records, recordLapsed(lane.lane, floor))
			next.lapsed[lane.lane] = floor
		}
	}
	if r.givenDue(s, len(records) > 0) {
		for _, lane := range s.all() {
			if lane.Entrants != was.given[lane.lane] {
				records = append(records, recordGiven(lane.lane, lane.room.base, lane.Entrants))
			}
		}
		next.given, next.givenMillis = s.given(), s.NowMillis
	}
	if len(records) == 0 {
		return nil
	}
	if err := r.deps.Journal(ctx, r.saleID, records); err != nil {
		return fmt.Errorf("journal the watermark of %s: %w", r.saleID, err)
	}
	if next != was {
		r.keep(next)
	}
	return nil
}

// givenDue reports whether to journal how far numbers were given; beside another record it costs nothing.
func (r *Room) givenDue(s *Snapshot, beside bool) bool {
	k := r.kept.Load()
	return k.given != s.given() && (beside || s.NowMillis-k.givenMillis >= keepGivenEvery.Milliseconds())
}

// Keep journals exactly how far numbers were given, so that a room restored from the journal has no
// uncertain numbers. It is for a clean stop, after [Room.Close] and before the journal closes. Numbers
// may be given later all the same, by this node or another: they are journaled as always.
func (r *Room) Keep(ctx context.Context) error {
	if r.deps.Journal == nil {
		return nil
	}
	for lane := Lane(0); lane <= r.lanes.Load().last(); lane++ {
		if err := r.keepLane(ctx, lane); err != nil {
			return err
		}
	}
	return nil
}

func (r *Room) keepLane(ctx context.Context, lane Lane) error {
	parts, err := lowerScript.Exec(ctx, r.deps.Redis, r.keys[:1], []string{decimal(int64(lane))}).AsStrSlice()
	if err != nil {
		return unavailable("lower the high-water mark of "+r.saleID, err)
	}
	if len(parts) != 4 {
		return fmt.Errorf("lower the high-water mark of %s: %d parts", r.saleID, len(parts))
	}
	if parts[0] != "ok" {
		return r.lost()
	}
	p := parser{}
	mark, last, base := p.unsigned(parts[1]), p.unsigned(parts[2]), p.unsigned(parts[3])
	if p.err != nil || mark == 0 {
		return p.err
	}
	return r.journalOne(ctx, recordLowered(lane, mark, base, last))
}
