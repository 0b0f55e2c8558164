package queue

import (
	"context"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/internal/testenv/drand"
)

// aDrawWithLanes is a sale that starts in a minute, with a beacon and two priority lanes.
func aDrawWithLanes(c *clock, b *drand.Beacon) sale.Record {
	rec := aDraw(c, sale.DrawTerms{Beacon: b.Terms(c.now.Add(-time.Hour), 10*time.Second), IfMissing: sale.WaitOn})
	withLanes(0.2, 0.1)(&rec)
	return rec
}

// isPermutation reports whether the places are 1 … their number, each once.
func isPermutation(places []uint64) bool {
	sorted := slices.Sorted(slices.Values(places))
	for i, place := range sorted {
		if place != uint64(i)+1 {
			return false
		}
	}
	return true
}

func places(r *Room, tickets []Ticket) []uint64 {
	list := make([]uint64, len(tickets))
	for i, ticket := range tickets {
		list[i] = r.Look(ticket, sale.PhaseLive, false).Place
	}
	return list
}

func TestEachLaneIsDrawnByItselfAfterItsCountIsPublished(t *testing.T) {
	c, client := newClock(t)
	b := drand.New(t, "chain")
	rec, j := aDrawWithLanes(c, b), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	lines := [][]Ticket{join(t, r, 40), inLane(t, r, 1, names("vip", 25)...), inLane(t, r, 2, "one")}
	other := openNode(t, client, rec, j)
	if f := advance(t, r, plenty).DrawFacts; f == nil || f.Count != nil || f.Lanes != nil {
		t.Fatalf("when the doors are open: %+v", f)
	}
	if v := r.Look(lines[1][0], sale.PhasePrequeue, false); v.State != Early || v.PlaceKnown || v.Lane != "lane-1" {
		t.Fatalf("before the draw: %+v", v)
	}

	c.forward(time.Minute)
	late := inLane(t, r, 1, "late") // the first write since the start freezes the counts of all lanes
	f := advance(t, r, plenty).DrawFacts
	if f.Count == nil || *f.Count != 66 || !slices.Equal(f.Lanes, []uint64{40, 25, 1}) || f.Seed != "" {
		t.Fatalf("after the start: %+v", f)
	}
	if counts := j.fold().counts; !slices.Equal(counts, f.Lanes) {
		t.Fatalf("%v are published, and the journal has %v", f.Lanes, counts)
	}
	plainLate := join(t, r, 1)
	c.forward(10 * time.Second)
	refresh(t, r)
	giveBeacon(t, r, b)
	s := advance(t, r, plenty)
	f = s.DrawFacts
	message := strings.Join([]string{"penstock/draw/v2", "sale drop", "count 66", "lanes 40 25 1", "beacon " + drand.ChainHash + " 3671 " + f.Beacon.Signature}, "\n")
	if !s.Drawn || f.CompletedSeed != hex.EncodeToString(hmacOf(mustHex(t, f.Seed), message)) {
		t.Fatalf("%+v", f)
	}
	refresh(t, other)
	for lane, line := range lines {
		got := places(r, line)
		if !isPermutation(got) || !slices.Equal(got, places(other, line)) {
			t.Errorf("the places in lane %d are %v, and %v by another node", lane, got, places(other, line))
		}
		d := NewDraw(mustHex(t, f.CompletedSeed), Lane(lane), uint64(len(line)))
		for i, ticket := range line {
			if d.Place(ticket.Number) != got[i] || d.NumberAt(got[i]) != ticket.Number {
				t.Fatalf("ticket %d of lane %d is told place %d; the draw says %d", i+1, lane, got[i], d.Place(ticket.Number))
			}
		}
	}
	if got := append(places(r, late), places(r, plainLate)...); !slices.Equal(got, []uint64{26, 41}) {
		t.Errorf("who came after the start has the places %v", got)
	}

	// They are called by their places, and the lanes by their shares.
	for range 20 {
		c.forward(100 * time.Millisecond)
		s = advance(t, r, plenty)
	}
	if total := float64(s.AllCalled()); total < 10 || math.Abs(float64(s.In(1).Called)-0.2*total) > 2 {
		t.Fatalf("%d of %v calls went to the lane with a fifth", s.In(1).Called, total)
	}
	for lane, line := range lines {
		for _, ticket := range line {
			v := r.Look(ticket, sale.PhaseLive, false)
			if called := v.Place <= s.In(Lane(lane)).Called; called != (v.State == Called) {
				t.Errorf("place %d in lane %d is %s; %d are called", v.Place, lane, v.State, s.In(Lane(lane)).Called)
			}
			if v.State == Called {
				mustClaim(t, other, ticket)
			}
		}
	}
}

// The places, the counts and what is called survive a loss of Redis, and the leader with it, at each step.
func TestADrawWithLanesGoesOnWhereItWasAfterRedisIsLost(t *testing.T) {
	t.Parallel() // it waits by the clock
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		b := drand.New(t, "chain")
		now := time.Now()
		rec := testSale(now, withLanes(0.3), func(r *sale.Record) {
			r.Admission.Order, r.StartsAt, r.Admission.RatePerMinute = sale.Draw, now.Add(2*time.Second), 6000
			r.Draw = sale.DrawTerms{Beacon: b.Terms(now.Add(-time.Hour), time.Second), IfMissing: sale.WaitOn}
		})
		j := &memoryJournal{}
		r := openRoom(t, client, rec, j)
		plain, vip := join(t, r, 20), inLane(t, r, 1, names("vip", 15)...)
		lose := func() *Snapshot {
			t.Helper()
			flush(t, client)
			rec.Epoch++
			arm(t, client, rec, j.fold())
			r = openNode(t, client, rec, j)
			return advance(t, r, plenty)
		}
		commitment := advance(t, r, plenty).DrawCommitment
		if got := lose(); got.DrawCommitment != commitment || commitment == "" {
			t.Fatalf("the commitment is %q, and was %q", got.DrawCommitment, commitment)
		}
		testenv.Eventually(t, 20*time.Second, "the counts are published", func() bool { return advance(t, r, plenty).DrawCounted })
		counted, published := r.Snapshot().DrawFacts.Lanes, r.Snapshot().DrawFacts.PublishedAt
		inLane(t, r, 1, "late")
		if got := lose(); !slices.Equal(got.DrawFacts.Lanes, counted) || !got.DrawFacts.PublishedAt.Equal(published) || got.Drawn || counted[1] < 15 || counted[0] < 20 {
			t.Fatalf("%v were published at %v, and %v at %v after the loss", counted, published, got.DrawFacts.Lanes, got.DrawFacts.PublishedAt)
		}
		testenv.Eventually(t, 20*time.Second, "the round is published", func() bool { refresh(t, r); _, wants := r.WantsBeacon(); return wants })
		giveBeacon(t, r, b)
		if !advance(t, r, plenty).Drawn {
			t.Fatal("the draw is not made")
		}
		told := append(places(r, plain), places(r, vip)...)
		testenv.Eventually(t, 20*time.Second, "some are called in both lanes", func() bool {
			for _, ticket := range append(slices.Clone(plain), vip...) { // uncertain numbers are shown
				r.Look(ticket, sale.PhaseLive, false)
			}
			s := advance(t, r, plenty)
			return s.Called > 3 && s.In(1).Called > 3
		})
		called := []uint64{r.Snapshot().Called, r.Snapshot().In(1).Called}
		first := vip[slices.IndexFunc(vip, func(ticket Ticket) bool { return r.Look(ticket, sale.PhaseLive, false).State == Called })]
		mustClaim(t, r, first)
		after := lose()
		if !after.Drawn || !slices.Equal(append(places(r, plain), places(r, vip)...), told) || after.Called < called[0] || after.In(1).Called < called[1] {
			t.Fatalf("the places were %v and are %v; called %v", told, append(places(r, plain), places(r, vip)...), called)
		}
		if _, _, again, err := r.Claim(context.Background(), first); err != nil || !again {
			t.Fatalf("the pass is not there any more: %v", err)
		}
	})
}

// A process that does not know all lanes of the room would work out another seed.
func TestWhoDoesNotKnowAllLanesTellsNothingOfTheDraw(t *testing.T) {
	c, client := newClock(t)
	rec, j := aDrawWithLanes(c, drand.New(t, "chain")), &memoryJournal{}
	rec.Draw = sale.DrawTerms{}
	r := openRoom(t, client, rec, j)
	plain := join(t, r, 5)
	inLane(t, r, 2, "ada", "bob")
	advance(t, r, plenty)
	c.forward(time.Minute)
	early := rec
	early.Admission.Lanes = rec.Admission.Lanes[:1]
	behind := openNode(t, client, early, j)
	if s := advance(t, behind, plenty); s.Drawn || s.DrawCounted || s.DrawFacts != nil || j.fold().Drawn || len(j.fold().counts) > 0 {
		t.Fatalf("the draw is made without a lane: %+v", s.DrawFacts)
	}
	if s := advance(t, r, plenty); !s.Drawn || !slices.Equal(s.DrawFacts.Lanes, []uint64{5, 0, 2}) {
		t.Fatalf("%+v", s.DrawFacts)
	}
	behind.Update(rec)
	refresh(t, behind)
	if got := places(behind, plain); !isPermutation(got) || !slices.Equal(got, places(r, plain)) {
		t.Fatalf("places %v and %v", got, places(r, plain))
	}
}

// What is journaled, committed to and worked out of a sale without priority lanes does not change.
func TestADrawWithoutLanesIsWhatItWas(t *testing.T) {
	frozen := recordFrozen(&Snapshot{Epoch: 2, room: roomState{drawCount: 9, frozenAt: 77, round: 5}})
	if want := []byte{'q', 1, 'G', 2, 9, 77, 5}; !slices.Equal(frozen, want) {
		t.Fatalf("%v is journaled, want %v", frozen, want)
	}
	if got := completedMessage("drop", drawCounts{9}, drawPlan{Shares: []sale.Share{{Party: "shop"}}}, drawParts{}); got != "penstock/draw/v2\nsale drop\ncount 9\nshare shop missing" {
		t.Fatalf("%q", got)
	}
	if text := compact(drawKnown{counted: true, counts: drawCounts{9}}.facts()); text != `{"commitment":"","count":9}` {
		t.Fatal(text)
	}
}

// The leader dies after each step, at the latest when it wants to journal the next one, and another process goes on.
// Somebody joins the lane each time: nobody of them takes part.
func TestAnotherLeaderGoesOnWithADrawInLanes(t *testing.T) {
	c, client := newClock(t)
	b := drand.New(t, "chain")
	rec, j := aDrawWithLanes(c, b), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	lines := [][]Ticket{join(t, r, 9), inLane(t, r, 1, names("vip", 6)...)}
	advance(t, r, plenty)
	term := int64(testTerm)
	next := func(name string) {
		t.Helper()
		r = openNode(t, client, rec, j)
		inLane(t, r, 1, name)
		term++
	}
	dies := func(name string) {
		t.Helper()
		j.setFail(errors.New("killed"))
		if err := r.Advance(context.Background(), term, plenty); err == nil {
			t.Fatal("the step needs no journal")
		}
		j.setFail(nil)
		next(name)
	}
	c.forward(time.Minute)
	dies("after the freeze")
	if f := r.Snapshot().DrawFacts; f.Count != nil {
		t.Fatalf("counts are shown that could be lost: %v", f.Lanes)
	}
	for range 2 {
		if err := r.Advance(context.Background(), term, plenty); err != nil {
			t.Fatal(err)
		}
		next("after the counts " + decimal(term))
		if f := r.Snapshot().DrawFacts; !slices.Equal(f.Lanes, []uint64{9, 6, 0}) {
			t.Fatalf("after the freeze %v", f.Lanes)
		}
	}
	c.forward(10 * time.Second)
	refresh(t, r)
	want, _ := r.WantsBeacon()
	if err := r.GiveBeacon(context.Background(), term, want, b.Sign(want.Round)); err != nil {
		t.Fatal(err)
	}
	dies("after the parts")
	if s := r.Snapshot(); s.Drawn || s.DrawFacts.Seed != "" || r.Look(lines[1][0], sale.PhaseLive, false).PlaceKnown {
		t.Fatal("a draw is shown that could be lost")
	}
	if err := r.Advance(context.Background(), term, plenty); err != nil {
		t.Fatal(err)
	}
	s := refresh(t, r)
	if !s.Drawn || !slices.Equal(s.DrawFacts.Lanes, []uint64{9, 6, 0}) || !isPermutation(places(r, lines[0])) || !isPermutation(places(r, lines[1])) {
		t.Fatalf("%+v: places %v and %v", s.DrawFacts, places(r, lines[0]), places(r, lines[1]))
	}
	if again := inLane(t, r, 1, "after the freeze"); r.Look(again[0], sale.PhaseLive, false).Place != 7 {
		t.Fatalf("who came after the freeze has place %d", r.Look(again[0], sale.PhaseLive, false).Place)
	}
}

// After a loss that nobody foresaw, numbers of a lane are uncertain. They take part in its draw, and where nobody has
// them the line moves over their places.
func TestADrawInALanePassesOverThePlacesOfNobody(t *testing.T) {
	c, client := newClock(t)
	rec, j := busySale(c, withLanes(0.5), func(r *sale.Record) {
		r.Admission.Order, r.StartsAt, r.Admission.MaxActive = sale.Draw, c.now.Add(time.Minute), 1000
	}), &memoryJournal{}
	r := openRoom(t, client, rec, j)
	vip := inLane(t, r, 1, names("vip", 17)...)
	advance(t, r, Outside{LevelFactor: 0})
	r = lose(t, client, rec, j)
	for range 5 {
		c.forward(7 * time.Second)
		poll(r, vip...)
		advance(t, r, Outside{LevelFactor: 0})
	}
	c.forward(time.Minute)
	s := advance(t, r, Outside{LevelFactor: 0})
	lane, never := s.In(1), numberIn(1, 18)
	if !s.Drawn || s.counts.in(1) <= 17 || lane.Waiting != 17 || !lane.absent.has(never) || !lane.absent.hasPlace(lane.draw.Place(never)) {
		t.Fatalf("%v take part and %d wait; drawn %v", s.counts, lane.Waiting, s.Drawn)
	}
	checkOrder(t, c, r, vip)
}
