package main

import (
	"slices"
	"testing"

	"github.com/penstock/penstock/loadtest/internal/admin"
)

func TestCompareFindsWhatWasLostOrDoubled(t *testing.T) {
	accepted := []acceptedOrder{
		{ID: "ord_a", Reservation: "rsv_a"}, {ID: "ord_b", Reservation: "rsv_b"},
		{ID: "ord_b", Reservation: "rsv_b"}, // told twice, as a repeat is
		{ID: "ord_c", Reservation: "rsv_c"},
	}
	ledger := []admin.LedgerOrder{
		{ID: "ord_a", Reservation: "rsv_a"},
		{ID: "ord_b", Reservation: "rsv_b"}, {ID: "ord_x", Reservation: "rsv_b"}, // one reservation, two orders
		{ID: "ord_y", Reservation: "rsv_y"}, // nobody heard of it
	}
	l := compare(accepted, ledger)
	if l.accepted != 3 || l.inLedger != 2 {
		t.Errorf("accepted %d, in the ledger %d; want 3 and 2", l.accepted, l.inLedger)
	}
	if !slices.Equal(l.missing, []string{"ord_c"}) {
		t.Errorf("missing %v, want ord_c", l.missing)
	}
	if !slices.Equal(l.duplicated, []string{"ord_x"}) {
		t.Errorf("duplicated %v, want ord_x", l.duplicated)
	}
	if l.unheard != 2 {
		t.Errorf("unheard %d, want 2 (ord_x, ord_y)", l.unheard)
	}
}
