package front

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/penstock/penstock/internal/testenv"
)

// Requests are sent again only when that cannot do anything twice.
func TestAKeptConnectionThatTheShopHasClosedIsReplaced(t *testing.T) {
	shop := newRawShop(t)
	s := newDoor(t, sites(t, shop.url()))
	visitor := s.raw()
	visitor.send(getPage)
	first := shop.accept()
	first.request()
	first.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	visitor.expect(200)

	visitor.send(getPage)
	first.request()
	_ = first.Close() // it read the request and says nothing
	second := shop.accept()
	second.request()
	second.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain")
	if body := visitor.expect(200); body != "again" {
		t.Fatal(body)
	}
	visitor.send("POST /buy HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
	second.request()
	_ = second.Close()
	visitor.expect(503) // it may have been done

	_ = visitor.Close()
	visitor = s.raw()
	visitor.send(getPage)
	third := shop.accept()
	third.request()
	_ = third.Close() // a new connection: the shop is broken
	visitor.expect(503)
}

func TestAPostIsNotSentOnAConnectionThatTheShopHasClosed(t *testing.T) {
	shop := newRawShop(t)
	s := newDoor(t, sites(t, shop.url()))
	visitor := s.raw()
	visitor.send(getPage)
	first := shop.accept()
	first.request()
	first.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	visitor.expect(200)
	_ = first.Close()
	visitor.send("POST /buy HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
	second := shop.accept()
	second.request()
	second.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
	visitor.expect(201)
}

func TestAnAnswerThatBreaksOffIsNotTakenForAWholeOne(t *testing.T) {
	shop := newRawShop(t)
	for name, answer := range map[string]string{
		"with a length": "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
		"in chunks":     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"broken chunks": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n",
	} {
		s := newDoor(t, sites(t, shop.url()))
		for _, version := range []string{"1.1", "1.0"} {
			visitor := s.raw()
			visitor.send("GET / HTTP/" + version + "\r\nHost: a\r\n\r\n")
			server := shop.accept()
			server.request()
			server.send(answer)
			_ = server.Close()
			got, err := http.ReadResponse(visitor.answers, nil)
			if err == nil {
				_, err = io.ReadAll(got.Body)
				_ = got.Body.Close()
			}
			if err == nil {
				t.Errorf("%s, HTTP/%s: taken for whole", name, version)
			}
		}
	}
}

func TestAnAnswerThatIsNotWellFormedIsABadGateway(t *testing.T) {
	shop := newRawShop(t)
	for name, answer := range map[string]string{
		"no HTTP":         "hello\r\n\r\n",
		"HTTP/2":          "HTTP/2 200 OK\r\n\r\n",
		"no status":       "HTTP/1.1 OK\r\n\r\n",
		"two lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
		"unknown coding":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
		"folded":          "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
		"only line feeds": "HTTP/1.1 200 OK\nX: a\n\n\r\n\r\n",
		"not asked for":   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
		"endless headers": "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 40) + "\r\n",
		"endless interim": strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 40),
	} {
		visitor := newDoor(t, sites(t, shop.url())).raw()
		visitor.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		server := shop.accept()
		server.request()
		server.send(answer)
		for range 40 {
			got, err := http.ReadResponse(visitor.answers, nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			_ = got.Body.Close()
			if got.StatusCode >= 200 {
				if got.StatusCode != 502 {
					t.Errorf("%s: %d", name, got.StatusCode)
				}
				break
			}
		}
		_ = server.Close()
	}
}

func TestASlowShopIsGivenUpInTime(t *testing.T) {
	shop := newRawShop(t)
	s := newDoor(t, parsedSites(t, `
sites:
- hosts: ["*"]
  upstream: {servers: ["`+shop.url()+`"], first_byte_timeout: 50ms}
`))
	visitor := s.raw()
	visitor.send(getPage)
	server := shop.accept()
	server.request()
	if body := visitor.expect(503); !strings.Contains(body, "shop_unreachable") {
		t.Fatal(body)
	}
}

// When the shop is down, nobody waits for it: a person sees a page that goes on by itself, a program a document.
func TestVisitorsAreToldWhenTheShopIsDown(t *testing.T) {
	t.Parallel() // it waits by the clock
	shop := newShop(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	s := newDoor(t, sites(t, shop.URL))
	s.expect(200, "", "GET", "/", nil, "")
	address := shop.Listener.Addr().String()
	shop.Close()
	for range 8 {
		page := s.expect(503, "", "GET", "/checkout", header{"Accept": "text/html"}, "")
		if !strings.Contains(string(page.body), "your pass are kept") || page.Header.Get("Retry-After") == "" || !strings.Contains(string(page.body), `http-equiv="refresh"`) {
			t.Fatalf("%v %s", page.Header, page.body)
		}
		if got := s.expect(503, "shop_unreachable", "POST", "/checkout", nil, "x"); got.Header.Get("Retry-After") == "" {
			t.Fatal(got.Header)
		}
	}
	testenv.Eventually(t, waitFor, "the breaker is open", func() bool { return s.metric(t, "penstock_proxy_server_up") == 0 })
	s.expect(200, "", "GET", "/healthz", nil, "")

	ln := listenAgain(t, address)
	back := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "back") })}
	go func() { _ = back.Serve(ln) }()
	t.Cleanup(func() { _ = back.Close() })
	testenv.Eventually(t, waitFor, "the shop is asked again", func() bool { return s.do("GET", "/", nil, "").StatusCode == 200 })
}

func TestServersTakeTurnsAndOneThatIsDownIsLeftOut(t *testing.T) {
	var answered [2]atomic.Int64
	var sick atomic.Bool
	server := func(n int) string {
		return newShop(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/up" {
				if n == 1 && sick.Load() {
					w.WriteHeader(500)
				}
				return
			}
			answered[n].Add(1)
		}).URL
	}
	s := newDoor(t, parsedSites(t, `
sites:
- hosts: ["*"]
  upstream:
    servers: ["`+server(0)+`", "`+server(1)+`", "http://127.0.0.1:1"]
    health: {path: /up, every: 1s, timeout: 1s}
`))
	for range 60 {
		s.expect(200, "", "GET", "/", nil, "")
	}
	if a, b := answered[0].Load(), answered[1].Load(); a < 15 || b < 15 {
		t.Fatalf("%d and %d", a, b)
	}
	sick.Store(true)
	testenv.Eventually(t, waitFor, "the server is left out", func() bool {
		before := answered[1].Load()
		for range 6 {
			s.expect(200, "", "GET", "/", nil, "")
		}
		return answered[1].Load() == before
	})
}
