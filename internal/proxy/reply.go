package proxy

import (
	"bufio"
	"bytes"
	"errors"
)

// maxReplyHeadBytes bounds the status line and the headers of an answer of the shop. It is also the size of
// the buffer of each connection to the shop.
const maxReplyHeadBytes = 32 << 10

var (
	errReplyHead      = errors.New("the answer of the shop is not well-formed HTTP/1.1")
	errReplyHeadLarge = errors.New("the headers of the shop's answer are too large")
)

// reply is the status line and the headers of an answer of the shop. Its slices lie in the buffer that was
// parsed.
type reply struct {
	status     int
	reason     []byte
	fields     []field
	connection []byte
	bodyBytes  int64 // or chunkedLength or untilClose
	declared   int64 // the Content-Length that it has, also where there is no body; -1 without one
	close      bool
	websocket  bool // it goes on as a WebSocket
}

// readReply reads the head of an answer. The slices of the reply are valid until r is read again.
func readReply(r *bufio.Reader, into *reply, method []byte) error {
	end, err := peekHead(r)
	if err != nil {
		return err
	}
	text, err := r.Peek(end)
	if err != nil {
		return err
	}
	if err := into.parse(text, method); err != nil {
		return err
	}
	_, err = r.Discard(end)
	return err
}

// peekHead waits for a whole head and returns its length.
func peekHead(r *bufio.Reader) (end int, err error) {
	seen := 0
	for {
		if _, err := r.Peek(seen + 1); err != nil {
			if errors.Is(err, bufio.ErrBufferFull) {
				return 0, errReplyHeadLarge
			}
			return 0, err
		}
		arrived, _ := r.Peek(r.Buffered()) // what is buffered can be peeked at
		from := max(seen-3, 0)
		if at := bytes.Index(arrived[from:], []byte("\r\n\r\n")); at >= 0 {
			return from + at + 4, nil
		}
		seen = len(arrived)
	}
}

// parse reads a head strictly; text must be all of it. The method is that of the request.
func (a *reply) parse(text, method []byte) error {
	*a = reply{fields: a.fields[:0], declared: -1}
	line, rest, err := cutLine(text)
	if err != nil {
		return errReplyHead
	}
	version, line, _ := bytes.Cut(line, []byte(" "))
	code, reason, _ := bytes.Cut(line, []byte(" "))
	switch string(version) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		a.close = true
	default:
		return errReplyHead
	}
	n, err := parseLength(code)
	if err != nil || len(code) != 3 || n < 100 || n > 599 || !isFieldValue(reason) {
		return errReplyHead
	}
	a.status, a.reason = int(n), reason
	if a.fields, err = parseFields(rest, a.fields); err != nil {
		return errors.Join(errReplyHead, err)
	}
	return a.understand(method)
}

func (a *reply) understand(method []byte) error {
	chunked := false
	for _, f := range a.fields {
		if f.is("Transfer-Encoding") {
			if chunked || !bytes.EqualFold(f.value, []byte("chunked")) {
				return errReplyHead
			}
			chunked = true
		}
		if err := a.take(f); err != nil {
			return err
		}
	}
	switch {
	case string(method) == "HEAD", a.status < 200, a.status == 204, a.status == 304:
		a.bodyBytes = 0
	case chunked:
		a.bodyBytes = chunkedLength
		a.close = a.close || a.declared >= 0 // a server that frames twice is not trusted with another request
	case a.declared >= 0:
		a.bodyBytes = a.declared
	default:
		a.bodyBytes, a.close = untilClose, true
	}
	return nil
}

// take notes what one header says about the message and the connection.
func (a *reply) take(f field) error {
	switch {
	case f.is("Content-Length"):
		n, err := parseLength(f.value)
		if err != nil || a.declared >= 0 && a.declared != n {
			return errReplyHead
		}
		a.declared = n
	case f.is("Connection"):
		a.connection = joinLists(a.connection, f.value)
		a.close = a.close && !listHas(f.value, "keep-alive") || listHas(f.value, "close")
	case f.is("Upgrade"):
		a.websocket = a.status == 101 && bytes.EqualFold(f.value, []byte("websocket"))
	}
	return nil
}

// joinLists puts the values of two header lines together.
func joinLists(first, second []byte) []byte {
	if first == nil {
		return second
	}
	return append(append(first[:len(first):len(first)], ','), second...)
}
