package ledger

import (
	"slices"
	"time"
)

// walMark says where the log of the primary ended, in bytes, at a moment or later.
type walMark struct {
	at  time.Time
	end int64
}

// maxWALMarks bounds the marks that are kept: one a second, so that a lag of up to ten minutes can be told.
const maxWALMarks = 600

// walMarks are the latest marks, the oldest first.
type walMarks struct{ marks []walMark }

// add notes a mark. A log that ends before it did is another one, of which the former marks say nothing.
func (w *walMarks) add(m walMark) {
	if n := len(w.marks); n > 0 && m.end < w.marks[n-1].end {
		w.marks = w.marks[:0]
	}
	if len(w.marks) == maxWALMarks {
		w.marks = slices.Delete(w.marks, 0, 1)
	}
	w.marks = append(w.marks, m)
}

// reached is the latest mark that lies within what has been repeated of the log.
func (w *walMarks) reached(repeated int64) (walMark, bool) {
	for _, m := range slices.Backward(w.marks) {
		if m.end <= repeated {
			return m, true
		}
	}
	return walMark{}, false
}
