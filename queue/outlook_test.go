package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

var twoItems = func(r *sale.Record) {
	r.Items = []sale.Item{{SKU: "RED", Name: "Red", Stock: 10}, {SKU: "BLUE", Name: "Blue", Stock: 10}}
}

func joinFor(t testing.TB, r *Room, skus ...string) Ticket {
	t.Helper()
	ticket, err := r.JoinAs(context.Background(), Newcomer{Interest: r.InterestIn(skus)})
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

func supplyOf(r *Room, red, blue ItemSupply) {
	red.SKU, blue.SKU = "RED", "BLUE"
	r.SetSupply([]ItemSupply{red, blue}, Holds{LapseShare: 0.5, LastsMillis: 300_000})
}

// Twenty come for the ten red units and two for the ten blue ones: whoever is the eleventh for red is told so,
// the last one for blue is not, and neither is who takes any.
func TestTheOutlookIsOfTheItemsThatOneNamed(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now(), twoItems), nil)
		var red []Ticket
		for range 20 {
			red = append(red, joinFor(t, r, "RED"))
		}
		blue, both, anything := joinFor(t, r, "BLUE"), joinFor(t, r, "BLUE", "RED"), join(t, r, 1)[0]
		s := refresh(t, r)
		supplyOf(r, ItemSupply{Available: 10}, ItemSupply{Available: 10})
		if s.room.wanted.named != 22 || s.room.wanted.byMark[MarkOf("RED")] != 21 || s.room.wanted.byMark[MarkOf("BLUE")] != 2 {
			t.Fatalf("counted %+v", s.room.wanted)
		}
		outlook := func(ticket Ticket) Outlook { return r.Look(ticket, sale.PhaseLive, false).Outlook }
		if got := outlook(red[5]); got != Likely {
			t.Errorf("the sixth for red: %s", got)
		}
		if got := outlook(red[19]); got != Unlikely {
			t.Errorf("the twentieth for red: %s", got)
		}
		if got := outlook(blue); got != Likely {
			t.Errorf("the only one for blue: %s", got)
		}
		view := r.Look(both, sale.PhaseLive, false)
		want := []ItemOutlook{{"BLUE", Likely}, {"RED", Unlikely}}
		slices.SortFunc(want, func(a, b ItemOutlook) int { return int(MarkOf(a.SKU)) - int(MarkOf(b.SKU)) })
		if view.Outlook != Likely || !slices.Equal(view.Items[:view.Named], want) {
			t.Errorf("who came for both: %s, %v", view.Outlook, view.Items[:view.Named])
		}
		if got := outlook(anything); got != Unlikely { // 22 before one who takes any of 20
			t.Errorf("who takes any: %s", got)
		}
	})
}

func TestSoldOutIsToldByItem(t *testing.T) {
	r := openRoom(t, testenv.ConnectRedis(t, testenv.MiniURL(t)), testSale(time.Now(), twoItems), nil)
	red, blue, anything := joinFor(t, r, "RED"), joinFor(t, r, "BLUE"), join(t, r, 1)[0]
	refresh(t, r)
	supplyOf(r, ItemSupply{}, ItemSupply{Available: 3})
	for ticket, want := range map[Ticket]State{red: SoldOut, blue: Waiting, anything: Waiting} {
		if v := r.Look(ticket, sale.PhaseLive, false); v.State != want {
			t.Errorf("%v: %s, want %s", ticket.Interest, v.State, want)
		}
	}
	supplyOf(r, ItemSupply{Held: 1}, ItemSupply{Available: 3})
	if v := r.Look(red, sale.PhaseLive, false); v.State != HeldOut || v.Items[0].Outlook != ItemHeldOut {
		t.Errorf("%s %v", v.State, v.Items)
	}
	r.SetSupply(nil, Holds{}) // the stock is not known: nothing is claimed
	if v := r.Look(red, sale.PhaseLive, false); v.State != Waiting || v.Outlook != "" || v.Named != 0 {
		t.Errorf("%+v", v)
	}
}

func TestAnInterestIsChangedAndCountedOnce(t *testing.T) {
	testenv.EachRedis(t, func(t *testing.T, client rueidis.Client) {
		r := openRoom(t, client, testSale(time.Now(), twoItems), nil)
		red, blue := r.InterestIn([]string{"RED"}), r.InterestIn([]string{"BLUE"})
		first := joinFor(t, r, "RED")
		joinFor(t, r, "RED")
		for range 3 { // the same old ticket, again and again
			next, err := r.ChangeInterest(context.Background(), first, blue)
			if err != nil || next.Interest != blue || next.Number != first.Number {
				t.Fatalf("%+v, %v", next, err)
			}
		}
		if w := refresh(t, r).room.wanted; w.named != 2 || w.byMark[MarkOf("RED")] != 1 || w.byMark[MarkOf("BLUE")] != 1 {
			t.Fatalf("counted %+v", w)
		}
		now := first
		now.Interest = blue
		if _, err := r.ChangeInterest(context.Background(), now, Interest{}); err != nil {
			t.Fatal(err)
		}
		if w := refresh(t, r).room.wanted; w.named != 1 || w.byMark[MarkOf("BLUE")] != 0 {
			t.Fatalf("counted %+v", w)
		}
		if _, err := r.ChangeInterest(context.Background(), Ticket{Number: 99}, red); !errors.Is(err, problem.TicketInvalid) {
			t.Fatalf("a number that nobody has: %v", err)
		}
	})
}

// What is lost with Redis is who wanted what; the line goes on, and counts those who join afterwards.
func TestAfterALossTheWantedAreCountedAnew(t *testing.T) {
	client, j := testenv.ConnectRedis(t, testenv.MiniURL(t)), &memoryJournal{}
	rec := testSale(time.Now(), twoItems)
	r := openRoom(t, client, rec, j)
	for range 8 {
		joinFor(t, r, "RED")
	}
	if err := client.Do(context.Background(), client.B().Flushall().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	arm(t, client, rec, j.fold())
	fresh := openNode(t, client, rec, j)
	joinFor(t, fresh, "BLUE")
	s := refresh(t, fresh)
	supplyOf(fresh, ItemSupply{Available: 5}, ItemSupply{Available: 5})
	if w := s.room.wanted; w.named != 1 || w.byMark[MarkOf("BLUE")] != 1 || w.byMark[MarkOf("RED")] != 0 {
		t.Fatalf("counted %+v", w)
	}
}

func TestItemsWithTheSameMarkAreNotToldApart(t *testing.T) {
	marks, one, other := make(map[Mark]string), "", ""
	for i := 0; one == ""; i++ {
		sku := fmt.Sprint("SKU-", i)
		if earlier, taken := marks[MarkOf(sku)]; taken {
			one, other = earlier, sku
		}
		marks[MarkOf(sku)] = sku
	}
	rec := testSale(time.Now(), func(r *sale.Record) {
		r.Items = []sale.Item{{SKU: one, Stock: 1}, {SKU: other, Stock: 1}, {SKU: "RED", Stock: 1}}
	})
	r := OpenRoom(testDeps(nil, nil), rec)
	defer r.Close()
	if got := r.InterestIn([]string{one, other}); got.Named() {
		t.Errorf("%s and %s: %v", one, other, got)
	}
	if got := r.InterestIn([]string{one, "RED"}); got != r.InterestIn([]string{"RED"}) {
		t.Errorf("%v", got)
	}
}

// Whoever is told "unlikely" would get nothing if everybody before took one of what they named, and somebody
// further back is never told more than somebody further ahead.
func TestTheOutlookGetsNoBetterFurtherBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &itemDemand{share: rapid.Float64Range(0, 1).Draw(t, "share")}
		d.free = float64(rapid.IntRange(0, 50).Draw(t, "free"))
		d.held = float64(rapid.IntRange(0, 50).Draw(t, "held"))
		people := rapid.Float64Range(0, 500).Draw(t, "people")
		got, behind := outlookFor(d, people), outlookFor(d, people+rapid.Float64Range(0, 500).Draw(t, "more"))
		switch {
		case (got == ItemSoldOut) != (d.free+d.held == 0):
			t.Fatalf("%s of %v", got, d)
		case got == Unlikely && people*d.share < d.free+d.held:
			t.Fatalf("unlikely with %v before and %v left", people*d.share, d.free+d.held)
		case got == Unlikely && behind != Unlikely:
			t.Fatalf("%s ahead, %s behind", got, behind)
		case got == ItemHeldOut && d.free > 0:
			t.Fatalf("held out with %v free", d.free)
		}
	})
}

func TestTheOutlookCostsNoAllocation(t *testing.T) {
	r := openRoom(t, testenv.ConnectRedis(t, testenv.MiniURL(t)), testSale(time.Now(), twoItems), nil)
	ticket := joinFor(t, r, "RED", "BLUE")
	refresh(t, r)
	supplyOf(r, ItemSupply{Held: 1}, ItemSupply{Held: 2})
	var v View
	if n := testing.AllocsPerRun(200, func() { v = r.Look(ticket, sale.PhaseLive, true) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
	if v.Named != 2 {
		t.Fatalf("%+v", v)
	}
}

// The one unit is held for ten minutes, and the rate alone would call the next at once.
func TestASoleUnitThatIsHeldIsNotExpectedBeforeItsHoldEnds(t *testing.T) {
	now := int64(1_700_000_000_000)
	b := back{held: 1, first: now + 600_000, last: now + 600_000, holds: Holds{LapseShare: 0.3, LastsMillis: 600_000, ExtendMillis: 600_000}}
	if p50, p90 := b.wait(1, now); p50 != 600_000 || p90 != 1_200_000 {
		t.Fatalf("%d to %d ms", p50, p90)
	}
	r := openRoom(t, testenv.ConnectRedis(t, testenv.MiniURL(t)), testSale(time.Now()), nil)
	ticket := join(t, r, 1)[0]
	s := refresh(t, r)
	ends := s.NowMillis + 600_000
	r.SetSupply([]ItemSupply{{SKU: "A", Held: 1, FirstBackMillis: ends, LastBackMillis: ends}}, b.holds)
	v := r.Look(ticket, sale.PhaseLive, true)
	if v.State != HeldOut || v.ETAP50Seconds < 590 || v.ETAP90Seconds < v.ETAP50Seconds {
		t.Fatalf("%s, %d to %d s", v.State, v.ETAP50Seconds, v.ETAP90Seconds)
	}
	r.SetSupply([]ItemSupply{{SKU: "A", Available: 1}}, b.holds)
	if v := r.Look(ticket, sale.PhaseLive, false); v.ETAP50Seconds > 5 {
		t.Fatalf("with a free unit: %d s", v.ETAP50Seconds)
	}
}

// Of those for whom enough units came back, about half got theirs by the first figure and about nine tenths by the
// second.
func TestTheRangeIsWhatHappens(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		held, needed int
		lapse        float64
	}{{200, 10, 0.3}, {200, 30, 0.3}, {100, 40, 0.6}, {400, 5, 0.1}, {50, 1, 0.5}} {
		const lasts = 300_000
		got, by50, by90 := 0, 0, 0
		for range 4000 {
			came := 0
			ends := make([]int, c.held)
			for i := range ends {
				ends[i] = 1000 + dice.IntN(lasts-1000)
			}
			slices.Sort(ends)
			b := back{
				held: float64(c.held), first: int64(ends[0]), last: int64(ends[c.held-1]),
				holds: Holds{LapseShare: c.lapse, LastsMillis: lasts},
			}
			p50, p90 := b.wait(float64(c.needed), 0)
			for _, end := range ends {
				if dice.Float64() >= c.lapse {
					continue
				}
				if came++; came == c.needed {
					got++
					if int64(end) <= p50 {
						by50++
					}
					if int64(end) <= p90 {
						by90++
					}
					break
				}
			}
		}
		half, most := float64(by50)/float64(got), float64(by90)/float64(got)
		t.Logf("%+v: %d of 4000 got one; %.2f by the first figure, %.2f by the second", c, got, half, most)
		if half < 0.4 || half > 0.7 || most < 0.85 || most > 0.96 {
			t.Errorf("%+v: %.2f and %.2f", c, half, most)
		}
	}
}

// More held units, or fewer people before, never make the wait longer; and the range is one.
func TestTheWaitForHeldUnitsIsARange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := back{
			free: float64(rapid.IntRange(0, 20).Draw(t, "free")), held: float64(rapid.IntRange(0, 50).Draw(t, "held")),
			holds: Holds{LapseShare: rapid.Float64Range(0, 1).Draw(t, "lapse"), LastsMillis: 300_000, ExtendMillis: rapid.Int64Range(0, 600_000).Draw(t, "extend")},
		}
		if rapid.Bool().Draw(t, "known") {
			b.first = rapid.Int64Range(1, 600_000).Draw(t, "first")
			b.last = b.first + rapid.Int64Range(0, 600_000).Draw(t, "span")
		}
		now, needed := rapid.Int64Range(0, 1_000_000).Draw(t, "now"), rapid.Float64Range(1, 100).Draw(t, "needed")
		p50, p90 := b.wait(needed, now)
		if p50 < 0 || p90 < p50 || p50 > maxETASeconds*1000 {
			t.Fatalf("%d to %d", p50, p90)
		}
		if needed <= b.free && p90 != 0 {
			t.Fatalf("%v free for %v: %d to %d", b.free, needed, p50, p90)
		}
		if sooner, _ := b.wait(max(needed-1, 0), now); sooner > p50 {
			t.Fatalf("%d with one fewer before, %d", sooner, p50)
		}
	})
}
