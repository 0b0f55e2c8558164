package queue

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

const (
	// MaxIssuedPasses bounds how many passes one call of IssuedBefore looks at, and one of ReleaseAll gives back.
	MaxIssuedPasses = 400
	// settledAfter is after how long the journal knows of a pass: longer than a claim may take. To take a pass back
	// earlier could have the journal learn of its end before its beginning.
	settledAfter = 6 * time.Second
)

// IssuedPasses is a page of active passes. The zero value stands before the first page.
type IssuedPasses struct {
	// Before is the whole second before which the passes were issued.
	Before time.Time
	Passes []Pass // with Sale, Ticket and ID alone
	// Last says that no page follows.
	Last bool

	name       string // of the pass that was looked at last
	endsMillis string // when it ends
}

// IssuedBefore lists the page of active passes behind another page that were issued before a moment, rounded down to
// the second. A zero moment means now. A pass of the last 6 s is never listed. Passes that are given back or end
// meanwhile do not hide others. The error is unavailable.
func (r *Room) IssuedBefore(ctx context.Context, moment time.Time, behind IssuedPasses) (IssuedPasses, error) {
	before := int64(0)
	if !moment.IsZero() {
		before = max(moment.Unix(), 1)
	}
	if behind.endsMillis == "" {
		behind.endsMillis = "0"
	}
	parts, err := issuedScript.Exec(ctx, r.deps.Redis, r.keys, []string{
		decimal(before), decimal(int64(settledAfter / time.Second)), behind.name, behind.endsMillis, strconv.Itoa(MaxIssuedPasses),
	}).AsStrSlice()
	switch {
	case err != nil:
		return IssuedPasses{}, unavailable("list passes of "+r.saleID, err)
	case len(parts) < 4:
		return IssuedPasses{}, unavailable("list passes of "+r.saleID, fmt.Errorf("%d parts", len(parts)))
	case parts[0] == "lost":
		return IssuedPasses{}, r.lost()
	}
	p := parser{}
	page := IssuedPasses{Before: time.Unix(p.number(parts[1]), 0).UTC(), Last: parts[0] == "end", name: parts[2], endsMillis: parts[3]}
	for _, name := range parts[4:] {
		page.Passes = append(page.Passes, Pass{Sale: r.saleID, Ticket: Number(p.unsigned(name)), ID: name})
	}
	if p.err != nil {
		return IssuedPasses{}, unavailable("list passes of "+r.saleID, p.err)
	}
	return page, nil
}

// ReleaseAll gives at most MaxIssuedPasses passes back in one step, as Release does one, and returns how many there
// still were. It is idempotent. The error is unavailable.
func (r *Room) ReleaseAll(ctx context.Context, passes []Pass) (int, error) {
	if len(passes) == 0 {
		return 0, nil
	}
	if len(passes) > MaxIssuedPasses {
		return 0, fmt.Errorf("%d passes are more than %d", len(passes), MaxIssuedPasses)
	}
	numbers := make([]Number, len(passes))
	for i, pass := range passes {
		numbers[i] = pass.Ticket
	}
	statuses, err := r.releaseAll(ctx, numbers)
	if err != nil {
		return 0, unavailable("give passes of "+r.saleID+" back", err)
	}
	released := 0
	for i, status := range statuses {
		if err := r.settleGone(numbers[i], status, nil); err != nil {
			return released, err
		}
		if status == "ok" {
			released++
		}
	}
	return released, nil
}
