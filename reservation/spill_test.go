package reservation

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// spillDrop is a sale of ten shoes: web has 6, app 3 and market 1. Rules are in force from the start, or long
// after it.
func spillDrop(rules ...sale.Spill) sale.Record {
	rec := drop()
	rec.Channels = map[string]int64{"web": 6, "app": 3, "market": 1}
	rec.DefaultChannel, rec.Spill = "web", rules
	rec.Items[0].PerCustomer, rec.Reservation.PerCustomer = 0, 0
	return rec
}

func whenSoldOut(from, to string) sale.Spill {
	return sale.Spill{From: from, To: to, When: sale.WhenSoldOut}
}

func onChannel(key, channel string, n int64) Request {
	req := ask1(key, key, n)
	req.Channel = channel
	return req
}

// channelCounts are the units of the shoe in each channel.
func channelCounts(t rapid.TB, s *Stock) map[string]Counts {
	t.Helper()
	if err := s.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	counts := map[string]Counts{}
	for name, of := range s.Snapshot().Channels {
		counts[name] = of[0]
	}
	return counts
}

func mayReturn(err error) bool {
	doc, _ := problem.Of(err)
	return slices.Contains(doc.Fields, problem.F("may_return", true))
}

func TestAChannelThatIsSoldOutSellsWhatSpillsToIt(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		s := open(t, client, spillDrop(whenSoldOut("app", "web")))
		if r := mustReserve(t, s, onChannel("a", "web", 4)); r.Drawn != "" {
			t.Fatalf("drawn %q while the channel has its own", r.Drawn)
		}
		r := mustReserve(t, s, onChannel("b", "web", 4))
		if r.Channel != "web" || r.Drawn != "SHOE=2,SHOE=2@app" || !reflect.DeepEqual(r.Lines, []Line{{"SHOE", 4}}) {
			t.Fatalf("got %+v", r)
		}
		if again := mustReserve(t, s, onChannel("b", "web", 4)); again.ID != r.ID || again.Drawn != r.Drawn {
			t.Fatalf("repeated %+v", again)
		}
		got := channelCounts(t, s)
		if got["web"].Held != 6 || got["web"].Available != 0 || got["app"].Held != 2 || got["app"].Available != 1 {
			t.Fatalf("counts %+v", got)
		}
		// The rule has one direction; nobody may sell what is of the market.
		_, _, err := s.Reserve(ctx, onChannel("c", "app", 2))
		wantCode(t, err, problem.SoldOut)
		_, _, err = s.Reserve(ctx, onChannel("d", "web", 2))
		wantCode(t, err, problem.SoldOut)
		mustReserve(t, s, onChannel("e", "market", 1))
		if err := release(ctx, s, r.ID, proved); err != nil {
			t.Fatal(err)
		}
		if got := channelCounts(t, s); got["web"].Available != 2 || got["app"].Available != 3 {
			t.Fatalf("units went back elsewhere than where they came from: %+v", got)
		}
		if a := audited(t, client); !a.Items[slices.IndexFunc(a.Items, func(i ItemAudit) bool { return i.SKU == "SHOE" })].Balanced() {
			t.Fatalf("audit %+v", a)
		}
	})
}

func TestUnitsThatAreHeldInTheWrongChannelAreAnUnbalance(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		s := open(t, client, spillDrop(whenSoldOut("app", "web")))
		mustReserve(t, s, onChannel("a", "web", 8))
		shoe := func() ItemAudit {
			a, err := Audit(t.Context(), client, "drop")
			if err != nil {
				t.Fatal(err)
			}
			return a.Items[slices.IndexFunc(a.Items, func(i ItemAudit) bool { return i.SKU == "SHOE" })]
		}
		if !shoe().Balanced() {
			t.Fatalf("audit %+v", shoe())
		}
		// Each channel, and the item, still adds up.
		for field, by := range map[string]int64{"held|SHOE|app": -1, "available|SHOE|app": 1, "held|SHOE|web": 1, "available|SHOE|web": -1} {
			if err := client.Do(t.Context(), client.B().Hincrby().Key(s.keys.stock).Field(field).Increment(by).Build()).Error(); err != nil {
				t.Fatal(err)
			}
		}
		if a := shoe(); a.Balanced() || a.HeldElsewhere != 2 {
			t.Fatalf("audit %+v", a)
		}
	})
}

func TestAnOrderOfOtherChannelsUnitsIsSettledFailedAndTakenAgain(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		ctx := context.Background()
		s := open(t, client, spillDrop(whenSoldOut("app", "web")))
		r := mustReserve(t, s, onChannel("a", "web", 8))
		confirmed, err := s.Confirm(ctx, confirmation(r.ID, "o", 1))
		if err != nil || confirmed.Reservation.Drawn != "SHOE=6,SHOE=2@app" {
			t.Fatalf("%+v, %v", confirmed, err)
		}
		of := Settlement{ReservationID: r.ID, CustomerKey: r.Customer, Channel: "web", Lines: r.Lines, Drawn: r.Drawn, OrderedAtMillis: 1, CommittedAtMillis: 2}
		if n, err := s.Fail(ctx, []Settlement{of}, true); err != nil || n != 1 {
			t.Fatalf("%d, %v", n, err)
		}
		if got := channelCounts(t, s); got["web"].Available != 6 || got["app"].Available != 3 {
			t.Fatalf("after the failure %+v", got)
		}
		held := mustReserve(t, s, onChannel("b", "app", 2))
		wantCode(t, s.Reacquire(ctx, r.ID), problem.SoldOut)
		if err := release(ctx, s, held.ID, proved); err != nil {
			t.Fatal(err)
		}
		if err := s.Reacquire(ctx, r.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Settle(ctx, []Settlement{of}); err != nil {
			t.Fatal(err)
		}
		if got := channelCounts(t, s); got["web"].Sold != 6 || got["app"].Sold != 2 || got["app"].Available != 1 {
			t.Fatalf("after all %+v", got)
		}
	})
}

func TestASpillByTimeIsInForceByTheClockOfRedis(t *testing.T) {
	mini := testenv.Mini(t)
	client := testenv.ConnectRedis(t, "redis://"+mini.Addr())
	now := time.Now().UTC().Truncate(time.Millisecond)
	mini.SetTime(now)
	rec := spillDrop(sale.Spill{From: "app", At: now.Add(30 * time.Second)}, sale.Spill{From: "market", To: "web", After: sale.Duration(24 * time.Hour)})
	rec.Reservation.TTL = sale.Duration(10 * time.Second)
	s, ctx := open(t, client, rec), context.Background()
	mustReserve(t, s, onChannel("a", "web", 6))
	channelCounts(t, s)
	_, _, err := s.Reserve(ctx, onChannel("b", "web", 1))
	if !errors.Is(err, problem.SoldOut) || !mayReturn(err) {
		t.Fatalf("before the moment: %v", err)
	}
	mini.SetTime(now.Add(29999 * time.Millisecond))
	if n, err := s.Expire(ctx, 10); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	mustReserve(t, s, onChannel("c", "web", 6))
	if _, _, err = s.Reserve(ctx, onChannel("d", "web", 1)); !errors.Is(err, problem.SoldOut) {
		t.Fatalf("a moment before: %v", err)
	}
	if channelCounts(t, s); s.SoldOut([]Line{{"SHOE", 1}}, "web") {
		t.Fatal("sold out by the latch just before units spill over")
	}
	mini.SetTime(now.Add(30 * time.Second))
	if r := mustReserve(t, s, onChannel("e", "web", 1)); r.Drawn != "SHOE=1@app" {
		t.Fatalf("drawn %q", r.Drawn)
	}
	mustReserve(t, s, onChannel("f", "app", 2)) // the channel still sells its own
	channelCounts(t, s)
	_, _, err = s.Reserve(ctx, onChannel("g", "web", 1))
	if !errors.Is(err, problem.SoldOut) || !mayReturn(err) {
		t.Fatalf("while the market's unit may come: %v", err)
	}
	if !s.SoldOut([]Line{{"SHOE", 1}}, "web") {
		t.Fatal("not latched, although nothing can spill over before tomorrow")
	}
}

func FuzzWhatWasDrawnIsReadWholeOrNotAtAll(f *testing.F) {
	f.Add("SHOE=1,SHOE=2@app")
	f.Add("SHOE=1@,=2")
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := parseLines(text)
		if err != nil {
			if parts := Drawn(text).Parts(); parts != nil {
				t.Fatalf("%q has parts and no lines: %+v", text, parts)
			}
			return
		}
		var units, parts int64
		for _, line := range lines {
			units += line.Quantity
		}
		for _, part := range Drawn(text).Parts() {
			parts += part.Quantity
		}
		if units != parts {
			t.Fatalf("%q: %d units in lines, %d in parts", text, units, parts)
		}
	})
}
