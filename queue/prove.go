package queue

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// maxShown bounds the tickets that wait to be reported. Whoever finds no room is noted at the next poll.
	maxShown = 8192
	// shownChunk is how many are reported by one script call.
	shownChunk = 1000
	// shownJournalTimeout bounds how long a refresh waits for the journal.
	shownJournalTimeout = 200 * time.Millisecond
)

// shown collects tickets with an uncertain number that were presented to this node, until the next
// refresh reports them. A ticket is reported once.
type shown struct {
	mu       sync.Mutex
	gen      string
	waiting  []Number
	reported map[Number]bool
}

// note takes a number in, unless it was reported in this generation.
func (s *shown) note(gen string, n Number) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gen != gen {
		s.gen, s.waiting, s.reported = gen, nil, nil
	}
	if s.reported[n] || len(s.reported) >= maxUncertain || len(s.waiting) >= maxShown {
		return
	}
	if s.reported == nil {
		s.reported = make(map[Number]bool)
	}
	s.reported[n] = true
	s.waiting = append(s.waiting, n)
}

// take hands over what waits.
func (s *shown) take() (gen string, numbers []Number) {
	s.mu.Lock()
	defer s.mu.Unlock()
	numbers, s.waiting = s.waiting, nil
	return s.gen, numbers
}

// giveBack takes numbers back that could not be reported; the next refresh tries again. Reporting one
// twice does no harm.
func (s *shown) giveBack(gen string, numbers []Number) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gen == gen {
		s.waiting = append(numbers, s.waiting...)
	}
}

// vouch notes, in a room that was restored, the numbers that this node knows to have been given
// before: their holders may be there, and need not ask first.
func (r *Room) vouch(next, last *Snapshot) {
	if next.absent == nil || next.room.base == last.room.base {
		return
	}
	for _, given := range []*span{{first: last.room.base + 1, last: last.Entrants}, r.given[next.lane].Load()} {
		for _, gap := range next.absent.gaps {
			for n := max(gap.first, given.first); n <= min(gap.last, given.last); n++ {
				if number := numberIn(next.lane, n); next.absent.has(number) {
					r.shown.note(next.room.gen, number)
				}
			}
		}
	}
}

// report tells Redis, and the journal, of uncertain numbers that somebody has.
func (r *Room) report(ctx context.Context) error {
	gen, numbers := r.shown.take()
	slices.Sort(numbers) // lane by lane
	for rest := numbers; len(rest) > 0; {
		n := 1
		for n < len(rest) && n < shownChunk && rest[n].Lane() == rest[0].Lane() {
			n++
		}
		if err := r.reportSome(ctx, gen, rest[:n]); err != nil {
			r.shown.giveBack(gen, numbers)
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// reportSome reports numbers of one lane.
func (r *Room) reportSome(ctx context.Context, gen string, numbers []Number) error {
	s := r.snap.Load().of(numbers[0])
	if s.room.gen != gen {
		return nil
	}
	records := make([][]byte, len(numbers))
	args := make([]string, 2, 2+2*len(numbers))
	args[0], args[1] = gen, decimal(int64(s.lane))
	for i, n := range numbers {
		records[i] = recordProven(n)
		args = append(args, n.decimal(), strconv.FormatUint(s.placeOrZero(n), 10))
	}
	status, err := proveScript.Exec(ctx, r.deps.Redis, r.lanes.Load().keys, args).ToString()
	switch {
	case err != nil:
		return unavailable("report the tickets shown in "+r.saleID, err)
	case status == "lost":
		return r.lost()
	case status == "stale":
		return nil // they are noted anew, with the next generation
	case status == "ok":
		return r.journalShown(ctx, records)
	default:
		return fmt.Errorf("report the tickets shown in %s: unknown status %q", r.saleID, status)
	}
}

// journalShown spares the visitors to be noted again after the next loss. It does not wait long for a
// journal that is down: the snapshot is more important.
func (r *Room) journalShown(ctx context.Context, records [][]byte) error {
	if r.deps.Journal == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, shownJournalTimeout)
	defer cancel()
	if err := r.deps.Journal(ctx, r.saleID, records); err != nil {
		r.deps.Log.Debug("tickets that were shown are not in the journal", "sale", r.saleID, "error", err)
	}
	return nil
}
