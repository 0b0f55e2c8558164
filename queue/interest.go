package queue

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/problem"
)

// MaxInterest bounds the items that one visitor may name.
const MaxInterest = 4

// Mark stands for a SKU where there is no room for its name: the first 24 bits of its SHA-256. 0 stands for none.
type Mark uint32

// MarkOf returns the mark of the SKU, which is never 0.
func MarkOf(sku string) Mark {
	sum := sha256.Sum256([]byte(sku))
	return max(1, Mark(sum[0])<<16|Mark(sum[1])<<8|Mark(sum[2]))
}

func (m Mark) decimal() string { return strconv.FormatUint(uint64(m), 10) }

// Interest is the set of items for which a visitor came, as marks in ascending order, the zeros first. The zero
// value names none: the visitor takes any.
type Interest [MaxInterest]Mark

// InterestIn returns the interest in up to MaxInterest of the items that a sale has. An item whose mark another
// one of the sale has too cannot be told apart, and is left out.
func (r *Room) InterestIn(skus []string) Interest {
	var i Interest
	known := r.catalog.Load()
	for _, sku := range skus[:min(len(skus), MaxInterest)] {
		mark := MarkOf(sku)
		if at, found := known.at[mark]; found && known.skus[at] == sku && !slices.Contains(i[:], mark) {
			i[0] = mark
			slices.Sort(i[:])
		}
	}
	return i
}

// Named says whether any item is named.
func (i Interest) Named() bool { return i != Interest{} }

// words are the marks as the scripts take them, separated by commas.
func (i Interest) words() string {
	var words []string
	for _, mark := range i {
		if mark != 0 {
			words = append(words, mark.decimal())
		}
	}
	return strings.Join(words, ",")
}

func (i Interest) put(b []byte) {
	for at, mark := range i {
		b[3*at], b[3*at+1], b[3*at+2] = byte(mark>>16), byte(mark>>8), byte(mark)
	}
}

func readInterest(b []byte) (i Interest) {
	for at := range i {
		i[at] = Mark(b[3*at])<<16 | Mark(b[3*at+1])<<8 | Mark(b[3*at+2])
	}
	return i
}

// catalog finds the items of a sale by their marks. It is never changed once published.
type catalog struct {
	skus []string
	at   map[Mark]int // without the marks that several items have
}

func newCatalog(skus []string) *catalog {
	c := &catalog{skus: skus, at: make(map[Mark]int, len(skus))}
	twice := make(map[Mark]bool)
	for i, sku := range skus {
		mark := MarkOf(sku)
		if _, taken := c.at[mark]; taken {
			twice[mark] = true
		}
		c.at[mark] = i
	}
	for mark := range twice {
		delete(c.at, mark)
	}
	return c
}

// wanted counts, of the visitors who joined since the room was made, who named an item. After a loss of Redis it
// begins anew with those who join then: nothing but estimates hangs on it.
type wanted struct {
	named  uint64          // visitors who named any
	byMark map[Mark]uint64 // of those, how many named this one
}

// parseWanted reads the field of the room: "named;mark=count,mark=count".
func parseWanted(text string) (w wanted) {
	head, list, _ := strings.Cut(text, ";")
	w.named, _ = strconv.ParseUint(head, 10, 64)
	if list == "" {
		return w
	}
	w.byMark = make(map[Mark]uint64)
	for entry := range strings.SplitSeq(list, ",") {
		mark, count, _ := strings.Cut(entry, "=")
		m, errMark := strconv.ParseUint(mark, 10, 24)
		n, errCount := strconv.ParseUint(count, 10, 64)
		if errMark == nil && errCount == nil {
			w.byMark[Mark(m)] = n
		}
	}
	return w
}

// countKeyed counts the interest of a ticket that was given for a key. When that fails, an estimate is missing one.
func (r *Room) countKeyed(ctx context.Context, t Ticket) {
	nameless := t
	nameless.Interest = Interest{}
	if _, err := r.ChangeInterest(ctx, nameless, t.Interest); err != nil {
		r.deps.Log.Debug("the items that a visitor named are not counted", "sale", r.saleID, "error", err)
	}
}

// ChangeInterest gives the holder of a ticket the same place with another interest, and counts the change. It is
// idempotent. The error is ticket_invalid or unavailable.
func (r *Room) ChangeInterest(ctx context.Context, t Ticket, to Interest) (Ticket, error) {
	if t.Interest == to {
		return t, nil
	}
	status, err := interestScript.Exec(ctx, r.deps.Redis, []string{r.keys[keyRoom], r.keys[keyInterest]},
		[]string{t.Number.decimal(), t.Interest.words(), to.words()}).ToString()
	switch {
	case err != nil:
		return t, unavailable("change the interest of a ticket of "+r.saleID, err)
	case status == "lost":
		return t, r.lost()
	case status == "unknown":
		return t, problem.With(problem.TicketInvalid, "this number was never given")
	case status != "ok":
		return t, fmt.Errorf("change the interest of a ticket of %s: unknown status %q: %w", r.saleID, status, problem.Unavailable)
	}
	t.Interest = to
	return t, nil
}
