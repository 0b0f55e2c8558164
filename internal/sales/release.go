package sales

import (
	"context"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

const (
	// MaxReleases bounds the passes that one call takes back.
	MaxReleases = 100_000
	// releaseFor bounds for how long one call works.
	releaseFor = 8 * time.Second
)

// Release says which active passes are to be taken back: those that hold nothing.
type Release struct {
	// IssuedBefore leaves out passes that were issued then or later. The zero value means now.
	IssuedBefore time.Time
	// Most bounds how many are taken back; 0 means MaxReleases.
	Most int
	// DryRun only counts.
	DryRun bool
}

// Released is what became of the passes.
type Released struct {
	// IssuedBefore is the whole second before which the passes were issued. Asked with it again, the call goes on
	// where it stopped and concerns nobody who came later.
	IssuedBefore time.Time
	// Released were taken back, or would be. Holding hold units, or may, and were left alone.
	Released, Holding int
	// More says that not all passes were looked at.
	More bool
}

// ReleasePasses takes passes back that hold nothing: their slots are free for the next in line, and the passes are
// good for nothing any more. A pass that holds units, or of which that is not known, stays, and so does one of the
// last 6 s. With an error it tells what was done before. Codes: not_armed, unavailable.
func (s *Sales) ReleasePasses(ctx context.Context, id string, wanted Release) (Released, error) {
	entry := s.deps.Cache.Get(id)
	if entry == nil || !entry.Ready() {
		return Released{}, problem.With(problem.NotArmed, "redis does not hold the sale")
	}
	done, err := releasePasses(ctx, entry.Room(), entry.Stock(), wanted)
	if done.Released > 0 && !wanted.DryRun {
		entry.Touch()
		s.deps.Cache.AskLeader()
	}
	return done, err
}

// releasePasses goes through the active passes page by page. The stock is asked before the room, and the two are not
// one step: units that a pass reserves in between stay reserved, and can still be ordered with it.
func releasePasses(ctx context.Context, room *queue.Room, stock *reservation.Stock, wanted Release) (done Released, err error) {
	most := wanted.Most
	if most <= 0 || most > MaxReleases {
		most = MaxReleases
	}
	until := time.Now().Add(releaseFor)
	before, page := wanted.IssuedBefore, queue.IssuedPasses{}
	for !page.Last {
		if done.Released >= most || time.Now().After(until) {
			done.More = true
			break
		}
		if page, err = room.IssuedBefore(ctx, before, page); err != nil {
			return done, err
		}
		before, done.IssuedBefore = page.Before, page.Before
		idle, err := idlePasses(ctx, stock, page.Passes)
		if err != nil {
			return done, err
		}
		done.Holding += len(page.Passes) - len(idle)
		if left := most - done.Released; len(idle) > left {
			idle, done.More = idle[:left], true
		}
		taken := len(idle)
		if !wanted.DryRun {
			if taken, err = room.ReleaseAll(ctx, idle); err != nil {
				done.Released += taken
				return done, err
			}
		}
		done.Released += taken
	}
	return done, nil
}

// idlePasses are those that hold nothing.
func idlePasses(ctx context.Context, stock *reservation.Stock, passes []queue.Pass) ([]queue.Pass, error) {
	names := make([]string, len(passes))
	for i := range passes {
		names[i] = passes[i].ID
	}
	holds, err := stock.HoldsEach(ctx, names)
	if err != nil {
		return nil, err
	}
	var idle []queue.Pass
	for i, pass := range passes {
		if !holds[i] {
			idle = append(idle, pass)
		}
	}
	return idle, nil
}
