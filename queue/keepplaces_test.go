package queue

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/testenv"
)

// onlySince is what the journal still has when it has dropped its first records.
func (j *memoryJournal) onlySince(first int) *memoryJournal {
	j.mu.Lock()
	defer j.mu.Unlock()
	return &memoryJournal{records: j.records[first:]}
}

func (j *memoryJournal) length() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.records)
}

// The room was opened so long ago that the journal has dropped what it had of the first places. Redis is lost, and
// everybody who comes with a key has the place as before.
func TestPlacesByKeyOutliveTheJournalsAge(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, j := testSale(time.Now()), &memoryJournal{}
		r := openRoom(t, client, rec, j)
		const places = 10 * keyedBatch // more than a page
		given := make([]keyedAnswer, 0, places)
		for len(given) < places {
			reqs := make([]keyedRequest, keyedBatch)
			for i := range reqs {
				reqs[i] = keyedRequest{Keyed: person(strconv.Itoa(len(given) + i))}
			}
			got, err := r.joinAllKeyed(t.Context(), reqs)
			if err != nil {
				t.Fatal(err)
			}
			given = append(given, got...)
		}
		dropped := j.length()
		keepAllPlaces(t, r)
		left := j.onlySince(dropped)
		again := lose(t, client, rec, left)
		for i := 0; i < places; i += 97 {
			had := given[i].place
			if got, there := joinKeyed(t, again, person(strconv.Itoa(i))); !there || keptOf(got) != had || had.number == 0 {
				t.Fatalf("%d had %+v and has %+v", i, had, got)
			}
		}
	})
}

// keepAllPlaces journals all places again, from the beginning of a round to its end.
func keepAllPlaces(t *testing.T, r *Room) {
	t.Helper()
	for range 1000 {
		s := refresh(t, r)
		r.places.Store(&keptPlaces{gen: s.room.gen, cursor: r.places.Load().cursor}) // due
		if err := r.keepPlaces(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if r.places.Load().cursor == "" {
			return
		}
	}
	t.Fatal("the round has no end")
}

// A leader that fails in the middle of a round loses nothing: the next one goes on with the page that was not journaled.
func TestPlacesThatCouldNotBeJournaledAreNext(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		rec, j := testSale(time.Now()), &memoryJournal{}
		r := openRoom(t, client, rec, j)
		joinKeyed(t, r, person("ada"))
		s := refresh(t, r)
		j.setFail(errors.New("disk full"))
		if r.keepPlaces(t.Context(), s) == nil {
			t.Fatal("no error")
		}
		j.setFail(nil)
		next, before := openNode(t, client, rec, j), j.length()
		if err := next.keepPlaces(t.Context(), refresh(t, next)); err != nil {
			t.Fatal(err)
		}
		if again := j.onlySince(before).fold().keyed; len(again) != 1 {
			t.Fatalf("%d places were journaled", len(again))
		}
	})
}
