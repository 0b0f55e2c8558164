package console

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/sales"
)

// ReleaseRequest asks for passes that hold nothing to be taken back. IssuedBefore and OlderThan exclude each other.
type ReleaseRequest struct {
	IssuedBefore *time.Time     `json:"issued_before,omitempty"`
	OlderThan    *sale.Duration `json:"older_than,omitempty"`
	// Most is between 1 and sales.MaxReleases, which nil means.
	Most *int `json:"most,omitempty"`
	// DryRun has them counted, and nothing changed.
	DryRun bool `json:"dry_run"`
}

// ReleaseAnswer is what became of passes that hold nothing.
type ReleaseAnswer struct {
	Sale         string    `json:"sale"`
	DryRun       bool      `json:"dry_run"`
	IssuedBefore time.Time `json:"issued_before"`
	Released     int64     `json:"released"`
	// Holding hold units, or may, and stay.
	Holding int64 `json:"holding"`
	// More says that there are more than the call could take.
	More bool `json:"more"`
}

// postRelease takes passes back that hold nothing, or counts them.
func (c *Console) postRelease(w http.ResponseWriter, r *http.Request, who caller) error {
	var body ReleaseRequest
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	wanted := sales.Release{DryRun: body.DryRun}
	switch {
	case body.IssuedBefore != nil && body.OlderThan != nil:
		return problem.With(problem.BadRequest, "issued_before and older_than exclude each other")
	case body.IssuedBefore != nil:
		wanted.IssuedBefore = *body.IssuedBefore
	case body.OlderThan != nil && body.OlderThan.Std() < 0:
		return problem.With(problem.BadRequest, "older_than: want a duration such as 10m")
	case body.OlderThan != nil:
		wanted.IssuedBefore = c.deps.Now().Add(-body.OlderThan.Std())
	}
	if body.Most != nil {
		if wanted.Most = *body.Most; wanted.Most < 1 || wanted.Most > sales.MaxReleases {
			return problem.With(problem.BadRequest, "most: want between 1 and "+strconv.Itoa(sales.MaxReleases))
		}
	}
	view, err := c.releasePasses(r.Context(), who, r.PathValue("sale"), wanted)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, view)
}

// releasePasses takes passes back that hold nothing. What was done before an error is in the audit trail too.
func (c *Console) releasePasses(ctx context.Context, who caller, id string, wanted sales.Release) (ReleaseAnswer, error) {
	if _, err := c.deps.Sales.Sale(ctx, id); err != nil {
		return ReleaseAnswer{}, err
	}
	done, err := c.deps.Sales.ReleasePasses(ctx, id, wanted)
	if !wanted.DryRun && (err == nil || done.Released > 0) {
		c.record(ctx, who, actRelease, id, changes{
			"issued_before": {To: done.IssuedBefore}, "released": {To: done.Released}, "holding": {To: done.Holding},
		})
	}
	return ReleaseAnswer{
		Sale: id, DryRun: wanted.DryRun, IssuedBefore: done.IssuedBefore, Released: int64(done.Released), Holding: int64(done.Holding), More: done.More,
	}, err
}
