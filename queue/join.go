package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/batch"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

const (
	joinBatch   = 512
	joinWaiting = 16384
	joinTimeout = 5 * time.Second
	// joinRounds bounds how often one batch raises the mark when other nodes use it up meanwhile.
	joinRounds = 8
	minBlock   = 64
	maxBlock   = 4096
	// fullRetrySeconds is when to try again at a full room.
	fullRetrySeconds = 10
)

// joined is what one visitor gets of a batch.
type joined struct {
	number    Number
	epoch     uint32
	nowMillis int64
	refusal   error
}

// Newcomer is what is noted of somebody who joins.
type Newcomer struct {
	Interest Interest
}

// Join gives a visitor the next number. Calls of a node are combined. The error is join_refused,
// sale_not_open, room_full, overloaded or unavailable.
func (r *Room) Join(ctx context.Context) (Ticket, error) { return r.JoinAs(ctx, Newcomer{}) }

// JoinAs is Join of a newcomer of whom something is noted.
func (r *Room) JoinAs(ctx context.Context, who Newcomer) (Ticket, error) {
	if err := r.refuseJoin(); err != nil {
		return Ticket{}, err
	}
	got, err := r.joins.Do(ctx, who)
	switch {
	case errors.Is(err, batch.ErrFull):
		return Ticket{}, problem.With(problem.Overloaded, "too many visitors are joining at once")
	case err != nil:
		return Ticket{}, unavailable("join "+r.saleID, err)
	case got.refusal != nil:
		return Ticket{}, got.refusal
	}
	return Ticket{
		Sale: r.saleID, Number: got.number, Epoch: got.epoch, IssuedMillis: got.nowMillis, Interest: who.Interest,
	}, nil
}

// refuseJoin turns away from memory those whom the script would turn away, so that a crowd before
// a closed door costs Redis nothing. In doubt the script decides.
func (r *Room) refuseJoin() error {
	s := r.snap.Load()
	if !s.Ready || time.Since(s.anchor) > trustFor {
		return nil
	}
	now, margin := s.nowMillis(), int64(500)
	switch {
	case s.room.ended || now >= s.room.ends+margin:
		return refusedJoin("ended")
	case now < s.room.opens-margin:
		return refusedJoin("early")
	case s.Mode == sale.Closed:
		return refusedJoin("closed")
	}
	return nil
}

func refusedJoin(status string) error {
	switch status {
	case "ended":
		return problem.With(problem.SaleNotOpen, "the sale has ended")
	case "early":
		return problem.With(problem.SaleNotOpen, "the waiting room has not opened yet")
	case "closed":
		return problem.With(problem.JoinRefused, "the waiting room is closed")
	case "full":
		return problem.Retry(problem.RoomFull, "the waiting room is full", fullRetrySeconds)
	default:
		return fmt.Errorf("join: unknown status %q: %w", status, problem.Unavailable)
	}
}

// joinAll gives numbers to a batch. Those for whom none is left get the reason.
func (r *Room) joinAll(ctx context.Context, reqs []Newcomer) ([]joined, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	results := make([]joined, 0, len(reqs))
	for range joinRounds {
		grant, err := r.takeNumbers(ctx, reqs[len(results):])
		if err != nil {
			return nil, err
		}
		for i := range grant.count {
			results = append(results, joined{number: grant.first + Number(i), epoch: grant.epoch, nowMillis: grant.nowMillis})
		}
		missing := len(reqs) - len(results)
		if missing == 0 {
			return results, nil
		}
		switch grant.status {
		case "raise":
		case "lost":
			return fillRefused(results, missing, r.lost()), nil
		default:
			return fillRefused(results, missing, refusedJoin(grant.status)), nil
		}
		if err := r.raise(ctx, grant, missing); err != nil {
			return fillRefused(results, missing, err), nil
		}
	}
	return fillRefused(results, len(reqs)-len(results), problem.With(problem.Overloaded, "too many visitors are joining at once")), nil
}

// fillRefused lets those of a batch who have a number keep it.
func fillRefused(results []joined, missing int, refusal error) []joined {
	for range missing {
		results = append(results, joined{refusal: refusal})
	}
	return results
}

// grant is an answer of join.lua.
type grant struct {
	status    string
	first     Number
	count     int
	top       uint64 // the highest mark that was ever journaled
	nowMillis int64
	epoch     uint32
	base      uint64 // the numbers above it were all given by this room
}

// given is the last number that was given, this grant included.
func (g grant) given() uint64 { return uint64(g.first) + uint64(g.count) - 1 }

func (r *Room) takeNumbers(ctx context.Context, newcomers []Newcomer) (grant, error) {
	args := []string{strconv.Itoa(len(newcomers)), strconv.FormatInt(r.deps.MaxWaitingTickets, 10)}
	for i := range newcomers {
		if interest := newcomers[i].Interest; interest.Named() {
			args = append(args, strconv.Itoa(i+1), interest.words())
		}
	}
	parts, err := joinScript.Exec(ctx, r.deps.Redis, r.keys[:1], args).ToArray()
	if err != nil {
		return grant{}, fmt.Errorf("join script: %w", err)
	}
	return r.readGrant(parts)
}

// readGrant reads the answer of join.lua.
func (r *Room) readGrant(parts []rueidis.RedisMessage) (grant, error) {
	if len(parts) != 7 {
		return grant{}, fmt.Errorf("join script: %d parts", len(parts))
	}
	p := parser{}
	g := grant{
		status: text(parts[0]), first: Number(p.unsigned(text(parts[1]))), count: int(p.count(parts[2])),
		top: p.unsigned(text(parts[3])), nowMillis: p.number(text(parts[4])), epoch: uint32(p.number(text(parts[5]))),
		base: p.unsigned(text(parts[6])),
	}
	if p.err == nil && g.status != "lost" {
		r.given.Store(&span{first: g.base + 1, last: g.given()})
		r.growth.add(g.count, g.nowMillis)
	}
	return g, p.err
}

// raise lifts the high-water mark by a block. The journal has it first: after a loss of Redis the
// numbers go on behind the mark, so that none is given twice.
func (r *Room) raise(ctx context.Context, g grant, missing int) error {
	mark := min(g.top+uint64(max(r.growth.block(), missing)), maxNumber)
	if mark <= g.top {
		return refusedJoin("full")
	}
	if r.deps.Journal != nil {
		if err := r.deps.Journal(ctx, r.saleID, [][]byte{recordMark(mark), recordGiven(g.base, g.given())}); err != nil {
			return unavailable("journal the high-water mark of "+r.saleID, err)
		}
	}
	status, err := raiseScript.Exec(ctx, r.deps.Redis, r.keys[:1], []string{strconv.FormatUint(mark, 10)}).ToString()
	if err != nil {
		return unavailable("raise the high-water mark of "+r.saleID, err)
	}
	switch status {
	case "ok":
		return nil
	case "lost":
		return r.lost()
	default:
		return fmt.Errorf("raise the high-water mark of %s: unknown status %q", r.saleID, status)
	}
}

// growth measures how fast visitors join here, to size the blocks by which the mark is raised:
// big enough that a rush seldom waits for the journal, small enough that few numbers are lost.
// Only the one run of the combiner uses it.
type growth struct {
	sinceMillis int64
	count       int
	perSecond   float64
}

func (g *growth) add(n int, nowMillis int64) {
	if g.sinceMillis == 0 {
		g.sinceMillis = nowMillis
	}
	g.count += n
	if elapsed := nowMillis - g.sinceMillis; elapsed >= 1000 {
		g.perSecond = float64(g.count) * 1000 / float64(elapsed)
		g.count, g.sinceMillis = 0, nowMillis
	}
}

// block is about two seconds' worth.
func (g *growth) block() int {
	recent := max(g.perSecond, float64(g.count))
	return min(max(int(2*recent), minBlock), maxBlock)
}
