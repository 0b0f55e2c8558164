package carddata

import (
	"strconv"
	"strings"
)

// maxPointer bounds what a refusal says about where it is, in bytes.
const maxPointer = 256

// level is an object or an array that is open.
type level struct {
	array            bool
	index            int
	nameFrom, nameTo int // of the member that was read last
}

// Pointer returns where a finding is, as a JSON pointer (RFC 6901). Of what is in the name of a member it is the object
// that has the member, so that it never holds the card data. What is very long is cut off.
func (f Finding) Pointer(doc []byte) string {
	var levels []level
	r := reader{doc: doc}
	for at := 0; at < f.At && at < len(doc); {
		switch doc[at] {
		case '"':
			end := r.readString(at + 1)
			if len(levels) > 0 && r.isName(end) {
				top := &levels[len(levels)-1]
				top.nameFrom, top.nameTo = at+1, end
			}
			at = end
		case '{', '[':
			levels = append(levels, level{array: doc[at] == '['})
		case '}', ']':
			levels = levels[:max(0, len(levels)-1)]
		case ',':
			if len(levels) > 0 {
				levels[len(levels)-1].index++
			}
		}
		at++
	}
	if f.InName && len(levels) > 0 {
		levels = levels[:len(levels)-1]
	}
	return join(doc, levels)
}

func join(doc []byte, levels []level) string {
	var pointer strings.Builder
	for _, l := range levels {
		step := strconv.Itoa(l.index)
		if !l.array {
			name := strings.ToValidUTF8(string(unescape(doc[l.nameFrom:l.nameTo])), "\ufffd")
			step = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		}
		if pointer.Len()+1+len(step) > maxPointer {
			pointer.WriteString("/…")
			break
		}
		pointer.WriteString("/" + step)
	}
	return pointer.String()
}
