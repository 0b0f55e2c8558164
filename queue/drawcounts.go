package queue

import (
	"strconv"
	"strings"
)

// drawCounts are how many take part in a draw in each lane, that of everybody first. They are never changed.
type drawCounts []uint64

// in is the count of a lane; 0 for one that is not there.
func (c drawCounts) in(lane Lane) uint64 {
	if int(lane) >= len(c) {
		return 0
	}
	return c[lane]
}

func (c drawCounts) whole() (sum uint64) {
	for _, count := range c {
		sum += count
	}
	return sum
}

// byLane are the counts as they are published: nil in a sale without priority lanes.
func (c drawCounts) byLane() []uint64 {
	if len(c) < 2 {
		return nil
	}
	return c
}

// lines are those of the message from which the completed seed is made.
func (c drawCounts) lines() []string {
	lines := []string{"count " + strconv.FormatUint(c.whole(), 10)}
	if len(c.byLane()) == 0 {
		return lines
	}
	line := strings.Builder{}
	line.WriteString("lanes")
	for _, count := range c {
		line.WriteString(" " + strconv.FormatUint(count, 10))
	}
	return append(lines, line.String())
}

// drawCounts are those that Redis has frozen.
func (s *Snapshot) drawCounts() drawCounts {
	var counts drawCounts
	for _, lane := range s.all() {
		counts = append(counts, lane.room.drawCount)
	}
	return counts
}

// drawCounts are those that Redis has frozen; nil when the answer does not have all lanes of the room.
func (r *reply) drawCounts() drawCounts {
	if len(r.lanes) != r.state.room.lanes {
		return nil
	}
	counts := drawCounts{r.state.room.drawCount}
	for i := range r.lanes {
		counts = append(counts, r.lanes[i].state.room.drawCount)
	}
	return counts
}
