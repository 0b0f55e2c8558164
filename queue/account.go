package queue

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"github.com/penstock/penstock/internal/sale"
)

// MaxListed bounds the calls, and the admissions, that an [Account] lists.
const MaxListed = 200_000

// Account is what a room's journal tells of the course of its line, for those who check it afterwards.
type Account struct {
	// Records counts those that were read, and Unread those of the room that this version cannot read.
	Records, Unread int64
	// Draw is what is known of the draw; nil when the journal has no seed. Drawn says that it was made.
	Draw  *DrawFacts
	Drawn bool
	// Entrants counts the numbers that were given, and Uncertain those of them that may belong to nobody, after a loss
	// of Redis.
	Entrants, Uncertain uint64
	// Called counts the places that were called.
	Called uint64
	// Calls are the steps of the watermarks, by their time; nil when there were more than MaxListed. CallsUntimed
	// counts those without a time, which earlier versions wrote.
	Calls        []Call
	CallsUntimed int64
	// Admissions are the passes, by their time; nil when there were more than MaxListed. Admitted counts them.
	Admissions []Admission
	Admitted   int64
	// Inversions counts admissions of places that had not been called. TwoPasses counts tickets that got a second
	// pass while the first was in force.
	Inversions, TwoPasses int64
	// Limits are those that were in force, by their time.
	Limits []Limits
	// Minute is about the closed intervals of 60 s that end with an admission, and Active about the passes in force
	// at an admission, as if none had been given back. Both are about the admissions for which the limits held.
	Minute, Active Peak
	// Late counts admissions that the journal has so late that Minute and Active leave them out.
	Late int64
	// Keys counts the persons and invites that had a place by a key, KeyPlaces the places that they had one after the
	// other, and KeyDuplicates the places that were given while an earlier one of the same key was good.
	Keys, KeyPlaces, KeyDuplicates int64
}

// Call says that the places of a lane up to Upto were called at a moment of Redis TIME.
type Call struct {
	AtMillis int64
	Lane     Lane
	Upto     uint64
}

// Admission is the pass of a ticket.
type Admission struct {
	AtMillis int64
	Number   Number
}

// InLane tells in which lane the ticket was given, 0 for that of everybody, and its number there.
func (a Admission) InLane() (lane Lane, number uint64) { return accountLane(uint64(a.Number)) }

// accountLane is in which lane a number counts, and the how-manieth it is there: see [Number].
func accountLane(n uint64) (lane Lane, at uint64) { return Number(n).Lane(), Number(n).inLane() }

// Limits are in force from a moment on; of 0, from the beginning.
type Limits struct {
	AtMillis      int64
	RatePerMinute int64
	MaxActive     int64
	Mode          sale.Mode
}

// Accounting reads a journal into an [Account], record by record. It never fails: what it cannot read it counts, so
// that nobody takes a part for the whole. Its memory does not grow with the time. With the line grow some bits a
// number, and with the keys what a restore needs of them too.
type Accounting struct {
	account  Account
	room     *Restored
	starts   int64
	admitted map[Lane]bitmap // by the lane
	called   map[Lane]uint64 // watermarks by the lane
	given    map[Lane]uint64 // highest numbers by the lane
	draws    [MaxLane + 1]*Draw
	drawRead bool
	limits   limitLine
	rolling  rolling
	calls    map[callMoment]uint64 // nil once there are too many
	suspects []suspect
}

type callMoment struct {
	lane Lane
	at   int64
}

// suspect is an admission whose place had not been called, unless it turns out that the gate was open.
type suspect struct{ at, place int64 }

// NewAccounting begins with an empty journal.
func NewAccounting(saleID string, startsMillis int64) *Accounting {
	return &Accounting{
		room:   newRestored(saleID),
		starts: startsMillis, calls: make(map[callMoment]uint64), rolling: newRolling(),
		admitted: make(map[Lane]bitmap), called: make(map[Lane]uint64), given: make(map[Lane]uint64),
	}
}

// Add reads the next record. Those that are not of a room are passed over.
func (a *Accounting) Add(rec []byte) {
	if len(rec) == 0 || rec[0] != recordTag {
		return
	}
	a.account.Records++
	kind, n, rest, known := readRecord(rec)
	if !known {
		a.account.Unread++
		return
	}
	if kind == kindKeyed && len(rest) >= placeKeyBytes {
		a.addKeyed(Number(n[0]), int64(n[2]), PlaceKey(rest[:placeKeyBytes]))
	}
	if kind == kindRenewed {
		a.rolling.renew(a.room.passes[Number(n[0])].expires, int64(n[1]))
	}
	a.room.apply(kind, n, rest)
	if a.account.Records%foldSweepEvery == 0 {
		a.room.sweep(a.room.lastMillis - foldSpareMillis)
	}
	switch kind {
	case kindCalled:
		a.addCall(n[0], rest)
	case kindState:
		a.raise(a.called, accountWithin(n[0], n[1]))
	case kindGiven:
		a.raise(a.given, accountWithin(n[0], n[1]))
	case kindClaim:
		a.addClaim(Number(n[0]), int64(n[2]), int64(n[3]))
	case kindFact:
		a.addFact(rest)
	case kindDraw, kindFrozen, kindPart:
		a.drawRead = false
	case kindKeyed:
		a.raise(a.given, n[0])
	case kindMark, kindLapsed, kindRelease, kindRenewed, kindLeave, kindProven, kindLowered: // the room has them
	default:
		a.account.Unread++
	}
}

// accountWithin is a counter of the lane that another one names.
func accountWithin(named, counter uint64) uint64 {
	return uint64(numberIn(Number(named).Lane(), counter))
}

// raise brings the counter of a lane up to n.
func (a *Accounting) raise(counters map[Lane]uint64, n uint64) {
	lane, at := accountLane(n)
	counters[lane] = max(counters[lane], at)
}

// addCall notes a step of the watermark. Its time is the last number.
func (a *Accounting) addCall(upto uint64, rest []byte) {
	a.raise(a.called, upto)
	at, size := binary.Uvarint(rest)
	switch {
	case size <= 0 || at == 0 || at > 1<<53:
		a.account.CallsUntimed++
	case a.calls != nil:
		lane, place := accountLane(upto)
		moment := callMoment{lane: lane, at: int64(at)}
		a.calls[moment] = max(a.calls[moment], place)
		if len(a.calls) > MaxListed {
			a.calls = nil
		}
	}
}

func (a *Accounting) addClaim(n Number, expires, at int64) {
	lane, at0 := accountLane(uint64(n))
	if at0 < 1 {
		a.account.Unread++
		return
	}
	a.raise(a.given, uint64(n))
	if a.admitted[lane].has(Number(at0)) { // journaled again, as by a claim that was repeated
		if first, active := a.room.passes[n]; active && first.expires != expires {
			a.account.TwoPasses++
		}
		return
	}
	a.admitted[lane] = a.admitted[lane].set(Number(at0))
	if a.account.Admitted++; a.account.Admitted <= MaxListed {
		a.account.Admissions = append(a.account.Admissions, Admission{AtMillis: at, Number: n})
	}
	a.rolling.add(at, expires, &a.limits)
	place := a.placeOf(n)
	if place <= a.called[lane] || a.limits.openAt(at) {
		return
	}
	if len(a.suspects) < MaxListed {
		a.suspects = append(a.suspects, suspect{at: at, place: int64(place)})
	} else {
		a.account.Inversions++
	}
}

// placeOf is the place of a number in its lane, as far as the draw was made by now.
func (a *Accounting) placeOf(n Number) uint64 {
	if !a.drawRead {
		a.room.settleDraw()
		for lane := range a.draws {
			a.draws[lane] = a.room.draw(Lane(lane))
		}
		a.drawRead = true
	}
	lane, at := accountLane(uint64(n))
	if lane > MaxLane || a.draws[lane] == nil {
		return at
	}
	return a.draws[lane].Place(n)
}

func (a *Accounting) addFact(text []byte) {
	var fact keptFact
	if json.Unmarshal(text, &fact) == nil && fact.Limits != nil {
		a.limits = a.limits.with(Limits(*fact.Limits))
	}
}

// addKeyed notes a place of a key, before the room does.
func (a *Accounting) addKeyed(n Number, issued int64, key PlaceKey) {
	earlier, known := a.room.keyed[key]
	if known && earlier.number == n {
		return
	}
	a.account.KeyPlaces++
	if known && earlier.number < n && a.stillGood(earlier.number, issued) {
		a.account.KeyDuplicates++
	}
}

// stillGood reports whether a number still waits to be called, or has a pass in force.
func (a *Accounting) stillGood(n Number, atMillis int64) bool {
	if pass, active := a.room.passes[n]; active {
		return pass.expires*1000 > atMillis
	}
	lane, _ := accountLane(uint64(n))
	return !a.room.used.has(n) && a.placeOf(n) > a.called[lane]
}

// Account tells what was read. No record is added afterwards.
func (a *Accounting) Account() Account {
	r, account := a.room, &a.account
	r.settleDraw()
	a.rolling.finish(&a.limits)
	for _, n := range a.given {
		account.Entrants += n
	}
	for _, n := range a.called {
		account.Called += n
	}
	for lane, given := range a.given {
		if lane <= MaxLane {
			account.Uncertain += given - min(given, r.in(lane).given.size())
		}
	}
	account.Limits = a.limits
	account.Minute, account.Active, account.Late = a.rolling.minute, a.rolling.active, a.rolling.late
	account.Keys = int64(len(r.keyed))
	account.Draw, account.Drawn = a.drawFacts(), r.Drawn
	account.Calls = a.steps()
	if account.Admitted > MaxListed {
		account.Admissions = nil
	}
	slices.SortStableFunc(account.Admissions, func(x, y Admission) int { return cmp.Compare(x.AtMillis, y.AtMillis) })
	for _, s := range a.suspects {
		if !a.limits.openAt(s.at) {
			account.Inversions++
		}
	}
	account.Inversions = max(account.Inversions, a.calledLater())
	return *account
}

// steps are the calls by their time, where each goes beyond the one before in its lane.
func (a *Accounting) steps() []Call {
	if a.calls == nil {
		return nil
	}
	moments := slices.SortedFunc(maps.Keys(a.calls), func(x, y callMoment) int {
		return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.lane, y.lane))
	})
	steps, reached := make([]Call, 0, len(moments)), make(map[Lane]uint64)
	for _, m := range moments {
		if upto := a.calls[m]; upto > reached[m.lane] {
			reached[m.lane] = upto
			steps = append(steps, Call{AtMillis: m.at, Lane: m.lane, Upto: upto})
		}
	}
	return steps
}

// calledLater counts the listed admissions that came before their place was called, by the clock.
func (a *Accounting) calledLater() (n int64) {
	if a.account.Calls == nil || a.account.CallsUntimed > 0 {
		return 0
	}
	step, called := 0, make(map[Lane]uint64)
	for _, one := range a.account.Admissions {
		for step < len(a.account.Calls) && a.account.Calls[step].AtMillis <= one.AtMillis {
			called[a.account.Calls[step].Lane] = a.account.Calls[step].Upto
			step++
		}
		lane, _ := accountLane(uint64(one.Number))
		if a.placeOf(one.Number) > called[lane] && !a.limits.openAt(one.AtMillis) {
			n++
		}
	}
	return n
}

// drawFacts are those of the draw as the journal has them.
func (a *Accounting) drawFacts() *DrawFacts {
	r := a.room
	if r.Seed == nil {
		return nil
	}
	plan, err := readPlan(r.rite.plan)
	if err != nil {
		return nil
	}
	k := drawKnown{
		saleID: r.sale, commitment: Commitment(r.Seed), counted: r.Drawn || r.rite.frozen, counts: r.counts,
		frozen: r.rite.frozenAt, published: r.rite.published, startsMillis: a.starts, plan: plan, round: r.rite.round, drawn: r.Drawn,
	}
	if k.drawn {
		k.seed = hex.EncodeToString(r.Seed)
		if k.parts, err = readParts(r.rite.final); err != nil {
			return nil
		}
	}
	return k.facts()
}
