//go:build simulations

package reservation

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// asideModel is who may take what, in a few lines of Go.
type asideModel struct {
	*asideStand
	t     *rapid.T
	total int64
	held  map[string]asideHold
	lots  []asideLot
}

type asideHold struct {
	units int64
	ends  time.Time
	pass  bool
}

type asideLot struct {
	units  int64
	second int64
	until  time.Time
}

func (m *asideModel) heldUnits() (n int64) {
	for _, h := range m.held {
		n += h.units
	}
	return n
}

// mayTake is how many units a pass of this time of issue may take, and how many of those were set aside.
func (m *asideModel) mayTake(issued int64) (all, aside int64) {
	all = m.total - m.heldUnits()
	for _, lot := range m.lots {
		switch {
		case !lot.until.After(m.now):
		case m.keep > 0 && lot.second >= issued:
			all -= lot.units
		default:
			aside += lot.units
		}
	}
	return max(all, 0), aside
}

func (m *asideModel) Reserve(t *rapid.T) {
	m.bearers++
	issued := m.now.Add(-time.Duration(rapid.IntRange(0, 20).Draw(t, "age")) * time.Second)
	n := rapid.Int64Range(1, 3).Draw(t, "units")
	req := m.pass(fmt.Sprint("b", m.bearers), issued, Line{"SHOE", n})
	seconds := issued.Unix()
	if rapid.IntRange(0, 5).Draw(t, "without a pass") == 0 {
		req.PassUntil, req.PassIssued, seconds = time.Time{}, time.Time{}, 0
	}
	got, _, err := m.Stock.Reserve(context.Background(), req)
	all, _ := m.mayTake(seconds)
	switch {
	case err == nil && n > all:
		t.Fatalf("%d units for a pass of %d that may take %d of %d; lots %+v", n, seconds, all, m.total-m.heldUnits(), m.lots)
	case err != nil && (n <= all || !errors.Is(err, problem.SoldOut)):
		t.Fatalf("%d of %d units: %v; lots %+v", n, all, err, m.lots)
	case err != nil:
		return
	}
	m.held[got.ID] = asideHold{units: n, ends: got.ExpiresAt, pass: !req.PassUntil.IsZero()}
	for i := range m.lots { // what is set aside for it goes first
		lot := &m.lots[i]
		if m.keep == 0 || lot.second < seconds {
			part := min(lot.units, n)
			if !lot.until.After(m.now) {
				part = 0
			}
			lot.units, n = lot.units-part, n-part
		}
	}
}

func (m *asideModel) back(h asideHold) {
	if m.keep > 0 && h.pass {
		m.lots = append(m.lots, asideLot{units: h.units, second: m.now.Unix(), until: m.now.Add(m.keep)})
	}
}

func (m *asideModel) Release(t *rapid.T) {
	for id, h := range m.held {
		if h.ends.After(m.now) {
			if err := release(context.Background(), m.Stock, id, proved); err != nil {
				t.Fatal(err)
			}
			delete(m.held, id)
			m.back(h)
			return
		}
	}
}

func (m *asideModel) Wait(t *rapid.T) {
	m.forward(time.Duration(rapid.IntRange(1, 20_000).Draw(t, "ms")) * time.Millisecond)
	due := 0
	for id, h := range m.held {
		if !h.ends.After(m.now) {
			due++
			delete(m.held, id)
			m.back(h)
		}
	}
	m.expire(due)
}

func (m *asideModel) Line(t *rapid.T) {
	m.keep = time.Duration(rapid.SampledFrom([]int{0, 20, 60}).Draw(t, "set aside for")) * time.Second
}

func (m *asideModel) check(t *rapid.T) {
	if err := m.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	shoe, aside := m.Snapshot().Items[0], int64(0)
	for _, lot := range m.Snapshot().Aside {
		aside += lot.Units
	}
	if !shoe.adds() || shoe.Held != m.heldUnits() || shoe.Allocated != m.total || aside > shoe.Available {
		t.Fatalf("%+v with %d set aside, want %d held of %d", shoe, aside, m.heldUnits(), m.total)
	}
}

func TestSimulationWhoMayTakeWhatIsSetAside(t *testing.T) {
	stand := newAsideStand(t, func(rec *sale.Record) { rec.Items[0].Stock = 6 })
	rec := stand.plan.Load().rec
	rapid.Check(t, func(t *rapid.T) {
		if err := stand.client.Do(context.Background(), stand.client.B().Flushall().Build()).Error(); err != nil {
			t.Fatal(err)
		}
		if err := rebuild(context.Background(), stand.client, rec, nil, nil); err != nil {
			t.Fatal(err)
		}
		stand.keep = time.Minute
		stand.plan.Load().open()
		m := &asideModel{asideStand: stand, t: t, total: 6, held: map[string]asideHold{}}
		t.Repeat(map[string]func(*rapid.T){
			"reserve": m.Reserve, "reserve too": m.Reserve, "release": m.Release, "wait": m.Wait, "line": m.Line, "": m.check,
		})
	})
}
