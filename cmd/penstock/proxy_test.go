//go:build proxies

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// testProxy checks that a proxy with its shipped file keeps the checkout closed, and open to those who
// have a pass. It sends that many attacks.
func testProxy(t *testing.T, proxy startProxy, attacks int) {
	t.Helper()
	s := newProxyStand(t, proxy)
	runEach(t, append(s.everyGate("/catalogue/a%2fb?x=1", attacks), []proxyTest{
		{"whoever has no pass is sent to the room, with any method and any version of HTTP", s.sendsToTheRoom},
		{"a visitor who asked for a long address is led back to it", s.leadsBackFar},
		{"the API and the files of the room are served on the shop's host", s.servesTheRoom},
		{"the question has no body and none of the visitor's other headers", s.asksBriefly},
		{"an answer that is neither yes nor no closes the way with 503", s.closesOnOddAnswers},
		{"without Penstock the way is closed with 503, and open again when Penstock is back", s.closesWithoutPenstock},
	}...))
}

// everyGate is what holds for each way to gate a shop, a proxy with forward-auth and Penstock as the proxy. Page is
// one that is not gated.
func (s *proxyStand) everyGate(page string, attacks int) []proxyTest {
	return []proxyTest{
		{"a visitor without a pass goes through the room and comes to the page that they asked for", s.walksThroughTheRoom},
		{"a visitor with a pass enters, and the shop is told whom it serves", s.letsIn},
		{"a request with a body comes to the shop whole", s.passesBodiesOn},
		{"a forged, expired, revoked or foreign pass does not enter", s.refusesBadPasses},
		{"the sale is the operator's, whatever the visitor names", s.keepsToItsSale},
		{"what a visitor says in the proxy's headers does not reach the shop", s.stripsForgedHeaders},
		{"a name and password for staging do not matter", s.ignoresOtherCredentials},
		{"a visitor with 8 KB of cookies enters", s.takesManyCookies},
		{"a CORS preflight passes, and a header that says so does not", s.letsPreflightsPass},
		{"pages that are not gated, and failures of the shop, are the shop's own", func(t *testing.T) { s.leavesTheShopAlone(t, page) }},
		{"attacks do not reach the checkout", func(t *testing.T) { s.attack(t, attacks) }},
	}
}

// proxyTest is one statement of how a proxy behaves.
type proxyTest struct {
	name string
	test func(t *testing.T)
}

func runEach(t *testing.T, tests []proxyTest) {
	t.Helper()
	for _, one := range tests {
		t.Run(one.name, one.test)
	}
}

// strict does not follow redirects.
var strict = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// ask sends one request through the proxy, with a label for the shop.
func (s *proxyStand) ask(t testing.TB, label, method, path string, header map[string]string) answer {
	t.Helper()
	return s.askAt(t, s.address, label, method, path, header)
}

func (s *proxyStand) askAt(t testing.TB, address, label, method, path string, header map[string]string) answer {
	t.Helper()
	h := map[string]string{"Shop-Visit": label}
	for name, value := range header {
		h[name] = value
	}
	a, err := send(strict, call{method: method, url: "http://" + address + path, header: h})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func cookie(pass string) map[string]string {
	return map[string]string{"Cookie": "penstock_pass_" + gatedSale + "=" + pass}
}

func (s *proxyStand) walksThroughTheRoom(t *testing.T) {
	const asked = "/checkout/step?variant=42&name=a%20b"
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: 10 * time.Second}
	at, seen := s.url(asked), ""
	testenv.Eventually(t, 20*time.Second, "the room leads back to the shop", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), "GET", at, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html")
		req.Header.Set("Shop-Visit", "browser")
		res, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		at = res.Request.URL.String()
		if strings.HasPrefix(res.Request.URL.Path, "/sales/") {
			return false // it waits, and looks again
		}
		seen = string(body)
		return true
	})
	if seen != "shop: "+asked || at != s.url(asked) {
		t.Fatalf("the browser ended at %s with %q", at, seen)
	}
	if visits := s.shop.of("browser"); len(visits) != 1 || visits[0].target != asked {
		t.Fatalf("the shop saw %v", visits)
	}
}

func (s *proxyStand) sendsToTheRoom(t *testing.T) {
	room := s.url("/sales/" + gatedSale)
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} {
		for _, accept := range []string{"text/html", "application/json"} {
			a := s.ask(t, "none", method, "/checkout", map[string]string{"Accept": accept})
			want := room
			if method == "GET" || method == "HEAD" {
				want += "?return=" + url.QueryEscape("/checkout")
			}
			if a.status != http.StatusFound || a.header.Get("Location") != want || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s for %s: %d %q, want 302 to %q", method, accept, a.status, a.header, want)
			}
		}
	}
	raw := exchange(t, s.address, "GET /checkout HTTP/1.0\r\nHost: "+s.address+"\r\nShop-Visit: none\r\n\r\n")
	if !strings.Contains(raw, " 302 ") || !strings.Contains(raw, room) {
		t.Errorf("HTTP/1.0: %q", raw)
	}
	raw = exchange(t, s.address, "GET http://"+s.address+"/checkout HTTP/1.1\r\nHost: "+s.address+"\r\nConnection: close\r\nShop-Visit: none\r\n\r\n")
	if !strings.Contains(raw, " 302 ") || !strings.Contains(raw, room) {
		t.Errorf("the absolute form: %q", raw)
	}
	if visits := s.shop.of("none"); len(visits) > 0 {
		t.Errorf("the shop saw %v", visits)
	}
}

func (s *proxyStand) letsIn(t *testing.T) {
	for name, header := range map[string]map[string]string{
		"cookie": cookie(s.passes.valid), "header": {"Penstock-Pass": s.passes.valid},
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE"} {
			label := "in by " + name + " " + method
			a := s.ask(t, label, method, "/checkout?a=b%2fc", header)
			visits := s.shop.of(label)
			if a.status != http.StatusOK || len(visits) != 1 {
				t.Fatalf("%s: %d %s, the shop saw %v", label, a.status, a.raw, visits)
			}
			v := visits[0]
			expires, err := time.Parse(time.RFC3339, v.header.Get("Penstock-Pass-Expires"))
			if v.method != method || v.target != "/checkout?a=b%2fc" || v.host != s.address || err != nil || time.Until(expires) < time.Minute ||
				v.header.Get("Penstock-Sale") != gatedSale || v.header.Get("Penstock-Ticket") == "" {
				t.Errorf("%s: the shop saw %+v", label, v)
			}
		}
	}
}

func (s *proxyStand) passesBodiesOn(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 20<<10/16)
	for name, reader := range map[string]io.Reader{"sized": strings.NewReader(body), "chunked": io.MultiReader(strings.NewReader(body))} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", s.url("/checkout"), reader)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Shop-Visit", name)
		req.Header.Set("Cookie", cookie(s.passes.valid)["Cookie"])
		res, err := strict.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if visits := s.shop.of(name); res.StatusCode != http.StatusOK || len(visits) != 1 || visits[0].body != body {
			t.Errorf("%s: %d, the shop saw %d requests", name, res.StatusCode, len(visits))
		}
	}
}

// badPasses are credentials that must not open the gate.
func (s *proxyStand) badPasses() map[string]map[string]string {
	valid := s.passes.valid
	head, rest, _ := strings.Cut(valid, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	const unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0" // {"alg":"none","typ":"JWT"}
	return map[string]map[string]string{
		"forged signature":            cookie(valid[:len(valid)-4] + "AAAA"),
		"without a signature":         cookie(head + "." + payload + "."),
		"with the algorithm none":     cookie(unsigned + "." + payload + "."),
		"none, with a signature":      cookie(unsigned + "." + payload + "." + signature),
		"cut short":                   cookie(valid[:len(valid)-1]),
		"expired":                     cookie(s.passes.expired),
		"expired, in the header":      {"Penstock-Pass": s.passes.expired},
		"revoked":                     cookie(s.passes.revoked),
		"revoked, in the header":      {"Penstock-Pass": s.passes.revoked},
		"foreign in this sale's name": cookie(s.passes.foreign),
		"foreign in its own name":     {"Cookie": "penstock_pass_" + foreignSale + "=" + s.passes.foreign},
		"foreign in the header":       {"Penstock-Pass": s.passes.foreign},
		"bound to no sale":            {"Cookie": "penstock_pass_=" + valid + "; penstock_pass=" + valid},
		"a ticket":                    cookie(s.passes.ticket),
		"a ticket, in its place":      {"Penstock-Ticket": s.passes.ticket},
		"as a bearer token":           {"Authorization": "Bearer " + valid},
		"empty":                       cookie(""),
		"nothing":                     nil,
	}
}

func (s *proxyStand) refusesBadPasses(t *testing.T) {
	for name, header := range s.badPasses() {
		if a := s.ask(t, "bad", "GET", "/checkout", header); a.status != s.refused {
			t.Errorf("%s: %d %s", name, a.status, a.raw)
		}
	}
	if visits := s.shop.of("bad"); len(visits) > 0 {
		t.Errorf("the shop saw %v", visits)
	}
}

func (s *proxyStand) keepsToItsSale(t *testing.T) {
	for _, path := range []string{"/checkout", "/checkout?sale=" + openSale, "/checkout?redirect=0&preflight=forwarded&sale=" + openSale} {
		for _, header := range []map[string]string{
			{"Penstock-Sale": openSale},
			{"penstock-sale": openSale, "Penstock-Redirect": "0"},
			{"Penstock-Sale": foreignSale, "Penstock-Pass": s.passes.foreign},
			{"Penstock-Sale": ""},
		} {
			if a := s.ask(t, "other sale", "GET", path, header); a.status != s.refused || !strings.Contains(a.header.Get("Location"), "/sales/"+gatedSale) {
				t.Errorf("%s %v: %d %v", path, header, a.status, a.header)
			}
		}
	}
	if visits := s.shop.of("other sale"); len(visits) > 0 {
		t.Errorf("the shop saw %v", visits)
	}
	both := cookie(s.passes.valid)
	both["Penstock-Sale"] = openSale
	if a := s.ask(t, "own sale", "GET", "/checkout?sale="+openSale, both); a.status != http.StatusOK {
		t.Errorf("with a valid pass and another sale's name: %d %s", a.status, a.raw)
	}
	for _, v := range s.shop.of("own sale") {
		if got := v.header.Values("Penstock-Sale"); len(got) != 1 || got[0] != gatedSale {
			t.Errorf("the shop was told %v", got)
		}
	}
}

func (s *proxyStand) stripsForgedHeaders(t *testing.T) {
	forged := map[string]string{}
	for _, name := range []string{"Penstock-Sale", "Penstock-Ticket", "Penstock-Pass-Expires", "Penstock-Redirect", "Penstock-Shadow", "Penstock_Shadow",
		"Penstock_Sale", "Penstock_Ticket", "Penstock_Pass_Expires", "Penstock-Pass_Expires", "Penstock_Pass-Expires", "PENSTOCK_TICKET"} {
		forged[name] = "forged"
	}
	for _, path := range []string{"/", "/catalogue", "/checkout"} {
		label := "forged " + path
		if path == "/checkout" {
			forged["Cookie"] = cookie(s.passes.valid)["Cookie"]
		}
		a := s.ask(t, label, "GET", path, forged)
		visits := s.shop.of(label)
		if a.status != http.StatusOK && a.status != http.StatusBadRequest { // a proxy may refuse underscores
			t.Fatalf("%s: %d, the shop saw %v", path, a.status, visits)
		}
		for _, v := range visits {
			for name, values := range v.header {
				if strings.HasPrefix(strings.ToLower(name), "penstock") && strings.Contains(strings.Join(values, ","), "forged") {
					t.Errorf("%s: the shop was told %s: %s", path, name, values)
				}
			}
		}
	}
	// An open sale's answer has no ticket. A forged one must not stand in its place.
	if len(s.shop.of("forged /checkout")) == 0 && len(s.shop.of("forged /")) > 0 {
		t.Error("a valid pass did not enter")
	}
}

func (s *proxyStand) ignoresOtherCredentials(t *testing.T) {
	header := cookie(s.passes.valid)
	header["Authorization"] = "Basic c3RhZ2luZzpzZWNyZXQ="
	a := s.ask(t, "staging", "GET", "/checkout", header)
	if visits := s.shop.of("staging"); a.status != http.StatusOK || len(visits) != 1 || visits[0].header.Get("Authorization") != header["Authorization"] {
		t.Errorf("%d %s, the shop saw %v", a.status, a.raw, visits)
	}
	if a := s.ask(t, "staging out", "GET", "/checkout", map[string]string{"Authorization": header["Authorization"]}); a.status != s.refused {
		t.Errorf("without a pass: %d", a.status)
	}
}

func (s *proxyStand) takesManyCookies(t *testing.T) {
	jar := ""
	for i := range 28 {
		jar += fmt.Sprintf("shop_%02d=%s; ", i, strings.Repeat("x", 290))
	}
	if len(jar) < 8300 {
		t.Fatalf("only %d bytes of cookies", len(jar))
	}
	a := s.ask(t, "jar", "GET", "/checkout", map[string]string{"Cookie": jar + "penstock_pass_" + gatedSale + "=" + s.passes.valid})
	if a.status != http.StatusOK || len(s.shop.of("jar")) != 1 {
		t.Errorf("with a pass: %d %s", a.status, a.raw)
	}
	if a := s.ask(t, "jar out", "GET", "/checkout", map[string]string{"Cookie": jar}); a.status != s.refused || len(s.shop.of("jar out")) != 0 {
		t.Errorf("without a pass: %d %s", a.status, a.raw)
	}
}

func (s *proxyStand) leadsBackFar(t *testing.T) {
	asked := "/checkout?list=" + strings.Repeat("%C3%BC,", 270)
	a := s.ask(t, "far", "GET", asked, nil)
	sent, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status != s.refused || sent.Query().Get("return") != asked {
		t.Errorf("%d, sent to %.200s: %v", a.status, a.header.Get("Location"), err)
	}
}

func (s *proxyStand) letsPreflightsPass(t *testing.T) {
	preflight := map[string]string{"Origin": "https://www.shop.example", "Access-Control-Request-Method": "POST"}
	with := func(more ...string) map[string]string {
		h := map[string]string{}
		for name, value := range preflight {
			h[name] = value
		}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	a := s.ask(t, "preflight", "OPTIONS", "/checkout", preflight)
	if visits := s.shop.of("preflight"); a.status != http.StatusOK || len(visits) != 1 || visits[0].method != "OPTIONS" {
		t.Errorf("a preflight: %d, the shop saw %v", a.status, visits)
	}
	for name, one := range map[string]struct {
		method string
		header map[string]string
	}{
		"a GET that says it is one":  {"GET", with("X-Forwarded-Method", "OPTIONS")},
		"a POST that says it is one": {"POST", with("X-Forwarded-Method", "OPTIONS", "X-Forwarded-Uri", "/")},
		"one that means another":     {"OPTIONS", with("X-HTTP-Method-Override", "POST")},
		"OPTIONS alone":              {"OPTIONS", nil},
	} {
		if a := s.ask(t, "no preflight", one.method, "/checkout", one.header); a.status != s.refused {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if visits := s.shop.of("no preflight"); len(visits) > 0 {
		t.Errorf("the shop saw %v", visits)
	}
}

func (s *proxyStand) leavesTheShopAlone(t *testing.T, page string) {
	for path, want := range map[string]int{"/": 200, page: 200, "/broken": 500} {
		if a := s.ask(t, "free "+path, "GET", path, nil); a.status != want || len(s.shop.of("free "+path)) != 1 {
			t.Errorf("%s: %d, want %d", path, a.status, want)
		}
	}
	a := s.ask(t, "broken", "GET", "/checkout/broken", cookie(s.passes.valid))
	if a.status != http.StatusInternalServerError || !strings.Contains(string(a.raw), "the shop is broken") {
		t.Errorf("a failure of the shop became %d %s", a.status, a.raw)
	}
}

func (s *proxyStand) servesTheRoom(t *testing.T) {
	given := s.admitted(t, gatedSale)
	given.front = s.url("")
	must(t, http.StatusOK, call{method: "GET", url: given.salePath("/ticket"), header: map[string]string{"Penstock-Ticket": given.ticket}})
	// A browser that looks ahead gets the page and no place, also while the room is free.
	page := s.ask(t, "room", "GET", "/sales/"+gatedSale, map[string]string{"Accept": "text/html", "Sec-Purpose": "prefetch"})
	if !strings.Contains(string(page.raw), "/sales/static/room.js") {
		t.Errorf("the page: %d %.300s", page.status, page.raw)
	}
	must(t, http.StatusOK, call{method: "GET", url: s.url("/sales/static/room.js")})
	held := must(t, http.StatusCreated, given.reservation("A", 1, "through-"+s.address)).text("id")
	must(t, http.StatusOK, call{method: "GET", url: s.url("/v1/reservations/" + held), header: given.header()})
	must(t, http.StatusAccepted, given.order(held, "order-through-"+s.address))
	if visits := s.shop.of("room"); len(visits) > 0 {
		t.Errorf("the shop saw %v", visits)
	}
	if a := s.ask(t, "gate", "GET", "/v1/auth?sale="+openSale, nil); a.header.Get("Penstock-Sale") != "" {
		t.Errorf("visitors can ask the gate itself: %d %v", a.status, a.header)
	}
}
