package sale

import (
	"fmt"
	"regexp"
	"slices"
)

// The limits of priority lanes.
const (
	MaxLanes = 8
	// MinLaneShare is the least share of a lane, and of the lane of everybody: no lane is ever without calls.
	MinLaneShare = 0.01
	// MinDefaultLaneShare is the least that must be left to the lane of everybody.
	MinDefaultLaneShare = 0.05
)

// Lane is a priority lane: a line of its own, for those whose join token or invite names it.
type Lane struct {
	// Name is [a-z0-9-]{1,32}.
	Name string `json:"name"`
	// Share is the share of the calls that the lane gets while visitors wait in all lanes, 0.01 … 0.95. The lane
	// of everybody has what the lanes leave.
	Share float64 `json:"share"`
}

var lanePattern = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// ValidLaneName reports whether a string can be the name of a lane.
func ValidLaneName(name string) bool { return lanePattern.MatchString(name) }

// DefaultLaneShare is the share of the lane of everybody beside the lanes.
func DefaultLaneShare(lanes []Lane) float64 {
	share := 1.0
	for _, lane := range lanes {
		share -= lane.Share
	}
	return share
}

// HasLane reports whether the sale has a lane of the name.
func (a Admission) HasLane(name string) bool {
	return slices.ContainsFunc(a.Lanes, func(l Lane) bool { return l.Name == name })
}

// SameLanes reports whether two sales have the same lanes in the same order. Their shares may differ.
func SameLanes(a, b []Lane) bool {
	return slices.EqualFunc(a, b, func(x, y Lane) bool { return x.Name == y.Name })
}

func (a Admission) validateLanes() error {
	if len(a.Lanes) > MaxLanes {
		return invalid("admission.lanes", "at most %d", MaxLanes)
	}
	for i, lane := range a.Lanes {
		field := fmt.Sprintf("admission.lanes[%d].", i)
		if !ValidLaneName(lane.Name) {
			return invalid(field+"name", "want 1 to 32 of a-z, 0-9 and hyphen")
		}
		if slices.ContainsFunc(a.Lanes[:i], func(l Lane) bool { return l.Name == lane.Name }) {
			return invalid(field+"name", "is there twice")
		}
		if !(lane.Share >= MinLaneShare && lane.Share <= 1-MinDefaultLaneShare) {
			return invalid(field+"share", "want %v to %v", MinLaneShare, 1-MinDefaultLaneShare)
		}
	}
	if DefaultLaneShare(a.Lanes) < MinDefaultLaneShare-1e-9 {
		return invalid("admission.lanes", "the shares leave less than %v to the lane of everybody", MinDefaultLaneShare)
	}
	return nil
}
