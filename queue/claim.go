package queue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

const (
	// claimMargin is by how many places, besides a second's worth of calls, a ticket may lie beyond
	// the watermark that this node knows and still have Redis asked.
	claimMargin = 64
	// claimRounds bounds how often a claim works out its place again.
	claimRounds = 3
	// minRetryMillis and maxRetryMillis bound the wait told to a called visitor who meets the cap.
	minRetryMillis = 200
	maxRetryMillis = 5_000
)

// Why a claim admits nobody.
const (
	notYourTurn = "it is not this ticket's turn yet"
	notStarted  = "the sale has not started yet"
	stoodStill  = "the sale is paused; the time to claim stands still"
	hasEnded    = "the sale has ended"
)

// Claim admits a called ticket. The same ticket gets the same pass and the same token, with again
// set, until the pass expires or is given back. In mode open the line, the cap and the rate do
// not apply: every ticket is admitted once the sale has started.
//
// The error is not_called (with poll_after_ms), turn_missed (with take_up_before and poll_after_ms as long as ClaimLate
// may admit the ticket), sale_paused, sale_not_open, ticket_invalid or unavailable. A called ticket that meets the cap
// or the rate is answered not_called too; its window starts again.
func (r *Room) Claim(ctx context.Context, t Ticket) (pass Pass, token string, again bool, err error) {
	return r.claim(ctx, t, Outside{}) // where nothing is known of the stock, nobody is admitted late
}

// ClaimLate is Claim that also admits whoever comes after the time to claim: for one more window, if the sale has that
// grace, while there is room beside all who are called. In is what the node knows of the stock and of the degradation
// level.
func (r *Room) ClaimLate(ctx context.Context, t Ticket, in Outside) (pass Pass, token string, again bool, err error) {
	return r.claim(ctx, t, in)
}

func (r *Room) claim(ctx context.Context, t Ticket, in Outside) (pass Pass, token string, again bool, err error) {
	for range claimRounds {
		s := r.snap.Load().of(t.Number)
		if s.absent.has(t.Number) {
			r.shown.note(s.room.gen, t.Number)
			if err := r.report(ctx); err != nil {
				return Pass{}, "", false, unavailable("claim in "+r.saleID, err)
			}
		}
		if r.tooFar(s, t.Number) {
			return Pass{}, "", false, r.notCalled(t, notYourTurn)
		}
		_, known := s.place(t.Number)
		verdict, err := r.claimOnce(ctx, t.Number, s.placeOrZero(t.Number), s.room.gen, in)
		if err != nil {
			return Pass{}, "", false, unavailable("claim in "+r.saleID, err)
		}
		stale := verdict.status == "stale" || verdict.status == "not_called" && !known && s.nowMillis() >= s.room.starts
		if !stale {
			return r.settleClaim(ctx, t, verdict)
		}
		if err := r.Refresh(ctx); err != nil {
			return Pass{}, "", false, unavailable("claim in "+r.saleID, err)
		}
		if _, now := r.snap.Load().of(t.Number).place(t.Number); !now && verdict.status == "not_called" {
			return r.settleClaim(ctx, t, verdict)
		}
	}
	return Pass{}, "", false, problem.With(problem.Unavailable, "the waiting room is being prepared")
}

// tooFar answers from memory whoever is far behind the watermark, so that a crowd that tries its
// luck costs Redis nothing.
func (r *Room) tooFar(s *Snapshot, n Number) bool {
	if !s.Ready || time.Since(s.anchor) > trustFor || s.Mode == sale.Open || s.Paused || s.room.ended {
		return false
	}
	place, known := s.place(n)
	margin := claimMargin + uint64(s.RatePerMinute/60/max(s.ShowUpRate, minShowUp))
	return known && place > s.Called+margin && s.nowMillis() < s.room.ends && !r.book.Load().facts(n).used
}

// verdict is an answer of claim.lua.
type verdict struct {
	status          string
	issued, expires int64 // s
	waitMillis      int64
	nowMillis       int64
}

func (r *Room) claimOnce(ctx context.Context, n Number, place uint64, gen string, in Outside) (verdict, error) {
	args := append([]string{n.decimal(), strconv.FormatUint(place, 10), gen}, r.knownOutside(in)...)
	parts, err := claimScript.Exec(ctx, r.deps.Redis, r.lanes.Load().keys, args).ToArray()
	if err != nil {
		return verdict{}, fmt.Errorf("claim script: %w", err)
	}
	if len(parts) != 5 {
		return verdict{}, fmt.Errorf("claim script: %d parts", len(parts))
	}
	p := parser{}
	v := verdict{
		status: text(parts[0]), issued: p.number(text(parts[1])), expires: p.number(text(parts[2])),
		waitMillis: p.count(parts[3]), nowMillis: p.number(text(parts[4])),
	}
	return v, p.err
}

func (r *Room) settleClaim(ctx context.Context, t Ticket, v verdict) (Pass, string, bool, error) {
	switch v.status {
	case "ok", "again":
		pass, token, err := r.admit(ctx, t.Number, v)
		return pass, token, v.status == "again" && err == nil, err
	case "missed":
		return Pass{}, "", false, problem.With(problem.TurnMissed, "this ticket was called and its time to claim is over, or it was used")
	case "late":
		return Pass{}, "", false, r.noRoomForLate(t)
	case "paused":
		return Pass{}, "", false, problem.With(problem.SalePaused, stoodStill)
	case "ended":
		return Pass{}, "", false, problem.With(problem.SaleNotOpen, hasEnded)
	case "unknown":
		return Pass{}, "", false, problem.With(problem.TicketInvalid, "this number was never given")
	case "early":
		return Pass{}, "", false, r.notCalled(t, notStarted)
	case "not_called":
		return Pass{}, "", false, r.notCalled(t, notYourTurn)
	case "full", "rate":
		wait := min(max(v.waitMillis, minRetryMillis), maxRetryMillis)
		return Pass{}, "", false, problem.With(problem.NotCalled,
			"admission is full at this moment; the time to claim starts again", problem.F("poll_after_ms", wait))
	case "lost":
		return Pass{}, "", false, r.lost()
	default:
		return Pass{}, "", false, fmt.Errorf("claim: unknown status %q: %w", v.status, problem.Unavailable)
	}
}

// admit journals the pass before anybody hears of it, and signs it. When the journal fails, the
// pass waits in Redis for the visitor to claim again.
func (r *Room) admit(ctx context.Context, n Number, v verdict) (Pass, string, error) {
	b := r.book.Load()
	if r.deps.Journal != nil && !b.facts(n).kept {
		at := v.nowMillis
		if at == 0 {
			at = v.issued*1000 + 999 // when exactly is not known any more: as late as it may have been
		}
		rec := recordClaim(n, v.issued, v.expires, at)
		if v.status == "again" && v.waitMillis > 0 { // its claim was journaled before it was renewed
			rec = recordRenewed(n, v.expires, v.waitMillis, at)
		}
		if err := r.deps.Journal(ctx, r.saleID, [][]byte{rec}); err != nil {
			return Pass{}, "", unavailable("journal a pass of "+r.saleID, err)
		}
	}
	b.claimed(n, v.expires*1000, r.deps.Journal != nil)
	pass := passOf(r.saleID, n, v.issued, v.expires)
	return pass, r.deps.Passes.Sign(pass), nil
}

func (r *Room) notCalled(t Ticket, detail string) error {
	return askLater(detail, r.Look(t, r.snap.Load().running(), false))
}

// running is the phase of a room that is not paused, as far as it says how long somebody waits.
func (s *Snapshot) running() sale.Phase {
	if s.nowMillis() < s.room.starts {
		return sale.PhasePrequeue
	}
	return sale.PhaseLive
}

func askLater(detail string, view View) error {
	return problem.With(problem.NotCalled, detail, problem.F("poll_after_ms", view.PollAfterMillis))
}

// Leave takes a ticket out of the line for good; a pass it has is given back. It is idempotent.
// The error is ticket_invalid or unavailable.
func (r *Room) Leave(ctx context.Context, t Ticket) error {
	f := r.book.Load().facts(t.Number)
	if f.used && f.expiresMillis == 0 {
		return nil
	}
	if t.Number.inLane() > r.snap.Load().of(t.Number).Entrants {
		// Joined since the last refresh, or never: nothing is journaled for a number nobody has.
		if err := r.Refresh(ctx); err != nil {
			return unavailable("leave "+r.saleID, err)
		}
		if s := r.snap.Load().of(t.Number); s.Ready && t.Number.inLane() > s.Entrants {
			return problem.With(problem.TicketInvalid, "this number was never given")
		}
	}
	if err := r.journalOne(ctx, recordLeave(t.Number)); err != nil {
		return err
	}
	s := r.snap.Load().of(t.Number)
	status, err := leaveScript.Exec(ctx, r.deps.Redis, r.lanes.Load().keys,
		[]string{t.Number.decimal(), strconv.FormatUint(s.placeOrZero(t.Number), 10), s.room.gen, flag(s.absent.has(t.Number))}).ToString()
	return r.settleGone(t.Number, status, err)
}

// Release gives a pass back: its slot is free, and it is good for nothing any more. It is
// idempotent. Concurrent calls are combined. The error is unavailable.
func (r *Room) Release(ctx context.Context, p Pass) error {
	if r.Revoked(p) {
		return nil
	}
	status, err := r.releases.Do(ctx, p.Ticket)
	return r.settleGone(p.Ticket, status, err)
}

// releaseAll journals that passes are given back, and gives them back with one script call.
func (r *Room) releaseAll(ctx context.Context, numbers []Number) (statuses []string, err error) {
	records, args := make([][]byte, len(numbers)), make([]string, len(numbers))
	for i, n := range numbers {
		records[i], args[i] = recordRelease(n), n.decimal()
	}
	if r.deps.Journal != nil {
		if err := r.deps.Journal(ctx, r.saleID, records); err != nil {
			return nil, fmt.Errorf("journal %s: %w", r.saleID, err)
		}
	}
	answer, err := releaseScript.Exec(ctx, r.deps.Redis, r.keys, args).AsStrSlice()
	switch {
	case err != nil:
		return nil, err
	case len(answer) == len(numbers):
		return answer, nil
	case len(answer) != 1:
		return nil, fmt.Errorf("release script: %d parts", len(answer))
	}
	statuses = make([]string, len(numbers)) // one word for all: the room is lost
	for i := range statuses {
		statuses[i] = answer[0]
	}
	return statuses, nil
}

func (r *Room) settleGone(n Number, status string, err error) error {
	switch {
	case err != nil:
		return unavailable("give up a ticket of "+r.saleID, err)
	case status == "ok" || status == "again":
		r.book.Load().gone(n)
		return nil
	case status == "unknown":
		return problem.With(problem.TicketInvalid, "this number was never given")
	case status == "lost":
		return r.lost()
	default:
		return fmt.Errorf("give up a ticket of %s: unknown status %q: %w", r.saleID, status, problem.Unavailable)
	}
}

func (r *Room) journalOne(ctx context.Context, record []byte) error {
	if r.deps.Journal == nil {
		return nil
	}
	if err := r.deps.Journal(ctx, r.saleID, [][]byte{record}); err != nil {
		return unavailable("journal "+r.saleID, err)
	}
	return nil
}
