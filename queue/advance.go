package queue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

// Outside is what the controller must know that the room does not.
type Outside struct {
	// UnitsAvailable are neither held nor sold; below 0 when that is not known, and then stock sets
	// no limit. UnitsHeld may come back.
	UnitsAvailable, UnitsHeld int64
	// LevelFactor slows the calls under pressure: 1 normal … 0 stop.
	LevelFactor float64
}

const (
	// keepHouseEvery is how often a quiet room is tidied.
	keepHouseEvery = time.Second
	// keepStateEvery is how often the whole state is journaled, so that a journal that is read back
	// for hours only is enough.
	keepStateEvery = 15 * time.Minute
)

// Advance is one tick of the controller; one node does it, about ten times a second. A tick that
// fails changes nothing that the next would not do again.
func (r *Room) Advance(ctx context.Context, in Outside) error {
	r.advancing.Lock()
	defer r.advancing.Unlock()
	if err := r.refresh(ctx, true); err != nil {
		return err
	}
	s := r.snap.Load()
	if !s.Ready {
		return fmt.Errorf("advance room of %s: %w", r.saleID, errNoRoom)
	}
	s, err := r.prepareDraw(ctx, s)
	if err != nil {
		return err
	}
	if err := r.keepState(ctx, s); err != nil {
		return err
	}
	return r.move(ctx, s, in)
}

// move decides and writes.
func (r *Room) move(ctx context.Context, s *Snapshot, in Outside) error {
	b := r.book.Load()
	inputs := r.inputs(s, in)
	inputs.Gone = func(place uint64) bool { return b.facts(s.numberAt(place)).used }
	line := s.line()
	line.AdmittedLately = r.lately.count(s)
	d := Decide(line, inputs)
	if d.Called > s.Called && r.deps.Journal != nil {
		run := s.runMillis(s.NowMillis)
		deadline := run + s.room.window + max(s.room.window/256, 100)
		if err := r.deps.Journal(ctx, r.saleID, [][]byte{recordCalled(d.Called, run, deadline)}); err != nil {
			return fmt.Errorf("journal the watermark of %s: %w", r.saleID, err)
		}
	}
	if d.Called == s.Called && !r.houseDue(s) {
		return nil
	}
	return r.write(ctx, s, d, "", "")
}

// houseDue says that something has lapsed that counts, or that the room was not tidied for a while.
func (r *Room) houseDue(s *Snapshot) bool {
	run := s.runMillis(s.NowMillis)
	if len(s.calls) > 0 && s.calls[0].deadlineMillis <= run {
		return true
	}
	if s.room.nextExpiry > 0 && s.room.nextExpiry <= s.NowMillis {
		return true
	}
	busy := s.Active > 0 || s.AdmittedLastMinute > 0 || s.Waiting > 0 || s.Outstanding > 0
	return busy && s.NowMillis-s.room.creditAt >= keepHouseEvery.Milliseconds()
}

func (s *Snapshot) line() Line {
	return Line{
		Called: s.Called, Entrants: s.Entrants, Coming: s.coming(), Active: s.Active,
		AdmittedLastMinute: s.AdmittedLastMinute, Claimed: s.room.claimed, Shown: s.room.shown, NoShow: s.room.noShow,
		Memory: Memory{
			Credit: s.room.credit, CreditAtMillis: s.room.creditAt, ShowUpRate: s.ShowUpRate,
			SeenShown: s.room.seenShown, SeenNoShow: s.room.seenGone,
		},
	}
}

const (
	// patienceDelays is how many times the usual delay a called visitor is expected for, and
	// minPatience the least.
	patienceDelays = 4
	minPatience    = 5 * time.Second
)

// coming counts the outstanding who are still expected: those called no longer ago than several
// times what visitors usually take to claim. Whoever takes longer may still claim, but no slot is
// kept waiting for what is probably a closed tab.
func (s *Snapshot) coming() uint64 {
	if s.room.delay < 0 {
		return s.Outstanding
	}
	patience := max(patienceDelays*s.room.delay, minPatience.Milliseconds())
	oldest := s.runMillis(s.NowMillis) - patience
	expected, above := s.graces, s.room.floor
	for _, c := range s.calls {
		if c.deadlineMillis-s.room.window >= oldest {
			expected += max(int64(c.last-above)-s.resolved[c.deadlineMillis], 0)
		}
		above = c.last
	}
	return min(uint64(expected), s.Outstanding)
}

func (r *Room) inputs(s *Snapshot, in Outside) Inputs {
	_, placed := s.place(1)
	now := s.NowMillis
	return Inputs{
		NowMillis: now, RatePerMinute: s.RatePerMinute, MaxActive: s.MaxActive,
		Live:           placed && now >= s.room.starts && now < s.room.ends && !s.room.ended && !s.Paused && s.Mode != sale.Open,
		UnitsAllocated: r.units.Load(), UnitsAvailable: in.UnitsAvailable, LevelFactor: min(max(in.LevelFactor, 0), 1),
	}
}

// write hands a decision to advance.lua. Another leader's newer watermark stands.
func (r *Room) write(ctx context.Context, s *Snapshot, d Decision, seedKept, drawKept string) error {
	m := d.Memory
	parts, err := advanceScript.Exec(ctx, r.deps.Redis, r.keys, []string{
		s.room.gen, strconv.FormatUint(s.Called, 10), strconv.FormatUint(d.Called, 10), strconv.FormatUint(d.Skipped, 10),
		strconv.FormatFloat(m.Credit, 'f', 6, 64), decimal(m.CreditAtMillis), strconv.FormatFloat(m.ShowUpRate, 'f', 6, 64),
		decimal(m.SeenShown), decimal(m.SeenNoShow), seedKept, drawKept,
	}).AsStrSlice()
	if err != nil {
		return fmt.Errorf("advance room of %s: %w", r.saleID, err)
	}
	if len(parts) != 2 {
		return fmt.Errorf("advance room of %s: %d parts", r.saleID, len(parts))
	}
	if parts[0] == "gone" {
		return fmt.Errorf("advance room of %s: %w", r.saleID, errNoRoom)
	}
	return nil
}

// stand is the decision to leave everything as it is.
func (s *Snapshot) stand() Decision {
	return Decision{Called: s.Called, Memory: s.line().Memory}
}

// prepareDraw brings the draw forward: the seed is journaled before its commitment is shown, the
// count is fixed at the start, and both are journaled before the seed is shown and places are told.
func (r *Room) prepareDraw(ctx context.Context, s *Snapshot) (*Snapshot, error) {
	if s.room.order != sale.Draw || s.room.drawKept {
		return s, nil
	}
	if !s.room.seedKept {
		if err := r.journalOne(ctx, recordDraw(s.room.seed, false, 0)); err != nil {
			return nil, err
		}
		next, err := r.writeAndRefresh(ctx, s, "1", "")
		if err != nil {
			return nil, err
		}
		s = next
	}
	if s.NowMillis < s.room.starts {
		return s, nil
	}
	if !s.room.drawn {
		next, err := r.writeAndRefresh(ctx, s, "", "")
		if err != nil || !next.room.drawn {
			return next, err
		}
		s = next
	}
	if err := r.journalOne(ctx, recordDraw(s.room.seed, true, s.room.drawCount)); err != nil {
		return nil, err
	}
	return r.writeAndRefresh(ctx, s, "", "1")
}

func (r *Room) writeAndRefresh(ctx context.Context, s *Snapshot, seedKept, drawKept string) (*Snapshot, error) {
	if err := r.write(ctx, s, s.stand(), seedKept, drawKept); err != nil {
		return nil, err
	}
	if err := r.refresh(ctx, true); err != nil {
		return nil, err
	}
	return r.snap.Load(), nil
}

// keepState journals the whole state when a room is new to this leader, and then now and again.
func (r *Room) keepState(ctx context.Context, s *Snapshot) error {
	if r.deps.Journal == nil || s.room.mark == 0 {
		return nil
	}
	if s.room.gen == r.keptGen && s.NowMillis-r.keptAt < keepStateEvery.Milliseconds() {
		return nil
	}
	deadline := int64(0)
	if n := len(s.calls); n > 0 {
		deadline = s.calls[n-1].deadlineMillis
	}
	records := [][]byte{recordState(s.room.mark, s.Called, s.room.floor, s.runMillis(s.NowMillis), deadline)}
	if s.room.order == sale.Draw && s.room.seedKept {
		if draw := recordDraw(s.room.seed, s.room.drawKept, s.room.drawCount); draw != nil {
			records = append(records, draw)
		}
	}
	if err := r.deps.Journal(ctx, r.saleID, records); err != nil {
		return fmt.Errorf("journal the state of %s: %w", r.saleID, err)
	}
	r.keptGen, r.keptAt = s.room.gen, s.NowMillis
	return nil
}
