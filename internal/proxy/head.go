package proxy

import (
	"bytes"

	"github.com/penstock/penstock/internal/problem"
)

// The lengths of a body that are no number of bytes.
const (
	chunkedLength = -1 // it tells its length itself
	untilClose    = -2 // it ends with the connection; responses only
)

// head is the request line and the headers of a request. Its slices lie in the buffer that was parsed.
type head struct {
	method []byte
	target []byte // path and query, as they were sent
	path   []byte // as it was sent
	query  []byte // without the "?"
	host   []byte // as it was sent; empty only in HTTP/1.0
	fields []field
	http10 bool

	bodyBytes  int64  // or chunkedLength
	expects    bool   // Expect: 100-continue
	close      bool   // the connection is not to be kept
	upgrade    bool   // it asks for a WebSocket
	connection []byte // the values of Connection
}

func malformed(why string) error { return problem.With(problem.BadRequest, why) }

// parse reads a head strictly: text must be all of it, with the blank line. What servers might read in
// different ways is refused. Errors: bad_request, method_not_allowed.
func (h *head) parse(text []byte) error {
	*h = head{fields: h.fields[:0]}
	line, rest, err := cutLine(text)
	if err != nil {
		return malformed("a line of the request's head does not end with CR LF")
	}
	if err := h.parseRequestLine(line); err != nil {
		return err
	}
	if h.fields, err = parseFields(rest, h.fields); err != nil {
		return malformed(err.Error())
	}
	return h.understand()
}

func (h *head) parseRequestLine(line []byte) error {
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, version, found := bytes.Cut(rest, []byte(" "))
	if !found || !isToken(method) || len(target) == 0 {
		return malformed("the request line is not well-formed")
	}
	switch string(version) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		h.http10, h.close = true, true
	default:
		return malformed("the version is not HTTP/1.1")
	}
	if string(method) == "CONNECT" || string(method) == "TRACE" {
		return problem.MethodNotAllowed
	}
	h.method = method
	return h.parseTarget(target)
}

// parseTarget takes a path, or a whole address, whose host then counts instead of the header Host (RFC 9112,
// section 3.2.2).
func (h *head) parseTarget(target []byte) error {
	if i := bytes.Index(target, []byte("://")); i > 0 && target[0] != '/' {
		scheme := target[:i]
		if !bytes.EqualFold(scheme, []byte("http")) && !bytes.EqualFold(scheme, []byte("https")) {
			return malformed("the request target is no path")
		}
		target = target[i+len("://"):]
		end := bytes.IndexAny(target, "/?")
		if end < 1 || target[end] != '/' {
			return malformed("the request target has no path")
		}
		h.host, target = target[:end], target[end:]
	}
	for _, ch := range target {
		if ch <= ' ' || ch == 0x7f || ch == '#' {
			return malformed("the request target has a character that must be escaped")
		}
	}
	if target[0] != '/' {
		return malformed("the request target is no path")
	}
	h.target = target
	h.path, h.query, _ = bytes.Cut(target, []byte("?"))
	return nil
}

// framing is what the headers of a request say about the message itself.
type framing struct {
	hosts, lengths, encodings int
	host                      []byte
	websocket                 bool
}

// understand reads what the headers say about the message itself.
func (h *head) understand() error {
	var said framing
	for _, f := range h.fields {
		if err := h.take(f, &said); err != nil {
			return err
		}
	}
	if err := said.check(h.http10); err != nil {
		return err
	}
	if said.encodings > 0 {
		h.bodyBytes = chunkedLength
	}
	if h.host == nil {
		h.host = said.host
	}
	if !isHost(h.host) {
		return malformed("the Host is not well-formed")
	}
	h.upgrade = said.websocket && !h.http10 && h.bodyBytes == 0 && listHas(h.connection, "upgrade") && string(h.method) == "GET"
	h.expects = h.expects && !h.http10 && h.bodyBytes != 0
	return nil
}

// check makes sure that there is one way to read where the message ends and for whom it is.
func (said *framing) check(http10 bool) error {
	if said.lengths+said.encodings > 1 || said.encodings > 0 && http10 {
		return malformed(errFraming.Error())
	}
	if said.hosts > 1 || said.hosts == 0 && !http10 {
		return malformed("there must be one Host header")
	}
	return nil
}

// take notes what one header says.
func (h *head) take(f field, said *framing) (err error) {
	switch {
	case bytes.IndexByte(f.name, '_') >= 0:
		if f.framesMessage() {
			return malformed("a header that frames the message is written with an underscore")
		}
	case f.is("Host"):
		said.hosts++
		said.host = f.value
	case f.is("Content-Length"):
		said.lengths++
		if h.bodyBytes, err = parseLength(f.value); err != nil {
			return malformed("the Content-Length is not a number")
		}
	case f.is("Transfer-Encoding"):
		said.encodings++
		if !bytes.EqualFold(f.value, []byte("chunked")) {
			return malformed("the only Transfer-Encoding that is understood is chunked")
		}
	case f.is("Connection"):
		h.addConnection(f.value)
	case f.is("Expect"):
		h.expects = bytes.EqualFold(f.value, []byte("100-continue"))
	case f.is("Upgrade"):
		said.websocket = bytes.EqualFold(f.value, []byte("websocket"))
	}
	return nil
}

// addConnection takes one of the lines of Connection.
func (h *head) addConnection(value []byte) {
	h.connection = joinLists(h.connection, value)
	switch {
	case listHas(value, "close"):
		h.close = true
	case h.http10 && listHas(value, "keep-alive"):
		h.close = false
	}
}

func isHost(host []byte) bool {
	for _, ch := range host {
		switch {
		case ch >= 'a' && ch <= 'z', ch >= 'A' && ch <= 'Z', ch >= '0' && ch <= '9':
		case ch == '.', ch == '-', ch == '_', ch == ':', ch == '[', ch == ']':
		default:
			return false
		}
	}
	return true
}

// get returns the value of the first header of a name, or nil.
func (h *head) get(name string) []byte {
	for _, f := range h.fields {
		if f.is(name) {
			return f.value
		}
	}
	return nil
}

// cookies returns the values of all Cookie headers as one.
func (h *head) cookies() []byte {
	var all []byte
	for _, f := range h.fields {
		switch {
		case !f.is("Cookie"):
		case all == nil:
			all = f.value
		default:
			all = append(append(all[:len(all):len(all)], "; "...), f.value...)
		}
	}
	return all
}

// wantsPage reports whether a person looks at the answer.
func (h *head) wantsPage() bool {
	return (string(h.method) == "GET" || string(h.method) == "HEAD") && bytes.Contains(h.get("Accept"), []byte("text/html"))
}

// isIdempotent reports whether asking twice does what asking once does.
func (h *head) isIdempotent() bool {
	switch string(h.method) {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE":
		return true
	default:
		return false
	}
}

// isOwn reports whether a path is served by Penstock itself, on every host.
func isOwn(path []byte) bool {
	switch string(path) {
	case "/healthz", "/readyz", "/openapi.yaml", "/.well-known/jwks.json":
		return true
	}
	first, _, _ := bytes.Cut(path[1:], []byte("/"))
	switch string(first) {
	case "v1", "sales", "ofrep":
		return true
	default:
		return false
	}
}
