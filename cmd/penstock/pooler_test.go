package main

import (
	"net/http"
	"testing"

	"github.com/penstock/penstock/internal/testenv"
)

// TestAPoolerInTransactionModeStandsBeforeTheLedger starts twice, because what the first start
// leaves prepared on the server is what the second one meets.
func TestAPoolerInTransactionModeStandsBeforeTheLedger(t *testing.T) {
	pooler := testenv.PgBouncer(t, testenv.Postgres(t).URL)
	s := newServer(t, "PENSTOCK_POSTGRES_URL="+pooler.URL)
	for round, name := range []string{"first", "second"} {
		s.start()
		s.createSale(name, 5, map[string]any{"admission": map[string]any{"mode": "open"}})
		v := &visitor{front: s.front, sale: name, name: "ada"}
		held := must(t, http.StatusCreated, v.reservation("A", 1, "r"))
		v.holder = held.header.Get("Penstock-Holder")
		must(t, http.StatusAccepted, v.order(held.text("id"), "o"))
		s.verify()
		if code := s.terminate(); code != 0 {
			t.Fatalf("round %d: exit %d", round, code)
		}
	}
}
