package queue

import (
	"strconv"
	"strings"
)

// change is one entry of the room's log of changes.
type change struct {
	kind   byte
	number Number
	a, b   int64
}

// parseChange reads "c:<ticket>:<issued s>:<expires s>", "g:<ticket>:<deadline ms>",
// "l:<ticket>", "r:<ticket>" or "p:<ticket>".
func parseChange(entry string) (change, bool) {
	kind, rest, ok := strings.Cut(entry, ":")
	if !ok || len(kind) != 1 {
		return change{}, false
	}
	c := change{kind: kind[0]}
	var numbers [3]int64
	for i := range numbers {
		part, tail, more := strings.Cut(rest, ":")
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil || n < 0 {
			return change{}, false
		}
		numbers[i] = n
		if rest = tail; !more {
			break
		}
	}
	c.number, c.a, c.b = Number(numbers[0]), numbers[1], numbers[2]
	return c, c.number.valid()
}
