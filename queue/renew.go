package queue

import (
	"context"
	"fmt"

	"github.com/penstock/penstock/internal/problem"
)

// Renewal is a pass that was prolonged.
type Renewal struct {
	Pass  Pass
	Token string
	// Left is how often it may be renewed yet.
	Left int64
}

// Renew prolongs a pass as its sale says, and keeps its slot. A request that is repeated with the same token is
// answered with what it was given before. The journal has the new end before the visitor does. The error is
// renewal_refused (with renewals_left), pass_invalid (the pass is over), sale_not_open or unavailable.
func (r *Room) Renew(ctx context.Context, p Pass) (Renewal, error) {
	parts, err := renewScript.Exec(ctx, r.deps.Redis, r.keys, []string{p.Ticket.decimal(), decimal(p.ExpiresAt.Unix())}).AsStrSlice()
	if err != nil {
		return Renewal{}, unavailable("renew a pass of "+r.saleID, err)
	}
	if len(parts) != 6 {
		return Renewal{}, fmt.Errorf("renew a pass of %s: %d parts: %w", r.saleID, len(parts), problem.Unavailable)
	}
	n := parser{}
	issued, expires, times, now, most := n.number(parts[1]), n.number(parts[2]), n.number(parts[3]), n.number(parts[4]), n.number(parts[5])
	if n.err != nil {
		return Renewal{}, unavailable("renew a pass of "+r.saleID, n.err)
	}
	if status := parts[0]; status != "ok" && status != "again" {
		return Renewal{}, r.notRenewed(status)
	}
	b := r.book.Load()
	b.renewed(p.Ticket, expires*1000)
	if err := r.journalOne(ctx, recordRenewed(p.Ticket, expires, times, now)); err != nil {
		return Renewal{}, err
	}
	pass := passOf(r.saleID, p.Ticket, issued, expires)
	return Renewal{Pass: pass, Token: r.deps.Passes.Sign(pass), Left: max(most-times, 0)}, nil
}

func (r *Room) notRenewed(status string) error {
	refused := func(detail string) error {
		return problem.With(problem.RenewalRefused, detail, problem.F("renewals_left", 0))
	}
	switch status {
	case "most":
		return refused("this pass was renewed as often as it may be")
	case "off":
		return refused("passes of this sale are not renewed")
	case "over":
		return problem.With(problem.PassInvalid, "the pass is over, or was given back or taken back")
	case "ended":
		return problem.With(problem.SaleNotOpen, "the sale has ended")
	case "early":
		return problem.With(problem.SaleNotOpen, "the sale has not started yet")
	case "lost":
		return r.lost()
	default:
		return fmt.Errorf("renew a pass of %s: unknown status %q: %w", r.saleID, status, problem.Unavailable)
	}
}

// renewed notes another end of a pass. Until that is journaled too, a repeated claim journals it.
func (b *book) renewed(n Number, expiresMillis int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known, active := b.active[n]; active && known.expiresMillis < expiresMillis {
		b.active[n] = activePass{expiresMillis: expiresMillis}
	}
}

// renew notes another end of a pass, as the journal tells it.
func (r *Restored) renew(n Number, expires, times, atMillis int64) {
	r.lastMillis = max(r.lastMillis, atMillis)
	if pass, active := r.passes[n]; active {
		pass.expires, pass.renewals = max(pass.expires, expires), max(pass.renewals, times)
		r.passes[n] = pass
	}
}
