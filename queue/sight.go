package queue

import (
	"context"
	"fmt"
	"strconv"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/redis"
)

// Sight notes that a pass is used from somewhere, and reports whether it may be: it was used from there
// before, or from fewer than most other places. Kind keeps places of different kinds apart, such as
// networks and devices; place is a short text that tells one place from another. What was noted ends with
// the pass, and is not restored when Redis loses it.
//
// The error is pass_invalid for a pass that has ended, or unavailable.
func (r *Room) Sight(ctx context.Context, p Pass, kind, place string, most int) (bool, error) {
	// A sale that was made anew under an old id gives the same numbers again, at another time.
	pass := p.Ticket.decimal() + ":" + strconv.FormatInt(p.IssuedAt.Unix(), 10)
	keys := []string{r.keys[keyRoom], r.keys[keyPasses], redis.Key(r.saleID, "room:sights:"+kind+":"+pass)}
	status, err := sightScript.Exec(ctx, r.deps.Redis, keys, []string{p.Ticket.decimal(), place, strconv.Itoa(most)}).ToString()
	switch {
	case err != nil:
		return false, unavailable("note where a pass of "+r.saleID+" is used", err)
	case status == "ok":
		return true, nil
	case status == "foreign":
		return false, nil
	case status == "again":
		return false, problem.With(problem.PassInvalid, "the pass has ended")
	case status == "lost":
		return false, r.lost()
	default:
		return false, fmt.Errorf("note where a pass of %s is used: unknown status %q: %w", r.saleID, status, problem.Unavailable)
	}
}
