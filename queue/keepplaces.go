package queue

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"
)

const (
	// PlacesKeptEvery is how often each place by key is journaled again. The journal must keep its records for some
	// hours longer, or a place would be lost with Redis in a room that is open for longer than that; package recovery,
	// which knows both, does not compile otherwise.
	PlacesKeptEvery = 36 * time.Hour
	// placesPage is how many places are journaled at a time, about, and placesPageEvery how often: a sale with as many
	// as there may be takes 17 minutes.
	placesPage      = 2000
	placesPageEvery = time.Second
)

// keptPlaces is how far the leader is with journaling the places by key again. It is never changed once published.
type keptPlaces struct {
	gen       string
	dueMillis int64 // of Redis TIME
	cursor    string
}

// placesDue is when the next places are to be journaled again, in ms of Redis TIME.
func (r *Room) placesDue(s *Snapshot) int64 {
	if k := r.places.Load(); k.gen == s.room.gen {
		return k.dueMillis
	}
	return s.NowMillis
}

// keepPlaces journals the next places by key again, when they are due. Should it fail, the same places are next.
func (r *Room) keepPlaces(ctx context.Context, s *Snapshot) error {
	if r.deps.Journal == nil || s.room.mark == 0 || s.NowMillis < r.placesDue(s) {
		return nil
	}
	next := keptPlaces{gen: s.room.gen, dueMillis: s.NowMillis + placesPageEvery.Milliseconds()}
	if k := r.places.Load(); k.gen == next.gen {
		next.cursor = k.cursor
	}
	err := r.nextPlaces(ctx, &next)
	r.places.Store(&next)
	r.plan()
	if err != nil {
		return fmt.Errorf("journal the places by key of %s: %w", r.saleID, err)
	}
	return nil
}

// nextPlaces journals a page and moves the cursor on. When that was the last, it finds out when the next round is due.
func (r *Room) nextPlaces(ctx context.Context, k *keptPlaces) error {
	parts, err := keepPlacesScript.Exec(ctx, r.deps.Redis, []string{r.keys[keyRoom], r.keys[keyPlaces]},
		[]string{decimal(r.placesEvery.Milliseconds()), strconv.Itoa(placesPage), k.cursor}).ToArray()
	if err != nil {
		return err
	}
	k.cursor = ""
	if len(parts) == 0 {
		return fmt.Errorf("keep places script: an empty answer")
	}
	p := parser{}
	switch status := text(parts[0]); {
	case status == "lost":
		return r.lost()
	case status == "rest" && len(parts) == 2:
		k.dueMillis += max(p.number(text(parts[1])), 0)
		return p.err
	case status == "page" && len(parts) == 3:
		if err := r.journalPlaces(ctx, p.texts(parts[2])); err != nil {
			return err
		}
		k.cursor = text(parts[1])
		if p.err == nil && k.cursor == "0" { // that was the last page: the round is over
			return r.nextPlaces(ctx, k)
		}
		return p.err
	default:
		return fmt.Errorf("keep places script: %q with %d parts", status, len(parts))
	}
}

// journalPlaces journals key, value pairs. A Redis without pages gives all that there are at once.
func (r *Room) journalPlaces(ctx context.Context, pairs []string) error {
	for some := range slices.Chunk(pairs, 2*placesPage) {
		records := make([][]byte, 0, len(some)/2)
		for i := 0; i+1 < len(some); i += 2 {
			place, _, ok := readKept(some[i+1])
			if ok && len(some[i]) == placeKeyBytes {
				records = append(records, recordKeyed(PlaceKey([]byte(some[i])), place))
			}
		}
		if len(records) == 0 {
			continue
		}
		if err := r.deps.Journal(ctx, r.saleID, records); err != nil {
			return err
		}
	}
	return nil
}
