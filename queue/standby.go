package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

const (
	// standbyEvery is how often the leader looks whether the line of a sale in standby is to be on, and how often
	// at most a node reports arrivals.
	standbyEvery = time.Second
	// calmShare of the thresholds is where it is calm.
	calmShare = 0.75
)

// standbySight is what is seen of a sale in standby.
type standbySight struct {
	NowMillis         int64
	On                bool
	CalmSinceMillis   int64 // 0 while it is not calm
	ArrivalsPerMinute int64
	Active            int
	Waiting           uint64
}

// DecideStandby says whether the line is on from now on, and since when it is calm. It is pure.
//
// The line is on at once when a threshold is reached. It is off when nobody waits and both figures stayed below
// calmShare of their thresholds for OffAfter.
func DecideStandby(terms sale.StandbyTerms, s standbySight) (on bool, calmSinceMillis int64) {
	busy := func(share float64) bool {
		return float64(s.ArrivalsPerMinute) >= share*float64(terms.OnArrivalsPerMinute) ||
			terms.OnActive > 0 && float64(s.Active) >= share*float64(terms.OnActive)
	}
	switch {
	case busy(1):
		return true, 0
	case !s.On:
		return false, 0
	case s.Waiting > 0 || busy(calmShare):
		return true, 0
	case s.CalmSinceMillis == 0:
		return true, s.NowMillis
	default:
		return s.NowMillis-s.CalmSinceMillis < terms.OffAfter.Std().Milliseconds(), s.CalmSinceMillis
	}
}

// Arrive notes an arrival at the gate or the page. It counts only for a sale in standby.
func (r *Room) Arrive() {
	if r.standby.Load() != nil {
		r.arrivals.Add(1)
	}
}

// reportArrivals tells Redis how many have arrived at this node. What cannot be told is told later.
func (r *Room) reportArrivals(ctx context.Context) error {
	n := r.arrivals.Load()
	if n == 0 || time.Since(r.arrivalsTold) < standbyEvery {
		return nil
	}
	if _, err := r.tellStandby(ctx, n, "", "", 0); err != nil {
		return err
	}
	r.arrivals.Add(-n)
	r.arrivalsTold = time.Now()
	return nil
}

func (r *Room) tellStandby(ctx context.Context, arrivals int64, term, mode string, calmSince int64) (int64, error) {
	res := standbyScript.Exec(ctx, r.deps.Redis, []string{r.keys[keyRoom], r.keys[keyArrivals]},
		[]string{decimal(arrivals), term, mode, decimal(calmSince)})
	parts, err := res.AsStrSlice()
	if err == nil && len(parts) == 2 && parts[0] == "ok" {
		p := parser{}
		sum := p.number(parts[1])
		return sum, p.err
	}
	status, err := statusOf(res)
	switch {
	case err != nil:
		return 0, fmt.Errorf("arrivals of %s: %w", r.saleID, err)
	case status == "lost":
		return 0, r.lost()
	default:
		return 0, fmt.Errorf("arrivals of %s: unknown status %q", r.saleID, status)
	}
}

// watchStandby switches the line of a sale in standby on or off. It is a part of the leader's tick.
func (r *Room) watchStandby(ctx context.Context, s *Snapshot, term int64) (*Snapshot, error) {
	terms := r.standby.Load()
	if terms == nil || !s.room.standby || s.NowMillis < s.standbyDue() {
		return s, nil
	}
	arrivals, err := r.tellStandby(ctx, 0, decimal(term), "", 0)
	if err != nil {
		return nil, err
	}
	was := s.Mode == sale.Queue
	on, calmSince := DecideStandby(*terms, standbySight{
		NowMillis: s.NowMillis, On: was, CalmSinceMillis: s.room.calmSince,
		ArrivalsPerMinute: arrivals, Active: s.Active, Waiting: s.AllWaiting(),
	})
	if on == was && calmSince == s.room.calmSince {
		return s, nil
	}
	mode := sale.Open
	if on {
		mode = sale.Queue
	}
	if _, err := r.tellStandby(ctx, 0, decimal(term), string(mode), calmSince); err != nil {
		return nil, err
	}
	if on != was {
		r.deps.Log.Info("the line of a sale in standby is switched", "sale", r.saleID, "on", on, "arrivals_per_minute", arrivals, "active", s.Active)
	}
	return r.reread(ctx)
}

// standbyDue is when the leader has to look at a sale in standby again; 0 when nothing has to be looked at.
func (s *Snapshot) standbyDue() int64 {
	if !s.room.standby || s.Mode == sale.Open && s.room.arrivals == 0 && s.Active == 0 {
		return 0
	}
	return s.room.lookedAt + standbyEvery.Milliseconds()
}
