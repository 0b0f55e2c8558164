package console

import (
	"reflect"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

// Whoever saves a form without a change changes nothing.
func TestTheRulesOfSpillOverAreReadAsTheyAreShown(t *testing.T) {
	rules := []sale.Spill{
		{From: "market", To: "every", When: sale.WhenSoldOut}, // a channel may have any name
		{From: "web", When: sale.WhenSoldOut},
		{From: "to", To: "at", After: sale.Duration(90*time.Minute + 1500*time.Millisecond)},
		{From: "after", To: "when", At: time.Date(2030, 12, 1, 10, 30, 0, 123_000_000, time.UTC)},
	}
	f := &saleForm{Errors: map[string]string{}, rulesForm: rulesForm{Spill: showSpill(rules)}}
	if got := f.spill(); !f.ok() || !reflect.DeepEqual(got, rules) {
		t.Fatalf("%q is read as %+v, %v", f.Spill, got, f.Errors)
	}
}
