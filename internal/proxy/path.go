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

// readings returns every way in which a server may understand a path: it may decode escapes once or twice,
// take what follows an escaped "?" for a query, cut the parameters of segments (";x=y"), and ignore dots and
// spaces at the end of segments. Each reading has its dot segments resolved and its slashes merged. The
// error is bad_request for a path that is refused whatever it was meant to be.
func readings(path []byte) ([][]byte, error) {
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
		for _, how := range []reading{{}, {cutParameters: true}, {trimEnds: true}, {cutParameters: true, trimEnds: true}} {
			one, err := how.of(text)
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// reading is what a server does with the segments of a path.
type reading struct{ cutParameters, trimEnds bool }

// of resolves the dot segments and merges the slashes of a path that is decoded.
func (r reading) of(path []byte) ([]byte, error) {
	out := make([]byte, 0, len(path)+1)
	var segment []byte
	for rest, more := path, true; more; {
		segment, rest, more = bytes.Cut(rest, []byte("/"))
		if r.cutParameters {
			segment, _, _ = bytes.Cut(segment, []byte(";"))
		}
		switch {
		case len(segment) == 0, string(segment) == ".":
			segment = nil
			continue
		case string(segment) == "..":
			out = out[:max(bytes.LastIndexByte(out, '/'), 0)]
			segment = nil
			continue
		}
		ended := bytes.TrimRight(segment, ". ")
		if len(ended) == 0 {
			return nil, errAmbiguousPath("a segment has nothing but dots and spaces")
		}
		if r.trimEnds {
			segment = ended
		}
		out = append(append(out, '/'), segment...)
	}
	if segment == nil {
		out = append(out, '/') // it ends like the name of a directory
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
