package front

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

const getPage = "GET /page?x=1 HTTP/1.1\r\nHost: shop.example\r\n\r\n"

func TestWhatIsNotPenstocksOwnIsAnsweredByTheShop(t *testing.T) {
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Shop", "yes")
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.RequestURI(), r.Host)
	})
	s := newDoor(t, sites(t, shop.URL))
	host := strings.TrimPrefix(s.url, "http://")
	for _, path := range []string{"/", "/shoes?size=42", "/demo", "/static/shop.css", "/healthz/x", "/a//b/../c;d", "/v11", "/.well-known/security.txt"} {
		got := s.do("GET", path, nil, "")
		if want := "GET " + path + " " + host; got.StatusCode != 200 || string(got.body) != want || got.Header.Get("X-Shop") == "" || got.Header.Get("Via") != "1.1 penstock" {
			t.Errorf("%s: %d %q %v, want %q", path, got.StatusCode, got.body, got.Header, want)
		}
	}
	for _, path := range []string{"/healthz", "/openapi.yaml", "/sales/static/penstock.css"} {
		if got := s.do("GET", path, nil, ""); got.StatusCode != 200 || got.Header.Get("X-Shop") != "" {
			t.Errorf("%s: %d %v", path, got.StatusCode, got.Header)
		}
	}
	s.expect(404, "not_found", "GET", "/v1/nothing", nil, "")
	s.expect(404, "not_found", "GET", "/sales/static/../v1", nil, "")
}

func TestAHostThatIsNotConfiguredIsRefused(t *testing.T) {
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) })
	s := newDoor(t, parsedSites(t, `
sites:
- hosts: [shop.example]
  upstream: {servers: ['`+shop.URL+`']}
- hosts: ["*.other.example"]
  upstream: {servers: ['`+shop.URL+`'], host: inner.example}
`))
	for host, want := range map[string]int{
		"shop.example": 200, "SHOP.example:8080": 200, "shop.example.": 200, "a.other.example": 200,
		"other.example": 421, "a.b.other.example": 421, "evil.example": 421, "localhost": 421,
	} {
		r := s.raw()
		r.send("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\nGET /healthz HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
		body := r.expect(want)
		r.expect(200) // Penstock's own on any host
		if strings.HasSuffix(host, "a.other.example") && body != "inner.example" {
			t.Errorf("%s: the shop got the host %q", host, body)
		}
	}
}

// Requests for Penstock and for the shop may follow each other on one connection, and arrive in any pieces.
func TestOwnAndShopRequestsShareAConnection(t *testing.T) {
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "shop:%s", body)
	})
	s := newDoor(t, sites(t, shop.URL))
	const chunkedPost = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n"
	stream := "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" + "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxy" +
		post(`{"context":{}}`, "") + chunkedPost + "GET / HTTP/1.1\r\nHost: a\r\n\r\n" + "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
	want := []string{`{"status"`, "shop:xy", `{"flags"`, "shop:abc", "shop:", `{"status"`}
	check := func(r *raw, cut int) {
		for i, begins := range want {
			if body := r.expect(200); !strings.HasPrefix(body, begins) {
				t.Fatalf("cut at %d, answer %d: %q, want %q", cut, i, body, begins)
			}
		}
		_ = r.Close()
	}
	for cut := 1; cut < len(stream); cut += 5 {
		r := s.raw()
		r.send(stream[:cut])
		r.send(stream[cut:])
		check(r, cut)
	}
	r := s.raw()
	for i := range len(stream) {
		r.send(stream[i : i+1])
	}
	check(r, 0)
}

func TestHopByHopHeadersEndAtThePenstock(t *testing.T) {
	shop := newRawShop(t)
	s := newDoor(t, sites(t, shop.url()))
	visitor := s.raw()
	visitor.send("GET /a HTTP/1.1\r\nHost: shop.example\r\nConnection: keep-alive, X-Hop, Cookie2\r\nKeep-Alive: 5\r\nX-Hop: 1\r\nX_Hop2: kept\r\n" +
		"Proxy-Authorization: Basic eA==\r\nTE: trailers\r\nTrailer: X\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nX-End: 1\r\nCookie: a=b\r\n\r\n")
	server := shop.accept()
	got := server.request()
	for _, name := range []string{"Connection", "Keep-Alive", "X-Hop", "Proxy-Authorization", "Te", "Trailer", "Upgrade", "Http2-Settings"} {
		if got.Header.Get(name) != "" {
			t.Errorf("the shop got %s: %s", name, got.Header.Get(name))
		}
	}
	if got.Header.Get("X-End") != "1" || got.Header.Get("Cookie") != "a=b" || got.Header.Get("Via") != "1.1 penstock" || got.Host != "shop.example" {
		t.Errorf("%v", got.Header)
	}
	server.send("HTTP/1.1 200 OK\r\nConnection: X-Inner\r\nX-Inner: 1\r\nKeep-Alive: timeout=5\r\nX-Outer: 1\r\nContent-Length: 2\r\n\r\nok")
	answer, err := http.ReadResponse(visitor.answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.Header.Get("X-Inner") != "" || answer.Header.Get("Keep-Alive") != "" || answer.Header.Get("X-Outer") != "1" || answer.Close {
		t.Errorf("%v", answer.Header)
	}
}

func TestTheShopLearnsWhereARequestCameFrom(t *testing.T) {
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-Ip", "Forwarded"} {
			fmt.Fprintf(w, "%s|", strings.Join(r.Header.Values(name), ";"))
		}
	})
	said := header{
		"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example", "X-Forwarded-Port": "443",
		"X-Real-IP": "203.0.113.9", "Forwarded": "for=203.0.113.9", "X_Forwarded_For": "203.0.113.9",
	}
	stranger := newDoor(t, sites(t, shop.URL))
	host := strings.TrimPrefix(stranger.url, "http://")
	if got := string(stranger.do("GET", "/", said, "").body); got != "127.0.0.1|http|"+host+"||||" {
		t.Errorf("of a stranger: %s", got)
	}
	trusted := newDoor(t, sites(t, shop.URL), trustLoopback)
	if got := string(trusted.do("GET", "/", said, "").body); got != "203.0.113.9, 127.0.0.1|https|shop.example|443|203.0.113.9|for=203.0.113.9|" {
		t.Errorf("of a trusted proxy: %s", got)
	}
}

func TestBodiesOfAnySizePassInBothDirections(t *testing.T) {
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("X-Sum", fmt.Sprintf("%x", sha256.Sum256(body)))
		if r.URL.Query().Get("chunked") == "" {
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		}
		_, _ = w.Write(body)
	})
	s := newDoor(t, sites(t, shop.URL))
	for _, size := range []int{0, 1, 100, 16 << 10, smallBody, smallBody + 1, 1 << 20, 9 << 20} {
		body := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		for _, query := range []string{"", "?chunked=1"} {
			for _, reader := range []io.Reader{bytes.NewReader(body), io.MultiReader(bytes.NewReader(body))} { // with a length, and without
				request, err := http.NewRequest("POST", s.url+"/echo"+query, reader)
				if err != nil {
					t.Fatal(err)
				}
				response, err := http.DefaultTransport.RoundTrip(request)
				if err != nil {
					t.Fatalf("%d bytes%s: %v", size, query, err)
				}
				got := readAll(t, response)
				_ = response.Body.Close()
				if !bytes.Equal(got, body) || response.Header.Get("X-Sum") != fmt.Sprintf("%x", sha256.Sum256(body)) {
					t.Fatalf("%d bytes%s: %d came back", size, query, len(got))
				}
			}
		}
	}
}

const smallBody = 64 << 10

func TestABodyBeyondTheLimitIsRefused(t *testing.T) {
	var read atomic.Int64
	shop := newShop(t, func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		read.Store(n)
	})
	s := newDoor(t, sites(t, shop.URL, "max_body_bytes: 200000"))
	r := s.raw()
	r.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200001\r\n\r\n")
	if body := r.expect(413); !strings.Contains(body, "200000 bytes") || read.Load() != 0 {
		t.Errorf("%s, %d bytes got through", body, read.Load())
	}
	r = s.raw()
	r.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	go func() {
		for range 300 {
			if _, err := io.WriteString(r, "3e8\r\n"+strings.Repeat("x", 1000)+"\r\n"); err != nil {
				return
			}
		}
	}()
	r.expect(413)
}

// The shop sees the body as it comes, and not when it is whole.
func TestARequestBodyIsPassedOnAsItComes(t *testing.T) {
	shop := newRawShop(t)
	s := newDoor(t, sites(t, shop.url()))
	visitor := s.raw()
	visitor.send("POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	server := shop.accept()
	request := server.request()
	part := make([]byte, 5)
	if _, err := io.ReadFull(request.Body, part); err != nil || string(part) != "hello" {
		t.Fatalf("%q %v", part, err)
	}
	visitor.send("6\r\n world\r\n0\r\nX-Trailer: dropped\r\n\r\n")
	rest, err := io.ReadAll(request.Body)
	if err != nil || string(rest) != " world" || len(request.Trailer) != 0 {
		t.Fatalf("%q %v %v", rest, request.Trailer, err)
	}
	server.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	visitor.expect(200)
	visitor.send(getPage)
	server.request()
	server.send("HTTP/1.1 204 No Content\r\n\r\n")
	visitor.expect(204)
}

func TestAnAnswerMayComeBeforeTheRequestEnds(t *testing.T) {
	shop := newRawShop(t)
	s := newDoor(t, sites(t, shop.url()))
	visitor := s.raw()
	visitor.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nxxx")
	server := shop.accept()
	server.request()
	server.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
	if body := visitor.expect(403); body != "no" {
		t.Fatal(body)
	}
	if more := visitor.rest(); more != "" {
		t.Fatalf("the connection goes on with %q", more)
	}
}

func TestTheVisitorIsAskedForTheBodyWhenTheShopAsks(t *testing.T) {
	shop := newRawShop(t)
	s := newDoor(t, sites(t, shop.url()))
	visitor := s.raw()
	visitor.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	server := shop.accept()
	if request := server.request(); request.Header.Get("Expect") != "100-continue" {
		t.Fatal(request.Header)
	}
	server.send("HTTP/1.1 100 Continue\r\n\r\n")
	visitor.expect(100)
	visitor.send("hello")
	body := make([]byte, 5)
	if _, err := io.ReadFull(server.answers, body); err != nil || string(body) != "hello" {
		t.Fatalf("%q %v", body, err)
	}
	server.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	visitor.expect(103)
	visitor.expect(200)

	visitor.send("POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
	server.request()
	server.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
	visitor.expect(417)
	if more := visitor.rest(); more != "" {
		t.Fatalf("what follows could be the body or a request: %q", more)
	}
}

// An event reaches the visitor before the shop sends the next.
func TestEachEventIsSentAtOnce(t *testing.T) {
	next := make(chan struct{})
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 5 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-next:
			case <-r.Context().Done():
				return
			}
		}
	})
	s := newDoor(t, sites(t, shop.URL))
	response, err := http.Get(s.url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	event := make([]byte, len("data: 0\n\n"))
	for i := range 5 {
		if _, err := io.ReadFull(response.Body, event); err != nil || string(event) != fmt.Sprintf("data: %d\n\n", i) {
			t.Fatalf("event %d: %q %v", i, event, err)
		}
		next <- struct{}{}
	}
}

func TestAStreamOfEventsEndsWithTheServer(t *testing.T) {
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 0\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	s := newDoor(t, sites(t, shop.URL)) // its clean-up fails when a stream keeps it from stopping
	response, err := http.Get(s.url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	if _, err := io.ReadFull(response.Body, make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
}

func TestAnswersWithoutABodyKeepTheConnection(t *testing.T) {
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(304)
		default:
			_, _ = io.WriteString(w, "hello")
		}
	})
	s := newDoor(t, sites(t, shop.URL))
	r := s.raw()
	for range 2 {
		r.send("GET /204 HTTP/1.1\r\nHost: a\r\n\r\nGET /304 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /x HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n")
		r.expect(204)
		r.expect(304)
		answer, err := http.ReadResponse(r.answers, &http.Request{Method: "HEAD"})
		if err != nil || answer.ContentLength != 5 {
			t.Fatalf("%+v %v", answer, err)
		}
		_ = answer.Body.Close()
		if body := r.expect(200); body != "hello" {
			t.Fatal(body)
		}
	}
}

func TestHTTP10IsServed(t *testing.T) {
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunked" {
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.WriteString(w, "hello")
	})
	s := newDoor(t, sites(t, shop.URL))
	r := s.raw()
	r.send("GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	if body := r.expect(200); body != "hello" {
		t.Fatal(body)
	}
	r.send("GET /chunked HTTP/1.0\r\n\r\n")
	answer := r.rest()
	if !strings.HasSuffix(answer, "\r\n\r\nhello") || strings.Contains(answer, "chunked") {
		t.Fatalf("%q", answer)
	}
}

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

func TestRequestsUnderWayAreBounded(t *testing.T) {
	held, release := make(chan struct{}, 10), make(chan struct{})
	shop := newShop(t, func(http.ResponseWriter, *http.Request) { held <- struct{}{}; <-release })
	s := newDoor(t, sites(t, shop.URL), func(d *Deps) { d.MaxShopRequests = 2 })
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { s.do("GET", "/", nil, "") })
		<-held
	}
	if got := s.expect(503, "overloaded", "GET", "/", nil, ""); got.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.expect(200, "", "GET", "/healthz", nil, "")
	close(release)
	all.Wait()
	s.expect(200, "", "GET", "/", nil, "")
}

// A request that is under way is finished, and its connection closed after it.
func TestShuttingDownFinishesWhatIsUnderWay(t *testing.T) {
	shop := newRawShop(t)
	s := newDoor(t, sites(t, shop.url()))
	visitor := s.raw()
	visitor.send(getPage)
	server := shop.accept()
	server.request()
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	testenv.Eventually(t, waitFor, "nobody is let in any more", func() bool {
		conn, err := http.Get(s.url + "/healthz")
		if err == nil {
			_ = conn.Body.Close()
		}
		return err != nil
	})
	server.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast")
	answer, err := http.ReadResponse(visitor.answers, nil)
	if err != nil || !answer.Close || string(readAll(t, answer)) != "last" {
		t.Fatalf("%v %v", answer, err)
	}
	_ = answer.Body.Close()
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
}

func TestAnAnswerThatWaitsHoldsNoOtherUp(t *testing.T) {
	release := make(chan struct{})
	shop := newShop(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
	})
	s := newDoor(t, sites(t, shop.URL))
	done := make(chan struct{})
	go func() { defer close(done); s.do("GET", "/slow", nil, "") }()
	for range 20 {
		s.expect(200, "", "GET", "/fast", nil, "")
	}
	close(release)
	select {
	case <-done:
	case <-time.After(waitFor):
		t.Fatal("the slow one is not answered")
	}
}

// A small body is waited for before the shop is asked: who drips one holds no connection to it.
func TestASlowVisitorHoldsNoConnectionToTheShop(t *testing.T) {
	shop := newRawShop(t)
	s := newDoor(t, sites(t, shop.url()))
	slow := s.raw()
	slow.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe")
	quick := s.raw()
	quick.send(getPage)
	server := shop.accept() // the first connection is that of the second request
	if got := server.request(); got.URL.Path != "/page" {
		t.Fatal(got.URL)
	}
	server.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	quick.expect(200)
	slow.send("llo")
	if got := server.request(); got.URL.Path != "/slow" {
		t.Fatal(got.URL)
	}
	server.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	slow.expect(200)
}

// A visitor who goes away in the middle of a body is no fault of the shop, which never takes it for a whole one.
func TestAVisitorWhoGoesAwayBreaksTheRequestOff(t *testing.T) {
	for name, head := range map[string]string{
		"with a length": "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nhello",
		"in chunks":     "POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		shop := newRawShop(t)
		s := newDoor(t, sites(t, shop.url()))
		for range 10 { // more than the breaker forgives
			visitor := s.raw()
			visitor.send(head)
			server := shop.accept()
			request := server.request()
			_ = visitor.Close()
			if body, err := io.ReadAll(request.Body); err == nil {
				t.Fatalf("%s: the shop takes %q for all of it", name, body)
			}
		}
		if up := s.metric(t, "penstock_proxy_server_up"); up != 1 {
			t.Errorf("%s: the shop is blamed", name)
		}
	}
}

// A connection whose last request was for the shop keeps no buffers either.
func TestAnIdleConnectionAfterTheShopCostsLittle(t *testing.T) {
	shop := newShop(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	s := newDoor(t, sites(t, shop.URL))
	s.expect(200, "", "GET", "/", nil, "")
	const connections = 500
	before := heap()
	answer := make([]byte, 1024)
	for range connections {
		r := s.raw()
		r.answers = nil
		r.send(getPage)
		if _, err := r.Conn.Read(answer); err != nil {
			t.Fatal(err)
		}
	}
	cost := int64(0)
	defer func() { t.Logf("%d bytes for each of %d idle connections", cost, connections) }()
	testenv.Eventually(t, waitFor, "a connection costs at most 32 KiB, with both ends and the race detector", func() bool {
		cost = (heap() - before) / connections
		return cost <= 32<<10
	})
}
