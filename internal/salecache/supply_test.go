package salecache

import (
	"testing"

	"github.com/penstock/penstock/queue"
	"github.com/penstock/penstock/reservation"
)

func TestNobodyIsCalledForALotBeforeItCanBeTaken(t *testing.T) {
	const now = 100_500
	for _, c := range []struct {
		name string
		lots []reservation.Lot
		want queue.Units
	}{
		{"in the second of the lapse", []reservation.Lot{{Units: 2, FromMillis: 101_000, UntilMillis: 160_000}}, queue.Units{Available: 3}},
		{"afterwards", []reservation.Lot{{Units: 2, FromMillis: 100_000, UntilMillis: 160_000}}, queue.Units{Available: 5, Aside: 2, AsideSinceMillis: 100_000}},
		{"two lots", []reservation.Lot{{Units: 2, FromMillis: 90_000, UntilMillis: 160_000}, {Units: 1, FromMillis: 95_000, UntilMillis: 160_000}},
			queue.Units{Available: 5, Aside: 3, AsideSinceMillis: 90_000}},
		{"when its time is over", []reservation.Lot{{Units: 2, FromMillis: 90_000, UntilMillis: now}}, queue.Units{Available: 5}},
	} {
		got := queue.Units{Available: 5}
		for _, lot := range c.lots {
			offer(&got, lot, now)
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
