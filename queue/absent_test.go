package queue

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// numbersIn lists the numbers of spans.
func numbersIn(s spans) []uint64 {
	var all []uint64
	for _, one := range s {
		for n := one.first; n <= one.last; n++ {
			all = append(all, n)
		}
	}
	return all
}

func TestSpansAreASetOfNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s spans
		want := make(map[uint64]bool)
		for range rapid.IntRange(0, 12).Draw(t, "spans") {
			first := rapid.Uint64Range(1, 60).Draw(t, "first")
			one := span{first: first, last: first + rapid.Uint64Range(0, 9).Draw(t, "more")}
			for n := one.first; n <= one.last; n++ {
				want[n] = true
			}
			s = s.add(one)
		}
		for i := 1; i < len(s); i++ {
			if s[i].first <= s[i-1].last+1 {
				t.Fatalf("%v overlap or touch", s)
			}
		}
		for n := uint64(1); n <= 80; n++ {
			if s.has(n) != want[n] {
				t.Fatalf("%d in %v: %v", n, s, s.has(n))
			}
		}
		last := rapid.Uint64Range(0, 80).Draw(t, "mark")
		gaps := s.gapsUpTo(last)
		for n := uint64(1); n <= 90; n++ {
			if gaps.has(n) != (n <= last && !want[n]) {
				t.Fatalf("%d is a gap of %v up to %d: %v", n, s, last, gaps.has(n))
			}
		}
		if back := parseSpans(s.String()); !slices.Equal(back, s) {
			t.Fatalf("%q was read as %v", s.String(), back)
		}
		count, size := rapid.IntRange(0, 4).Draw(t, "count"), rapid.Uint64Range(0, 40).Draw(t, "size")
		b := s.bounded(count, size)
		all, kept := numbersIn(s), numbersIn(b)
		if len(b) > count || b.size() > size || !slices.Equal(kept, all[len(all)-len(kept):]) {
			t.Fatalf("%v bounded to %d and %d is %v", s, count, size, b)
		}
	})
}

func FuzzParseSpans(f *testing.F) {
	f.Add("1-2 5-5")
	f.Add("9-1 x 0-3 7")
	f.Fuzz(func(t *testing.T, text string) {
		s := parseSpans(text)
		if again := parseSpans(s.String()); !slices.Equal(again, s) {
			t.Fatalf("%v and %v", s, again)
		}
	})
}

// TestAbsentPlacesAreThoseOfTheUnprovenNumbers compares with a plain set, for fifo and draw.
func TestAbsentPlacesAreThoseOfTheUnprovenNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gaps := spans{}.add(span{3, 9}).add(span{20, 31})
		var draw *Draw
		if rapid.Bool().Draw(t, "draw") {
			draw = NewDraw(make([]byte, seedBytes), 0, rapid.Uint64Range(1, 40).Draw(t, "count"))
		}
		proven := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Number { return Number(rapid.Uint64Range(1, 40).Draw(t, "n")) })).Draw(t, "proven")
		half := len(proven) / 2
		a := newAbsences(0, gaps, proven[:half], nil).with(proven[half:], draw)
		want := make(map[uint64]bool)
		for n := Number(1); n <= 40; n++ {
			absent := gaps.has(uint64(n)) && !slices.Contains(proven, n)
			if a.has(n) != absent {
				t.Fatalf("%d: %v", n, a.has(n))
			}
			place := uint64(n)
			if draw != nil {
				place = draw.Place(n)
			}
			want[place] = absent
		}
		above := rapid.Uint64Range(0, 40).Draw(t, "above")
		upTo := rapid.Uint64Range(0, 45).Draw(t, "up to")
		count, first := uint64(0), uint64(0)
		for place := uint64(1); place <= 40; place++ {
			if a.hasPlace(place) != want[place] {
				t.Fatalf("place %d: %v", place, a.hasPlace(place))
			}
			if want[place] && place > above && place <= upTo {
				count++
			}
			if want[place] && place > above && first == 0 {
				first = place
			}
		}
		if got := a.between(above, upTo); got != count {
			t.Fatalf("%d absent above %d up to %d, want %d", got, above, upTo, count)
		}
		if got := a.firstAbove(above); got != first {
			t.Fatalf("first above %d: %d, want %d", above, got, first)
		}
	})
	var none *absences
	if none.has(1) || none.hasPlace(1) || none.upTo(9) != 0 || none.firstAbove(0) != 0 || none.with([]Number{1}, nil) != nil {
		t.Fatal("none is not empty")
	}
}
