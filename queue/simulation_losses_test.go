//go:build simulations

package queue

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/sale"
)

// TestSimulationTheLineKeepsItsOrderThroughLosses runs a room through losses of Redis, with and without a clean
// stop, on a node that lived through them and on a new one, before and after a draw.
func TestSimulationTheLineKeepsItsOrderThroughLosses(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newCrowd(t, func(r *sale.Record) {
			r.Admission.Order = rapid.SampledFrom([]sale.Order{sale.FIFO, sale.Draw}).Draw(rt, "order")
			r.Admission.RatePerMinute = rapid.SampledFrom([]int{120, 600, 60_000}).Draw(rt, "rate")
			r.StartsAt = r.StartsAt.Add(time.Duration(rapid.IntRange(-1, 2).Draw(rt, "start")) * time.Second)
		})
		rt.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) { w.join(t, rapid.SliceOfN(rapid.IntRange(1, 6), 1, 5).Draw(t, "intervals")...) },
			"step": func(t *rapid.T) {
				for range rapid.IntRange(1, 8).Draw(t, "ticks") {
					w.step(t)
				}
			},
			"quit": func(t *rapid.T) {
				for _, v := range w.visitors {
					if !v.called && rapid.Bool().Draw(t, "quits") {
						v.present = false
					}
				}
			},
			"crash":   func(*rapid.T) { w.crash() },
			"flush":   func(*rapid.T) { w.flush() },
			"restart": func(t *rapid.T) { w.restart(t) },
		})
	})
}

// TestSimulationAnEmptyRoomCallsANewcomerWithinASecondOfARestore is about rooms in which everybody was called.
func TestSimulationAnEmptyRoomCallsANewcomerWithinASecondOfARestore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, client := newClock(t)
		rec, j := busySale(c, func(r *sale.Record) {
			r.Admission.Order = rapid.SampledFrom([]sale.Order{sale.FIFO, sale.Draw}).Draw(rt, "order")
			r.Admission.MaxActive = 100_000
		}), &memoryJournal{}
		r := openRoom(t, client, rec, j)
		for range rapid.IntRange(1, 3).Draw(rt, "losses") {
			join(t, r, rapid.IntRange(0, 40).Draw(rt, "before"))
			for range 20 {
				if s := c.ticks(t, r, 100*time.Millisecond); s.Waiting == 0 {
					break
				}
			}
			if s := r.Snapshot(); s.Waiting != 0 {
				rt.Fatalf("%d wait", s.Waiting)
			}
			r = lose(t, client, rec, j)
			c.forward(time.Duration(rapid.IntRange(0, 5000).Draw(rt, "later")) * time.Millisecond)
			newcomer := join(t, r, 1)[0]
			for end := c.now.Add(time.Second); c.now.Before(end) && state(r, newcomer) != Called; {
				c.ticks(t, r, 100*time.Millisecond)
			}
			if state(r, newcomer) != Called {
				rt.Fatalf("ticket %d is %s", newcomer.Number, state(r, newcomer))
			}
		}
	})
}
