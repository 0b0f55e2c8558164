package queue

// LaneLine is the state of one lane on which the controller decides.
type LaneLine struct {
	// Called is the watermark, and End the last place that may be called.
	Called, End uint64
	// Share is the lane's share of the calls while all lanes have visitors, above 0 … 1.
	Share float64
	// Owed is how many calls the lane is behind its share (above 0) or ahead of it.
	Owed float64
	// Gone is as in [Inputs].
	Gone func(place uint64) bool
}

// LaneMove is where the watermark of one lane goes.
type LaneMove struct {
	Called uint64
	// Skipped are the newly called places at which nobody was.
	Skipped uint64
	Owed    float64
}

// splitCalls hands out calls to the lanes, one after the other, and returns where each watermark goes and how many
// visitors are called. It is pure.
//
// Each call is owed to the lanes that have visitors, in proportion to their shares: a lane in which nobody waits
// neither gains nor loses, and its part goes to the others. The call goes to the lane that would have to wait least
// to be a whole call behind its share. This is the rule of Tijdeman ("The chairman assignment problem", 1980): while
// the same lanes have visitors, none is ever a whole call away from its share. What a lane is owed is carried on to
// the next decision, so that the shares hold however few calls one decision makes.
func splitCalls(lanes []LaneLine, calls uint64) (moves []LaneMove, met uint64) {
	heads := make([]laneHead, len(lanes))
	for i, lane := range lanes {
		heads[i] = laneHead{LaneLine: lane, at: lane.Called}
	}
	for met < calls {
		next := nextLane(heads)
		if next == nil {
			break
		}
		next.call()
		met++
	}
	moves = make([]LaneMove, len(lanes))
	for i := range heads {
		if met < calls {
			heads[i].passOver() // there is nobody left to be called
		}
		moves[i] = LaneMove{Called: heads[i].Called, Skipped: heads[i].skipped, Owed: heads[i].Owed}
	}
	return moves, met
}

// laneHead is a lane while calls are handed out.
type laneHead struct {
	LaneLine
	at      uint64 // the place before the next visitor, or the last one that was looked at
	found   bool   // whether somebody is at the place after at
	skipped uint64
	looked  uint64 // places that were looked at, and had nobody
}

// waits reports whether somebody is there to be called.
func (h *laneHead) waits() bool {
	for !h.found && h.at < h.End && h.looked < maxSkips {
		if h.Gone != nil && h.Gone(h.at+1) {
			h.at++
			h.looked++
		} else {
			h.found = true
		}
	}
	return h.found
}

// passOver moves the watermark over the places before the next visitor at which nobody is.
func (h *laneHead) passOver() {
	h.skipped += h.at - h.Called
	h.Called = h.at
}

// call calls the next visitor.
func (h *laneHead) call() {
	h.passOver()
	h.at++
	h.Called, h.found = h.at, false
}

// nextLane returns the lane that gets the next call, and notes what is owed; nil when nobody waits.
func nextLane(heads []laneHead) *laneHead {
	total, busy := 0.0, 0
	for i := range heads {
		if heads[i].waits() {
			total += heads[i].Share
			busy++
		}
	}
	if busy == 0 {
		return nil
	}
	if busy == 1 { // nothing is divided
		for i := range heads {
			if heads[i].found {
				return &heads[i]
			}
		}
	}
	// Tijdeman's bound: a lane may be this much ahead of its share after its call.
	least := 1 / float64(2*busy-2)
	var next, furthest *laneHead
	soonest := 0.0
	for i := range heads {
		h := &heads[i]
		if !h.found {
			continue
		}
		share := h.Share / total
		h.Owed = min(h.Owed+share, maxOwed)
		if furthest == nil || h.Owed > furthest.Owed {
			furthest = h
		}
		// How many more calls the lane can do without before it is 1-least of a call behind.
		if spare := (1 - least - h.Owed) / share; h.Owed >= least && (next == nil || spare < soonest) {
			next, soonest = h, spare
		}
	}
	if next == nil { // the lanes with visitors are ahead, of others that have none
		next = furthest
	}
	next.Owed = max(next.Owed-1, -maxOwed)
	return next
}

// maxOwed bounds what is carried, whatever was read from Redis.
const maxOwed = float64(MaxLane) + 1
