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
	maxJoinBatch   = 512
	maxJoinWaiting = 16384
	joinTimeout    = 5 * time.Second
	// joinRounds bounds how often one batch raises the mark when other nodes use it up meanwhile.
	joinRounds = 8
	// fullRetrySeconds is when to try again at a full room.
	fullRetrySeconds = 10
)

// ErrMustWait says that a visitor cannot be called at once and would have to wait in line.
var ErrMustWait = errors.New("the visitor would have to wait")

// joined is what one visitor gets of a batch.
type joined struct {
	number    Number
	epoch     uint32
	nowMillis int64
	called    bool
	refusal   error
}

// Newcomer is what is known of somebody who joins.
type Newcomer struct {
	Interest Interest
	// Outside is what this node knows of the stock and of the degradation level. With the zero value nobody is
	// called at once: the leader calls.
	Outside Outside
	// OnlyCalled says that the visitor takes a number only when called at once.
	OnlyCalled bool

	decoy bool // takes no number; see [Room.JoinDecoy]
}

// Join gives a visitor the next number, and calls nobody. See [Room.JoinAs].
func (r *Room) Join(ctx context.Context) (Ticket, error) { return r.JoinAs(ctx, Newcomer{}) }

// JoinAs gives a newcomer the next number. While nobody waits and there is room, the visitor is called at once:
// [Room.Look] says so when JoinAs returns. Calls of a node are combined. The error is join_refused,
// sale_not_open, room_full, overloaded or unavailable, or [ErrMustWait].
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
	case s.Mode == sale.Closed, s.Mode == sale.Drain:
		return refusedJoin("closed")
	}
	return nil
}

func refusedJoin(status string) error {
	switch status {
	case "ended":
		return problem.With(problem.SaleNotOpen, hasEnded)
	case "early":
		return problem.With(problem.SaleNotOpen, "the waiting room has not opened yet")
	case "closed":
		return problem.With(problem.JoinRefused, "the waiting room takes nobody in")
	case "full":
		return problem.Retry(problem.RoomFull, "the waiting room is full", fullRetrySeconds)
	default:
		return fmt.Errorf("join: unknown status %q: %w", status, problem.Unavailable)
	}
}

// joinAll gives numbers to a batch. Those for whom none is left get the reason.
func (r *Room) joinAll(ctx context.Context, newcomers []Newcomer) ([]joined, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	b := newJoinBatch(newcomers)
	for range joinRounds {
		g, err := r.takeNumbers(ctx, b)
		if err != nil {
			return nil, err
		}
		b.take(g)
		b.takeDecoys(g, &r.decoys)
		if b.complete() {
			break
		}
		if g.status != "raise" {
			b.refuse(r.refusalOf(g.status))
			break
		}
		if err := r.raise(ctx, g, len(b.staying)+len(b.passing)); err != nil {
			b.refuse(err)
			break
		}
	}
	b.refuse(problem.With(problem.Overloaded, "too many visitors are joining at once"))
	r.settleCalls(ctx, b)
	return b.results, nil
}

func (r *Room) refusalOf(status string) error {
	switch status {
	case "ok":
		return ErrMustWait
	case "lost":
		return r.lost()
	default:
		return refusedJoin(status)
	}
}

// settleCalls journals the watermark of those who were called as they joined, before they hear of it, and brings
// the snapshot up to it. Whom the journal does not have is not told.
func (r *Room) settleCalls(ctx context.Context, b *joinBatch) {
	if b.called == nil {
		return
	}
	refreshed := r.refreshBeside(ctx)
	if err := r.journalOne(ctx, b.called.record()); err != nil {
		b.failCalled(err)
	}
	<-refreshed
}

// refreshBeside refreshes while the journal is written. The channel is closed when that is done.
func (r *Room) refreshBeside(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Refresh(ctx); err != nil {
			r.deps.Log.Debug("who was called on joining learns it at the next poll", "sale", r.saleID, "error", err)
		}
	}()
	return done
}

// record is what the journal has of the calls.
func (g grant) record() []byte {
	return recordCalled(g.lane, g.calledUpTo(), g.run, g.deadline, g.nowMillis)
}

// grant is an answer of join.lua.
type grant struct {
	status           string
	lane             Lane
	first            uint64 // number within the lane
	staying, passing int    // numbers for those who stay in any case, and behind them for those who pass
	calls            int    // of all of them, how many are called
	top              uint64 // the highest mark that was ever journaled
	nowMillis        int64
	epoch            uint32
	base             uint64 // the numbers above it were all given by this room
	run, deadline    int64  // of the calls, in the room's own time
}

// given is the last number that was given, this grant included.
func (g grant) given() uint64 { return g.first + uint64(g.staying+g.passing) - 1 }

// calledUpTo is the watermark after the calls.
func (g grant) calledUpTo() uint64 { return g.first + uint64(g.calls) - 1 }

func (r *Room) takeNumbers(ctx context.Context, b *joinBatch) (grant, error) {
	args := append([]string{strconv.Itoa(len(b.staying)), strconv.FormatInt(r.deps.MaxWaitingTickets, 10), strconv.Itoa(len(b.passing))},
		r.limits(b.outside(), 0)...)
	parts, err := joinScript.Exec(ctx, r.deps.Redis, r.lanes.Load().keys, append(args, b.interests()...)).ToArray()
	if err != nil {
		return grant{}, fmt.Errorf("join script: %w", err)
	}
	return r.readGrant(0, parts)
}

// limits are what a node knows, and the lane, as join.lua takes it.
func (r *Room) limits(in Outside, lane Lane) []string {
	return append(r.knownOutside(in), decimal(int64(lane)))
}

// knownOutside is what a node knows of the stock and of the degradation level, as the scripts take it.
func (r *Room) knownOutside(in Outside) []string {
	return []string{decimal(in.free()), decimal(r.units.Load()), strconv.FormatFloat(in.LevelFactor, 'f', 4, 64)}
}

// readGrant reads the answer of join.lua.
func (r *Room) readGrant(lane Lane, parts []rueidis.RedisMessage) (grant, error) {
	if len(parts) != 11 {
		return grant{}, fmt.Errorf("join script: %d parts", len(parts))
	}
	p := parser{}
	g := grant{
		lane: lane, status: text(parts[0]), first: p.unsigned(text(parts[1])), staying: int(p.count(parts[2])),
		top: p.unsigned(text(parts[3])), nowMillis: p.number(text(parts[4])), epoch: uint32(p.number(text(parts[5]))),
		base: p.unsigned(text(parts[6])), passing: int(p.count(parts[7])), calls: int(p.count(parts[8])),
		run: p.number(text(parts[9])), deadline: p.number(text(parts[10])),
	}
	if p.err == nil && g.status != "lost" {
		r.given[lane].Store(&span{first: g.base + 1, last: g.given()})
		r.growth.add(g.staying+g.passing, g.nowMillis)
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
		if err := r.deps.Journal(ctx, r.saleID, [][]byte{recordMark(g.lane, mark), recordGiven(g.lane, g.base, g.given())}); err != nil {
			return unavailable("journal the high-water mark of "+r.saleID, err)
		}
	}
	status, err := raiseScript.Exec(ctx, r.deps.Redis, r.keys[:1], []string{strconv.FormatUint(mark, 10), decimal(int64(g.lane))}).ToString()
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
