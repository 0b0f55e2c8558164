//go:build sizes

package console

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // makes ids that Postgres can make too
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

const (
	million = 1_000_000
	// filledAtOnce is how many orders one statement makes.
	filledAtOnce = 100_000

	// What the lists promise of a ledger with a million orders.
	firstRowLimit = 200 * time.Millisecond
	pageLimit     = 100 * time.Millisecond
	statsLimit    = 3 * time.Second
	// heapLimit bounds what an export may add to the memory in use, garbage included. All its rows are several
	// hundred megabytes.
	heapLimit = 128 << 20
	// rounds is how often each is measured; the median counts.
	rounds = 11
)

// fillMillion writes a million orders with 1.2 million lines as the drain would have left them.
func fillMillion(t *testing.T, server *testenv.PostgresServer) {
	t.Helper()
	run := func(statement string) {
		t.Helper()
		if err := server.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%v in %s", err, statement)
		}
	}
	for from := 0; from < million; from += filledAtOnce {
		series := fmt.Sprintf("generate_series(%d, %d) n", from, from+filledAtOnce-1)
		run(`INSERT INTO orders (id, reservation, sale, customer, channel, payment_ref, customer_doc, metadata, epoch, created_ms, committed_ms, number)
			SELECT ` + millionthID + `, 'rsv_' || md5('r' || n), 'drop', md5('c' || n), 'web', 'pi_' || n,
			'{"email":"visitor' || n || '@example.org","name":"Jürgen Groß","address":{"street":"Hauptstraße 1","city":"Köln"}}', '',
			1, 1790000000000 + n / 20, 1790000001000 + n / 20, n + 1 FROM ` + series)
		run(`INSERT INTO order_lines SELECT ` + millionthID + `, line, 'A', 1, 12900, 'EUR' FROM ` + series + `, generate_series(0, CASE WHEN n % 5 = 0 THEN 1 ELSE 0 END) line`)
	}
	run(`UPDATE items SET sold = 1200000 WHERE sale = 'drop'`)
	run(`VACUUM ANALYZE`)
}

// millionthID is the id of the order n: unordered, as real ones are.
const millionthID = `'ord_' || md5('o' || n)`

func TestAMillionOrdersAreListedAndExportedAtOnce(t *testing.T) {
	server := testenv.PostgresDedicated(t)
	s := newStageOn(t, server.URL)
	s.admin("POST", "/admin/v1/sales", strings.Replace(saleDoc("drop", live), `"stock":100`, `"stock":2000000`, 1), 201)
	began := time.Now()
	fillMillion(t, server)
	t.Logf("filled in %v", time.Since(began).Round(time.Second))

	for _, at := range []int{0, million / 2, million - 2000} {
		after := ""
		if at > 0 {
			after = "&after=" + idOfMillion(at)
		}
		for _, limit := range []int{100, 1000} {
			s.within(fmt.Sprintf("a page of %d at %d", limit, at), pageLimit, func() {
				page, _, _, err := readExport(fmt.Sprintf("%s%s?limit=%d%s", s.url, dropOrders, limit, after), "application/json")
				if n := bytes.Count(page, []byte(`"reservation"`)); n != limit || err != nil {
					t.Fatalf("%d orders, %v", n, err)
				}
			})
		}
		for _, kind := range []string{"text/csv", "application/x-ndjson"} {
			s.within(fmt.Sprintf("the first row of %s at %d", kind, at), firstRowLimit, func() { s.stream(dropOrders+"?bom=0"+after, kind, 2) })
		}
	}
	s.within("the stats of the console", pageLimit, func() { s.admin("GET", "/admin/v1/sales/drop/stats", "", 200) })
	s.within("the sums over all orders", statsLimit, func() {
		stats, err := s.ledger.OrderStats(t.Context(), "drop")
		if err != nil || stats.Orders != million || stats.Units["A"] != million*12/10 || stats.Duplicates != 0 {
			t.Errorf("%+v, %v", stats, err)
		}
	})
	for _, kind := range []string{"text/csv", "application/x-ndjson"} {
		s.exportMillion(kind)
	}
}

func idOfMillion(n int) string { return fmt.Sprintf("ord_%x", md5.Sum([]byte("o"+strconv.Itoa(n)))) }

// stream reads the first lines of an export, or all with 0, and returns how many there were, and the trailer.
func (s *stage) stream(path, kind string, most int) (lines int, trailer string) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bootstrapKey)
	req.Header.Set("Accept", kind)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	for in := bufio.NewScanner(res.Body); ; lines++ {
		if lines > 0 && lines == most {
			return lines, ""
		}
		if !in.Scan() {
			if in.Err() != nil || res.StatusCode != http.StatusOK {
				s.t.Fatalf("status %d, %v", res.StatusCode, in.Err())
			}
			return lines, res.Trailer.Get(ordersTrailer)
		}
	}
}

// exportMillion reads all orders and looks what memory that takes.
func (s *stage) exportMillion(kind string) {
	s.t.Helper()
	before, most := heapInUse(), uint64(0)
	finished, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-finished:
				return
			case <-tick.C:
				var stats runtime.MemStats
				runtime.ReadMemStats(&stats)
				most = max(most, stats.HeapAlloc)
			}
		}
	}()
	began := time.Now()
	lines, trailer := s.stream(dropOrders, kind, 0)
	close(finished)
	<-watched
	s.t.Logf("%d lines of %s in %v, %d MB more in use at most", lines, kind, time.Since(began).Round(100*time.Millisecond), (most-min(most, before))>>20)
	if trailer != strconv.Itoa(million) || lines < million {
		s.t.Errorf("%s: %d lines, trailer %q", kind, lines, trailer)
	}
	if most > before+heapLimit {
		s.t.Errorf("%s: the heap grew from %d to %d MB", kind, before>>20, most>>20)
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// within measures an act and fails when its median is above the limit.
func (s *stage) within(what string, limit time.Duration, act func()) {
	s.t.Helper()
	took := make([]time.Duration, rounds)
	for i := range took {
		began := time.Now()
		act()
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	median, most := took[rounds/2], took[rounds-1]
	s.t.Logf("%-50s median %8v, at most %8v", what, median.Round(100*time.Microsecond), most.Round(100*time.Microsecond))
	if median > limit {
		s.t.Errorf("%s takes %v, more than %v", what, median, limit)
	}
}
