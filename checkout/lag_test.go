package checkout

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

func TestUnacknowledgedGoesBySequences(t *testing.T) {
	for _, c := range []struct {
		name                             string
		first, last, msgs                uint64
		delivered, floor, acking, pendng uint64
		want                             int
	}{
		{"an empty stream", 11, 10, 0, 10, 10, 0, 0, 0},
		{"a consumer being set up says nothing is pending", 1, 10, 10, 0, 0, 0, 0, 10},
		{"the same after trimming", 8, 10, 3, 0, 0, 0, 0, 3},
		{"some delivered, none acknowledged", 1, 10, 10, 4, 0, 4, 6, 10},
		{"some acknowledged", 1, 10, 10, 6, 3, 2, 4, 6},
		{"all acknowledged, not trimmed", 1, 10, 10, 10, 10, 0, 0, 0},
		{"the last under way", 1, 10, 10, 10, 9, 1, 0, 1},
		{"a floor behind is never read as zero", 1, 10, 10, 10, 9, 0, 0, 1},
		{"acknowledged beyond what was asked about", 1, 10, 10, 12, 12, 0, 0, 0},
		{"delivered beyond what was asked about", 1, 10, 10, 12, 9, 3, 0, 3},
	} {
		info := &jetstream.ConsumerInfo{NumAckPending: int(c.acking), NumPending: c.pendng}
		info.Delivered.Stream, info.AckFloor.Stream = c.delivered, c.floor
		floor, got := unacknowledged(info, jetstream.StreamState{FirstSeq: c.first, LastSeq: c.last, Msgs: c.msgs})
		if floor != c.floor || got != c.want {
			t.Errorf("%s: floor %d, %d messages; want %d, %d", c.name, floor, got, c.floor, c.want)
		}
	}
}
