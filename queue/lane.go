package queue

import (
	"strconv"

	"github.com/penstock/penstock/internal/sale"
)

// Lane is one of the lines of a sale, each with its own numbers and its own watermark. 0 is the lane of everybody;
// lane i is the i-th of the sale's priority lanes. Passes, the cap, the rate and the units are shared by all.
type Lane uint8

// MaxLane is the last lane that a sale can have.
const MaxLane Lane = sale.MaxLanes

// laneBits is where the lane begins in a number.
const laneBits = 27

// Lane is the lane in which the number was given.
func (n Number) Lane() Lane { return Lane(min(uint64(n)>>laneBits, uint64(MaxLane)+1)) }

// inLane is the number without its lane: it counts from 1 in each lane.
func (n Number) inLane() uint64 { return uint64(n) & maxNumber }

// numberIn is the number of a lane that is the at-th of the lane. It is used for watermarks and marks too: what the
// journal keeps of a lane's counters says whose they are in the same way.
func numberIn(lane Lane, at uint64) Number {
	return Number(uint64(lane)<<laneBits | min(at, maxNumber))
}

// valid reports whether the number can have been given.
func (n Number) valid() bool { return n.inLane() >= 1 && n.Lane() <= MaxLane }

// laneTerms are the lanes of a sale, as its document has them. They are never changed once published.
type laneTerms struct {
	priority []sale.Lane
	keys     []string // those of the room, with those of the priority lanes
}

func newLaneTerms(saleID string, priority []sale.Lane) *laneTerms {
	return &laneTerms{priority: priority, keys: keysWithLanes(saleID, len(priority))}
}

// last is the last lane of the sale.
func (t *laneTerms) last() Lane { return Lane(len(t.priority)) }

// share is the share of the calls that a lane gets while all lanes have visitors, 0 … 1.
func (t *laneTerms) share(lane Lane) float64 {
	if lane > 0 {
		return t.priority[lane-1].Share
	}
	return sale.DefaultLaneShare(t.priority)
}

// name is the name of a priority lane, "" for the lane of everybody and for one that the sale does not have.
func (t *laneTerms) name(lane Lane) string {
	if lane == 0 || lane > t.last() {
		return ""
	}
	return t.priority[lane-1].Name
}

// LaneOf returns the lane of a name: that of everybody for "" and for a name that the sale does not have, which
// gives no privilege.
func (r *Room) LaneOf(name string) Lane {
	for i, lane := range r.lanes.Load().priority {
		if name != "" && lane.Name == name {
			return Lane(i + 1)
		}
	}
	return 0
}

// laneBitmaps is a set of numbers, by their lanes.
type laneBitmaps [MaxLane + 1]bitmap

func (b *laneBitmaps) has(n Number) bool {
	return n.Lane() <= MaxLane && b[n.Lane()].has(Number(n.inLane()))
}

func (b *laneBitmaps) set(n Number) {
	if lane := n.Lane(); lane <= MaxLane {
		b[lane] = b[lane].set(Number(n.inLane()))
	}
}

// laneField is the name of a lane's field in the room's hash.
func laneField(lane Lane, name string) string {
	if lane == 0 {
		return name
	}
	return strconv.Itoa(int(lane)) + ":" + name
}
