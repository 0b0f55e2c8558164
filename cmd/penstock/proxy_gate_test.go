//go:build proxies

package main

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// watchedGate stands for Penstock where its answers are to be odd, or its questions are to be looked at.
type watchedGate struct {
	answer http.HandlerFunc

	mu        sync.Mutex
	questions []*http.Request
	bodies    int64 // bytes
	addresses map[string]bool
}

func (g *watchedGate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n, _ := io.Copy(io.Discard, r.Body)
	g.mu.Lock()
	g.questions = append(g.questions, r)
	g.bodies += n
	g.addresses[r.RemoteAddr] = true
	g.mu.Unlock()
	g.answer(w, r)
}

// watch starts another proxy, in front of a gate that answers as told.
func (s *proxyStand) watch(t *testing.T, answer http.HandlerFunc) (gate *watchedGate, proxy string) {
	t.Helper()
	gate = &watchedGate{answer: answer, addresses: map[string]bool{}}
	return gate, s.proxy(t, serveOn(t, gate), s.shop.address)
}

func (s *proxyStand) asksBriefly(t *testing.T) {
	const asked = 20
	gate, proxy := s.watch(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Penstock-Sale", gatedSale) // as of an open sale: no ticket
		if r.URL.Path == "/v1/auth" {
			w.WriteHeader(http.StatusNoContent)
		}
	})
	forged := map[string]string{
		"Cookie": "a=b; c=d", "Penstock-Pass": "p", "Penstock-Device": "d", "Penstock-Sale": openSale, "Penstock-Redirect": "0", "Penstock-Ticket": "forged",
		"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher", "X-Forwarded-Uri": "/evil", "X-Forwarded-Method": "OPTIONS",
	}
	for range asked {
		a := s.askAt(t, proxy, "brief", "POST", "/checkout?x=1&sale="+openSale, forged)
		if a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.raw)
		}
		res, err := strict.Post("http://"+proxy+"/checkout", "text/plain", strings.NewReader("a body of the visitor's"))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	gate.mu.Lock()
	defer gate.mu.Unlock()
	if len(gate.questions) != 2*asked || gate.bodies != 0 || len(gate.addresses) > 2 {
		t.Errorf("%d questions with %d bytes of body over %d connections", len(gate.questions), gate.bodies, len(gate.addresses))
	}
	s.looksAtTheQuestion(t, gate.questions[0], proxy)
	for _, v := range s.shop.of("brief") {
		if v.header.Get("Penstock-Sale") != gatedSale || v.header.Get("Penstock-Ticket") != "" || v.header.Get("Penstock-Pass-Expires") != "" {
			t.Fatalf("the shop was told %v", v.header)
		}
	}
}

// looksAtTheQuestion checks what every proxy must ask. Envoy says host, method and page with the request
// itself, and names the sale in a header.
func (s *proxyStand) looksAtTheQuestion(t *testing.T, q *http.Request, proxy string) {
	t.Helper()
	sale, asked := q.URL.Query().Get("sale"), q.Header.Get("X-Forwarded-Uri")
	host, method := q.Header.Get("X-Forwarded-Host"), q.Header.Get("X-Forwarded-Method")
	if below, found := strings.CutPrefix(q.RequestURI, "/v1/auth/"); found {
		sale, asked, host, method = q.Header.Get("Penstock-Sale"), "/"+below, q.Host, q.Method
		if q.Header.Get("X-Forwarded-Uri") != "" || q.Header.Get("X-Forwarded-Host") != "" || q.Header.Get("X-Forwarded-Method") != "" {
			t.Errorf("the visitor's headers are passed on: %v", q.Header)
		}
	} else if len(q.Header.Values("Penstock-Sale"))+len(q.Header.Values("Penstock-Redirect")) != 0 {
		t.Errorf("the visitor's headers are passed on: %v", q.Header)
	}
	if !q.ProtoAtLeast(1, 1) || sale != gatedSale || host != proxy || method != "POST" || asked != "/checkout?x=1&sale="+openSale ||
		q.Header.Get("X-Forwarded-Proto") != "http" || q.Header.Get("Cookie") != "a=b; c=d" || q.Header.Get("Penstock-Pass") != "p" || q.Header.Get("Penstock-Device") != "d" ||
		!strings.HasSuffix(q.Header.Get("X-Forwarded-For"), "127.0.0.1") {
		t.Errorf("the question: %s %s %s %v", q.Method, q.RequestURI, q.Proto, q.Header)
	}
}

func (s *proxyStand) closesOnOddAnswers(t *testing.T) {
	var answer atomic.Value
	_, proxy := s.watch(t, func(w http.ResponseWriter, r *http.Request) { answer.Load().(http.HandlerFunc)(w, r) })
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"code":"unavailable"}`)
		}
	}
	raw := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_, _ = io.WriteString(conn, text)
				_ = conn.Close()
			}
		}
	}
	for name, odd := range map[string]http.HandlerFunc{
		"503": status(503), "500": status(500), "502": status(502), "404": status(404), "400": status(400), "403": status(403), "429": status(429),
		"401 without a Location": status(401), "hangs up": raw(""), "no HTTP": raw("I am no HTTP server\r\n\r\n"),
	} {
		answer.Store(odd)
		for _, method := range []string{"GET", "HEAD", "POST"} {
			wantClosed(t, name+" "+method, s.askAt(t, proxy, "odd", method, "/checkout", cookie(s.passes.valid)))
		}
	}
	if visits := s.shop.of("odd"); len(visits) > 0 {
		t.Errorf("the shop saw %v", visits)
	}
}

func wantClosed(t *testing.T, name string, a answer) {
	t.Helper()
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("%s: %d %v %.200s, want 503 with Retry-After", name, a.status, a.header, a.raw)
	}
}

func (s *proxyStand) closesWithoutPenstock(t *testing.T) {
	s.kill()
	for _, path := range []string{"/checkout", "/checkout/step?x=1", "/sales/" + gatedSale} {
		wantClosed(t, path, s.ask(t, "away", "GET", path, cookie(s.passes.valid)))
	}
	if a := s.ask(t, "away", "GET", "/catalogue", nil); a.status != http.StatusOK {
		t.Errorf("pages that are not gated: %d", a.status)
	}
	if visits := s.shop.checkouts("away"); len(visits) > 0 {
		t.Errorf("the shop saw %v", visits)
	}
	s.start()
	testenv.Eventually(t, 30*time.Second, "the way is open again", func() bool {
		return s.ask(t, "back", "GET", "/checkout", cookie(s.passes.valid)).status == http.StatusOK
	})
}

// exchange sends bytes on a connection of their own and returns what comes back until it is closed.
func exchange(t testing.TB, address, text string) string {
	t.Helper()
	got, err := tryExchange(address, text)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
