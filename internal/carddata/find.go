package carddata

import "unicode/utf8"

// Find returns where in text the first card number begins and ends, in bytes. The text need not be UTF-8.
func Find(text string) (start, end int, found bool) {
	if countDigits(text) < minDigits {
		return 0, 0, false
	}
	return find([]byte(text))
}

// countDigits is how many digits a text has without a letter among them, at least.
func countDigits[T string | []byte](text T) int {
	var c counter
	for i := range len(text) {
		c.add(text[i])
	}
	return c.total()
}

// In reports whether there is a card number in text.
func In[T string | []byte](text T) bool {
	if countDigits(text) < minDigits {
		return false
	}
	_, _, found := find([]byte(text))
	return found
}

// group is a row of digits, and what of it is not seen.
type group struct {
	start, end int // in the text
	n          int // digits
	before     separator
}

// separator is what stands between a group and the one before it.
type separator struct {
	kind  kind // the widest of its characters
	count int
	point bool // it is the character "." alone
}

const maxSeparators = 3

// run is the end of a row of groups that have separators between them and nothing else.
type run struct {
	text   []byte
	groups [maxDigits + 1]group // as each has a digit, no card number begins before them that ends behind them
	n      int
	digits int  // of all groups
	cut    bool // groups that came before were looked at and are gone
	plus   bool // "+" stands before the first
}

// place is where a card number is.
type place struct{ start, end int }

// finder reads a text from front to back.
type finder struct {
	run
	gap     separator // behind the last group
	wordEnd int       // words up to here were looked at
}

func find(text []byte) (start, end int, found bool) {
	f := finder{run: run{text: text}}
	for at := 0; at < len(text); {
		if next := f.passOver(at); next > at {
			if p, found := f.close(); found {
				return p.start, p.end, true
			}
			at = next
			continue
		}
		next, k := classify(text, at)
		switch {
		case k == unseen:
		case k == digit:
			g := f.group(at)
			if p, found := f.add(g); found {
				return p.start, p.end, true
			}
			next = g.end
		case k == none || !f.separate(at, next, k):
			if p, found := f.close(); found {
				return p.start, p.end, true
			}
		}
		at = next
	}
	p, found := f.close()
	return p.start, p.end, found
}

// separate adds a character to the gap behind the last group. It is false when the gap is too wide.
func (f *finder) separate(at, next int, k kind) bool {
	if f.n == 0 {
		return true
	}
	f.gap.count++
	f.gap.kind = max(f.gap.kind, k)
	f.gap.point = f.gap.count == 1 && next == at+1 && f.text[at] == '.'
	return f.gap.count <= maxSeparators
}

// group reads a row of digits, and characters among them that are not seen.
func (f *finder) group(at int) group {
	g := group{start: at, before: f.gap}
	for at < len(f.text) {
		next, k := classify(f.text, at)
		if k != digit && k != unseen {
			break
		}
		if k == digit {
			g.n++
			g.end = next
		}
		at = next
	}
	f.gap = separator{}
	return g
}

// close ends the run, and looks for a card number in what is left of it.
func (f *finder) close() (place, bool) {
	p, found := f.rest()
	f.n, f.digits, f.cut, f.gap = 0, 0, false, separator{}
	return p, found
}

// add appends a group. When there is no room, it first looks at the card numbers that begin with the first one.
func (r *run) add(g group) (p place, found bool) {
	if r.n == 0 {
		r.plus = plusBefore(r.text, g.start)
	}
	if r.n == len(r.groups) {
		r.cut = true
		if p, found = r.from(0); found {
			return p, true
		}
		copy(r.groups[:], r.groups[1:])
		r.n--
	}
	r.groups[r.n] = g
	r.n++
	r.digits += g.n
	return place{}, false
}

// plusBefore reports whether "+", perhaps with a bracket behind it, stands before a place.
func plusBefore(text []byte, at int) bool {
	if at > 0 && text[at-1] == '(' {
		at--
	}
	return at > 0 && text[at-1] == '+'
}

// maxPhoneDigits is the length of a telephone number with its country code (ITU-T E.164).
const maxPhoneDigits = 15

// rest looks at all that the run has, once it is at its end.
func (r *run) rest() (p place, found bool) {
	if r.digits < minDigits || r.plus && r.digits <= maxPhoneDigits {
		return place{}, false
	}
	for first := range r.n {
		if p, found = r.from(first); found {
			return p, true
		}
	}
	return place{}, false
}

// from looks for a card number that begins with a group.
func (r *run) from(first int) (place, bool) {
	digits := 0
	for last := first; last < r.n; last++ {
		if digits += r.groups[last].n; first < last && digits > maxDigits {
			break
		}
		if digits >= minDigits && r.fits(first, last) && r.isCard(first, last, digits) {
			return place{r.groups[first].start, r.groups[last].end}, true
		}
	}
	return place{}, false
}

// maxRow is how many digits a row has at most that is a card number with an expiry date and a security code.
const maxRow = maxDigits + 8

func (r *run) isCard(first, last, digits int) bool {
	if digits > maxRow || r.plus && first == 0 && !r.cut && digits <= maxPhoneDigits {
		return false
	}
	var values [maxRow]byte
	n := 0
	for at := r.groups[first].start; n < digits; {
		next, k := classify(r.text, at)
		if k == digit {
			values[n] = digitAt(r.text, at)
			n++
		}
		at = next
	}
	if first == last {
		return isRow(values[:n])
	}
	return isCard(values[:n])
}

// fits reports whether the groups from first to last can be a card number by how they are separated.
func (r *run) fits(first, last int) bool {
	switch {
	case first == last:
		return !r.groups[first].before.point
	case embossed(r.groups[first : last+1]):
		return true
	default:
		return first == 0 && last == r.n-1 && !r.cut && even(r.groups[:r.n]) && likely(r.groups[:r.n]) && !isMarketplaceOrder(r.groups[:r.n])
	}
}

// maxSmallGroups is how many groups of fewer than three digits somebody writes a card number in.
const maxSmallGroups = 5

// likely reports whether somebody writes a card number in groups of these sizes: in few, in ones of three digits and more
// with a rest, or digit by digit. Many pairs are a list, such as the sizes of shoes.
func likely(groups []group) bool {
	if len(groups) <= maxSmallGroups {
		return true
	}
	single, large := true, true
	for i, g := range groups {
		single = single && g.n == 1
		large = large && (g.n >= 3 || i == len(groups)-1)
	}
	return single || large
}

// isMarketplaceOrder reports whether groups are those of an order number of Amazon: 302-1234567-1234567.
func isMarketplaceOrder(groups []group) bool {
	return len(groups) == 3 && groups[0].n == 3 && groups[1].n == 7 && groups[2].n == 7
}

// embossed reports whether groups are those that cards show.
func embossed(groups []group) bool {
	size := func(i int) int { return groups[i].n }
	switch {
	case size(0) != 4:
		return false
	case len(groups) == 3 && size(1) == 6:
		return size(2) == 5 || size(2) == 4
	case len(groups) == 4 && size(1) == 3:
		return size(2) == 3 && size(3) == 3
	}
	last := len(groups) - 1
	for i := 1; i < last; i++ {
		if size(i) != 4 {
			return false
		}
	}
	return size(last) <= 4
}

// even reports whether all groups are separated by spaces and dashes, or all by the same kind. One dot alone is
// a decimal point.
func even(groups []group) bool {
	lowest, highest := groups[1].before.kind, groups[1].before.kind
	for _, g := range groups[2:] {
		lowest, highest = min(lowest, g.before.kind), max(highest, g.before.kind)
	}
	if highest <= dash {
		return true
	}
	return lowest == highest && (highest != dot || len(groups) > 2)
}

// classify returns what the character at a place is, and where the next one begins.
func classify(text []byte, at int) (next int, k kind) {
	if b := text[at]; b < utf8.RuneSelf {
		switch {
		case b-'0' <= 9:
			return at + 1, digit
		case b == '&' || b == '%':
			return encoded(text, at)
		default:
			return at + 1, kindOfByte(b)
		}
	}
	r, size := utf8.DecodeRune(text[at:])
	return at + size, kindOf(r)
}

// digitAt is the value of the digit at a place.
func digitAt(text []byte, at int) byte {
	if b := text[at]; b < utf8.RuneSelf {
		return b - '0'
	}
	r, _ := utf8.DecodeRune(text[at:])
	return valueOf(r)
}
