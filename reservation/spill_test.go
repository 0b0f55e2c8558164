package reservation

import (
	"context"
	"errors"
	"fmt"
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
		if a := shoe(); a.Balanced() || a.Uneven != 2 {
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

// spillModel is the stock of three channels, each unit with its share.
type spillModel struct {
	t      *rapid.T
	s      *Stock
	client rueidis.Client
	rec    sale.Record
	now    time.Time
	mini   func(time.Time)
	free   map[string]int64
	held   []*spilled
	sold   map[string]int64
	log    [][]byte
	orders []RestoredOrder
	keys   int
}

// spilled is a reservation that holds units.
type spilled struct {
	Reservation
	parts map[string]int64 // channel → units
}

func (m *spillModel) drawOf(channel string) []string {
	order := []string{channel}
	for _, from := range m.rec.SpillsTo(channel) {
		if !m.now.Before(from.From) {
			order = append(order, from.Channel)
		}
	}
	return order
}

func (m *spillModel) Reserve(t *rapid.T) {
	channel := rapid.SampledFrom([]string{"web", "app", "market"}).Draw(t, "channel")
	n := rapid.Int64Range(1, 5).Draw(t, "units")
	m.keys++
	got, _, err := m.s.Reserve(context.Background(), onChannel(fmt.Sprint("k", m.keys), channel, n))
	left, parts := n, map[string]int64{}
	for _, from := range m.drawOf(channel) {
		if part := min(left, m.free[from]); part > 0 {
			parts[from] = part
			left -= part
		}
	}
	if left > 0 {
		if !errors.Is(err, problem.SoldOut) {
			t.Fatalf("%d of %s with %v free: %v", n, channel, m.free, err)
		}
		return
	}
	if err != nil {
		t.Fatalf("%d of %s with %v free: %v", n, channel, m.free, err)
	}
	for from, part := range parts {
		m.free[from] -= part
	}
	m.held = append(m.held, &spilled{Reservation: got, parts: parts})
}

// take removes one of the reservations that hold units.
func (m *spillModel) take(t *rapid.T) *spilled {
	if len(m.held) == 0 {
		t.Skip("nothing is held")
	}
	i := rapid.IntRange(0, len(m.held)-1).Draw(t, "reservation")
	r := m.held[i]
	m.held = slices.Delete(m.held, i, i+1)
	return r
}

func (m *spillModel) giveBack(r *spilled) {
	for from, n := range r.parts {
		m.free[from] += n
	}
}

func (m *spillModel) Release(t *rapid.T) {
	r := m.take(t)
	err := release(context.Background(), m.s, r.ID, proved)
	if want := !m.now.Before(r.ExpiresAt); errors.Is(err, problem.ReservationExpired) != want || err != nil && !want {
		t.Fatalf("release: %v", err)
	}
	m.giveBack(r)
}

func (m *spillModel) Order(t *rapid.T) {
	r := m.take(t)
	_, err := m.s.Confirm(context.Background(), confirmation(r.ID, r.ID, 1))
	if !m.now.Before(r.ExpiresAt) {
		if !errors.Is(err, problem.ReservationExpired) {
			t.Fatalf("confirm: %v", err)
		}
		m.held = append(m.held, r)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for from, n := range r.parts {
		m.sold[from] += n
	}
	m.orders = append(m.orders, RestoredOrder{ReservationID: r.ID, CustomerKey: r.Customer, Channel: r.Channel, Lines: r.Lines, Drawn: r.Drawn,
		OrderedAtMillis: 1, CommittedAtMillis: rapid.Int64Range(0, 1).Draw(t, "committed")})
}

func (m *spillModel) Wait(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
	m.mini(m.now)
	if _, err := m.s.Expire(context.Background(), 1000); err != nil {
		t.Fatal(err)
	}
	m.held = slices.DeleteFunc(m.held, func(r *spilled) bool {
		over := !m.now.Before(r.ExpiresAt)
		if over {
			m.giveBack(r)
		}
		return over
	})
}

// Lose empties Redis, and rebuilds the stock from the orders and the journal.
func (m *spillModel) Lose(t *rapid.T) {
	ctx := context.Background()
	before := channelCounts(m.t, m.s)
	if err := Wipe(ctx, m.client, m.rec.ID, testTerm); err != nil {
		t.Fatal(err)
	}
	if err := rebuild(ctx, m.client, m.rec, m.orders, folded(m.log...)); err != nil {
		t.Fatal(err)
	}
	if after := channelCounts(m.t, m.s); !reflect.DeepEqual(after, before) {
		t.Fatalf("rebuilt %+v, was %+v", after, before)
	}
}

func (m *spillModel) check(t *rapid.T) {
	counts := channelCounts(m.t, m.s)
	var sum int64
	for name, c := range counts {
		var held int64
		for _, r := range m.held {
			held += r.parts[name]
		}
		want := Counts{SKU: "SHOE", Allocated: m.rec.Channels[name], Available: m.free[name], Held: held, Sold: m.sold[name]}
		if c != want || !c.adds() || c.Available < 0 {
			t.Fatalf("%s: %+v, want %+v", name, c, want)
		}
		sum += c.Allocated
	}
	if sum != 10 {
		t.Fatalf("%d units in all", sum)
	}
}

func TestUnitsThatSpillOverAgreeWithTheModelAlsoAfterALoss(t *testing.T) {
	mini := testenv.Mini(t)
	client := testenv.ConnectRedis(t, "redis://"+mini.Addr())
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		now := time.Now().UTC().Truncate(time.Millisecond)
		mini.SetTime(now)
		names := []string{"web", "app", "market"}
		var rules []sale.Spill
		for _, from := range names {
			for _, to := range names {
				if from == to || rapid.Bool().Draw(rt, from+" keeps from "+to) {
					continue
				}
				rule := whenSoldOut(from, to)
				if rapid.Bool().Draw(rt, from+" to "+to+" later") {
					rule = sale.Spill{From: from, To: to, At: now.Add(time.Duration(rapid.IntRange(1, 100).Draw(rt, "after")) * time.Second)}
				}
				rules = append(rules, rule)
			}
		}
		rec := spillDrop(rules...)
		rec.ID = fmt.Sprintf("spill-%d", round)
		rec.Reservation.TTL, rec.Durability = sale.Duration(time.Minute), sale.Journaled
		if err := rebuild(context.Background(), client, rec, nil, nil); err != nil {
			rt.Fatal(err)
		}
		m := &spillModel{t: rt, client: client, rec: rec, now: now, mini: mini.SetTime,
			free: map[string]int64{"web": 6, "app": 3, "market": 1}, sold: map[string]int64{}}
		m.s = OpenStock(Deps{Redis: client, Secret: []byte("secret"), Enqueue: func(_ string, records [][]byte) {
			m.log = append(m.log, records...)
		}}, rec)
		defer m.s.Close()
		rt.Repeat(map[string]func(*rapid.T){
			"reserve": m.Reserve, "reserve too": m.Reserve, "release": m.Release, "order": m.Order, "wait": m.Wait, "lose": m.Lose, "": m.check,
		})
	})
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
