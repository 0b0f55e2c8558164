package proxy

import (
	"bytes"
	"errors"
	"strings"
)

// maxFields bounds the header lines of a message.
const maxFields = 256

var (
	errHeadLine   = errors.New("a header line is not well-formed")
	errHeadFields = errors.New("there are too many header lines")
	errFraming    = errors.New("the length of the body is ambiguous")
)

// field is one header line. Name and value lie in the buffer that was parsed.
type field struct{ name, value []byte }

// is compares the name without regard to case.
func (f field) is(name string) bool {
	return f.resembles(name) && bytes.IndexByte(f.name, '_') < 0
}

// resembles compares the name so that an underscore counts as a hyphen: programs behind a CGI-like interface
// cannot tell one from the other, so neither may get past what is stripped.
func (f field) resembles(name string) bool { return len(f.name) == len(name) && f.begins(name) }

// begins reports whether the name begins so, compared as resembles does.
func (f field) begins(prefix string) bool {
	if len(f.name) < len(prefix) {
		return false
	}
	for i := range len(prefix) {
		if foldName(f.name[i]) != foldName(prefix[i]) {
			return false
		}
	}
	return true
}

// framesMessage reports whether the header belongs to the connection and the length of the message.
func (f field) framesMessage() bool {
	return f.resembles("Host") || f.resembles("Content-Length") || f.resembles("Transfer-Encoding") || f.resembles("Connection")
}

func foldName(ch byte) byte {
	switch {
	case ch == '_':
		return '-'
	case ch >= 'A' && ch <= 'Z':
		return ch | 0x20
	default:
		return ch
	}
}

// cutLine takes a line off that ends with CR LF. A line that ends in any other way is not well-formed.
func cutLine(text []byte) (line, rest []byte, err error) {
	end := bytes.IndexByte(text, '\n')
	if end < 1 || text[end-1] != '\r' {
		return nil, nil, errHeadLine
	}
	return text[:end-1], text[end+1:], nil
}

// parseFields reads header lines up to the blank one, which must be the end of the text. Folded lines, spaces
// around names, control characters and bare line breaks are errors.
func parseFields(text []byte, into []field) ([]field, error) {
	for {
		line, rest, err := cutLine(text)
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			if len(rest) > 0 {
				return nil, errHeadLine
			}
			return into, nil
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		value = bytes.Trim(value, " \t")
		if !found || !isToken(name) || !isFieldValue(value) {
			return nil, errHeadLine
		}
		if len(into) == maxFields {
			return nil, errHeadFields
		}
		into, text = append(into, field{name: name, value: value}), rest
	}
}

// isToken reports whether text is a token of RFC 9110.
func isToken(text []byte) bool {
	for _, ch := range text {
		switch {
		case ch >= 'a' && ch <= 'z', ch >= 'A' && ch <= 'Z', ch >= '0' && ch <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", ch) >= 0:
		default:
			return false
		}
	}
	return len(text) > 0
}

func isFieldValue(value []byte) bool {
	for _, ch := range value {
		if ch < ' ' && ch != '\t' || ch == 0x7f {
			return false
		}
	}
	return true
}

// maxLengthDigits keeps a Content-Length within an int64.
const maxLengthDigits = 18

// parseLength reads a Content-Length.
func parseLength(value []byte) (int64, error) {
	if len(value) == 0 || len(value) > maxLengthDigits {
		return 0, errFraming
	}
	var n int64
	for _, ch := range value {
		if ch < '0' || ch > '9' {
			return 0, errFraming
		}
		n = n*10 + int64(ch-'0')
	}
	return n, nil
}

// listHas reports whether a comma-separated list has a member, compared without regard to case.
func listHas(list []byte, member string) bool {
	for one := range bytes.SplitSeq(list, []byte(",")) {
		if len(one) >= len(member) && strings.EqualFold(string(bytes.Trim(one, " \t")), member) {
			return true
		}
	}
	return false
}
