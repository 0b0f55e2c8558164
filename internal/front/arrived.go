package front

import (
	"bytes"
	"strconv"
)

var (
	endOfHead        = []byte("\r\n\r\n")
	endOfHeadBare    = []byte("\n\n")
	contentLength    = []byte("content-length")
	transferEncoding = []byte("transfer-encoding")
	expectation      = []byte("expect")
	hostHeader       = []byte("host")
	connectionHeader = []byte("connection")
	trailer          = []byte("trailer")
	upgrade          = []byte("upgrade")
)

// progress looks for the end of the headers in bytes that grow.
type progress struct {
	seen  int  // bytes looked at
	end   int  // of the headers, the blank line included
	done  bool // the end has been found
	timed bool // the time for the rest is running
}

func (p *progress) look(arrived []byte) {
	from := max(p.seen-len(endOfHead)+1, 0)
	p.seen = len(arrived)
	if at := bytes.Index(arrived[from:], endOfHead); at >= 0 {
		p.end, p.done = from+at+len(endOfHead), true
		return
	}
	if at := bytes.Index(arrived[from:], endOfHeadBare); at >= 0 {
		p.end, p.done = from+at+len(endOfHeadBare), true
	}
}

// announced is the body that headers announce, as far as it is worth waiting for.
type announced struct {
	bytes   int  // its length
	chunked bool // it tells its length itself
}

// bodyOf reads the headers just so far. There is nothing to wait for when there is no body, when it
// will be refused for its length, and when the client waits to be asked for it.
func bodyOf(head []byte) announced {
	var body announced
	_, lines, _ := bytes.Cut(head, []byte("\n"))
	for len(lines) > 0 {
		var line []byte
		line, lines, _ = bytes.Cut(lines, []byte("\n"))
		if len(line) == 0 || !mayAnnounce(line[0]) {
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, expectation):
			return announced{}
		case bytes.EqualFold(name, transferEncoding):
			body.chunked = true
		case bytes.EqualFold(name, contentLength):
			n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
			if err != nil || n < 0 || n > MaxBodyBytes {
				return announced{}
			}
			body.bytes = n
		}
	}
	return body
}

// mayAnnounce is a quick look at the first letter of a header's name.
func mayAnnounce(letter byte) bool {
	switch letter | 0x20 {
	case 'c', 't', 'e':
		return true
	default:
		return false
	}
}

func (b announced) some() bool { return b.chunked || b.bytes > 0 }

// arrived reports whether the body is there, or so much of it that it will be refused.
func (b announced) arrived(body []byte) bool {
	if b.chunked {
		return len(body) > MaxBodyBytes || lastChunk(body)
	}
	return len(body) >= b.bytes
}

// lastChunk goes from chunk to chunk and reports whether the last one has come, or one that is not
// well-formed: fasthttp refuses that.
func lastChunk(body []byte) bool {
	for {
		line, rest, whole := bytes.Cut(body, []byte("\r\n"))
		if !whole {
			return len(line) > maxChunkLineBytes
		}
		digits, _, _ := bytes.Cut(line, []byte(";"))
		size, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 31)
		if err != nil || size > MaxBodyBytes {
			return true
		}
		if size == 0 {
			return bytes.HasPrefix(rest, []byte("\r\n")) || bytes.Contains(rest, endOfHead)
		}
		if uint64(len(rest)) < size+2 {
			return false
		}
		body = rest[size+2:]
	}
}

// maxChunkLineBytes bounds a line with the size of a chunk.
const maxChunkLineBytes = 256
