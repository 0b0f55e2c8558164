package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Outside is what the controller must know that the room does not.
type Outside struct {
	// Items are the units of each item of the sale; nil when they are not known, and then stock sets no limit.
	Items []Units
	// LevelFactor slows the calls under pressure: 1 normal … 0 stop.
	LevelFactor float64
}

// Units are those of one item. Available are neither held nor sold, and Held may come back. Aside are those of
// Available that only passes issued at AsideSinceMillis or later may take; 0 for most items.
type Units struct{ Available, Held, Aside, AsideSinceMillis int64 }

// aside is how many units are set aside for those who are called now, over all items, and since when.
func (o Outside) aside() (units, sinceMillis int64) {
	for _, item := range o.Items {
		if part := min(item.Aside, max(item.Available, 0)); part > 0 {
			units += part
			if sinceMillis == 0 || item.AsideSinceMillis < sinceMillis {
				sinceMillis = item.AsideSinceMillis
			}
		}
	}
	return units, sinceMillis
}

// free is how many units there are to call for, over all items; below 0 when that is not known. An item
// that owes units takes none from another.
func (o Outside) free() int64 {
	if o.Items == nil {
		return -1
	}
	var free int64
	for _, item := range o.Items {
		free += max(item.Available, 0)
	}
	return free
}

const (
	// keepHouseEvery is how often a room is tidied while nothing else has to be written.
	keepHouseEvery = time.Second
	// keepStateEvery is how often the whole state is journaled, so that a journal that is read back
	// for hours only is enough.
	keepStateEvery = 15 * time.Minute
	// keepGivenEvery is how often, at most, it is journaled how far numbers were given while nobody is called.
	keepGivenEvery = 500 * time.Millisecond
)

// Advance is one tick of the controller; the leader of the term does it, about ten times a second while
// [Room.NextDueMillis] says that something is due. A tick that fails changes nothing that the next
// would not do again. The error is [ErrLost] when the room is to be restored, and a *redis.OldTermError
// when a leader of a later term was here.
func (r *Room) Advance(ctx context.Context, term int64, in Outside) error {
	r.advancing.Lock()
	defer r.advancing.Unlock()
	if err := r.refresh(ctx, true); err != nil {
		return err
	}
	s := r.snap.Load()
	if !s.Ready {
		return r.advanceLost()
	}
	s, err := r.prepareDraw(ctx, s, term)
	if err != nil {
		return err
	}
	if s, err = r.watchStandby(ctx, s, term); err != nil {
		return err
	}
	if err := r.keepState(ctx, s); err != nil {
		return err
	}
	return errors.Join(r.move(ctx, s, term, in), r.keepPlaces(ctx, s))
}

func (r *Room) advanceLost() error {
	return fmt.Errorf("advance room of %s: %w: %w", r.saleID, ErrLost, r.lost())
}

// decideTries is how often a tick decides, at most, when the room has changed between the look and the write.
const decideTries = 3

// errBehind says that nothing was called, as the room has changed since the leader looked.
var errBehind = errors.New("a watermark was moved, or more visitors were admitted late than was allowed for")

// move decides and writes. When somebody was admitted late meanwhile, it decides again, and allows for twice as many:
// while late visitors come one after the other the line moves all the same.
func (r *Room) move(ctx context.Context, s *Snapshot, term int64, in Outside) error {
	first := s
	for range decideTries {
		err := r.moveOnce(ctx, s, term, in, 2*(s.room.late-first.room.late))
		if !errors.Is(err, errBehind) {
			return err
		}
		if s, err = r.reread(ctx); err != nil {
			return err
		}
		if s.room.gen != first.room.gen {
			break
		}
	}
	return nil // the next tick tries again
}

// moveOnce decides for a room in which up to late visitors more may be admitted late before it is written.
func (r *Room) moveOnce(ctx context.Context, s *Snapshot, term int64, in Outside, late int64) error {
	b := r.book.Load()
	inputs, line := r.inputs(s, in), s.line()
	inputs.Gone = s.goneBy(b)
	for i, lane := range s.lanes {
		line.Lanes[i].Gone = lane.goneBy(b)
	}
	line.AdmittedLately = r.lately.count(s)
	if units, since := in.aside(); units > 0 {
		inputs.UnitsAside, line.AdmittedSinceAside = units, r.lately.since(s, since)
	}
	d := Decide(line.withLate(late), inputs)
	d.Late = late
	if err := r.keepCalled(ctx, s, d); err != nil {
		return err
	}
	moves := false
	for _, lane := range s.all() {
		moves = moves || d.move(lane).Called != lane.Called
	}
	if !moves && !r.houseDue(s) {
		return nil
	}
	return r.write(ctx, s, term, d, "", "")
}

// goneBy reports for the places of the lane whether nobody is there, by what the book says.
func (s *Snapshot) goneBy(b *book) func(place uint64) bool {
	return func(place uint64) bool { return s.absent.hasPlace(place) || b.facts(s.numberAt(place)).used }
}

// move is where the watermark of the lane goes.
func (d *Decision) move(lane *Snapshot) LaneMove {
	switch i := int(lane.lane); {
	case i == 0:
		return LaneMove{Called: d.Called, Skipped: d.Skipped, Owed: d.Owed}
	case i <= len(d.Lanes):
		return d.Lanes[i-1]
	default:
		return LaneMove{Called: lane.Called, Owed: lane.room.owed}
	}
}

// end is the last place that may be called now. While the line waits for the holders of uncertain
// numbers, it ends before the first of them.
func (s *Snapshot) end() uint64 {
	first := s.absent.firstAbove(s.Called)
	if first == 0 || s.runMillis(s.NowMillis) >= s.room.proveUntil {
		return s.Entrants
	}
	return min(first-1, s.Entrants)
}

// houseDue says that something has lapsed that counts, or that the room was not tidied for a while.
func (r *Room) houseDue(s *Snapshot) bool {
	run := s.runMillis(s.NowMillis)
	for _, lane := range s.all() {
		if lane.closing(run) {
			return true
		}
	}
	if s.room.nextExpiry > 0 && s.room.nextExpiry <= s.NowMillis {
		return true
	}
	busy := s.Active > 0 || s.AdmittedLastMinute > 0 || s.AllWaiting() > 0 || s.AllOutstanding() > 0
	return busy && s.NowMillis-s.room.creditAt >= keepHouseEvery.Milliseconds()
}

// closing reports whether a window of the lane has lapsed and is to be closed.
func (s *Snapshot) closing(run int64) bool {
	open := s.open()
	return len(open) > 0 && open[0].deadlineMillis <= run
}

func (s *Snapshot) line() Line {
	seen := s.openWindows()
	var lanes []LaneLine
	for _, lane := range s.lanes {
		of := lane.openWindows()
		seen.coming, seen.came, seen.missing = seen.coming+of.coming, seen.came+of.came, seen.missing+of.missing
		seen.called = append(seen.called, of.called...)
		lanes = append(lanes, LaneLine{Called: lane.Called, End: lane.end(), Share: lane.share, Owed: lane.room.owed})
	}
	line := Line{
		Called: s.Called, End: s.end(), Share: s.share, Owed: s.room.owed, Lanes: lanes, Coming: seen.coming, DelayMillis: max(s.room.delay, 0), Active: s.Active,
		AdmittedLastMinute: s.AdmittedLastMinute, LeavingMinute: s.leavingMinute, Claimed: s.room.claimed, Shown: s.room.shown, NoShow: s.room.noShow,
		OverdueShown: seen.came, OverdueMissing: seen.missing,
		Memory: Memory{
			Credit: s.room.credit, CreditAtMillis: s.room.creditAt, ShowUpRate: s.ShowUpRate,
			SeenShown: s.room.seenShown, SeenNoShow: s.room.seenGone,
		},
	}
	line.Expected = seen.expected(expectedShowUp(line, line.Memory.ShowUpRate), line.DelayMillis)
	return line
}

const (
	// patienceDelays is how many times the usual delay a called visitor is expected for, and
	// minPatience the least.
	patienceDelays = 4
	minPatience    = 5 * time.Second
)

// openWindows is what is seen of those whose windows are open.
type openWindows struct {
	// coming are still expected.
	coming uint64
	// called are the coming by the time of their call.
	called []calledAgo
	// came and missing are those who were called so long ago that most who come have come.
	came, missing int64
}

// calledAgo are visitors who were called at about the same time and have not come yet.
type calledAgo struct{ ageMillis, open int64 }

// expected is how many of the coming will come.
func (w *openWindows) expected(showUp float64, delayMillis int64) (sum float64) {
	for _, c := range w.called {
		sum += float64(c.open) * stillToCome(c.ageMillis, delayMillis, showUp)
	}
	return sum
}

// coming counts the called of all lanes who are still expected.
func (s *Snapshot) coming() uint64 {
	return s.sum(func(lane *Snapshot) uint64 { return lane.openWindows().coming })
}

// openWindows counts the outstanding of a lane who are still expected: those called no longer ago than several
// times what visitors usually take to claim. Whoever takes longer may still claim, but no slot is
// kept waiting for what is probably a closed tab.
func (s *Snapshot) openWindows() (seen openWindows) {
	if s.room.delay < 0 {
		return openWindows{coming: s.Outstanding, called: []calledAgo{{open: int64(s.Outstanding)}}}
	}
	patience := max(patienceDelays*s.room.delay, minPatience.Milliseconds())
	now := s.runMillis(s.NowMillis)
	oldest := now - patience
	expected, above := s.renewedWindows, s.room.floor
	seen.called = append(seen.called, calledAgo{open: s.renewedWindows})
	for _, c := range s.open() {
		o := s.resolved[c.deadlineMillis]
		open := max(int64(c.last-above)-o.came-o.left, 0)
		if at := c.deadlineMillis - s.room.window; at >= oldest {
			expected += open
			seen.called = append(seen.called, calledAgo{ageMillis: now - at, open: open})
		} else {
			seen.came += o.came
			seen.missing += open
		}
		above = c.last
	}
	seen.coming = min(uint64(expected), s.Outstanding)
	return seen
}

func (r *Room) inputs(s *Snapshot, in Outside) Inputs {
	_, placed := s.place(1)
	now := s.NowMillis
	return Inputs{
		NowMillis: now, StartsMillis: s.room.starts, RatePerMinute: s.RatePerMinute, MaxActive: s.MaxActive,
		Live:           placed && s.calling(now),
		UnitsAllocated: r.units.Load(), UnitsAvailable: in.free(), LevelFactor: min(max(in.LevelFactor, 0), 1),
	}
}

// calling reports whether visitors are called at all now.
func (s *Snapshot) calling(now int64) bool {
	return now >= s.room.starts && now < s.room.ends && !s.room.ended && !s.Paused && s.Mode.Calls()
}

// write hands a decision to advance.lua. Another leader's newer watermark stands: the error is then [errBehind].
func (r *Room) write(ctx context.Context, s *Snapshot, term int64, d Decision, seedKept, drawKept string) error {
	m := d.Memory
	args := []string{
		s.room.gen, strconv.FormatFloat(m.Credit, 'f', 6, 64), decimal(m.CreditAtMillis), strconv.FormatFloat(m.ShowUpRate, 'f', 6, 64),
		decimal(m.SeenShown), decimal(m.SeenNoShow), seedKept, drawKept, decimal(term), decimal(s.room.left), decimal(s.room.late + d.Late),
	}
	lanes := s.all()
	for _, lane := range lanes {
		args = append(args, lane.moveArguments(d.move(lane))...)
	}
	keys := keysWithLanes(r.saleID, len(lanes)-1)
	status, err := statusOf(advanceScript.Exec(ctx, r.deps.Redis, keys, args))
	if err != nil {
		return fmt.Errorf("advance room of %s: %w", r.saleID, err)
	}
	switch status {
	case "lost":
		return r.advanceLost()
	case "behind":
		return errBehind
	default:
		return nil
	}
}

// moveArguments are those of a lane, as advance.lua takes them.
func (s *Snapshot) moveArguments(move LaneMove) []string {
	absent := s.absent.between(s.Called, move.Called)
	return []string{
		strconv.FormatUint(s.Called, 10), strconv.FormatUint(move.Called, 10), strconv.FormatUint(move.Skipped, 10),
		strconv.FormatUint(absent, 10), strconv.FormatUint(move.Skipped-min(absent, move.Skipped), 10),
		strconv.FormatFloat(move.Owed, 'f', 9, 64),
	}
}

// stand is the decision to leave everything as it is.
func (s *Snapshot) stand() Decision {
	return Decision{Called: s.Called, Owed: s.room.owed, Memory: s.line().Memory}
}

func (r *Room) writeAndRefresh(ctx context.Context, s *Snapshot, term int64, seedKept, drawKept string) (*Snapshot, error) {
	// What was journaled of the draw is noted also when the room has changed.
	if err := r.write(ctx, s, term, s.stand(), seedKept, drawKept); err != nil && !errors.Is(err, errBehind) {
		return nil, err
	}
	return r.reread(ctx)
}

// reread is what has become of the room.
func (r *Room) reread(ctx context.Context) (*Snapshot, error) {
	if err := r.refresh(ctx, true); err != nil {
		return nil, err
	}
	next := r.snap.Load()
	if !next.Ready {
		return nil, r.advanceLost()
	}
	return next, nil
}
