package queue

import (
	"context"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

func TestWhenALineInStandbyIsOn(t *testing.T) {
	terms := sale.StandbyTerms{OnArrivalsPerMinute: 100, OnActive: 10, OffAfter: sale.Duration(time.Minute)}
	for _, c := range []struct {
		name  string
		sight standbySight
		on    bool
		calm  int64
	}{
		{"few come", standbySight{ArrivalsPerMinute: 99}, false, 0},
		{"many come", standbySight{ArrivalsPerMinute: 100}, true, 0},
		{"many are inside", standbySight{Active: 10}, true, 0},
		{"fewer come, not few", standbySight{On: true, ArrivalsPerMinute: 80, CalmSinceMillis: 5, NowMillis: 100_000}, true, 0},
		{"somebody waits", standbySight{On: true, Waiting: 1, CalmSinceMillis: 5, NowMillis: 100_000}, true, 0},
		{"it gets calm", standbySight{On: true, ArrivalsPerMinute: 70, Active: 7, NowMillis: 100_000}, true, 100_000},
		{"it is calm", standbySight{On: true, CalmSinceMillis: 50_000, NowMillis: 100_000}, true, 50_000},
		{"it was calm for long enough", standbySight{On: true, CalmSinceMillis: 40_000, NowMillis: 100_000}, false, 40_000},
	} {
		if on, calm := DecideStandby(terms, c.sight); on != c.on || calm != c.calm {
			t.Errorf("%s: on %v, calm since %d", c.name, on, calm)
		}
	}
}

func TestALineInStandbySwitchesOnAndOff(t *testing.T) {
	k, client := newClock(t)
	j := &memoryJournal{}
	rec := testSale(k.now, func(r *sale.Record) {
		r.Admission.Mode = sale.Standby
		r.Admission.Standby = &sale.StandbyTerms{OnArrivalsPerMinute: 30, OffAfter: sale.Duration(2 * time.Minute)}
	})
	leader, gate := openRoom(t, client, rec, j), openNode(t, client, rec, j)
	step := func(after time.Duration, want sale.Mode) {
		t.Helper()
		k.forward(after)
		gate.arrivalsTold = time.Time{}
		refresh(t, gate)
		refresh(t, leader)
		advance(t, leader, plenty)
		if got := refresh(t, gate).Mode; got != want {
			t.Fatalf("the gate is %s, want %s", got, want)
		}
	}
	step(time.Second, sale.Open)
	for range 29 {
		gate.Arrive()
	}
	step(time.Second, sale.Open)
	gate.Arrive()
	step(10*time.Second, sale.Queue)
	if ticket := walkIn(t, gate, plenty); gate.Look(ticket, sale.PhaseLive, false).State != Called {
		t.Fatal("there is room, and the visitor waits")
	}
	step(40*time.Second, sale.Queue) // they are of the last minute still
	step(20*time.Second, sale.Queue) // calm from now on
	step(119*time.Second, sale.Queue)
	rec.Version++ // another version changes nothing of it
	arm(t, client, rec, nil)
	if got := refresh(t, gate).Mode; got != sale.Queue {
		t.Fatalf("a new version of the sale switched the line: %s", got)
	}
	step(time.Second, sale.Open)
	// After a loss it is not known how many come: the line is on until it was calm for long enough.
	lost := lose(t, client, rec, j)
	if got := lost.Snapshot().Mode; got != sale.Queue {
		t.Fatalf("after a loss the gate is %s", got)
	}
	k.forward(time.Second)
	advance(t, lost, plenty)
	k.forward(2 * time.Minute)
	if got := advance(t, lost, plenty).Mode; got != sale.Open {
		t.Fatalf("calm after the loss, and the gate is %s", got)
	}
}

func TestAnArrivalThatCannotBeReportedIsReportedLater(t *testing.T) {
	k, client := newClock(t)
	rec := testSale(k.now, func(r *sale.Record) {
		r.Admission.Mode, r.Admission.Standby = sale.Standby, &sale.StandbyTerms{OnArrivalsPerMinute: 3, OffAfter: sale.Duration(time.Minute)}
	})
	r := OpenRoom(testDeps(client, nil), rec)
	t.Cleanup(r.Close)
	r.Arrive()
	if err := r.reportArrivals(context.Background()); err == nil {
		t.Fatal("there is no room to report to")
	}
	arm(t, client, rec, nil)
	refresh(t, r)
	if s := refresh(t, r); s.room.arrivals != 1 || r.arrivals.Load() != 0 {
		t.Fatalf("%d are counted, %d are to be reported", s.room.arrivals, r.arrivals.Load())
	}
}
