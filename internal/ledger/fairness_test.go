package ledger

import (
	"testing"
)

func TestWhatWasPublishedOfASaleStays(t *testing.T) {
	onEach(t, func(t *testing.T, l *Ledger) {
		if _, found, err := l.Fairness(t.Context(), "drop"); err != nil || found {
			t.Fatalf("found %v, %v", found, err)
		}
		first := FairnessReport{Sale: "drop", CreatedMillis: 1, EndsMillis: 2, MadeMillis: 3, Body: `{"name":"Übergröße ✓"}` + "\n"}
		again := first
		again.MadeMillis, again.Body = 9, "{}"
		for _, one := range []struct {
			report FairnessReport
			stored bool
		}{{first, true}, {first, false}, {again, false}} {
			if stored, err := l.SaveFairness(t.Context(), &one.report); err != nil || stored != one.stored {
				t.Fatalf("stored %v, %v", stored, err)
			}
		}
		if got, found, err := l.Fairness(t.Context(), "drop"); err != nil || !found || got != first {
			t.Fatalf("%+v, %v, %v", got, found, err)
		}
		for _, next := range []FairnessReport{
			{Sale: "drop", CreatedMillis: 1, EndsMillis: 20, MadeMillis: 30, Body: `{"went":"on"}`},
			{Sale: "drop", CreatedMillis: 100, EndsMillis: 20, MadeMillis: 40, Body: `{"another":"one"}`},
		} {
			if stored, err := l.SaveFairness(t.Context(), &next); err != nil || !stored {
				t.Fatalf("stored %v, %v", stored, err)
			}
			if got, found, err := l.Fairness(t.Context(), "drop"); err != nil || !found || got != next {
				t.Fatalf("%+v, %v, %v", got, found, err)
			}
			next.Body = ""
			if got, found, err := l.FairnessHead(t.Context(), "drop"); err != nil || !found || got != next {
				t.Fatalf("head %+v, %v, %v", got, found, err)
			}
		}
	})
}
