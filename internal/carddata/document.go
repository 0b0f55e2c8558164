package carddata

// Finding is where card data is in a document, and what it is.
type Finding struct {
	At     int // where the string or number begins that holds it, in bytes
	What   What
	InName bool // it is in the name of a member
}

// What is a kind of card data.
type What uint8

// The kinds of card data.
const (
	CardNumber What = iota
	SecurityCode
)

// reader reads a JSON document once, from front to back.
type reader struct {
	doc   []byte
	named bool // a member whose value comes next has a name
	name  memberName

	// Of the string or the number that was read last.
	digits  int  // that may be in it, at least
	escaped bool // it has escapes, or an exponent
}

// InDocument finds the first card data in a JSON document: in its names, strings and numbers, however deep. Escapes are
// read. What is not JSON is read as far as it goes.
func InDocument(doc []byte) (Finding, bool) {
	r := reader{doc: doc}
	for at := 0; at < len(doc); {
		switch byteKinds[doc[at]] {
		case quoteByte:
			end := r.readString(at + 1)
			if f, found := r.judge(at, end); found {
				return f, true
			}
			at = end + 1
		case digitByte:
			end := r.readNumber(at)
			if what, found := r.judgeNumber(at, end); found {
				return Finding{At: at, What: what}, true
			}
			at = end
		case endByte:
			r.named = false
			at++
		default:
			at++
		}
	}
	return Finding{}, false
}

// readString returns where the string ends that begins at a place.
func (r *reader) readString(at int) (end int) {
	var c counter
	r.escaped = false
	for doc := r.doc; at < len(doc); at++ {
		b := doc[at]
		if byteKinds[b] <= digitByte { // nearly all are
			c.add(b)
			continue
		}
		if b == '"' {
			break
		}
		if b == '\\' {
			r.escaped = true
			c.now++ // it may be a digit
			at++    // a quote behind it ends nothing
		}
		c.marked = c.marked || byteKinds[b] == markByte
	}
	r.digits = c.total()
	return min(at, len(r.doc))
}

// judge looks at the string that was read.
func (r *reader) judge(at, end int) (f Finding, found bool) {
	from := at + 1
	if r.isName(end) {
		r.named, r.name = true, memberName{raw: r.doc[from:end]}
		return Finding{At: at, InName: true}, r.digits >= minDigits && r.holdsNumber(from, end)
	}
	if r.named && (r.digits >= minCode || r.escaped) && end-from <= maxCodeBytes && isCode(r.text(from, end)) {
		return Finding{At: at, What: SecurityCode}, r.name.isOfSecurityCode()
	}
	if r.digits < minDigits {
		return Finding{}, false
	}
	return Finding{At: at}, r.holdsNumber(from, end) || r.named && isNumberAlone(r.text(from, end)) && r.name.isOfCardNumber()
}

// isName reports whether a colon follows the string that ends at a place.
func (r *reader) isName(end int) bool {
	for at := end + 1; at < len(r.doc); at++ {
		switch r.doc[at] {
		case ':':
			return true
		case ' ', '\t', '\n', '\r':
		default:
			return false
		}
	}
	return false
}

func (r *reader) holdsNumber(from, to int) bool {
	_, _, found := find(r.text(from, to))
	return found
}

// text is the string that was read last, without its escapes.
func (r *reader) text(from, to int) []byte {
	if !r.escaped {
		return r.doc[from:to]
	}
	return unescape(r.doc[from:to])
}

// readNumber returns where the number ends that begins at a place.
func (r *reader) readNumber(at int) (end int) {
	r.digits, r.escaped = 0, false
	for ; at < len(r.doc); at++ {
		switch b := r.doc[at]; {
		case byteKinds[b] == digitByte:
			r.digits++
		case b == 'e' || b == 'E':
			r.escaped = true
		case b != '.' && b != '+' && b != '-':
			return at
		}
	}
	return at
}

// judgeNumber looks at the number that was read.
func (r *reader) judgeNumber(from, to int) (what What, found bool) {
	number := r.doc[from:to]
	if r.digits >= minDigits || r.escaped {
		digits, whole := wholeNumber(number)
		if !whole {
			return 0, false
		}
		found = len(digits) != 13 && isRow(digits) // 13 digits are an id or a time
		return CardNumber, found || r.named && len(digits) >= minDigits && len(digits) <= maxDigits && r.name.isOfCardNumber()
	}
	return SecurityCode, r.named && isCode(number) && r.name.isOfSecurityCode()
}
