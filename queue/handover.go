package queue

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/redis"
)

// codeExpiredAfter is the age from which on a code is refused from memory. The script, which tells the time
// exactly, refuses it sooner.
const codeExpiredAfter = CodeLife + 10*time.Second

// codeClock gives each code of a room a time of its own.
type codeClock struct{ last atomic.Int64 }

// next returns now, or the next microsecond that was not given yet.
func (c *codeClock) next(nowMicros int64) int64 {
	for {
		last := c.last.Load()
		next := max(nowMicros, last+1)
		if c.last.CompareAndSwap(last, next) {
			return next
		}
	}
}

// HandOver returns a code for which [Room.Redeem] gives the pass, once and within [CodeLife]. It works from
// memory. The error is unavailable while Redis does not hold the room.
func (r *Room) HandOver(p Pass) (string, error) {
	s := r.snap.Load()
	if !s.Ready {
		return "", problem.Restoring()
	}
	return r.deps.Tickets.SignCode(HandoverCode{
		Sale: r.saleID, Ticket: p.Ticket, Epoch: uint32(s.Epoch), MadeMicros: r.codes.next(s.Now().UnixMicro()),
	}), nil
}

// Redeem takes a code and returns the pass of its ticket with its token, as a repeated claim does. The
// error is code_used, code_expired (also when the pass is over) or unavailable.
func (r *Room) Redeem(ctx context.Context, c HandoverCode) (Pass, string, error) {
	if s := r.snap.Load(); s.Ready && time.Since(s.anchor) < trustFor &&
		s.Now().UnixMicro()-c.MadeMicros > codeExpiredAfter.Microseconds() {
		return Pass{}, "", codeExpired()
	}
	keys := []string{r.keys[keyRoom], r.keys[keyPasses], r.keys[keyIssued], redis.Key(r.saleID, "room:redeemed:"+c.Ticket.decimal())}
	parts, err := redeemScript.Exec(ctx, r.deps.Redis, keys, []string{
		c.Ticket.decimal(), strconv.FormatUint(uint64(c.Epoch), 10), strconv.FormatInt(c.MadeMicros, 10),
		strconv.FormatInt(CodeLife.Milliseconds(), 10), rand.Text(),
	}).AsStrSlice()
	if err != nil {
		return Pass{}, "", unavailable("redeem a code of "+r.saleID, err)
	}
	if len(parts) != 3 {
		return Pass{}, "", fmt.Errorf("redeem a code of %s: %d parts: %w", r.saleID, len(parts), problem.Unavailable)
	}
	return r.settleRedeem(c, parts)
}

func (r *Room) settleRedeem(c HandoverCode, parts []string) (Pass, string, error) {
	switch parts[0] {
	case "ok":
		p := parser{}
		pass := passOf(r.saleID, c.Ticket, p.number(parts[1]), p.number(parts[2]))
		return pass, r.deps.Passes.Sign(pass), p.err
	case "used":
		return Pass{}, "", problem.With(problem.CodeUsed, "this code, or a later one of the same visitor, was used")
	case "expired":
		return Pass{}, "", codeExpired()
	case "over":
		return Pass{}, "", problem.With(problem.CodeExpired, "the pass of this code has lapsed or was given back")
	case "lost":
		return Pass{}, "", r.lost()
	default:
		return Pass{}, "", fmt.Errorf("redeem a code of %s: unknown status %q: %w", r.saleID, parts[0], problem.Unavailable)
	}
}

func codeExpired() error {
	return problem.With(problem.CodeExpired, "this code is too old; the waiting room gives a new one")
}
