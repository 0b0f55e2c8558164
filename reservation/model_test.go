package reservation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// kept is what the model knows of a reservation.
type kept struct {
	id, customer, orderKey string
	lines                  []Line
	payload                byte
	status                 Status
	expires                time.Time
	extensions             int
	committed, inOutbox    bool
	failed, withheld       bool // an order that the ledger refused
	ends                   int  // how often it was resolved
}

// model is a stock in a few lines of Go, with a clock of its own.
type model struct {
	t         *rapid.T
	s         *Stock
	client    rueidis.Client
	rec       sale.Record
	setClock  func(time.Time)
	now       time.Time
	allocated map[string]int64
	byKey     map[string]*kept
	byOrder   map[string]*kept // idempotency key of an order
	all       []*kept
}

func (m *model) units(sku string, status Status) (n int64) {
	for _, r := range m.all {
		for _, line := range r.lines {
			if line.SKU == sku && r.status == status && !r.failed {
				n += line.Quantity
			}
		}
	}
	return n
}

func (m *model) withheld(sku string) (n int64) {
	for _, r := range m.all {
		for _, line := range r.lines {
			if line.SKU == sku && r.failed && r.withheld {
				n += line.Quantity
			}
		}
	}
	return n
}

// used are the units that are not available.
func (m *model) used(sku string) int64 {
	return m.units(sku, StatusHeld) + m.units(sku, StatusConfirmed) + m.withheld(sku)
}

func (m *model) available(sku string) int64 { return m.allocated[sku] - m.used(sku) }

// of adds up what a customer holds and has bought; "" stands for all items.
func (m *model) of(customer, sku string) (n int64) {
	for _, r := range m.all {
		if r.customer != customer || r.failed || r.status != StatusHeld && r.status != StatusConfirmed {
			continue
		}
		for _, line := range r.lines {
			if sku == "" || line.SKU == sku {
				n += line.Quantity
			}
		}
	}
	return n
}

func (m *model) lapsed(r *kept) bool { return r.status == StatusHeld && !m.now.Before(r.expires) }

func (m *model) over(r *kept) bool { return r.status == StatusReleased || r.status == StatusExpired }

func (m *model) end(r *kept, as Status) {
	r.status = as
	r.ends++
}

func (m *model) expect(what string, err error, want problem.Code) {
	m.t.Helper()
	if want == "" && err != nil || want != "" && !errors.Is(err, want) {
		m.t.Fatalf("%s: got %v, want %q", what, err, want)
	}
}

func (m *model) Reserve(t *rapid.T) {
	key := fmt.Sprint("key", rapid.IntRange(0, 12).Draw(t, "key"))
	customer := rapid.SampledFrom([]string{"ann", "bob", "cem"}).Draw(t, "customer")
	var lines []Line
	for _, sku := range []string{"SHOE", "HAT"} {
		if n := rapid.Int64Range(0, 3).Draw(t, sku); n > 0 {
			lines = append(lines, Line{sku, n})
		}
	}
	if len(lines) == 0 {
		t.Skip("nothing")
	}
	got, _, err := m.s.Reserve(context.Background(), Request{IdempotencyKey: key, Customer: customer, Lines: lines})
	want := m.judge(key, customer, lines)
	if want == problem.IdempotencyMismatch && errors.Is(err, problem.SoldOut) && m.anyGone(lines) {
		return // told from memory, which did not know the key yet
	}
	if r := m.byKey[key]; r != nil && want == "" && m.over(r) && errors.Is(err, problem.SoldOut) && m.anyGone(lines) {
		return // told from memory, which forgets reservations that are over
	}
	m.expect("reserve", err, want)
	if err != nil {
		return
	}
	if before := m.byKey[key]; before != nil {
		if got.ID != before.id {
			t.Fatalf("key %s gave %s, then %s", key, before.id, got.ID)
		}
		return
	}
	if want := m.now.Add(m.rec.Reservation.TTL.Std()); m.setClock != nil && !got.ExpiresAt.Equal(want) {
		t.Fatalf("expires %v, want %v", got.ExpiresAt, want)
	}
	r := &kept{id: got.ID, customer: customer, lines: lines, status: StatusHeld, expires: got.ExpiresAt}
	m.byKey[key], m.all = r, append(m.all, r)
}

func (m *model) anyGone(lines []Line) bool {
	return slices.ContainsFunc(lines, func(l Line) bool { return m.available(l.SKU) <= 0 })
}

func (m *model) judge(key, customer string, lines []Line) problem.Code {
	if r := m.byKey[key]; r != nil {
		if r.customer != customer || packLines(r.lines) != packLines(lines) {
			return problem.IdempotencyMismatch
		}
		return ""
	}
	total := m.of(customer, "")
	for _, line := range lines {
		if m.available(line.SKU) < line.Quantity {
			return problem.SoldOut
		}
		total += line.Quantity
	}
	for i, line := range lines {
		item := m.rec.Items[m.rec.ItemIndex(line.SKU)]
		if item.PerCustomer > 0 && m.of(customer, line.SKU)+lines[i].Quantity > int64(item.PerCustomer) {
			return problem.LimitExceeded
		}
	}
	if total > int64(m.rec.Reservation.PerCustomer) {
		return problem.LimitExceeded
	}
	return ""
}

func (m *model) pick(t *rapid.T) *kept {
	if len(m.all) == 0 {
		t.Skip("no reservations")
	}
	return m.all[rapid.IntRange(0, len(m.all)-1).Draw(t, "reservation")]
}

func (m *model) Release(t *rapid.T) {
	r := m.pick(t)
	err := release(context.Background(), m.s, r.id, proved)
	switch {
	case r.status == StatusConfirmed:
		m.expect("release", err, problem.AlreadyResolved)
	case r.status == StatusReleased:
		m.expect("release", err, "")
	case r.status == StatusExpired:
		m.expect("release", err, problem.ReservationExpired)
	case m.lapsed(r):
		m.expect("release", err, problem.ReservationExpired)
		m.end(r, StatusExpired)
	default:
		m.expect("release", err, "")
		m.end(r, StatusReleased)
	}
}

func (m *model) Extend(t *rapid.T) {
	r := m.pick(t)
	_, err := m.s.Extend(context.Background(), r.id, proved)
	switch {
	case r.status == StatusExpired, m.lapsed(r):
		m.expect("extend", err, problem.ReservationExpired)
	case r.status != StatusHeld:
		m.expect("extend", err, problem.AlreadyResolved)
	case r.extensions >= m.rec.Reservation.MaxExtensions:
		m.expect("extend", err, problem.ExtensionRefused)
	default:
		m.expect("extend", err, "")
		r.extensions++
		r.expires = m.now.Add(m.rec.Reservation.TTL.Std())
	}
}

func (m *model) Confirm(t *rapid.T) {
	r := m.pick(t)
	key := fmt.Sprint("order", rapid.IntRange(0, 6).Draw(t, "key"))
	payload := byte(rapid.IntRange(1, 2).Draw(t, "payload"))
	got, err := m.s.Confirm(context.Background(), confirmation(r.id, key, payload))
	owner := m.byOrder[key]
	switch {
	case owner != nil && owner != r:
		m.expect("confirm", err, problem.IdempotencyMismatch)
	case r.status == StatusConfirmed && (r.payload == payload || r.payload == 0):
		m.expect("confirm", err, "")
		if !got.Again || got.Published == r.inOutbox {
			t.Fatalf("again %+v", got)
		}
	case r.status == StatusConfirmed && r.orderKey == key:
		m.expect("confirm", err, problem.IdempotencyMismatch)
	case r.status == StatusConfirmed:
		m.expect("confirm", err, problem.AlreadyOrdered)
	case r.status == StatusReleased:
		m.expect("confirm", err, problem.AlreadyResolved)
	case r.status == StatusExpired, m.lapsed(r):
		m.expect("confirm", err, problem.ReservationExpired)
	default:
		m.expect("confirm", err, "")
		m.end(r, StatusConfirmed)
		r.orderKey, r.payload, r.inOutbox = key, payload, true
		m.byOrder[key] = r
	}
}

func (m *model) Publish(t *rapid.T) {
	r := m.pick(t)
	m.expect("published", m.s.Published(context.Background(), m.s.Epoch(), []string{r.id}), "")
	r.inOutbox = false
}

func (m *model) Settle(t *rapid.T) {
	r := m.pick(t)
	if r.status == StatusReleased || r.status == StatusExpired || r.failed {
		t.Skip("forced units are another test's")
	}
	_, err := m.s.Settle(context.Background(), []Settlement{{ReservationID: r.id, CustomerKey: CustomerKey(r.customer),
		Lines: r.lines, OrderedAtMillis: m.now.UnixMilli(), CommittedAtMillis: m.now.UnixMilli()}})
	m.expect("settle", err, "")
	if r.status == StatusHeld {
		m.end(r, StatusConfirmed)
	}
	r.committed, r.inOutbox = true, false
}

func (m *model) Expire(t *rapid.T) {
	limit := rapid.IntRange(1, 4).Draw(t, "limit")
	n, err := m.s.Expire(context.Background(), limit)
	m.expect("expire", err, "")
	due := 0
	for _, r := range m.all {
		if m.lapsed(r) {
			due++
		}
	}
	if n != min(due, limit) {
		t.Fatalf("expired %d of %d, limit %d", n, due, limit)
	}
	for _, r := range m.all { // which of them is Redis' choice
		if !m.lapsed(r) || n == 0 {
			continue
		}
		text, err := m.client.Do(context.Background(), m.client.B().Get().Key(m.s.plan.Load().records+r.id[len(r.id)-coreLength:]).Build()).ToString()
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(text, "x ") {
			m.end(r, StatusExpired)
		}
	}
}

func (m *model) Allot(t *rapid.T) {
	sku := rapid.SampledFrom([]string{"SHOE", "HAT"}).Draw(t, "sku")
	units := rapid.Int64Range(0, 15).Draw(t, "units")
	err := m.s.Allot(context.Background(), sku, units, testTerm)
	if units < m.used(sku) {
		m.expect("allot", err, problem.StockConflict)
		return
	}
	m.expect("allot", err, "")
	m.allocated[sku] = units
}

func (m *model) Wait(t *rapid.T) {
	if m.setClock == nil {
		t.Skip("the clock is real")
	}
	m.now = m.now.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
	m.setClock(m.now)
}

func (m *model) Refresh(t *rapid.T) {
	m.expect("refresh", m.s.Refresh(context.Background()), "")
	for _, c := range m.s.Snapshot().Items {
		if c.Available != m.available(c.SKU) {
			t.Fatalf("snapshot %+v", c)
		}
	}
	var next int64
	for _, r := range m.all {
		if at := r.expires.UnixMilli(); r.status == StatusHeld && (next == 0 || at < next) {
			next = at
		}
	}
	if got := m.s.Snapshot().NextDueMillis; m.setClock != nil && got != next {
		t.Fatalf("the next hold lapses at %d, want %d", got, next)
	}
}

func (m *model) Fail(t *rapid.T) {
	r := m.pick(t)
	returnUnits := rapid.Bool().Draw(t, "return units")
	if r.status != StatusConfirmed {
		t.Skip("not an order")
	}
	n, err := m.s.Fail(context.Background(), []Settlement{{ReservationID: r.id, CustomerKey: CustomerKey(r.customer),
		Lines: r.lines, OrderedAtMillis: m.now.UnixMilli()}}, returnUnits)
	m.expect("fail", err, "")
	if (n == 1) != (!r.committed && !r.failed) {
		t.Fatalf("%d failed of %+v", n, r)
	}
	if n == 1 {
		r.failed, r.withheld, r.inOutbox = true, !returnUnits, false
	}
}

func (m *model) Reacquire(t *rapid.T) {
	r := m.pick(t)
	if r.status != StatusConfirmed {
		t.Skip("not an order")
	}
	err := m.s.Reacquire(context.Background(), r.id)
	var want problem.Code
	if r.failed && !r.withheld {
		want = m.judge("", r.customer, r.lines)
	} else if r.failed {
		m.allocated["SHOE"] += 1000 // withheld units are there, whatever is available
		m.allocated["HAT"] += 1000
		want = m.judge("", r.customer, r.lines)
		m.allocated["SHOE"] -= 1000
		m.allocated["HAT"] -= 1000
	}
	// Which of several reasons is told first is up to the script.
	if want == "" || err == nil {
		m.expect("reacquire", err, want)
	}
	if err == nil {
		r.failed, r.withheld = false, false
	}
}

// check holds after every step.
func (m *model) check(t *rapid.T) {
	a, err := Audit(context.Background(), m.client, m.rec.ID)
	if err != nil {
		t.Fatal(err)
	}
	outbox := int64(0)
	for _, r := range m.all {
		if r.ends > 1 {
			t.Fatalf("%s was resolved %d times", r.id, r.ends)
		}
		if r.inOutbox {
			outbox++
		}
	}
	if a.Outbox != outbox || a.Missing+a.Stray != 0 {
		t.Fatalf("audit %+v, want %d in the outbox", a, outbox)
	}
	for _, item := range a.Items {
		want := Counts{SKU: item.SKU, Allocated: m.allocated[item.SKU], Available: m.available(item.SKU), Held: m.units(item.SKU, StatusHeld), Sold: m.units(item.SKU, StatusConfirmed), Withheld: m.withheld(item.SKU)}
		if item.Counts != want || !item.Balanced() || item.Charged != want.Held+want.Sold || item.OverLimit > 0 {
			t.Fatalf("got %+v, want %+v", item, want)
		}
	}
}

func checkModel(t *testing.T, client rueidis.Client, setClock func(time.Time)) {
	round := 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		rec := drop()
		rec.ID = fmt.Sprintf("drop-%d", round)
		rec.Items[0].PerCustomer, rec.Reservation.PerCustomer = 4, 6
		now := time.Now().UTC().Truncate(time.Millisecond)
		if setClock != nil {
			setClock(now)
		}
		if err := rebuild(context.Background(), client, rec, nil, nil); err != nil {
			t.Fatal(err)
		}
		s := OpenStock(Deps{Redis: client, Secret: []byte("secret")}, rec)
		defer s.Close()
		m := &model{t: t, s: s, client: client, rec: rec, setClock: setClock, now: now,
			allocated: map[string]int64{"SHOE": 10, "HAT": 5}, byKey: map[string]*kept{}, byOrder: map[string]*kept{}}
		t.Repeat(map[string]func(*rapid.T){
			"reserve": m.Reserve, "reserve too": m.Reserve, "release": m.Release, "extend": m.Extend, "confirm": m.Confirm,
			"publish": m.Publish, "settle": m.Settle, "expire": m.Expire, "allot": m.Allot, "wait": m.Wait, "refresh": m.Refresh,
			"fail": m.Fail, "reacquire": m.Reacquire,
			"": m.check,
		})
	})
}

// On the real engine nothing expires while the model looks.
func TestAgainstTheModelOnTheRealEngine(t *testing.T) {
	checkModel(t, testenv.ConnectRedis(t, testenv.Redis(t).URL), nil)
}
