package front

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
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

// Some frameworks serve the path that such a header names.
func TestNoHeaderNamesAnotherPathToTheShop(t *testing.T) {
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if strings.HasSuffix(strings.ToLower(strings.ReplaceAll(name, "_", "-")), "-url") {
				_, _ = io.WriteString(w, name)
			}
		}
	})
	said := header{"X-Original-URL": "/checkout", "x-rewrite-url": "/checkout", "X_Original_URL": "/checkout", "X-Rewrite_Url": "/checkout"}
	for name, s := range map[string]*stack{"a stranger": newDoor(t, sites(t, shop.URL)), "a trusted proxy": newDoor(t, sites(t, shop.URL), trustLoopback)} {
		if got := string(s.do("GET", "/", said, "").body); got != "" {
			t.Errorf("%s told the shop %s", name, got)
		}
	}
}

const smallBody = 64 << 10

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
	server.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	quick.expect(200)
	slow.send("llo")
	server = shop.accept()
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
