package front

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// recordingShop writes down every request line that reaches it, and answers each.
func recordingShop(t testing.TB) (url string, lines func() []string) {
	t.Helper()
	shop := newRawShop(t)
	recorded := make(chan string, 10_000)
	go func() {
		for {
			conn, err := shop.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for {
					request, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, request.Body)
					recorded <- request.Method + " " + request.RequestURI
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			}()
		}
	}()
	return shop.url(), func() (all []string) {
		for len(recorded) > 0 {
			all = append(all, <-recorded)
		}
		return all
	}
}

// Each stream hides a request for /hidden in another one. The shop must never see it, on this connection or on
// the next, and what it sees must be what was asked for in the open.
func TestNoRequestIsSmuggledToTheShop(t *testing.T) {
	const hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
	for name, stream := range map[string]string{
		"length and encoding":         "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"encoding and length":         "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 60\r\n\r\n0\r\n\r\n" + hidden,
		"two lengths":                 "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 37\r\n\r\n" + hidden,
		"folded encoding":             "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\nTransfer-Encoding:\r\n chunked\r\n\r\n" + hidden,
		"encoding after a tab":        "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\nTransfer-Encoding\t: chunked\r\n\r\n" + hidden,
		"encoding with underscore":    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\nTransfer_Encoding: chunked\r\n\r\n" + hidden,
		"encoding twice":              "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
		"encoding with a quirk":       "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\nContent-Length: 37\r\n\r\n" + hidden,
		"only line feeds":             "POST /x HTTP/1.1\nHost: a\nContent-Length: 37\n\n" + hidden,
		"a line feed in a header":     "GET /x HTTP/1.1\r\nHost: a\r\nX: y\n\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n",
		"a return in a header":        "GET /x HTTP/1.1\r\nHost: a\r\nX: y\r\rGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n",
		"a line feed in the target":   "GET /x\nHost: a\n\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n",
		"a chunk with bare feeds":     "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\n\nx\n0\n\n" + hidden,
		"a chunk extension with feed": "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n" + hidden,
		"a chunk that is too long":    "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n0\r\n\r\n" + hidden,
		"a negative length":           "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n" + hidden,
		"HTTP/1.0 in chunks":          "POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a body after GET":            "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\n\r\n" + hidden,
		"a body after HEAD":           "HEAD /x HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\n\r\n" + hidden,
		"a body that is an upgrade":   "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 37\r\n\r\n" + hidden,
		"a refused body":              "POST /closed HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\n\r\n" + hidden,
		"a refused chunked body":      "POST /closed HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n25\r\n" + hidden + "\r\n0\r\n\r\n",
		"a body of our own":           "POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\n\r\n" + hidden,
		"a chunked body of our own":   "POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n25\r\n" + hidden + "\r\n0\r\n\r\n",
		"a large body of our own":     "POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" + hidden,
		"a WebSocket that is none":    "GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 1\r\n\r\nGET /closed HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		url, lines := recordingShop(t)
		// /hidden is closed, and Admit is not there: a request for it that is judged gets no further.
		s := newDoor(t, sites(t, url, "rules: [{path: /closed, sale: none}, {path: /hidden, sale: none}]"))
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(waitFor))
		_, _ = io.WriteString(conn, stream)
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
		s.expect(200, "", "GET", "/after", nil, "")
		got := lines()
		for _, line := range got {
			if strings.Contains(line, "hidden") || strings.Contains(line, "closed") {
				t.Errorf("%s: the shop saw %q", name, got)
			}
		}
		if len(got) == 0 || got[len(got)-1] != "GET /after" {
			t.Errorf("%s: the shop saw %q", name, got)
		}
	}
}

// The same with a connection to the shop that others use: the answer of one is never given to another.
func TestAnswersAreNotMixedUp(t *testing.T) {
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, r.URL.Path)
	})
	s := newDoor(t, sites(t, shop.URL))
	for i := range 200 {
		path := "/" + strings.Repeat("x", i%7+1)
		var h header
		body := ""
		switch i % 5 {
		case 1:
			body = strings.Repeat("y", i*100)
		case 2: // a visitor who goes away in the middle
			r := s.raw()
			r.send("POST /gone HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc")
			_ = r.Close()
		case 3:
			h = header{"Expect": "100-continue"}
			body = "z"
		}
		if got := string(s.expect(200, "", "POST", path, h, body).body); got != path {
			t.Fatalf("asked for %s, got the answer to %s", path, got)
		}
	}
}
