package reservation

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// asideStand is a stock of few shoes on a clock in hand, with a line that may be waiting.
type asideStand struct {
	*Stock
	t       testing.TB
	client  rueidis.Client
	setTime func(time.Time)
	now     time.Time
	keep    time.Duration // 0: nobody waits
	bearers int
}

func newAsideStand(t *testing.T, change ...func(*sale.Record)) *asideStand {
	mini := testenv.Mini(t)
	a := &asideStand{t: t, client: testenv.ConnectRedis(t, "redis://"+mini.Addr()), setTime: mini.SetTime}
	a.now = time.Now().UTC().Truncate(time.Second)
	a.setTime(a.now)
	rec := drop()
	rec.Items[0].Stock, rec.Items[0].PerCustomer = 1, 0
	rec.Reservation.TTL, rec.Reservation.PerCustomer = sale.Duration(30*time.Second), 0
	for _, f := range change {
		f(&rec)
	}
	a.Stock = open(t, a.client, rec)
	a.SetAsideFor(func() time.Duration { return a.keep })
	return a
}

func (a *asideStand) forward(d time.Duration) {
	a.now = a.now.Add(d)
	a.setTime(a.now)
}

// pass asks for lines with a pass that was issued at a moment.
func (a *asideStand) pass(bearer string, issued time.Time, lines ...Line) Request {
	until := a.now.Add(time.Hour).Truncate(time.Second)
	score := float64(until.UnixMilli())
	if err := a.client.Do(context.Background(), a.client.B().Zadd().Key(a.keys.gate).ScoreMember().ScoreMember(score, bearer).Build()).Error(); err != nil {
		a.t.Fatal(err)
	}
	if len(lines) == 0 {
		lines = []Line{{"SHOE", 1}}
	}
	key := fmt.Sprint(bearer, a.now.UnixMilli(), lines)
	return Request{IdempotencyKey: key, Customer: "c" + bearer, Lines: lines, Bearer: bearer, PassUntil: until, PassIssued: issued.Truncate(time.Second)}
}

func (a *asideStand) expire(want int) {
	a.t.Helper()
	if n, err := a.Expire(context.Background(), 100); err != nil || n != want {
		a.t.Fatalf("expired %d, %v; want %d", n, err, want)
	}
}

func (a *asideStand) refused(req Request) {
	a.t.Helper()
	_, _, err := a.Reserve(context.Background(), req)
	if wantCode(a.t, err, problem.SoldOut); !mayReturn(err) {
		a.t.Fatalf("%v does not say that the unit may come", err)
	}
}

// lapse has a unit held and lapse while people wait. The pass of active is older than the lapse.
func (a *asideStand) lapse() (active time.Time) {
	a.t.Helper()
	active = a.now
	mustReserve(a.t, a.Stock, a.pass("1", active))
	a.keep = time.Minute
	a.forward(30 * time.Second)
	a.expire(1)
	return active
}

func TestALapsedHoldIsForThoseWhoAreAdmittedAfterwards(t *testing.T) {
	a := newAsideStand(t)
	active := a.lapse()
	a.refused(a.pass("2", active))
	a.refused(a.pass("3", a.now)) // issued in the second of the lapse: it may have been before
	a.refused(Request{IdempotencyKey: "shop", Customer: "shop", Lines: []Line{{"SHOE", 1}}})
	if err := a.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	snap := a.Snapshot()
	want := Lot{Units: 1, FromMillis: a.now.UnixMilli() + 1000, UntilMillis: a.now.UnixMilli() + 60_000}
	if len(snap.Aside) != 1 || snap.Aside[0] != want || snap.Items[0].Available != 1 {
		t.Fatalf("%+v, available %d", snap.Aside, snap.Items[0].Available)
	}
	a.forward(time.Second)
	mustReserve(t, a.Stock, a.pass("4", a.now))
	if err := a.Refresh(context.Background()); err != nil || len(a.Snapshot().Aside) != 0 {
		t.Fatalf("%v, %+v", err, a.Snapshot().Aside)
	}
}

func TestUnitsAreSetAsideForABoundedTime(t *testing.T) {
	a := newAsideStand(t)
	active := a.lapse()
	a.forward(time.Minute - time.Millisecond)
	a.refused(a.pass("2", active))
	a.forward(time.Millisecond)
	mustReserve(t, a.Stock, a.pass("2", active))
}

func TestWhenNobodyWaitsAnyoneMayTakeWhatIsSetAside(t *testing.T) {
	a := newAsideStand(t)
	active := a.lapse()
	a.refused(a.pass("2", active))
	a.keep = 0
	mustReserve(t, a.Stock, a.pass("2", active))
	a.forward(30 * time.Second)
	a.expire(1) // nobody waits: nothing is set aside
	mustReserve(t, a.Stock, a.pass("3", active))
}

func TestWhatIsGivenBackIsSetAsideToo(t *testing.T) {
	a := newAsideStand(t)
	r := mustReserve(t, a.Stock, a.pass("1", a.now))
	a.keep = time.Minute
	a.forward(time.Second)
	if err := release(context.Background(), a.Stock, r.ID, proved); err != nil {
		t.Fatal(err)
	}
	a.refused(a.pass("1", a.now.Add(-time.Second)))
	a.forward(time.Second)
	mustReserve(t, a.Stock, a.pass("2", a.now))
}

// A hold that no pass made is of a shop's own customers, who never were in the line.
func TestWhatWasHeldWithoutAPassIsForAnyone(t *testing.T) {
	a := newAsideStand(t)
	mustReserve(t, a.Stock, Request{IdempotencyKey: "shop", Customer: "shop", Lines: []Line{{"SHOE", 1}}})
	a.keep = time.Minute
	a.forward(30 * time.Second)
	a.expire(1)
	mustReserve(t, a.Stock, a.pass("1", a.now.Add(-time.Hour)))
}

func TestOtherUnitsStayFreeAndSeveralItemsAreAllOrNothing(t *testing.T) {
	a := newAsideStand(t, func(rec *sale.Record) { rec.Items[0].Stock = 3 })
	old := a.now
	mustReserve(t, a.Stock, a.pass("1", old, Line{"SHOE", 2}))
	a.keep = time.Minute
	a.forward(30 * time.Second)
	a.expire(1)
	a.refused(a.pass("2", old, Line{"SHOE", 2}, Line{"HAT", 1})) // one is free, two are set aside
	mustReserve(t, a.Stock, a.pass("2", old, Line{"SHOE", 1}, Line{"HAT", 1}))
	a.forward(time.Second)
	mustReserve(t, a.Stock, a.pass("3", a.now, Line{"SHOE", 2}))
	if err := a.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := a.Snapshot().Items; got[0].Available != 0 || got[0].Held != 3 || got[1].Held != 1 {
		t.Fatalf("%+v", got)
	}
}

func TestUnitsThatSpillOverAreSetAsideWhereTheyCameFrom(t *testing.T) {
	a := newAsideStand(t, func(rec *sale.Record) {
		rec.Items[0].Stock = 2
		rec.Channels, rec.DefaultChannel = map[string]int64{"web": 1, "app": 1}, "web"
		rec.Spill = []sale.Spill{whenSoldOut("app", "web")}
	})
	old := a.now
	if r := mustReserve(t, a.Stock, a.pass("1", old, Line{"SHOE", 2})); r.Drawn != "SHOE=1,SHOE=1@app" {
		t.Fatalf("drawn %q", r.Drawn)
	}
	a.keep = time.Minute
	a.forward(30 * time.Second)
	a.expire(1)
	a.refused(a.pass("2", old))
	onApp := a.pass("3", old)
	onApp.Channel = "app"
	a.refused(onApp)
	a.forward(time.Second)
	if r := mustReserve(t, a.Stock, a.pass("4", a.now, Line{"SHOE", 2})); r.Drawn != "SHOE=1,SHOE=1@app" {
		t.Fatalf("drawn %q", r.Drawn)
	}
}

// What is set aside is lost with Redis: then anyone may take it.
func TestAfterARebuildNothingIsSetAside(t *testing.T) {
	a := newAsideStand(t)
	active := a.lapse()
	a.refused(a.pass("2", active))
	rec := a.plan.Load().rec
	if err := a.client.Do(context.Background(), a.client.B().Flushall().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	if err := rebuild(context.Background(), a.client, rec, nil, nil); err != nil {
		t.Fatal(err)
	}
	mustReserve(t, a.Stock, a.pass("2", active))
	if got, err := Audit(context.Background(), a.client, rec.ID); err != nil || !got.Items[0].Balanced() {
		t.Fatalf("%+v, %v", got, err)
	}
}
