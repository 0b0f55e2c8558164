//go:build faults

package main

import (
	"encoding/json"
	"testing"

	"github.com/penstock/penstock/internal/verify"
)

// wantSoldOutExactly fails unless every invariant holds and the ledger has exactly one order for
// each unit of item A, and none of item B.
func wantSoldOutExactly(t testing.TB, s *server, units int) {
	t.Helper()
	out, code := s.command("verify", "--json")
	if code != 0 {
		t.Errorf("verify: exit %d\n%s", code, out)
	}
	var report verify.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || len(report.Sales) != 1 {
		t.Fatalf("verify answered (%v)\n%s", err, out)
	}
	want := int64(units)
	got := report.Sales[0]
	if got.Orders != want || got.Sold != want || got.Held != 0 || got.Duplicates != 0 || got.Lost != 0 || got.Available+got.Sold != got.Allocated {
		t.Errorf("verify counts %+v, want %d orders, all else sold or available", got, units)
	}
}
