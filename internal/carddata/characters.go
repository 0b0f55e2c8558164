package carddata

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// kind is what a character is to a card number. Those that separate are in order, from space to other.
type kind uint8

const (
	none kind = iota // it ends a number
	digit
	unseen // it counts for nothing
	space
	dash
	dot
	other
)

func kindOfByte(b byte) kind {
	switch b {
	case ' ', '\t', '\n', '\v', '\f', '\r':
		return space
	case '-':
		return dash
	case '.':
		return dot
	case '_', '/', '|', '+', '\\':
		return other
	default:
		return none
	}
}

// kindOf is for characters that are not ASCII.
func kindOf(r rune) kind {
	switch {
	case r == utf8.RuneError:
		return none
	case unicode.Is(unicode.Nd, r):
		return digit
	case unicode.In(r, unicode.Zs, unicode.Zl, unicode.Zp), r == '\u0085':
		return space
	case unicode.Is(unicode.Pd, r), r == '\u2212', r == '\u2043': // minus, hyphen bullet
		return dash
	case unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point), r == '\u20e3': // the keycap of an emoji
		return unseen
	}
	switch r {
	case '\u00b7', '\u2022', '\u2024', '\u2027', '\u22c5', '\u30fb', '\uff0e', '\uff65':
		return dot
	case '\u2044', '\u2215', '\uff0b', '\uff0f', '\uff3c', '\uff3f', '\uff5c':
		return other
	}
	return none
}

// valueOf is the value of a character of the category Nd: in its table the digits of a script are in order, from a zero.
func valueOf(r rune) byte {
	for _, in := range unicode.Nd.R16 {
		if r >= rune(in.Lo) && r <= rune(in.Hi) {
			return byte((r - rune(in.Lo)) % 10)
		}
	}
	for _, in := range unicode.Nd.R32 {
		if r >= rune(in.Lo) && r <= rune(in.Hi) {
			return byte((r - rune(in.Lo)) % 10)
		}
	}
	return 0
}

// encodings are separators as they are written in HTML and in addresses.
var encodings = [...]struct {
	text string
	kind kind
}{
	{"&nbsp;", space}, {"&#160;", space}, {"&#xa0;", space}, {"&#32;", space}, {"&ensp;", space}, {"&emsp;", space}, {"&thinsp;", space},
	{"&shy;", unseen}, {"&#8203;", unseen}, {"&zwnj;", unseen}, {"&zwj;", unseen},
	{"&ndash;", dash}, {"&mdash;", dash}, {"&minus;", dash}, {"&#8209;", dash}, {"&#45;", dash},
	{"%20", space}, {"%c2%a0", space}, {"%09", space}, {"%2d", dash}, {"%2e", dot}, {"%2b", other}, {"%2f", other}, {"%5f", other},
}

func encoded(text []byte, at int) (next int, k kind) {
	for i := range encodings {
		e := &encodings[i]
		end := at + len(e.text)
		if end <= len(text) && text[at] == e.text[0] && text[at+1]|0x20 == e.text[1]|0x20 && bytes.EqualFold(text[at:end], []byte(e.text)) {
			return end, e.kind
		}
	}
	return at + 1, none
}
