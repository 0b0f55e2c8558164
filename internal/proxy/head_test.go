package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/problem"
)

func TestAHeadThatServersMightReadDifferentlyIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"both lengths":               "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"two lengths":                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
		"the same length twice":      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
		"a list of lengths":          "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
		"a signed length":            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
		"a length in hexadecimal":    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n",
		"an empty length":            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
		"a huge length":              "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"another encoding":           "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"an unknown encoding":        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
		"two encodings":              "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		"chunked in HTTP/1.0":        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
		"a length with underscore":   "POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n",
		"encoding with underscore":   "POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n",
		"a space before the colon":   "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
		"a tab before the colon":     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length\t: 5\r\n\r\n",
		"a folded line":              "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n",
		"a line that begins blank":   "POST / HTTP/1.1\r\n Host: a\r\n\r\n",
		"only line feeds":            "GET / HTTP/1.1\nHost: a\n\n",
		"one bare line feed":         "GET / HTTP/1.1\r\nHost: a\r\nX: y\nZ: w\r\n\r\n",
		"a bare carriage return":     "GET / HTTP/1.1\r\nHost: a\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n",
		"a NUL":                      "GET / HTTP/1.1\r\nHost: a\r\nX: y\x00\r\n\r\n",
		"no colon":                   "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
		"an empty name":              "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
		"a name that is no token":    "GET / HTTP/1.1\r\nHost: a\r\nX(: y\r\n\r\n",
		"two hosts":                  "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"no host":                    "GET / HTTP/1.1\r\n\r\n",
		"a host with a path":         "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
		"a host with a user":         "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
		"two spaces":                 "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
		"a space in the target":      "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
		"a tab in the target":        "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n",
		"a fragment":                 "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
		"no path":                    "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
		"an asterisk":                "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"HTTP/0.9":                   "GET /\r\n\r\n",
		"HTTP/2":                     "PRI * HTTP/2.0\r\n\r\n",
		"a version in small letters": "GET / http/1.1\r\nHost: a\r\n\r\n",
		"an address without a path":  "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
		"another scheme":             "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"too many lines":             "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", maxFields) + "\r\n",
	} {
		var h head
		if err := h.parse([]byte(text)); !errors.Is(err, problem.BadRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, method := range []string{"TRACE", "CONNECT"} {
		var h head
		if err := h.parse([]byte(method + " / HTTP/1.1\r\nHost: a\r\n\r\n")); !errors.Is(err, problem.MethodNotAllowed) {
			t.Errorf("%s: %v", method, err)
		}
	}
}

func TestAHeadIsReadAsItIsMeant(t *testing.T) {
	var h head
	if err := h.parse([]byte("POST /a//b;c?x=%2F&y HTTP/1.1\r\nHost: Shop.example:8080\r\nContent-Length: 12\r\nExpect: 100-Continue\r\nConnection: close, X-Trace\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if string(h.path) != "/a//b;c" || string(h.query) != "x=%2F&y" || string(h.target) != "/a//b;c?x=%2F&y" || string(h.host) != "Shop.example:8080" ||
		h.bodyBytes != 12 || !h.expects || !h.close || !listHas(h.connection, "x-trace") {
		t.Fatalf("%+v", h)
	}
	if err := h.parse([]byte("GET http://other.example/a HTTP/1.1\r\nHost: shop.example\r\n\r\n")); err != nil || string(h.host) != "other.example" || string(h.target) != "/a" {
		t.Fatalf("the address in the request line counts: %q %q %v", h.host, h.target, err)
	}
	if err := h.parse([]byte("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")); err != nil || h.close || !h.http10 {
		t.Fatalf("%+v %v", h, err)
	}
	if err := h.parse([]byte("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n")); err != nil || !h.upgrade {
		t.Fatalf("%+v %v", h, err)
	}
	if err := h.parse([]byte("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n")); err != nil || h.upgrade {
		t.Fatal("only a WebSocket is let through", err)
	}
}

// FuzzHead compares with net/http: whatever is accepted means the same there.
func FuzzHead(f *testing.F) {
	f.Add([]byte("GET /a?b HTTP/1.1\r\nHost: a\r\nCookie: x=y\r\n\r\n"))
	f.Add([]byte("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"))
	f.Add([]byte("POST http://h/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var h head
		if h.parse(text) != nil {
			return
		}
		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text)))
		if err != nil {
			return // stricter than we are; nothing of it gets on
		}
		length := h.bodyBytes
		if theirs.Method != string(h.method) || theirs.ContentLength != length || (length == chunkedLength) != slices.Contains(theirs.TransferEncoding, "chunked") {
			t.Fatalf("%q: %s %d, net/http reads %s %d", text, h.method, length, theirs.Method, theirs.ContentLength)
		}
		if theirs.Host != string(h.host) {
			t.Fatalf("%q: host %q, net/http reads %q", text, h.host, theirs.Host)
		}
		if _, err := parseFields([]byte("\r\n"), nil); err != nil {
			t.Fatal(err)
		}
	})
}

// payloadOf reads a chunked body in pieces of the given size.
func payloadOf(body []byte, size int) (payload []byte, rest int, whole bool, err error) {
	var c chunks
	for at := 0; at < len(body); {
		piece := body[at:min(at+size, len(body))]
		for len(piece) > 0 {
			part, used, done, err := c.next(piece)
			if err != nil {
				return payload, 0, false, err
			}
			payload, piece, at = append(payload, part...), piece[used:], at+used
			if done {
				return payload, len(body) - at, true, nil
			}
		}
	}
	return payload, 0, false, nil
}

func TestChunksArriveInAnyPieces(t *testing.T) {
	const body = "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Sum: 1\r\n\r\nGET / HTTP/1.1\r\n"
	for size := 1; size <= len(body); size++ {
		payload, rest, whole, err := payloadOf([]byte(body), size)
		if err != nil || !whole || string(payload) != "hello world" || rest != len("GET / HTTP/1.1\r\n") {
			t.Fatalf("pieces of %d: %q, %d left, %v %v", size, payload, rest, whole, err)
		}
	}
}

func TestChunksThatServersMightReadDifferentlyAreRefused(t *testing.T) {
	for name, body := range map[string]string{
		"only line feeds":            "5\nhello\n0\n\n",
		"a line feed after the data": "5\r\nhello\n0\r\n\r\n",
		"a bare carriage return":     "5\rhello",
		"no size":                    "\r\nhello",
		"an extension without size":  ";x\r\n",
		"a signed size":              "+5\r\nhello\r\n",
		"a size with 0x":             "0x5\r\nhello\r\n",
		"a size that overflows":      "ffffffffffffffff1\r\n",
		"data beyond its size":       "5\r\nhellooo\r\n0\r\n\r\n",
		"a line feed in extensions":  "5;a\nb\r\nhello\r\n0\r\n\r\n",
		"an endless size line":       "5;" + strings.Repeat("x", maxChunkLineBytes) + "\r\n",
		"endless trailers":           "0\r\n" + strings.Repeat("X: y\r\n", maxTrailers+1) + "\r\n",
	} {
		if _, _, whole, err := payloadOf([]byte(body), len(body)); err == nil || whole {
			t.Errorf("%s: accepted", name)
		}
	}
}

// FuzzChunks compares with net/http: a body that is accepted has the same payload there.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), 3)
	f.Add([]byte("a;x\r\n0123456789\r\n0\r\nX: y\r\n\r\nrest"), 1)
	f.Fuzz(func(t *testing.T, body []byte, size int) {
		payload, rest, whole, err := payloadOf(body, max(1, size))
		if err != nil || !whole {
			return
		}
		again, restAgain, _, _ := payloadOf(body, len(body))
		if !bytes.Equal(payload, again) || rest != restAgain {
			t.Fatalf("%q: %q in pieces, %q at once", body, payload, again)
		}
		request := "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		theirs, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(request), bytes.NewReader(body))))
		if err != nil {
			t.Fatal(err)
		}
		read, err := io.ReadAll(theirs.Body)
		if err == nil && !bytes.Equal(read, payload) {
			t.Fatalf("%q: %q, net/http reads %q", body, payload, read)
		}
	})
}
