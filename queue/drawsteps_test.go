package queue

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/internal/testenv/drand"
)

// The shares of two parties, and what is published of them beforehand.
const (
	shopShare  = "5a0b1c2d3e4f5a0b1c2d3e4f5a0b1c2d3e4f5a0b1c2d3e4f5a0b1c2d3e4f5a0b"
	brandShare = "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
)

func partyShares(t testing.TB) []sale.Share {
	return []sale.Share{
		{Party: "shop", Commitment: Commitment(mustHex(t, shopShare))},
		{Party: "brand", Commitment: Commitment(mustHex(t, brandShare))},
	}
}

// aDraw is a sale that starts in a minute, with what else enters its draw.
func aDraw(c *clock, terms sale.DrawTerms) sale.Record {
	return testSale(c.now, func(r *sale.Record) {
		r.Admission.Order, r.StartsAt = sale.Draw, c.now.Add(time.Minute)
		r.Draw = terms
	})
}

func giveBeacon(t testing.TB, r *Room, from *drand.Beacon) {
	t.Helper()
	want, wants := r.WantsBeacon()
	if !wants {
		t.Fatal("the draw does not ask for the beacon")
	}
	if err := r.GiveBeacon(context.Background(), testTerm, want, from.Sign(want.Round)); err != nil {
		t.Fatal(err)
	}
}

func TestTheCountIsPublishedBeforeAnybodyCanKnowTheSeed(t *testing.T) {
	c, client := newClock(t)
	b := drand.New(t, "chain")
	rec := aDraw(c, sale.DrawTerms{
		Beacon: b.Terms(c.now.Add(-time.Hour), 10*time.Second), Shares: partyShares(t), Wait: sale.Duration(30 * time.Second), IfMissing: sale.WaitOn,
	})
	j := &memoryJournal{}
	r := openRoom(t, client, rec, j)
	tickets := join(t, r, 50)
	s := advance(t, r, plenty)
	planned := uint64(3600 + 60 + 10 + 1)
	if f := s.DrawFacts; f == nil || f.Commitment == "" || f.Count != nil || f.Beacon.Round != planned || f.Beacon.PublicKey != b.PublicKey || len(f.Shares) != 2 || f.Shares[0].Value != "" {
		t.Fatalf("when the doors are open: %+v", f)
	}
	if err := r.GiveShare(context.Background(), "shop", shopShare); !errors.Is(err, problem.DrawNotReady) {
		t.Fatalf("a share before the count is published: %v", err)
	}

	c.forward(time.Minute)
	join(t, r, 1) // freezes the count, as it is the first write since the start
	s = advance(t, r, plenty)
	if f := s.DrawFacts; !s.DrawCounted || f.Count == nil || *f.Count != 50 || f.Seed != "" || f.CompletedSeed != "" || f.Beacon.Round != planned || f.FrozenAt.IsZero() {
		t.Fatalf("after the start: %+v", f)
	}
	if s.Called != 0 || s.Drawn || s.nextDue() != 0 {
		t.Fatalf("the draw is made without its parts: %+v", s)
	}
	if _, wants := r.WantsBeacon(); wants {
		t.Fatal("the beacon is asked for a round that is not published")
	}
	late := join(t, r, 24)[23]
	for party, share := range map[string]string{"shop": brandShare, "brand": strings.Repeat("0", 64), "nobody": shopShare} {
		if err := r.GiveShare(context.Background(), party, share); !errors.Is(err, problem.ShareRefused) {
			t.Fatalf("the share %s of %s: %v", share, party, err)
		}
	}
	for range 2 { // idempotent
		if err := errors.Join(r.GiveShare(context.Background(), "brand", strings.ToUpper(brandShare)), r.GiveShare(context.Background(), "shop", shopShare)); err != nil {
			t.Fatal(err)
		}
	}
	if f := advance(t, r, plenty).DrawFacts; f.Shares[0].Value != "" || f.Seed != "" {
		t.Fatalf("a part is shown before the others are there: %+v", f)
	}

	c.forward(10 * time.Second)
	refresh(t, r)
	want, wants := r.WantsBeacon()
	if !wants || want.Round != planned {
		t.Fatalf("the draw asks for %+v", want)
	}
	for name, signature := range map[string]string{"another round": b.Sign(planned - 1), "another chain": drand.New(t, "other").Sign(planned)} {
		if err := r.GiveBeacon(context.Background(), testTerm, want, signature); err == nil {
			t.Fatalf("a signature of %s is taken", name)
		}
	}
	giveBeacon(t, r, b)
	s = advance(t, r, plenty)
	f := s.DrawFacts
	if !s.Drawn || s.Called == 0 || f.Seed == "" || Commitment(mustHex(t, f.Seed)) != f.Commitment || f.Beacon.Signature != b.Sign(planned) || f.Shares[1].Value != brandShare {
		t.Fatalf("after the draw: %+v", f)
	}
	message := strings.Join([]string{
		"penstock/draw/v2", "sale drop", "count 50", "beacon " + drand.ChainHash + " 3671 " + b.Sign(planned), "share shop " + shopShare, "share brand " + brandShare,
	}, "\n")
	if f.CompletedSeed != hex.EncodeToString(hmacOf(mustHex(t, f.Seed), message)) {
		t.Fatalf("completed seed %s", f.CompletedSeed)
	}
	d := drawFromText(f.CompletedSeed, 0, 50)
	for _, ticket := range tickets {
		if v := r.Look(ticket, sale.PhaseLive, false); v.Place != d.Place(ticket.Number) {
			t.Fatalf("ticket %d is told place %d, the draw says %d", ticket.Number, v.Place, d.Place(ticket.Number))
		}
	}
	if v := r.Look(late, sale.PhaseLive, false); v.Place != 75 {
		t.Fatalf("who came after the start has place %d", v.Place)
	}
}

func TestADrawGoesOnWhereItWasAfterRedisIsLost(t *testing.T) {
	t.Parallel() // it waits by the clock
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		b := drand.New(t, "chain")
		now := time.Now()
		rec := testSale(now, func(r *sale.Record) {
			r.Admission.Order, r.StartsAt = sale.Draw, now.Add(2*time.Second)
			r.Draw = sale.DrawTerms{Beacon: b.Terms(now.Add(-time.Hour), time.Second), Shares: partyShares(t)[:1], IfMissing: sale.WaitOn}
		})
		j := &memoryJournal{}
		r := openRoom(t, client, rec, j)
		join(t, r, 20)
		// Each loss ends a room, and another takes its place with what the journal knows.
		lose := func() *Snapshot {
			t.Helper()
			flush(t, client)
			rec.Epoch++
			rec.Draw.Beacon = nil // the plan is that of the journal, whatever the document says by now
			arm(t, client, rec, j.fold())
			refresh(t, r)
			return advance(t, r, plenty)
		}
		published := advance(t, r, plenty).DrawFacts
		if got := lose().DrawFacts; got == nil || got.Commitment != published.Commitment || *got.Beacon != *published.Beacon {
			t.Fatalf("published %+v, after the loss %+v", published, got)
		}
		entrants := refresh(t, r).Entrants
		testenv.Eventually(t, 20*time.Second, "the count is published", func() bool { return advance(t, r, plenty).DrawCounted })
		join(t, r, 30)
		counted := refresh(t, r)
		if counted.DrawCount != entrants {
			t.Fatalf("%d take part of %d", counted.DrawCount, entrants)
		}
		if got := lose(); !got.DrawCounted || got.DrawCount != counted.DrawCount || got.DrawFacts.Beacon.Round != counted.DrawFacts.Beacon.Round || got.Drawn {
			t.Fatalf("published %+v, after the loss %+v", counted.DrawFacts, got.DrawFacts)
		}
		if err := r.GiveShare(ctx, "shop", shopShare); err != nil {
			t.Fatal(err)
		}
		lose()
		testenv.Eventually(t, 20*time.Second, "the round is published", func() bool { refresh(t, r); _, wants := r.WantsBeacon(); return wants })
		giveBeacon(t, r, b)
		drawn := advance(t, r, plenty)
		if !drawn.Drawn || drawn.DrawFacts.Shares[0].Value != shopShare {
			t.Fatalf("%+v", drawn.DrawFacts)
		}
		after := lose()
		if !after.Drawn || after.DrawFacts.CompletedSeed != drawn.DrawFacts.CompletedSeed || after.DrawCount != drawn.DrawCount || after.draw.Place(7) != drawn.draw.Place(7) {
			t.Fatalf("drawn %+v, after the loss %+v", drawn.DrawFacts, after.DrawFacts)
		}
		if want := *drawn.DrawFacts.Beacon; *after.DrawFacts.Beacon != want {
			t.Fatalf("drawn %+v, after the loss %+v", want, after.DrawFacts.Beacon)
		}
	})
}

func TestACountThatIsPublishedTooLateTakesALaterRound(t *testing.T) {
	c, client := newClock(t)
	b := drand.New(t, "chain")
	rec := aDraw(c, sale.DrawTerms{Beacon: b.Terms(c.now.Add(-time.Hour), 10*time.Second), IfMissing: sale.WaitOn})
	j := &memoryJournal{}
	r := openRoom(t, client, rec, j)
	join(t, r, 5)
	planned := advance(t, r, plenty).DrawFacts.Beacon.Round
	c.forward(time.Minute + 4*time.Second)
	j.setFail(errors.New("disk full"))
	if err := r.Advance(context.Background(), testTerm, plenty); err == nil {
		t.Fatal("the count is published although it could be lost")
	}
	c.forward(2 * time.Second) // too little of the margin is left now
	j.setFail(nil)
	for range 2 {
		advance(t, r, plenty)
	}
	f := r.Snapshot().DrawFacts
	if f.Count == nil || f.Beacon.PlannedRound != planned || f.Beacon.Round != planned+6 {
		t.Fatalf("%+v %+v, planned was %d", f, f.Beacon, planned)
	}
	c.forward(20 * time.Second)
	refresh(t, r)
	giveBeacon(t, r, b)
	if s := advance(t, r, plenty); !s.Drawn || j.fold().rite.round != planned+6 {
		t.Fatalf("%+v", s.DrawFacts)
	}
}

func TestWhatHappensWithoutAPartIsWhatTheSaleSays(t *testing.T) {
	for _, rule := range []sale.IfMissing{sale.WaitOn, sale.GoOn} {
		t.Run(string(rule), func(t *testing.T) {
			c, client := newClock(t)
			b := drand.New(t, "chain")
			rec := aDraw(c, sale.DrawTerms{
				Beacon: b.Terms(c.now.Add(-time.Hour), 10*time.Second), Shares: partyShares(t), Wait: sale.Duration(30 * time.Second), IfMissing: rule,
			})
			r := openRoom(t, client, rec, &memoryJournal{})
			join(t, r, 5)
			advance(t, r, plenty)
			c.forward(time.Minute)
			advance(t, r, plenty)
			if err := r.GiveShare(context.Background(), "brand", brandShare); err != nil {
				t.Fatal(err)
			}
			c.forward(39 * time.Second)
			if s := advance(t, r, plenty); s.Drawn {
				t.Fatal("the parts are not waited for")
			}
			c.forward(2 * time.Second)
			s := advance(t, r, plenty)
			if rule == sale.WaitOn {
				if s.Drawn || s.Called != 0 {
					t.Fatal("the draw is made without its parts")
				}
				return
			}
			f := s.DrawFacts
			if !s.Drawn || !f.Beacon.Missing || f.Beacon.Signature != "" || !f.Shares[0].Missing || f.Shares[1].Missing || f.Shares[1].Value != brandShare {
				t.Fatalf("%+v %+v", f, f.Beacon)
			}
			if err := r.GiveShare(context.Background(), "shop", shopShare); !errors.Is(err, problem.ShareRefused) {
				t.Fatalf("a share after the draw: %v", err)
			}
		})
	}
}

// What somebody writes into Redis is not believed for being there.
func TestAForgedPartIsAsGoodAsMissing(t *testing.T) {
	c, client := newClock(t)
	b := drand.New(t, "chain")
	rec := aDraw(c, sale.DrawTerms{Beacon: b.Terms(c.now.Add(-time.Hour), time.Second), Shares: partyShares(t), IfMissing: sale.WaitOn})
	r := openRoom(t, client, rec, &memoryJournal{})
	join(t, r, 5)
	advance(t, r, plenty)
	c.forward(time.Minute)
	advance(t, r, plenty)
	set := func(field, value string) {
		t.Helper()
		if err := client.Do(context.Background(), client.B().Hset().Key(r.keys[keyRoom]).FieldValue().FieldValue(field, value).Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	set("draw_beacon", drand.New(t, "other").Sign(1))
	set("draw_shares", "0="+brandShare+" 1="+shopShare)
	c.forward(time.Minute)
	if s := advance(t, r, plenty); s.Drawn || s.room.drawFinal != "" {
		t.Fatalf("forged parts are taken: %+v", s.DrawFacts)
	}
	giveBeacon(t, r, b)
	if s := advance(t, r, plenty); s.Drawn {
		t.Fatal("forged shares are taken")
	}
}

func TestARoomOfAnEarlierVersionGoesOn(t *testing.T) {
	for _, stage := range []string{"open", "frozen", "drawn"} {
		t.Run(stage, func(t *testing.T) {
			c, client := newClock(t)
			rec := aDraw(c, sale.DrawTerms{})
			j := &memoryJournal{}
			r := openRoom(t, client, rec, j)
			join(t, r, 9)
			commitment := advance(t, r, plenty).DrawCommitment
			if stage != "open" {
				c.forward(time.Minute)
				join(t, r, 1)
			}
			if stage == "drawn" {
				advance(t, r, plenty)
			}
			key := r.keys[keyRoom]
			for _, field := range []string{"draw_plan", "frozen_at", "draw_round", "count_kept", "draw_beacon", "draw_shares", "draw_final", "limits_at"} {
				if err := client.Do(context.Background(), client.B().Hdel().Key(key).Field(field).Build()).Error(); err != nil {
					t.Fatal(err)
				}
			}
			next := openNode(t, client, rec, j)
			if stage == "open" {
				c.forward(time.Minute)
			}
			s := advance(t, next, plenty)
			if !s.Drawn || s.DrawCommitment != commitment || s.DrawCount != 9 || s.draw.seedText != s.DrawSeed || s.Called == 0 {
				t.Fatalf("%+v", s)
			}
			flush(t, client)
			arm(t, client, rec, j.fold())
			if again := refresh(t, next); again.DrawSeed != s.DrawSeed || again.DrawCount != 9 || !again.Drawn {
				t.Fatalf("%+v", again)
			}
		})
	}
}

func TestTheDrawOfAnEarlierJournalComesBack(t *testing.T) {
	c, client := newClock(t)
	rec := aDraw(c, sale.DrawTerms{})
	j := &memoryJournal{}
	seed := hex.EncodeToString(mustHex(t, shopShare))
	if err := j.append(context.Background(), rec.ID, [][]byte{recordMark(0, 64), recordGiven(0, 0, 12), recordDraw(seed, false, 0), recordDraw(seed, true, 12)}); err != nil {
		t.Fatal(err)
	}
	arm(t, client, rec, j.fold())
	s := openNode(t, client, rec, j).Snapshot()
	if !s.Drawn || s.DrawCount != 12 || s.DrawSeed != seed || s.draw.Place(3) != NewDraw(mustHex(t, seed), 0, 12).Place(3) {
		t.Fatalf("%+v", s)
	}
}

// A record of an earlier epoch that is written late says what nobody was shown.
func TestTheCountOfTheLatestRoomCounts(t *testing.T) {
	frozen := func(epoch int64, count, round uint64) []byte {
		return recordFrozen(&Snapshot{Epoch: epoch, room: roomState{drawCount: count, frozenAt: 1, round: round}})
	}
	seed := recordDraw(shopShare, false, 0)
	for name, records := range map[string][][]byte{
		"in order":      {seed, frozen(1, 100, 5), frozen(2, 110, 5), frozen(2, 110, 9)},
		"written late":  {seed, frozen(2, 110, 5), frozen(2, 110, 9), frozen(1, 100, 5)},
		"a round later": {seed, frozen(2, 110, 9), frozen(2, 110, 5), frozen(1, 100, 50)},
	} {
		if r := Fold(sequence(records)); r.counts.whole() != 110 || r.rite.round != 9 || r.Drawn {
			t.Errorf("%s: %+v", name, r.rite)
		}
	}
}
