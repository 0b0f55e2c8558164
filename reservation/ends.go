package reservation

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// HoldEnds is when the first and the last of the holds of an item end, in ms of Redis' clock. Both are 0 when the
// item has no holds, or when that is not known.
type HoldEnds struct{ FirstMillis, LastMillis int64 }

const (
	// endsMost is how many holds are looked at. When there are more, the last is taken to be as young as can be.
	endsMost = 64
	// endsEvery is how often they are looked at while an item has nothing free.
	endsEvery = time.Second
)

// lapsePrior is the share of holds that is taken to lapse before any has ended, and lapseWeight how many holds
// that counts for.
const (
	lapsePrior  = 0.3
	lapseWeight = 10
)

// LapseShare is the share of the holds that have ended whose units came back, since the stock was armed.
func (snap *Snapshot) LapseShare() float64 {
	ended := float64(snap.Returned + snap.Orders)
	return (float64(snap.Returned) + lapsePrior*lapseWeight) / (ended + lapseWeight)
}

// endsOf returns when the holds of the items end; those of the snapshot before, while they are young enough. It
// is asked for only while an item has nothing free: until then nobody waits for a hold to end.
func (s *Stock) endsOf(ctx context.Context, p *plan, snap, last *Snapshot) []HoldEnds {
	if !snap.Ready || !snap.heldOut() {
		return nil
	}
	if last.Ends != nil && len(last.Ends) == len(snap.Items) && snap.NowMillis-last.endsReadMillis < endsEvery.Milliseconds() {
		snap.endsReadMillis = last.endsReadMillis
		return last.Ends
	}
	args := []string{s.keys.ofEpoch(decimal(snap.Epoch)), strconv.Itoa(endsMost)}
	flat, err := endsScript.Exec(ctx, s.deps.Redis, []string{s.keys.due}, args).AsStrSlice()
	if err != nil {
		return last.Ends // an estimate is not worth a refresh
	}
	snap.endsReadMillis = snap.NowMillis
	ends := readEnds(p, flat)
	if len(flat) >= 2*endsMost {
		youngest := snap.NowMillis + p.rec.Reservation.TTL.Std().Milliseconds()
		for i := range ends {
			ends[i].LastMillis = max(ends[i].LastMillis, youngest)
		}
	}
	return ends
}

// heldOut reports whether an item has nothing free and may get units back.
func (snap *Snapshot) heldOut() bool {
	for i := range snap.Items {
		if snap.Items[i].Available <= 0 && snap.Items[i].Held > 0 {
			return true
		}
	}
	return false
}

// readEnds reads pairs of an end and packed lines, in the order of the ends.
func readEnds(p *plan, flat []string) []HoldEnds {
	ends := make([]HoldEnds, len(p.rec.Items))
	for i := 0; i+1 < len(flat); i += 2 {
		at, err := strconv.ParseInt(flat[i], 10, 64)
		if err != nil || flat[i+1] == "" {
			continue
		}
		for line := range strings.SplitSeq(flat[i+1], ",") {
			item, known := p.items[firstSKU(line)]
			if !known {
				continue
			}
			if ends[item].FirstMillis == 0 {
				ends[item].FirstMillis = at
			}
			ends[item].LastMillis = max(ends[item].LastMillis, at)
		}
	}
	return ends
}
