package queue

import (
	"slices"
	"strconv"
	"strings"
)

// span is a range of numbers, both ends included.
type span struct{ first, last uint64 }

func (s span) size() uint64 { return s.last - s.first + 1 }

// spans are in ascending order; no two of them overlap or touch.
type spans []span

// add returns the spans with one more, which may overlap them.
func (s spans) add(n span) spans {
	if n.first > n.last {
		return s
	}
	from, _ := slices.BinarySearchFunc(s, n.first, func(have span, first uint64) int {
		if have.last+1 < first {
			return -1
		}
		return 1
	})
	to := from
	for to < len(s) && s[to].first <= n.last+1 {
		n.first, n.last = min(n.first, s[to].first), max(n.last, s[to].last)
		to++
	}
	return slices.Replace(s, from, to, n)
}

// gapsUpTo returns what the spans leave out of 1 … last.
func (s spans) gapsUpTo(last uint64) spans {
	var gaps spans
	next := uint64(1)
	for _, have := range s {
		if have.first > last {
			break
		}
		if have.first > next {
			gaps = append(gaps, span{first: next, last: have.first - 1})
		}
		next = have.last + 1
	}
	if next <= last {
		gaps = append(gaps, span{first: next, last: last})
	}
	return gaps
}

func (s spans) has(n uint64) bool {
	_, found := slices.BinarySearchFunc(s, n, func(have span, n uint64) int {
		switch {
		case have.last < n:
			return -1
		case have.first > n:
			return 1
		}
		return 0
	})
	return found
}

func (s spans) size() (n uint64) {
	for _, one := range s {
		n += one.size()
	}
	return n
}

// bounded returns the last spans of which there are at most count, with at most size numbers.
func (s spans) bounded(count int, size uint64) spans {
	if len(s) > count {
		s = s[len(s)-count:]
	}
	for have := s.size(); have > size; {
		one := s[0]
		surplus := min(have-size, one.size())
		have -= surplus
		s = slices.Clone(s)
		if s[0].first += surplus; surplus == one.size() {
			s = s[1:]
		}
	}
	return s
}

// String writes the spans as Redis holds them: "3-7 12-12".
func (s spans) String() string {
	b := make([]byte, 0, 16*len(s))
	for i, one := range s {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, one.first, 10)
		b = append(b, '-')
		b = strconv.AppendUint(b, one.last, 10)
	}
	return string(b)
}

// parseSpans reads what String wrote, and passes over anything else.
func parseSpans(text string) spans {
	var s spans
	for part := range strings.FieldsSeq(text) {
		first, last, _ := strings.Cut(part, "-")
		from, err1 := strconv.ParseUint(first, 10, 32)
		to, err2 := strconv.ParseUint(last, 10, 32)
		if err1 == nil && err2 == nil && from >= 1 && to <= maxNumber {
			s = s.add(span{first: from, last: to})
		}
	}
	return s
}
