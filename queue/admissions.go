package queue

import (
	"maps"
	"slices"
	"strconv"
)

const minuteMillis = 60_000

// admissions counts admissions by the ms. Those of a minute are at most 60,000 entries, whatever the rate.
type admissions map[int64]int64

func (a *admissions) add(atMillis int64) {
	if *a == nil {
		*a = make(admissions)
	}
	(*a)[atMillis]++
}

// forget drops the admissions before a moment.
func (a admissions) forget(beforeMillis int64) {
	maps.DeleteFunc(a, func(at, _ int64) bool { return at < beforeMillis })
}

func (a admissions) total() (n int64) {
	for _, count := range a {
		n += count
	}
	return n
}

// entries writes the admissions in order, as Redis holds them: "ms:before", where before counts the earlier ones.
func (a admissions) entries() []string {
	entries, before := make([]string, 0, len(a)), int64(0)
	for _, at := range slices.Sorted(maps.Keys(a)) {
		entries = append(entries, strconv.FormatInt(at, 10)+":"+strconv.FormatInt(before, 10))
		before += a[at]
	}
	return entries
}
