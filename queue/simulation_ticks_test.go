//go:build simulations

package queue

import (
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

// TestSimulationATickThatIsNotDueChangesNothing holds the answer against what Advance does.
func TestSimulationATickThatIsNotDueChangesNothing(t *testing.T) {
	c, client := newClock(t)
	for _, order := range []sale.Order{sale.FIFO, sale.Draw} {
		rec := testSale(c.now, func(r *sale.Record) {
			r.Admission.Order, r.OpensAt, r.StartsAt = order, c.now.Add(time.Minute), c.now.Add(2*time.Minute)
			r.Admission.PassTTL = sale.Duration(time.Minute)
		})
		rec.ID = "due-" + string(order)
		j := &memoryJournal{}
		r := openRoom(t, client, rec, j)
		steps, idle := 0, 0
		for range 1200 {
			c.forward(500 * time.Millisecond)
			steps++
			if steps == 200 || steps == 400 {
				join(t, r, 3)
			}
			before := refresh(t, r)
			if due := r.NextDueMillis(); due > 0 && due <= before.NowMillis {
				advance(t, r, plenty)
				continue
			}
			idle++
			records := len(j.records)
			after := advance(t, r, plenty)
			if after.Called != before.Called || after.room.floor != before.room.floor || after.Drawn != before.Drawn ||
				after.DrawCommitment != before.DrawCommitment || after.Outstanding != before.Outstanding || len(j.records) != records {
				t.Fatalf("%s, step %d: a tick that was not due changed the room", order, steps)
			}
		}
		if idle < 500 || idle == steps {
			t.Fatalf("%s: not due at %d of %d steps", order, idle, steps)
		}
	}
}

func TestSimulationPlacesByKeyAreJournaledAgainBeforeTheJournalDropsThem(t *testing.T) {
	c, client := newClock(t)
	rec, j := testSale(c.now), &memoryJournal{}
	rec.EndsAt = c.now.Add(200 * time.Hour)
	r := openRoom(t, client, rec, j)
	joinKeyed(t, r, person("ada"))
	hours := func(hours int) (rounds int) {
		for range hours * 60 {
			c.forward(time.Minute)
			before := j.length()
			advance(t, r, plenty)
			for _, rec := range j.onlySince(before).records {
				if rec[2] == kindKeyed {
					rounds++
				}
			}
		}
		return rounds
	}
	if rounds := hours(1); rounds > 1 { // a leader that is new to the room
		t.Errorf("%d times in the first hour", rounds)
	}
	if rounds := hours(108); rounds != 3 {
		t.Errorf("%d times in 108 hours", rounds)
	}
}
