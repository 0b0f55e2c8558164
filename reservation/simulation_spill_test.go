//go:build simulations

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

func TestSimulationUnitsThatSpillOverAgreeWithTheModelAlsoAfterALoss(t *testing.T) {
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
