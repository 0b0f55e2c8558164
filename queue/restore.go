package queue

import (
	"context"
	"maps"
	"slices"
	"time"
)

const (
	// restoreChunk bounds the passes, numbers or times put back by one script call.
	restoreChunk = 1000
	// usedChunkBytes bounds the part of the bitmap that one script call puts back.
	usedChunkBytes = 256 << 10

	// proveWithin is how long the line waits, after a restore, for the holders of uncertain numbers who
	// are next. It is two poll intervals at the front of the line. Those further back have asked several
	// times before their turn comes.
	proveWithin = 2 * pollSoonMillis * (1 + pollJitter) * time.Millisecond
	// proveIdleWithin is proveWithin in a room where, as far as the journal knows, nobody waited: only
	// those who joined in the moment before the loss can be there.
	proveIdleWithin = 800 * time.Millisecond
	// proveFarWithin bounds how long they are waited for before the start: the longest poll interval.
	proveFarWithin = pollFarMillis * (1 + pollJitter) * time.Millisecond
)

// gaps are the uncertain numbers of the lane: at most the mark, and not known to have been given.
func (r *RestoredLane) gaps() spans {
	return r.given.gapsUpTo(r.Mark).bounded(maxGaps, maxUncertain)
}

// absences are those of a lane of the restored room.
func (r *Restored) absences(lane Lane) *absences {
	return newAbsences(lane, r.in(lane).gaps(), slices.Collect(maps.Keys(r.proven)), r.draw(lane))
}

// draw is that of a lane of the restored room; nil when none was made.
func (r *Restored) draw(lane Lane) *Draw {
	if !r.Drawn || r.Seed == nil {
		return nil
	}
	plan, _ := readPlan(r.rite.plan)
	parts, _ := readParts(r.rite.final)
	return NewDraw(completedSeed(r.sale, r.Seed, r.counts, plan, parts), lane, r.counts.in(lane))
}

// absentAhead counts the absent places beyond the watermark.
func (r *RestoredLane) absentAhead(away *absences) uint64 {
	return away.between(min(r.Called, r.Mark), r.Mark)
}

// resolved counts the places of a lane called whose windows are open and for whom nobody need be waited: their
// tickets are used, or were absent when the watermark passed.
func (r *Restored) resolved(lane Lane, away *absences) (n uint64) {
	draw, line := r.draw(lane), r.in(lane)
	for place := line.Floor + 1; place <= min(line.Called, line.Mark); place++ {
		number := numberIn(lane, place)
		if draw != nil {
			number = draw.NumberAt(place)
		}
		if r.used.has(number) || away.hasPlace(place) {
			n++
		}
	}
	return n
}

// gone counts the used tickets of a lane beyond the watermark.
func (r *Restored) gone(lane Lane, away *absences) (n uint64) {
	line := r.in(lane)
	draw, called := r.draw(lane), min(line.Called, line.Mark)
	for i, bits := range r.used[lane] {
		if bits == 0 || draw == nil && uint64(i)*8+7 <= called {
			continue
		}
		for number := Number(i) * 8; number < Number(i+1)*8; number++ {
			place := uint64(number)
			if draw != nil {
				place = draw.Place(number)
			}
			if r.used[lane].has(number) && place > called && !away.hasPlace(place) {
				n++
			}
		}
	}
	return n
}

// proveWithin is how long the line waits for the holders of uncertain numbers.
func (r *Restored) proveWithin() time.Duration {
	for n := range r.proven {
		if !r.used.has(n) {
			return proveWithin
		}
	}
	for lane := Lane(0); lane <= MaxLane; lane++ {
		if line := r.in(lane); lane == 0 && r.Mark == 0 || line.idle() {
			continue
		}
		return proveWithin
	}
	return proveIdleWithin
}

// idle reports whether nobody waited in the lane, as far as the journal knows.
func (r *RestoredLane) idle() bool {
	last := uint64(0)
	if n := len(r.given); n > 0 {
		last = r.given[n-1].last
	}
	return (r.exact || r.lane > 0 && r.Mark == 0) && last <= r.Called
}

func (r *Restored) firstExpiry() int64 {
	first := int64(0)
	for _, pass := range r.passes {
		if at := pass.expires * 1000; first == 0 || at < first {
			first = at
		}
	}
	return first
}

// restoreTickets puts back what is known of single tickets, before the room itself is there: until then
// nobody can be admitted who was admitted already. The status is ok, ready or anew.
func (a *arming) restoreTickets(ctx context.Context) (string, error) {
	status, err := a.step(ctx, "begin")
	if err != nil || status != "ok" {
		return status, err
	}
	for _, put := range []func(context.Context) (string, error){a.putUsed, a.putPasses, a.putAdmits, a.putProven, a.putKeyed} {
		if status, err := put(ctx); err != nil || status != "ok" {
			return status, err
		}
	}
	return "ok", nil
}

func (a *arming) step(ctx context.Context, step string, args ...string) (string, error) {
	return statusOf(restoreScript.Exec(ctx, a.client, a.keys, append([]string{decimal(a.term), a.token, step}, args...)))
}

func (a *arming) putUsed(ctx context.Context) (string, error) {
	for lane, used := range a.restore.used {
		offset := 0
		for chunk := range slices.Chunk(used, usedChunkBytes) {
			if status, err := a.step(ctx, "used", decimal(int64(lane)), decimal(int64(offset)), string(chunk)); err != nil || status != "ok" {
				return status, err
			}
			offset += len(chunk)
		}
	}
	return "ok", nil
}

func (a *arming) putPasses(ctx context.Context) (string, error) {
	args := make([]string, 0, 3*len(a.restore.passes))
	for _, n := range slices.Sorted(maps.Keys(a.restore.passes)) {
		pass := a.restore.passes[n]
		args = append(args, n.decimal(), pass.issuedText(), decimal(pass.expires))
	}
	return a.putAll(ctx, "passes", args, 3)
}

func (a *arming) putProven(ctx context.Context) (string, error) {
	args := make([]string, 0, len(a.restore.proven))
	for _, n := range slices.Sorted(maps.Keys(a.restore.proven)) {
		args = append(args, n.decimal())
	}
	return a.putAll(ctx, "proven", args, 1)
}

func (a *arming) putKeyed(ctx context.Context) (string, error) {
	return a.putAll(ctx, "keyed", a.restore.keyedArguments(), 2)
}

func (a *arming) putAdmits(ctx context.Context) (string, error) {
	return a.putAll(ctx, "admits", a.restore.admits.entries(), 1)
}

// putAll puts back entries of width arguments each.
func (a *arming) putAll(ctx context.Context, step string, args []string, width int) (string, error) {
	for chunk := range slices.Chunk(args, restoreChunk*width) {
		if status, err := a.step(ctx, step, chunk...); err != nil || status != "ok" {
			return status, err
		}
	}
	return "ok", nil
}
