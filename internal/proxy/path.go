package proxy

import (
	"bytes"

	"github.com/penstock/penstock/internal/problem"
)

// errAmbiguousPath is the refusal of a path that servers may understand in different ways, none of which
// anybody means.
func errAmbiguousPath(why string) error {
	return problem.With(problem.BadRequest, "the path is ambiguous: "+why)
}

// isPlain reports that servers understand a path in one way only, so that it is its own reading.
func isPlain(path []byte) bool {
	for i, ch := range path {
		switch {
		case ch <= ' ', ch >= 0x7f, ch == '%', ch == ';', ch == '\\', ch == '?', ch == '#':
			return false
		case ch == '/' && i+1 < len(path) && (path[i+1] == '/' || path[i+1] == '.'):
			return false
		case ch == '.' && (i+1 == len(path) || path[i+1] == '/'):
			return false
		}
	}
	return true
}

// maxOddPathBytes bounds a path that is not plain: it is looked at many times.
const maxOddPathBytes = 4 << 10

// readings returns every way in which a server may understand a path. It may decode escapes once or twice, and
// take what follows an escaped "?" for a query; and it may do, or not do, each of what reading has. The error is
// bad_request for a path that is refused whatever it was meant to be.
func readings(path []byte) ([][]byte, error) {
	if len(path) > maxOddPathBytes {
		return nil, errAmbiguousPath("it is too long for one with escapes, dots or parameters")
	}
	once, err := unescape(path)
	if err != nil {
		return nil, err
	}
	texts := [][]byte{once}
	if hasEscape(once) {
		twice, err := unescape(once)
		if err != nil {
			return nil, err
		}
		if hasEscape(twice) {
			return nil, errAmbiguousPath("it is escaped more than twice")
		}
		texts = append(texts, twice)
	}
	for _, text := range texts {
		if end := bytes.IndexAny(text, "?#"); end >= 0 {
			texts = append(texts, text[:end])
		}
	}
	var all [][]byte
	for _, text := range texts {
		for how := range allOfReading {
			one, err := how.of(text)
			if err != nil {
				return nil, err
			}
			all = append(all, one)
			if hasPlainSegments(text) {
				break // the others are the same
			}
		}
	}
	return all, nil
}

// hasPlainSegments reports that every reading of a path that is decoded is the path itself.
func hasPlainSegments(path []byte) bool {
	for i, ch := range path {
		ends := i+1 == len(path) || path[i+1] == '/'
		if ch == ';' || (ch == '.' || ch == ' ') && ends || ch == '/' && i+1 < len(path) && (path[i+1] == '/' || path[i+1] == '.') {
			return false
		}
	}
	return true
}

// reading is what a server does with the segments of a path.
type reading int

const (
	resolveDots   reading = 1 << iota // "." and ".." are resolved
	mergeSlashes                      // empty segments are left out
	cutParameters                     // what follows a ";" is left out
	trimEnds                          // dots and spaces at the end of a segment are left out
	allOfReading
)

// of returns the path as a server understands it that does so.
func (r reading) of(path []byte) ([]byte, error) {
	out := make([]byte, 0, len(path)+1)
	slash := false // it ends like the name of a directory
	_, rest, more := bytes.Cut(path, []byte("/"))
	for more {
		var segment []byte
		segment, rest, more = bytes.Cut(rest, []byte("/"))
		if r&cutParameters != 0 {
			segment, _, _ = bytes.Cut(segment, []byte(";"))
		}
		dots := string(segment) == "." || string(segment) == ".."
		ended := bytes.TrimRight(segment, ". ")
		if len(ended) == 0 && len(segment) > 0 && !dots {
			return nil, errAmbiguousPath("a segment has nothing but dots and spaces")
		}
		slash = true
		switch {
		case len(segment) == 0 && r&mergeSlashes != 0, string(segment) == "." && r&resolveDots != 0:
			continue
		case string(segment) == ".." && r&resolveDots != 0:
			out = out[:max(bytes.LastIndexByte(out, '/'), 0)]
			continue
		case r&trimEnds != 0 && !dots:
			segment = ended
		}
		out, slash = append(append(out, '/'), segment...), false
	}
	if slash {
		out = append(out, '/')
	}
	return out, nil
}

// unescape decodes a path once. Refused are escapes that are not well-formed, what would change the segments
// of the path or end it (a slash, a backslash, control characters), and overlong UTF-8.
func unescape(path []byte) ([]byte, error) {
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		ch := path[i]
		escaped := ch == '%'
		if escaped {
			if i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2]) {
				return nil, errAmbiguousPath("an escape is not two hexadecimal digits")
			}
			ch = fromHex(path[i+1])<<4 | fromHex(path[i+2])
			i += 2
		}
		switch {
		case ch == '\\', ch == '/' && escaped:
			return nil, errAmbiguousPath("it has an escaped slash or a backslash")
		case ch < ' ', ch == 0x7f:
			return nil, errAmbiguousPath("it has control characters")
		}
		if n := len(out); n > 0 && isOverlong(out[n-1], ch) || ch == 0xc0 || ch == 0xc1 {
			return nil, errAmbiguousPath("it has overlong UTF-8")
		}
		out = append(out, ch)
	}
	return out, nil
}

// isOverlong reports that two bytes begin a character of UTF-8 that is longer than it needs to be.
func isOverlong(first, second byte) bool {
	return first == 0xe0 && second >= 0x80 && second < 0xa0 || first == 0xf0 && second >= 0x80 && second < 0x90
}

// hasEscape reports that decoding a path once more would change it.
func hasEscape(path []byte) bool {
	for i := 0; i+2 < len(path); i++ {
		if path[i] == '%' && isHex(path[i+1]) && isHex(path[i+2]) {
			return true
		}
	}
	return false
}

func isHex(ch byte) bool {
	return ch >= '0' && ch <= '9' || ch|0x20 >= 'a' && ch|0x20 <= 'f'
}

func fromHex(ch byte) byte {
	if ch <= '9' {
		return ch - '0'
	}
	return ch | 0x20 - 'a' + 10
}
