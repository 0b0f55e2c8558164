package degrade

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOperationsListsEveryFlagAtItsLevel compares the table of levels in docs/operations.md with Flags.
func TestOperationsListsEveryFlagAtItsLevel(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range Levels() {
		row := regexp.MustCompile(`(?m)^\| ` + l.String() + ` \|.*\| ([^|]*) \|$`).FindSubmatch(page)
		if row == nil {
			t.Fatalf("docs/operations.md has no row for %s", l)
		}
		var listed, want []string
		for _, key := range regexp.MustCompile("`([^`]+)`").FindAllSubmatch(row[1], -1) {
			listed = append(listed, string(key[1]))
		}
		for _, f := range Flags() {
			if f.OffFrom == l {
				want = append(want, f.Key)
			}
		}
		if !slices.Equal(listed, want) {
			t.Errorf("at %s docs/operations.md lists %q, want %q", l, listed, want)
		}
	}
}

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
