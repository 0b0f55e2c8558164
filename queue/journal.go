package queue

import (
	"encoding/binary"
	"encoding/hex"
	"iter"
)

// A journal record is 'q', the version 1, a kind, and the kind's numbers as unsigned varints.
// Records of other kinds, versions or first bytes are not ours to read, and are passed over.
//
// A ticket is its [Number], which says the lane. In the same way a mark, a watermark, a floor and the numbers given say
// whose they are: see numberIn. In the lane of everybody they are what they count.
const (
	recordTag     = 'q'
	recordVersion = 1

	kindMark    = 'M' // high-water mark of a lane
	kindCalled  = 'W' // watermark of a lane, now and deadline in the room's own time; then, for the report, now in ms
	kindState   = 'S' // mark of a lane; its watermark, floor, now and last deadline in the room's own time
	kindLapsed  = 'O' // floor of a lane: the windows up to this place have lapsed
	kindDraw    = 'D' // drawn (0, 1), count; then the 32 bytes of the seed
	kindClaim   = 'C' // ticket, issued s, expires s, admitted at ms
	kindRenewed = 'E' // ticket, expires s, how often it was renewed, when (ms)
	kindRelease = 'R' // ticket
	kindLeave   = 'L' // ticket
	kindGiven   = 'N' // base in a lane, last: the numbers above base, up to last, were given
	kindProven  = 'P' // ticket: an uncertain number that somebody has
	kindLowered = 'T' // mark of a lane before, base, last: no number above last was given
	kindFrozen  = 'G' // epoch, count of entrants, when it was frozen (ms), round of the beacon or 0; then the counts of the priority lanes
	kindFact    = 'F' // epoch; then JSON: see keptFact
	kindPart    = 'H' // epoch; then JSON: see keptPart
	kindKeyed   = 'K' // number, epoch, issued ms; then the 12 bytes of the key and the rest of the ticket
)

func record(kind byte, numbers ...uint64) []byte {
	b := make([]byte, 0, 3+len(numbers)*6)
	b = append(b, recordTag, recordVersion, kind)
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func (l Lane) record(kind byte, at uint64, numbers ...uint64) []byte {
	return record(kind, append([]uint64{uint64(numberIn(l, at))}, numbers...)...)
}

func recordMark(lane Lane, mark uint64) []byte { return lane.record(kindMark, mark) }

func recordCalled(lane Lane, called uint64, runMillis, deadlineMillis, nowMillis int64) []byte {
	return lane.record(kindCalled, called, uint64(max(runMillis, 0)), uint64(max(deadlineMillis, 0)), uint64(max(nowMillis, 0)))
}

func recordState(lane Lane, mark, called, floor uint64, runMillis, deadlineMillis int64) []byte {
	return lane.record(kindState, mark, called, floor, uint64(max(runMillis, 0)), uint64(max(deadlineMillis, 0)))
}

func recordLapsed(lane Lane, floor uint64) []byte { return lane.record(kindLapsed, floor) }

// recordDraw returns nil when the seed is none. Draws of earlier versions, whose seed was the server's part alone,
// say here that they were made; those of this version say it in a part.
func recordDraw(seedText string, drawn bool, count uint64) []byte {
	seed, err := hex.DecodeString(seedText)
	if err != nil || len(seed) != seedBytes {
		return nil
	}
	done := uint64(0)
	if drawn {
		done = 1
	}
	return append(record(kindDraw, done, count), seed...)
}

func recordClaim(n Number, issued, expires, atMillis int64) []byte {
	return record(kindClaim, uint64(n), uint64(issued), uint64(expires), uint64(atMillis))
}

func recordRenewed(n Number, expires, times, atMillis int64) []byte {
	return record(kindRenewed, uint64(n), uint64(expires), uint64(times), uint64(atMillis))
}

func recordRelease(n Number) []byte { return record(kindRelease, uint64(n)) }

func recordLeave(n Number) []byte { return record(kindLeave, uint64(n)) }

func recordGiven(lane Lane, base, last uint64) []byte { return lane.record(kindGiven, base, last) }

func recordProven(n Number) []byte { return record(kindProven, uint64(n)) }

func recordLowered(lane Lane, mark, base, last uint64) []byte {
	return lane.record(kindLowered, mark, base, last)
}

func recordKeyed(key PlaceKey, k keptPlace) []byte {
	b := append(record(kindKeyed, uint64(k.number), uint64(k.epoch), uint64(max(k.issuedMillis, 0))), key[:]...)
	return append(b, k.more...)
}

// RestoredLane is what the journal remembers of one lane.
type RestoredLane struct {
	// Mark is the high-water mark: no number above it was ever given.
	Mark uint64
	// Called is the watermark, and Floor the part of it whose windows had closed.
	Called, Floor uint64

	lane  Lane
	given spans  // numbers that were certainly given
	exact bool   // whether the journal says how far numbers were given, and not only may have been
	base  uint64 // of the last room that told: the numbers above it were given by that room
	open  []calls
}

// Restored is what the journal remembers of a room.
type Restored struct {
	// RestoredLane is that of everybody.
	RestoredLane
	// Seed is that of the draw, 32 bytes, or nil. Drawn says that the draw was made.
	Seed  []byte
	Drawn bool

	counts                  drawCounts // how many take part in the draw, once that is frozen
	sale                    string     // whose room it is; set when it is restored
	early                   earlyDraw
	rite                    drawJournaled // the draw, step by step
	claimed, left, released int64
	passes                  map[Number]journaledPass
	keyed                   map[PlaceKey]keptPlace
	used                    laneBitmaps
	proven                  map[Number]bool // of the numbers not certainly given, those that somebody has shown
	admits                  admissions
	lastMillis              int64
	lanes                   [MaxLane]RestoredLane // the priority lanes
}

func newRestored(saleID string) *Restored {
	r := &Restored{sale: saleID, passes: make(map[Number]journaledPass), proven: make(map[Number]bool)}
	for lane := Lane(1); lane <= MaxLane; lane++ {
		r.in(lane).lane = lane
	}
	return r
}

// in returns what is remembered of a lane.
func (r *Restored) in(lane Lane) *RestoredLane {
	if lane == 0 {
		return &r.RestoredLane
	}
	return &r.lanes[lane-1]
}

type journaledPass struct{ issued, expires, renewals int64 }

// issuedText is how Redis holds the time of issue.
func (p journaledPass) issuedText() string {
	if p.renewals == 0 {
		return decimal(p.issued)
	}
	return decimal(p.issued) + ":" + decimal(p.renewals)
}

const (
	// foldSweepEvery is after how many records lapsed passes are dropped, so that a long journal
	// needs no more memory than the passes that are alive.
	foldSweepEvery = 4096
	// foldSpareMillis is by how much records of several nodes may be out of their order.
	foldSpareMillis = 60_000
)

// Fold reads a journal from its beginning. It never fails: what it does not know it passes over.
func Fold(records iter.Seq[[]byte]) *Restored {
	r := newRestored("")
	seen := 0
	for rec := range records {
		r.take(rec)
		if seen++; seen%foldSweepEvery == 0 {
			r.sweep(r.lastMillis - foldSpareMillis)
		}
	}
	r.sweep(r.lastMillis)
	r.settleDraw()
	return r
}

// Empty reports that the journal knew nothing of the room.
func (r *Restored) Empty() bool {
	if r == nil {
		return true
	}
	for lane := Lane(0); lane <= MaxLane; lane++ {
		if l := r.in(lane); l.Mark > 0 || l.Called > 0 {
			return false
		}
	}
	return r.Seed == nil
}

func (r *Restored) take(rec []byte) {
	if kind, n, rest, known := readRecord(rec); known {
		r.apply(kind, n, rest)
	}
}

// recordNumbers is how many numbers a record of each kind begins with.
var recordNumbers = map[byte]int{
	kindMark: 1, kindCalled: 3, kindState: 5, kindLapsed: 1, kindDraw: 2, kindClaim: 4, kindRelease: 1, kindRenewed: 4, kindLeave: 1,
	kindGiven: 2, kindProven: 1, kindLowered: 3, kindKeyed: 3,
	kindFrozen: 4, kindFact: 1, kindPart: 1,
}

// readRecord reads a record of the journal. It is not known when it is of another kind, version or first byte, or
// when it is cut off.
func readRecord(rec []byte) (kind byte, n [5]uint64, rest []byte, known bool) {
	if len(rec) < 3 || rec[0] != recordTag || rec[1] != recordVersion {
		return 0, n, nil, false
	}
	kind, rest = rec[2], rec[3:]
	want, known := recordNumbers[kind]
	if !known {
		return kind, n, nil, false
	}
	for i := range want {
		value, size := binary.Uvarint(rest)
		if size <= 0 || value > 1<<53 {
			return kind, n, nil, false
		}
		n[i], rest = value, rest[size:]
	}
	return kind, n, rest, true
}

func (r *Restored) apply(kind byte, n [5]uint64, rest []byte) {
	switch kind {
	case kindMark, kindCalled, kindState, kindLapsed, kindGiven, kindLowered:
		first := Number(n[0])
		if lane := first.Lane(); lane <= MaxLane {
			n[0] = first.inLane()
			r.in(lane).apply(kind, n)
		}
	case kindDraw:
		r.takeSeed(rest, n[0] == 1, n[1])
	case kindFrozen:
		r.rite.takeFrozen(int64(n[0]), n[1], int64(n[2]), n[3], rest)
	case kindFact:
		r.rite.takeFact(int64(n[0]), rest)
	case kindPart:
		r.rite.takePart(int64(n[0]), rest)
	case kindClaim:
		r.claim(Number(n[0]), int64(n[1]), int64(n[2]), int64(n[3]))
	case kindRenewed:
		r.renew(Number(n[0]), int64(n[1]), int64(n[2]), int64(n[3]))
	case kindRelease:
		r.giveBack(Number(n[0]))
	case kindLeave:
		r.leave(Number(n[0]))
	case kindProven:
		r.prove(Number(n[0]))
	case kindKeyed:
		r.keepPlace(n, rest)
	}
}

// apply takes a record of the lane's counters.
func (r *RestoredLane) apply(kind byte, n [5]uint64) {
	switch kind {
	case kindMark:
		r.raise(n[0])
	case kindCalled:
		r.call(n[0], int64(n[1]), int64(n[2]))
	case kindState:
		r.raise(n[0])
		r.reached(n[1])
		r.Called, r.Floor = max(r.Called, n[1]), max(r.Floor, n[2])
		r.open = r.open[:0]
		if r.Called > r.Floor {
			r.open = append(r.open, calls{last: r.Called, deadlineMillis: int64(n[4])})
		}
	case kindLapsed:
		r.lapse(n[0])
	case kindGiven:
		r.give(n[0], n[1])
	case kindLowered:
		r.lower(n[0], n[1], n[2])
	}
}

// give notes that the numbers above base were given, up to last, by a room that began with base.
func (r *RestoredLane) give(base, last uint64) {
	r.exact, r.base = true, max(r.base, min(base, maxNumber))
	r.addGiven(base, last)
}

func (r *RestoredLane) addGiven(base, last uint64) {
	if last = min(last, maxNumber); last > base {
		r.given = r.given.add(span{first: base + 1, last: last})
		r.raise(last)
	}
}

// reached notes that numbers were given up to n, by the last room that told its base.
func (r *RestoredLane) reached(n uint64) { r.addGiven(r.base, n) }

func (r *Restored) prove(n Number) {
	if n.valid() && len(r.proven) < maxUncertain {
		r.proven[n] = true
		r.in(n.Lane()).raise(n.inLane())
	}
}

// lower takes the mark back to the last number given, unless another mark was journaled meanwhile.
func (r *RestoredLane) lower(mark, base, last uint64) {
	if r.Mark == mark && last <= mark {
		r.Mark = last
	}
	r.give(base, last)
}

func (r *RestoredLane) raise(mark uint64) { r.Mark = min(max(r.Mark, mark), maxNumber) }

// lapse closes the windows up to a place. One that reaches beyond it stays open for the others.
func (r *RestoredLane) lapse(floor uint64) {
	r.reached(floor)
	r.Called, r.Floor = max(r.Called, floor), max(r.Floor, floor)
	for len(r.open) > 0 && r.open[0].last <= r.Floor {
		r.open = r.open[1:]
	}
}

// call notes a watermark, and closes the windows whose deadline it has outlived.
func (r *RestoredLane) call(called uint64, runMillis, deadlineMillis int64) {
	for len(r.open) > 0 && r.open[0].deadlineMillis <= runMillis {
		r.Floor = max(r.Floor, r.open[0].last)
		r.open = r.open[1:]
	}
	if called <= r.Called {
		return
	}
	r.reached(called)
	r.Called = called
	if last := len(r.open) - 1; last >= 0 && deadlineMillis-r.open[last].deadlineMillis < (deadlineMillis-runMillis)/256 {
		r.open[last] = calls{last: called, deadlineMillis: deadlineMillis}
		return
	}
	r.open = append(r.open, calls{last: called, deadlineMillis: deadlineMillis})
}

func (r *Restored) claim(n Number, issued, expires, atMillis int64) {
	if !n.valid() {
		return
	}
	r.lastMillis = max(r.lastMillis, atMillis)
	r.in(n.Lane()).raise(n.inLane())
	r.in(n.Lane()).reached(n.inLane())
	if r.used.has(n) {
		return
	}
	r.used.set(n)
	r.claimed++
	r.passes[n] = journaledPass{issued: issued, expires: expires}
	r.admits.add(atMillis)
}

func (r *Restored) giveBack(n Number) {
	if _, active := r.passes[n]; active {
		delete(r.passes, n)
		r.released++
	}
}

func (r *Restored) leave(n Number) {
	if !n.valid() {
		return
	}
	if r.used.has(n) {
		r.giveBack(n)
		return
	}
	r.used.set(n)
	r.in(n.Lane()).reached(n.inLane())
	r.left++
}

func (r *Restored) sweep(untilMillis int64) {
	for n, pass := range r.passes {
		if pass.expires*1000 <= untilMillis {
			delete(r.passes, n)
		}
	}
	r.admits.forget(r.lastMillis - minuteMillis)
}
