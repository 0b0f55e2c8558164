package front

import "bytes"

// poll is a request for what a ticket says now, as far as its head has to be understood to answer it.
type poll struct {
	sale                    []byte
	tokens                  tokens
	hosts, tickets, cookies int // lines of the head
}

var (
	crlf       = []byte("\r\n")
	pollMethod = []byte("GET")
	pollBegin  = []byte("GET /v1/sales/")
	pollEnd    = []byte("/ticket HTTP/1.1")
	keepAlive  = []byte("keep-alive")
)

// parse reads a head with its blank line. It reports false for anything but a plain poll: what another reader could
// take for a different request, has or announces a body, or asks for more than the answer.
func (p *poll) parse(head []byte) bool {
	line, rest, _ := bytes.Cut(head, crlf)
	sale, begins := bytes.CutPrefix(line, pollBegin)
	sale, ends := bytes.CutSuffix(sale, pollEnd)
	if !begins || !ends || !plainName(sale) {
		return false
	}
	*p = poll{sale: sale, tokens: tokens{prefix: ticketCookie, sale: sale}}
	for !bytes.Equal(rest, crlf) {
		var whole bool
		if line, rest, whole = bytes.Cut(rest, crlf); !whole || !p.field(line) {
			return false
		}
	}
	return p.hosts == 1
}

// field takes one line of the head, and reports whether the request is still a plain poll.
func (p *poll) field(line []byte) bool {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.Trim(value, " ")
	if !plainName(name) || len(name) == len(line) || !plainValue(value) {
		return false
	}
	switch {
	case bytes.EqualFold(name, hostHeader):
		p.hosts++
		return true
	case bytes.EqualFold(name, ticketHeader):
		p.tickets++
		p.tokens.header = value
		return p.tickets == 1
	case bytes.EqualFold(name, cookieHeader):
		p.cookies++
		p.tokens.cookies = value
		return p.cookies == 1
	case bytes.EqualFold(name, connectionHeader):
		return bytes.EqualFold(value, keepAlive)
	default:
		return !changesPoll(name)
	}
}

// changesPoll reports whether a header has a say in what is answered, or in where the request ends.
func changesPoll(name []byte) bool {
	for _, one := range [...][]byte{contentLength, transferEncoding, expectation, headerOrigin, trailer, upgrade} {
		if bytes.EqualFold(name, one) {
			return true
		}
	}
	return false
}

// plainName reports whether a name is made of letters, digits and hyphens, and is not empty.
func plainName(name []byte) bool {
	for _, ch := range name {
		if lower := ch | 0x20; (lower < 'a' || lower > 'z') && (ch < '0' || ch > '9') && ch != '-' {
			return false
		}
	}
	return len(name) > 0
}

// plainValue reports whether a value is made of printable ASCII.
func plainValue(value []byte) bool {
	for _, ch := range value {
		if ch < ' ' || ch > '~' {
			return false
		}
	}
	return true
}
