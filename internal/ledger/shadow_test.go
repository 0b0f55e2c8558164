package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/penstock/penstock/internal/problem"
)

func mirroredCall(key string, outcome ShadowOutcome, code problem.Code, units int64) ShadowCall {
	return ShadowCall{
		Sale: "drop", Key: key, Payload: "p-" + key, AtMillis: 1_900_000_000_000, Outcome: outcome, Code: code,
		Reference: "ref-" + key, Units: map[string]int64{"A": units},
	}
}

func TestAMirroredCallIsCountedOnce(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "A")
		calls := []ShadowCall{
			mirroredCall("1", ShadowAccepted, "", 2), mirroredCall("2", ShadowAccepted, problem.SoldOut, 3),
			mirroredCall("3", ShadowRefused, "", 1), mirroredCall("4", ShadowRefused, problem.SoldOut, 1),
		}
		for range 2 {
			if err := l.RecordShadow(t.Context(), append(calls, calls[0])); err != nil {
				t.Fatal(err)
			}
		}
		counts, err := l.ShadowCounts(t.Context(), "drop")
		want := []ShadowCount{
			{ShadowAccepted, "", "", 1}, {ShadowAccepted, "", "A", 2},
			{ShadowAccepted, problem.SoldOut, "", 1}, {ShadowAccepted, problem.SoldOut, "A", 3},
			{ShadowRefused, "", "", 1}, {ShadowRefused, "", "A", 1},
			{ShadowRefused, problem.SoldOut, "", 1}, {ShadowRefused, problem.SoldOut, "A", 1},
		}
		if err != nil || !slices.Equal(counts, want) {
			t.Errorf("%v %v", counts, err)
		}
		differing, err := l.ShadowDifferences(t.Context(), "drop", 10)
		if err != nil || len(differing) != 2 || differing[0].Key != "2" || differing[1].Key != "3" || differing[0].Units["A"] != 3 {
			t.Errorf("%+v %v", differing, err)
		}
		found, known, err := l.ShadowCall(t.Context(), "drop", "2")
		if err != nil || !known || found.Code != problem.SoldOut || found.Payload != "p-2" {
			t.Errorf("%+v %v %v", found, known, err)
		}
	})
}

func TestUnitsOfACancelledCallAreAllocatedOnceMoreUnlessTheyWereNeverThere(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "A")
		if err := l.RecordShadow(t.Context(), []ShadowCall{
			mirroredCall("1", ShadowAccepted, "", 2), mirroredCall("2", ShadowAccepted, problem.SoldOut, 3),
		}); err != nil {
			t.Fatal(err)
		}
		cancel := func(key, reference string) (int64, error) {
			return l.CancelShadow(t.Context(), ShadowCall{Sale: "drop", Key: key, AtMillis: 1, Reference: reference})
		}
		for _, c := range []struct{ key, reference string }{{"c1", "ref-1"}, {"c2", "ref-2"}} {
			if _, err := cancel(c.key, c.reference); err != nil {
				t.Fatal(err)
			}
		}
		items, err := l.Items(t.Context(), "drop")
		if err != nil || items[0].Allocated != 12 {
			t.Errorf("%+v %v", items, err)
		}
		for _, reference := range []string{"ref-1", "none", ""} {
			if _, err := cancel("c3", reference); !errors.Is(err, problem.UnknownReference) {
				t.Errorf("%q: %v", reference, err)
			}
		}
	})
}

func TestWhatARunHasCountedIsWrittenOver(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		newSale(t, l, "drop", 10, "A")
		for n := range 3 {
			run := ShadowRun{Sale: "drop", Run: "r", Counts: fmt.Appendf(nil, "%d", n), SeenMillis: int64(n), Ended: n == 2}
			if err := l.SaveShadowRun(t.Context(), run); err != nil {
				t.Fatal(err)
			}
		}
		runs, err := l.ShadowRuns(t.Context(), "drop")
		if err != nil || len(runs) != 1 || string(runs[0].Counts) != "2" || runs[0].SeenMillis != 2 || !runs[0].Ended {
			t.Errorf("%+v %v", runs, err)
		}
		if err := l.DeleteSale(context.Background(), "drop"); err != nil {
			t.Fatal(err)
		}
		if runs, err := l.ShadowRuns(t.Context(), "drop"); err != nil || len(runs) != 0 {
			t.Errorf("a sale that is gone has %+v %v", runs, err)
		}
	})
}
