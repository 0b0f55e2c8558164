package ledger

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// A pooler in transaction mode gives each transaction another connection to the server: nothing may
// be left on a connection, neither a prepared statement nor a lock of the session.
func TestThroughATransactionPoolerTheLedgerWorksOnEachStart(t *testing.T) {
	pooled := testenv.PgBouncer(t, testenv.Postgres(t).URL).URL
	for start := range 3 {
		l, err := Open(t.Context(), pooled, quiet(), Options{ReadURL: pooled})
		if err != nil {
			t.Fatalf("start %d: %v", start+1, err)
		}
		useAll(t, l, fmt.Sprintf("drop-%d", start))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// useAll calls what a node calls, from several goroutines at once.
func useAll(t *testing.T, l *Ledger, saleID string) {
	t.Helper()
	newSale(t, l, saleID, 1000, "a", "b")
	var all sync.WaitGroup
	for worker := range 6 {
		all.Go(func() {
			for n := range 20 {
				from := worker*100 + n*5
				if _, err := l.CommitOrders(t.Context(), orderRange(saleID, []string{"a", "b"}[n%2], from, from+5)); err != nil {
					t.Errorf("commit: %v", err)
				}
				if _, err := l.Order(t.Context(), order(saleID, "a", from).ID); err != nil {
					t.Errorf("order: %v", err)
				}
				if _, _, err := l.ReportOrders(t.Context(), saleID, "", 10); err != nil {
					t.Errorf("orders: %v", err)
				}
			}
		})
	}
	all.Wait()
	_, err := l.AddDeadLetter(t.Context(), []byte{0, 0xff}, errors.New("no order"))
	if err != nil {
		t.Error(err)
	}
	if err := l.AppendAudit(t.Context(), Entry{AtMillis: 1, Action: "a", Sale: saleID}); err != nil {
		t.Error(err)
	}
	rec, err := l.Sale(t.Context(), saleID)
	if err != nil {
		t.Fatal(err)
	}
	rec.Items = slices.Insert(rec.Items, 0, sale.Item{SKU: "c", Stock: 1})
	if _, err := l.SaveSale(t.Context(), rec, rec.Version); err != nil {
		t.Error(err)
	}
	if _, err := l.BumpEpoch(t.Context(), saleID); err != nil {
		t.Error(err)
	}
	stats, err := l.OrderStats(t.Context(), saleID)
	if err != nil || stats.Orders != 600 {
		t.Errorf("%d orders, %v", stats.Orders, err)
	}
}

// Nodes that start together behind a pooler take turns, and none of them leaves the turn taken.
func TestThroughATransactionPoolerManyNodesMigrateOnce(t *testing.T) {
	pooled := testenv.PgBouncer(t, testenv.Postgres(t).URL).URL
	began := time.Now()
	var mu sync.Mutex
	var applied []string
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			names, err := Migrate(t.Context(), pooled)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			applied = append(applied, names...)
		})
	}
	all.Wait()
	for range 5 {
		if again, err := Migrate(t.Context(), pooled); err != nil || len(again) != 0 {
			t.Errorf("again: %v, %v", again, err)
		}
	}
	if len(applied) == 0 || len(slices.Compact(slices.Sorted(slices.Values(applied)))) != len(applied) {
		t.Errorf("applied %v", applied)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v: a lock was left behind", took)
	}
}

func TestAPoolerIsSeen(t *testing.T) {
	direct := testenv.Postgres(t).URL
	if l := open(t, direct); l.pooled {
		t.Error("a pooler is seen where none is")
	}
	if l := open(t, testenv.PgBouncer(t, direct).URL); !l.pooled {
		t.Error("the pooler is not seen")
	}
}
