package queue

import (
	"context"
	"slices"
	"time"
)

const (
	// restoreChunk bounds the passes, or numbers, put back by one script call.
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

// gaps are the uncertain numbers: at most the mark, and not known to have been given.
func (r *Restored) gaps() spans {
	return r.given.gapsUpTo(r.Mark).bounded(maxGaps, maxUncertain)
}

// absences are those of the restored room.
func (r *Restored) absences() *absences {
	return newAbsences(r.gaps(), sortedNumbers(r.proven), r.draw())
}

// draw is that of the restored room; nil when none was made.
func (r *Restored) draw() *Draw {
	if !r.Drawn || r.Seed == nil {
		return nil
	}
	return NewDraw(r.Seed, r.DrawCount)
}

// absentAhead counts the absent places beyond the watermark.
func (r *Restored) absentAhead() uint64 {
	return r.absences().between(min(r.Called, r.Mark), r.Mark)
}

// resolved counts the places called whose windows are open and for whom nobody need be waited: their
// tickets are used, or were absent when the watermark passed.
func (r *Restored) resolved() (n uint64) {
	away := r.absences()
	draw := r.draw()
	for place := r.Floor + 1; place <= min(r.Called, r.Mark); place++ {
		number := Number(place)
		if draw != nil {
			number = draw.NumberAt(place)
		}
		if r.used.has(number) || away.hasPlace(place) {
			n++
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
	last := uint64(0)
	if n := len(r.given); n > 0 {
		last = r.given[n-1].last
	}
	if !r.exact || last > r.Called {
		return proveWithin
	}
	return proveIdleWithin
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
	for _, put := range []func(context.Context) (string, error){a.putUsed, a.putPasses, a.putAdmits, a.putProven} {
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
	offset := 0
	for chunk := range slices.Chunk(a.restore.used, usedChunkBytes) {
		if status, err := a.step(ctx, "used", decimal(int64(offset)), string(chunk)); err != nil || status != "ok" {
			return status, err
		}
		offset += len(chunk)
	}
	return "ok", nil
}

func (a *arming) putPasses(ctx context.Context) (string, error) {
	return a.putNumbers(ctx, "passes", sortedNumbers(a.restore.passes), func(args []string, n Number) []string {
		pass := a.restore.passes[n]
		return append(args, n.decimal(), decimal(pass.issued), decimal(pass.expires))
	})
}

func (a *arming) putProven(ctx context.Context) (string, error) {
	return a.putNumbers(ctx, "proven", sortedNumbers(a.restore.proven), func(args []string, n Number) []string {
		return append(args, n.decimal())
	})
}

func (a *arming) putNumbers(ctx context.Context, step string, numbers []Number, add func([]string, Number) []string) (string, error) {
	for chunk := range slices.Chunk(numbers, restoreChunk) {
		var args []string
		for _, n := range chunk {
			args = add(args, n)
		}
		if status, err := a.step(ctx, step, args...); err != nil || status != "ok" {
			return status, err
		}
	}
	return "ok", nil
}

func (a *arming) putAdmits(ctx context.Context) (string, error) {
	times := slices.Sorted(slices.Values(a.restore.admits))
	for chunk := range slices.Chunk(times, restoreChunk) {
		args := make([]string, len(chunk))
		for i, at := range chunk {
			args[i] = decimal(at)
		}
		if status, err := a.step(ctx, "admits", args...); err != nil || status != "ok" {
			return status, err
		}
	}
	return "ok", nil
}

func sortedNumbers[V any](m map[Number]V) []Number {
	numbers := make([]Number, 0, len(m))
	for n := range m {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers
}
