package queue

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// clock is an embedded Redis whose time stands still until it is moved.
type clock struct {
	mini *miniredis.Miniredis
	now  time.Time
}

var epoch = time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)

func newClock(t testing.TB) (*clock, rueidis.Client) {
	t.Helper()
	c := &clock{mini: testenv.Mini(t), now: epoch}
	c.mini.SetTime(c.now)
	return c, testenv.ConnectRedis(t, "redis://"+c.mini.Addr())
}

func (c *clock) forward(d time.Duration) {
	c.now = c.now.Add(d)
	c.mini.SetTime(c.now)
}

// memoryJournal is a journal that can be made to fail.
type memoryJournal struct {
	mu      sync.Mutex
	records [][]byte
	fail    error
}

func (j *memoryJournal) append(_ context.Context, _ string, records [][]byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		return j.fail
	}
	for _, r := range records {
		j.records = append(j.records, slices.Clone(r))
	}
	return nil
}

func (j *memoryJournal) fold() *Restored {
	j.mu.Lock()
	defer j.mu.Unlock()
	return Fold(slices.Values(slices.Clone(j.records)))
}

func (j *memoryJournal) setFail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fail = err
}

// record returns a live first-come-first-served sale around now, as the tests need it.
func testSale(now time.Time, change ...func(*sale.Record)) sale.Record {
	rec := sale.Record{Version: 1, Epoch: 1, Sale: sale.Sale{
		ID: "drop", Name: "Drop",
		OpensAt: now.Add(-time.Hour), StartsAt: now.Add(-time.Minute), EndsAt: now.Add(24 * time.Hour),
		Admission: sale.Admission{
			Order: sale.FIFO, RatePerMinute: 600, MaxActive: 500, Mode: sale.Queue,
			PassTTL: sale.Duration(10 * time.Minute), ClaimWindow: sale.Duration(2 * time.Minute),
		},
		Items: []sale.Item{{SKU: "A", Name: "A", Stock: 1_000_000}},
	}}
	for _, c := range change {
		c(&rec)
	}
	return rec
}

// testTerm is the term of the leader of most tests.
const testTerm = 7

func testDeps(client rueidis.Client, j *memoryJournal) Deps {
	d := Deps{Redis: client, Tickets: NewTicketKeys(testSecret, nil, nil), Passes: NewPassKeys(testSecret, nil, nil)}
	if j != nil {
		d.Journal = j.append
	}
	return d
}

func arm(t testing.TB, client rueidis.Client, rec sale.Record, restore *Restored) {
	t.Helper()
	if err := Arm(context.Background(), client, rec, restore, testTerm); err != nil {
		t.Fatal(err)
	}
}

// openRoom arms the sale and returns a node's refreshed room.
func openRoom(t testing.TB, client rueidis.Client, rec sale.Record, j *memoryJournal) *Room {
	t.Helper()
	arm(t, client, rec, nil)
	return openNode(t, client, rec, j)
}

func openNode(t testing.TB, client rueidis.Client, rec sale.Record, j *memoryJournal) *Room {
	t.Helper()
	r := OpenRoom(testDeps(client, j), rec)
	t.Cleanup(r.Close)
	refresh(t, r)
	return r
}

func refresh(t testing.TB, r *Room) *Snapshot {
	t.Helper()
	if err := r.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r.Snapshot()
}

func join(t testing.TB, r *Room, n int) []Ticket {
	t.Helper()
	tickets := make([]Ticket, n)
	for i := range tickets {
		ticket, err := r.Join(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		tickets[i] = ticket
	}
	return tickets
}

var plenty = Outside{Items: []Units{{Available: 1_000_000}}, LevelFactor: 1}

// advance is one tick of the leader, followed by what every node does.
func advance(t testing.TB, r *Room, in Outside) *Snapshot {
	t.Helper()
	if err := r.Advance(context.Background(), testTerm, in); err != nil {
		t.Fatal(err)
	}
	return refresh(t, r)
}

// callUpTo moves the watermark by hand, past every limit of the controller.
func callUpTo(t testing.TB, r *Room, called uint64) {
	t.Helper()
	s := refresh(t, r)
	d := s.stand()
	d.Called = called
	if err := r.write(context.Background(), s, testTerm, d, "", ""); err != nil {
		t.Fatal(err)
	}
	if s = refresh(t, r); s.Called != called {
		t.Fatalf("called %d, want %d", s.Called, called)
	}
}
