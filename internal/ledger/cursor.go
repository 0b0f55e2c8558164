package ledger

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/penstock/penstock/internal/problem"
)

// maxPage bounds a page of any listing.
const maxPage = 1000

func bounded(limit int) int { return min(max(limit, 1), maxPage) }

// position is a row's place in a listing by time. Neither part of it ever
// changes, so a cursor stays good whatever is written meanwhile.
type position struct {
	millis int64
	id     string
}

// A listing without a cursor begins before the oldest row, or after the newest.
const (
	beforeAll = math.MinInt64
	afterAll  = math.MaxInt64
)

// parseCursor reads what nextCursor wrote; "" is the given start.
func parseCursor(cursor string, startMillis int64) (position, error) {
	if cursor == "" {
		return position{millis: startMillis}, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return position{}, problem.With(problem.BadRequest, "cursor: not one that was given out")
	}
	millis, id, _ := strings.Cut(string(text), " ")
	at, err := strconv.ParseInt(millis, 10, 64)
	if err != nil || id == "" || !storable(id) {
		return position{}, problem.With(problem.BadRequest, "cursor: not one that was given out")
	}
	return position{millis: at, id: id}, nil
}

// nextCursor is "" when the page was not full: nothing follows.
func nextCursor(rows, limit int, last position) string {
	if rows < bounded(limit) {
		return ""
	}
	return last.cursor()
}

// cursor is the text from which parseCursor reads the position.
func (p position) cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(p.millis, 10) + " " + p.id))
}

// storable reports whether both databases can hold the texts: PostgreSQL takes
// neither a NUL nor what is not UTF-8.
func storable(texts ...string) bool {
	for _, text := range texts {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return false
		}
	}
	return true
}
