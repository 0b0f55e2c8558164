package front

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/penstock/penstock/internal/problem"
)

const (
	// maxMembers bounds the members of one object, and with them the search for twins.
	maxMembers = 16
	// maxNameBytes bounds the name of a member: ours are short.
	maxNameBytes = 64
)

// reader reads one JSON document (RFC 8259) front to back. Unlike encoding/json it takes names
// literally, refuses a member that is there twice, and refuses text that is not UTF-8.
type reader struct {
	data []byte
	pos  int
}

// document reads an object and nothing after it.
func (r *reader) document(member func(name string) error) error {
	if err := r.object(member); err != nil {
		return err
	}
	if r.space(); r.pos != len(r.data) {
		return problem.With(problem.BadRequest, fmt.Sprintf("something follows the JSON object at byte %d", r.pos))
	}
	return nil
}

// object calls member with each name; member must read the value.
func (r *reader) object(member func(name string) error) error {
	if !r.take('{') {
		return r.want("an object")
	}
	if r.take('}') {
		return nil
	}
	var seen [maxMembers]string
	for n := 0; ; n++ {
		name, err := r.memberName(seen[:min(n, maxMembers)])
		if err != nil {
			return err
		}
		if n < maxMembers {
			seen[n] = name
		}
		if err := member(name); err != nil {
			return err
		}
		if r.take('}') {
			return nil
		}
		if !r.take(',') {
			return r.want("a comma or a closing brace")
		}
	}
}

func (r *reader) memberName(seen []string) (string, error) {
	if len(seen) == maxMembers {
		return "", problem.With(problem.BadRequest, "the object has too many members")
	}
	name, err := r.text()
	if err != nil {
		return "", err
	}
	if len(name) > maxNameBytes {
		return "", problem.With(problem.BadRequest, fmt.Sprintf("the name of a member before byte %d is too long", r.pos))
	}
	for _, other := range seen {
		if other == name {
			return "", badField(name, "is there twice")
		}
	}
	if !r.take(':') {
		return "", r.want("a colon")
	}
	return name, nil
}

// array calls element for each of at most limit elements; element must read the value.
func (r *reader) array(name string, limit int, element func() error) error {
	if !r.take('[') {
		return r.want("an array")
	}
	if r.take(']') {
		return nil
	}
	for n := 1; ; n++ {
		if n > limit {
			return badField(name, fmt.Sprintf("has more than %d elements", limit))
		}
		if err := element(); err != nil {
			return err
		}
		if r.take(']') {
			return nil
		}
		if !r.take(',') {
			return r.want("a comma or a closing bracket")
		}
	}
}

func (r *reader) stringInto(into *string) (err error) {
	*into, err = r.text()
	return err
}

// text reads a string. The common one, plain ASCII without escapes, is copied once.
func (r *reader) text() (string, error) {
	if !r.at('"') {
		return "", r.want("a string")
	}
	start := r.pos
	plain := true
	for i := start + 1; i < len(r.data); i++ {
		switch b := r.data[i]; {
		case b == '"':
			r.pos = i + 1
			if plain {
				return intern(r.data[start+1 : i]), nil
			}
			return r.unescape(r.data[start : i+1])
		case b == '\\':
			plain = false
			i++
		case b < 0x20:
			r.pos = i
			return "", r.want("an escape for the control character")
		case b >= utf8.RuneSelf:
			plain = false
		}
	}
	r.pos = len(r.data)
	return "", r.want("the end of a string")
}

// intern copies a string, except the names that every body has.
func intern(text []byte) string {
	switch string(text) {
	case "customer":
		return "customer"
	case "items":
		return "items"
	case "sku":
		return "sku"
	case "quantity":
		return "quantity"
	case "reservation":
		return "reservation"
	default:
		return string(text)
	}
}

func (r *reader) unescape(literal []byte) (string, error) {
	var text string
	if !utf8.Valid(literal) || json.Unmarshal(literal, &text) != nil {
		return "", problem.With(problem.BadRequest, fmt.Sprintf("the string before byte %d is not well-formed", r.pos))
	}
	if strings.ContainsRune(text, utf8.RuneError) {
		return "", problem.With(problem.BadRequest, fmt.Sprintf("the string before byte %d is not Unicode text", r.pos))
	}
	return text, nil
}

// integerInto reads a whole number. A fraction or an exponent is refused rather than rounded, and
// what 64 bits cannot hold becomes the largest number, which no bound lets pass.
func (r *reader) integerInto(into *int64) error {
	r.space()
	start := r.pos
	negative := r.pos < len(r.data) && r.data[r.pos] == '-'
	if negative {
		r.pos++
	}
	first := r.pos
	var value int64
	for ; r.pos < len(r.data) && r.data[r.pos] >= '0' && r.data[r.pos] <= '9'; r.pos++ {
		digit := int64(r.data[r.pos] - '0')
		if value > (math.MaxInt64-digit)/10 {
			value = math.MaxInt64
			continue
		}
		value = value*10 + digit
	}
	digits := r.pos - first
	if digits == 0 || (digits > 1 && r.data[first] == '0') || r.fractional() {
		r.pos = start
		return r.want("a whole number")
	}
	if negative {
		value = -value
	}
	*into = value
	return nil
}

func (r *reader) fractional() bool {
	return r.pos < len(r.data) && bytes.IndexByte([]byte(".eE"), r.data[r.pos]) >= 0
}

// rawObjectInto reads an object of any content as it stands; checkout.Desk checks what is in it.
func (r *reader) rawObjectInto(into *json.RawMessage) error {
	if !r.at('{') {
		return r.want("an object")
	}
	dec := json.NewDecoder(bytes.NewReader(r.data[r.pos:]))
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return problem.With(problem.BadRequest, fmt.Sprintf("the object at byte %d is not well-formed", r.pos))
	}
	r.pos += int(dec.InputOffset())
	*into = raw
	return nil
}

func (r *reader) unknown(name string) error { return badField(name, "is not known here") }

// take moves past the byte when it is next.
func (r *reader) take(b byte) bool {
	if !r.at(b) {
		return false
	}
	r.pos++
	return true
}

func (r *reader) at(b byte) bool {
	r.space()
	return r.pos < len(r.data) && r.data[r.pos] == b
}

func (r *reader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

func (r *reader) want(what string) error {
	if r.pos >= len(r.data) {
		return problem.With(problem.BadRequest, "the JSON is cut off: want "+what)
	}
	return problem.With(problem.BadRequest, fmt.Sprintf("malformed JSON at byte %d: want %s", r.pos, what))
}
