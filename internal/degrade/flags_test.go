package degrade

import (
	"slices"
	"strings"
	"testing"
)

func TestFlagsGoOffInOrder(t *testing.T) {
	flags := Flags()
	if !slices.IsSortedFunc(flags, func(a, b Flag) int { return strings.Compare(a.Key, b.Key) }) {
		t.Error("flags are not sorted by key")
	}
	for _, f := range flags {
		if f.OffFrom <= Normal || f.About == "" {
			t.Errorf("%s: off from %v, about %q", f.Key, f.OffFrom, f.About)
		}
		for _, l := range Levels() {
			e, known := Evaluate(f.Key, l)
			if !known || e.Value != (l < f.OffFrom) || (e.Variant == "on") != e.Value {
				t.Errorf("%s at %v: %+v", f.Key, l, e)
			}
		}
	}
	if e, known := Evaluate("checkout", Survival); known {
		t.Errorf("unknown flag evaluated: %+v", e)
	}
	for key, offFrom := range map[string]Level{"recommendations": Elevated, "admin-writes": Critical} {
		if e, _ := Evaluate(key, offFrom-1); !e.Value {
			t.Errorf("%s is off below %v", key, offFrom)
		}
		if e, _ := Evaluate(key, offFrom); e.Value {
			t.Errorf("%s is on at %v", key, offFrom)
		}
	}
}
