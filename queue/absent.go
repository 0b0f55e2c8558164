package queue

import (
	"maps"
	"slices"
)

// After a loss of Redis it is known how far numbers may have been given (the journaled mark), and
// how far they certainly were. The numbers between are uncertain. Most of them were given to nobody.
//
// An uncertain number is absent until its ticket is presented: then it is proven, and its holder is
// a visitor like any other, at the old place. Absent numbers are not people. They are not counted,
// and the watermark passes over them without a call. Only for a short time after the loss does the
// line wait for them (see proveWithin), so that whoever goes on polling is heard first. Whoever
// shows a ticket whose place was passed over is called at once, with a whole window.

const (
	// maxGaps and maxUncertain bound what is kept of uncertain numbers. Of more, the lowest are
	// taken for given, as they are the oldest.
	maxGaps      = 32
	maxUncertain = 1 << 16
)

// absences are the absent numbers of a room. They are never changed once published; nil is none.
type absences struct {
	lane   Lane
	gaps   spans // uncertain numbers
	proven map[Number]bool
	draw   *Draw
	places []uint64 // of the absent, in order; before a draw their numbers
}

// newAbsences takes the gaps of a lane, as numbers within it, and proven numbers of any lane.
func newAbsences(lane Lane, gaps spans, proven []Number, draw *Draw) *absences {
	if len(gaps) == 0 {
		return nil
	}
	a := &absences{lane: lane, gaps: gaps, draw: draw, proven: make(map[Number]bool, len(proven))}
	for _, n := range proven {
		if n.Lane() == lane && gaps.has(n.inLane()) {
			a.proven[n] = true
		}
	}
	a.place()
	return a
}

// place works out the places.
func (a *absences) place() {
	size := a.gaps.size()
	if size > maxUncertain {
		size = maxUncertain
	}
	a.places = make([]uint64, 0, size)
	for _, gap := range a.gaps {
		for n := gap.first; n <= gap.last && len(a.places) < maxUncertain; n++ {
			if number := numberIn(a.lane, n); !a.proven[number] {
				a.places = append(a.places, a.placeOf(number))
			}
		}
	}
	slices.Sort(a.places)
}

func (a *absences) placeOf(n Number) uint64 {
	if a.draw != nil {
		return a.draw.Place(n)
	}
	return n.inLane()
}

// with returns the absences after more numbers were proven, or the draw was made.
func (a *absences) with(proven []Number, draw *Draw) *absences {
	if a == nil || len(proven) == 0 && draw == a.draw {
		return a
	}
	next := *a
	next.draw = draw
	next.proven = maps.Clone(a.proven)
	come := make(map[uint64]bool, len(proven)) // the places that are no longer absent
	for _, n := range proven {
		if a.has(n) {
			next.proven[n] = true
			come[a.placeOf(n)] = true
		}
	}
	if draw != a.draw {
		next.place()
		return &next
	}
	next.places = slices.DeleteFunc(slices.Clone(a.places), func(place uint64) bool { return come[place] })
	return &next
}

// has reports whether a number is uncertain and was not shown.
func (a *absences) has(n Number) bool {
	return a != nil && n.Lane() == a.lane && a.gaps.has(n.inLane()) && !a.proven[n]
}

// hasPlace is has by place.
func (a *absences) hasPlace(place uint64) bool {
	if a == nil {
		return false
	}
	_, found := slices.BinarySearch(a.places, place)
	return found
}

// upTo counts the absent places up to and with one.
func (a *absences) upTo(place uint64) uint64 {
	if a == nil {
		return 0
	}
	i, _ := slices.BinarySearch(a.places, place+1)
	return uint64(i)
}

// between counts the absent places above one, up to and with another.
func (a *absences) between(above, upTo uint64) uint64 {
	if upTo <= above {
		return 0
	}
	return a.upTo(upTo) - a.upTo(above)
}

// firstAbove returns the first absent place above one; 0 when there is none.
func (a *absences) firstAbove(place uint64) uint64 {
	if i := int(a.upTo(place)); a != nil && i < len(a.places) {
		return a.places[i]
	}
	return 0
}
