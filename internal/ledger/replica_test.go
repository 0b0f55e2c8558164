package ledger

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/penstock/penstock/internal/testenv"
)

// journal is a log that may be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), text)
}

// pair is a ledger on a primary and its replica. Nothing but tests changes how far the replica is.
type pair struct {
	*Ledger
	t                *testing.T
	primary, replica *testenv.PostgresServer
	log              journal
	sold             int
}

const testMaxLag = 2 * time.Second

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t, primary: testenv.PostgresDedicated(t)}
	p.replica = testenv.PostgresReplica(t, p.primary)
	l, err := Open(t.Context(), p.primary.URL, slog.New(slog.NewTextHandler(&p.log, nil)), Options{ReadURL: p.replica.URL, MaxLag: testMaxLag})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p.Ledger = l
	newSale(t, l, "drop", 1000, "a")
	p.sell()
	return p
}

func (p *pair) sell() {
	p.t.Helper()
	p.sold++
	commit(p.t, p.Ledger, order("drop", "a", p.sold))
}

// listed is how many orders a listing has, and whether the replica answered.
func (p *pair) listed() (orders int, fromReplica bool) {
	p.t.Helper()
	before := p.oldReads.replica.Load()
	rows, _, err := p.ReportOrders(p.t.Context(), "drop", "", 1000)
	if err != nil {
		p.t.Fatalf("a listing: %v", err)
	}
	return len(rows), p.oldReads.replica.Load() > before
}

func (p *pair) awaitSource(replica bool) {
	p.t.Helper()
	testenv.Eventually(p.t, 20*time.Second, "listings to come from the other server", func() bool {
		_, fromReplica := p.listed()
		return fromReplica == replica
	})
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// checkAfter harms the replica and expects that from then on every listing is answered, and shows all that was sold
// longer ago than the bound.
func (p *pair) checkAfter(name string, harm func() error) {
	p.t.Helper()
	p.awaitSource(true)
	p.must(harm())
	p.sell()
	sold := time.Now()
	for time.Since(sold) < testMaxLag+1500*time.Millisecond {
		began := time.Now()
		if orders, fromReplica := p.listed(); orders < p.sold && began.Sub(sold) > testMaxLag {
			p.t.Fatalf("%s: %d of %d orders are listed %v later, from the replica: %v", name, orders, p.sold, time.Since(sold), fromReplica)
		}
		<-time.After(50 * time.Millisecond)
	}
	if _, fromReplica := p.listed(); fromReplica {
		p.t.Errorf("%s: it is read from", name)
	}
	checkSold(p.t, p.Ledger, "drop", "a", int64(p.sold))
}

// checkLog expects a line for each change.
func (p *pair) checkLog(harms int) {
	p.t.Helper()
	// The first look may come before the replica has everything.
	if to, back := p.log.count("from=primary"), p.log.count("from=replica"); to > harms+1 || to < harms || back != harms {
		p.t.Errorf("%d and %d lines were logged for %d changes:\n%s", to, back, harms, p.log.text.String())
	}
}

func TestListingsComeFromTheReplicaOnlyWhileItIsFresh(t *testing.T) {
	p := newPair(t)
	p.checkAfter("its replay is paused", func() error { return p.replica.PauseReplay(t.Context()) })
	p.checkLog(1)
	inspected, err := p.Inspect(t.Context())
	if err != nil || !inspected.Replica.IsReplica || inspected.Replica.LagKnown && inspected.Replica.LagMillis <= testMaxLag.Milliseconds() {
		t.Errorf("inspected %+v, %v", inspected.Replica, err)
	}
}

func TestAListingIsAnsweredInTheMomentTheReplicaGoes(t *testing.T) {
	p := newPair(t)
	p.awaitSource(true)
	p.must(p.replica.Kill())
	p.sell()
	if orders, fromReplica := p.listed(); orders != p.sold || fromReplica {
		t.Errorf("%d of %d orders, from the replica: %v", orders, p.sold, fromReplica)
	}
}

func TestTheSourceOfListingsAndTheLagAreMetrics(t *testing.T) {
	p := newPair(t)
	p.awaitSource(true)
	reg := prometheus.NewRegistry()
	reg.MustRegister(NewCollector(p.Ledger))
	if n, err := testutil.GatherAndCount(reg, "penstock_ledger_list_reads_total", "penstock_ledger_replica_lag_seconds"); n != 3 || err != nil {
		t.Errorf("%d series, %v", n, err)
	}
	if _, err := p.Order(context.WithoutCancel(t.Context()), order("drop", "a", 1).ID); err != nil {
		t.Errorf("an order that was just sold: %v", err)
	}
}

func TestTheLagIsToldByTheLatestMarkThatWasReached(t *testing.T) {
	var marks walMarks
	start := time.Now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	if _, found := marks.reached(1 << 60); found {
		t.Error("a lag is known of nothing")
	}
	for second, end := range []int64{100, 200, 200, 350} {
		marks.add(walMark{at(second), end})
	}
	for replayed, want := range map[int64]int{100: 0, 199: 0, 200: 2, 349: 2, 350: 3, 400: 3} {
		if got, found := marks.reached(replayed); !found || !got.at.Equal(at(want)) {
			t.Errorf("%d: %+v, %v", replayed, got, found)
		}
	}
	if _, found := marks.reached(99); found {
		t.Error("a lag is known of what lies before all marks")
	}
	marks.add(walMark{at(4), 50}) // another primary
	if got, found := marks.reached(300); !found || got.end != 50 {
		t.Errorf("marks of the former primary are believed: %+v", got)
	}
	for i := range 2 * maxWALMarks {
		marks.add(walMark{at(i), int64(i)})
	}
	if len(marks.marks) != maxWALMarks {
		t.Errorf("%d marks are kept", len(marks.marks))
	}
}
