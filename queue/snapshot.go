package queue

import (
	"errors"
	"sort"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

// Snapshot is a room as a node last saw it. It is never changed once published. In a sale with priority lanes it tells
// of the lane of everybody, and [Snapshot.In] of each other one; what the lanes share is the same in all of them.
type Snapshot struct {
	// Ready says that Redis holds the room. While it is false, what else is here is the last known.
	Ready bool
	// Lost says that Redis answered and does not hold the room, or holds one that was armed on another
	// run of the server and may therefore be older.
	Lost bool
	// NowMillis is Redis TIME at the refresh, in Unix milliseconds.
	NowMillis int64
	Epoch     int64
	// Called is the watermark: places up to it have been called.
	Called   uint64
	Entrants uint64
	// Waiting counts the people who are in the line and not called yet.
	Waiting uint64
	// Outstanding are those called who have neither claimed nor left and whose window is open.
	Outstanding        uint64
	Active             int
	AdmittedLastMinute int
	// DrawCommitment is set for a draw, once it can no longer be lost. DrawCount is set once the count of
	// entrants, over all lanes, is frozen for good, which DrawCounted says; DrawSeed, the server's part, follows with
	// the draw.
	DrawCommitment string
	DrawCount      uint64
	DrawCounted    bool
	DrawSeed       string
	Drawn          bool
	// DrawFacts are all that may be told of the draw; nil before it is committed to.
	DrawFacts *DrawFacts
	Paused    bool
	// ShowUpRate is the measured share of the called who claim, 0.1 … 1.
	ShowUpRate float64
	// RatePerMinute, MaxActive and Mode are those in force in Redis.
	RatePerMinute float64
	MaxActive     int
	Mode          sale.Mode
	// CallsPerMinute is how fast the line has moved lately; 0 while that is not known.
	CallsPerMinute float64

	lane  Lane
	share float64     // of the calls, while all lanes have visitors
	lanes []*Snapshot // the priority lanes, in order
	whole *Snapshot   // in that of a priority lane, the one that has them all

	anchor time.Time // the local moment of NowMillis, with its monotonic reading
	room   roomState
	counts drawCounts // of which DrawCount is the sum
	draw   *Draw      // of the lane; nil unless places come from it
	absent *absences
	calls  []calls // windows by place: the closed ones whose grace may last, and the open ones
	pace   pace

	leavingMinute int // of AdmittedLastMinute, those who count no longer after room.delay

	renewedWindows int64             // of called visitors who met the cap or the rate
	resolved       map[int64]outcome // by the deadline of each open window; the leader's alone
}

// calls is one checkpoint: places up to last, and above those of the checkpoint before, may claim
// until the deadline, in the room's own time.
type calls struct {
	last           uint64
	deadlineMillis int64
}

// outcome is what became of those who were called with an open window: how many came, and for how many nobody
// need wait, as they left or nobody was there.
type outcome struct{ came, left int64 }

// roomState is the room's hash, as the scripts keep it.
type roomState struct {
	gen                                string
	seq                                int64
	mark, floor                        uint64
	base                               uint64  // the numbers above it were all given by this room
	gaps                               string  // uncertain numbers; see absences
	absent                             uint64  // of those, how many are absent and not passed over
	standby                            bool    // the leader switches the line on and off
	arrivals, lookedAt, calmSince      int64   // in the last minute, when the leader looked at them, and since when it is calm (0: it is not), ms
	gone                               uint64  // beyond the watermark, tickets that are used up
	lanes                              int     // how many there are beside that of everybody
	owed                               float64 // calls that the lane is behind its share; see splitCalls
	proveUntil                         int64   // until when the line waits for them, in the room's own time
	opens, starts, ends                int64
	window, ttl                        int64
	lateWindow                         int64  // for how long after its window a turn may be taken up, ms; 0 for not at all
	forgotten                          uint64 // of the places up to it that is over, and their windows are not kept
	late                               int64  // how many were admitted in this way
	ended                              bool
	order                              sale.Order
	pausedAt, pausedTotal              int64
	seed                               string
	commitment                         string
	seedKept, drawn, drawKept          bool
	drawCount                          uint64 // of the lane
	plan                               string // what else enters the draw; see drawPlan
	frozenAt, countKept                int64  // when the count was frozen, and when it was published; ms, or 0
	round                              uint64 // of the beacon; 0 while it is not fixed
	drawBeacon, drawShares, drawFinal  string // the parts that have come, and those that entered
	limitsAt                           int64  // when rate, cap or mode changed last, ms
	nextExpiry                         int64
	openResolved                       int64
	claimed, left, released            int64
	shown, noShow, seenShown, seenGone int64
	credit                             float64
	creditAt                           int64
	peakActive, peakMinute             int64
	capMax, rateMax                    int64
	version                            int64
	wanted                             wanted
	delay                              int64 // from the call to the claim, ms on average; below 0 when not known
}

// Now tells the time by the clock of Redis: its TIME at the refresh and what has passed since by
// the node's monotonic clock. A node whose clock is wrong, or is set, tells the right time.
func (s *Snapshot) Now() time.Time {
	return time.UnixMilli(s.nowMillis()).UTC()
}

func (s *Snapshot) nowMillis() int64 { return s.NowMillis + time.Since(s.anchor).Milliseconds() }

// runMillis is the room's own time, which stands still while the sale is paused.
func (s *Snapshot) runMillis(nowMillis int64) int64 {
	if s.room.pausedAt > 0 {
		return s.room.pausedAt - s.room.pausedTotal
	}
	return nowMillis - s.room.pausedTotal
}

// place returns a ticket's place; known is false before the draw.
func (s *Snapshot) place(n Number) (place uint64, known bool) {
	if s.draw != nil {
		return s.draw.Place(n), true
	}
	return n.inLane(), s.room.order != sale.Draw
}

// placeOrZero is place as the scripts take it: 0 before the draw.
func (s *Snapshot) placeOrZero(n Number) uint64 {
	if place, known := s.place(n); known {
		return place
	}
	return 0
}

// numberAt undoes place.
func (s *Snapshot) numberAt(place uint64) Number {
	if s.draw != nil {
		return s.draw.NumberAt(place)
	}
	return numberIn(s.lane, place)
}

// deadline returns until when, in the room's own time, a called place may claim; 0 when its window
// is closed and forgotten.
func (s *Snapshot) deadline(place uint64) int64 {
	if place <= s.room.floor {
		return 0
	}
	return s.deadlineOfCall(place)
}

// deadlineOfCall is deadline of a closed window too, as long as it is kept.
func (s *Snapshot) deadlineOfCall(place uint64) int64 {
	i := sort.Search(len(s.calls), func(i int) bool { return s.calls[i].last >= place })
	if i == len(s.calls) {
		return 0
	}
	return s.calls[i].deadlineMillis
}

// open are the windows that are not closed.
func (s *Snapshot) open() []calls {
	return s.calls[sort.Search(len(s.calls), func(i int) bool { return s.calls[i].last > s.room.floor }):]
}

// ErrLost says that Redis does not hold the room, or holds one that was armed on another run of the
// server. It is to be restored.
var ErrLost = errors.New("redis does not hold the room")

// In returns the room as those of a lane see it; nil for a lane that the sale does not have.
func (s *Snapshot) In(lane Lane) *Snapshot {
	switch {
	case lane == 0:
		return s
	case int(lane) <= len(s.lanes):
		return s.lanes[lane-1]
	default:
		return nil
	}
}

// of is the room as the holder of a ticket sees it. A lane that this node does not know yet is one in which nobody
// was called.
func (s *Snapshot) of(n Number) *Snapshot {
	if lane := s.In(n.Lane()); lane != nil {
		return lane
	}
	return s.emptyLane(n.Lane())
}

// emptyLane is a lane of the room in which nobody is.
func (s *Snapshot) emptyLane(lane Lane) *Snapshot {
	one := *s
	one.lane, one.lanes, one.whole = lane, nil, s
	one.Called, one.Entrants, one.Waiting, one.Outstanding = 0, 0, 0, 0
	one.draw, one.absent, one.calls, one.renewedWindows = nil, nil, nil, 0
	one.room.mark, one.room.floor, one.room.forgotten, one.room.base, one.room.gaps = 0, 0, 0, 0, ""
	one.room.absent, one.room.gone, one.room.openResolved, one.room.owed, one.room.drawCount = 0, 0, 0, 0, 0
	return &one
}

// all yields the room lane by lane, that of everybody first.
func (s *Snapshot) all() []*Snapshot {
	if s.whole != nil {
		s = s.whole
	}
	return append([]*Snapshot{s}, s.lanes...)
}

// AllWaiting counts the people who are in the line and not called yet, over all lanes.
func (s *Snapshot) AllWaiting() uint64 {
	return s.sum(func(lane *Snapshot) uint64 { return lane.Waiting })
}

// AllOutstanding is Outstanding over all lanes.
func (s *Snapshot) AllOutstanding() uint64 {
	return s.sum(func(lane *Snapshot) uint64 { return lane.Outstanding })
}

// AllEntrants counts the numbers given in all lanes.
func (s *Snapshot) AllEntrants() uint64 {
	return s.sum(func(lane *Snapshot) uint64 { return lane.Entrants })
}

// AllCalled counts the places called in all lanes.
func (s *Snapshot) AllCalled() uint64 {
	return s.sum(func(lane *Snapshot) uint64 { return lane.Called })
}

func (s *Snapshot) sum(of func(lane *Snapshot) uint64) uint64 {
	if s.whole != nil {
		s = s.whole
	}
	n := of(s)
	for _, lane := range s.lanes {
		n += of(lane)
	}
	return n
}

// waiting counts the people beyond the watermark. At absent places there is nobody, nor where a ticket is used up.
func (s *Snapshot) waiting(absent uint64) uint64 {
	return s.Entrants - min(s.Called+absent+s.room.gone, s.Entrants)
}
