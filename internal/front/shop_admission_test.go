package front

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/proxy"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/queue"
)

// gatedShop is a stack with a shop behind it that counts what reaches its checkout.
type gatedShop struct {
	*stack
	reached atomic.Int64
	asked   atomic.Pointer[http.Request] // the last one
	command atomic.Pointer[string]       // what the shop says to Penstock
}

const gatedRules = `rules:
  - {path: /checkout/help, open: true}
  - {path: /checkout, sale: spring}
  - {path: /vip, sale: spring, fail: open}
  - {path: /lounge, sale: lounge, forward_pass: true}
  - {path: /buy, sale: spring, forward_pass: true}
  - {path: /typo, sale: no-such-sale}`

func newGatedShop(t testing.TB, more ...string) *gatedShop {
	t.Helper()
	g := &gatedShop{}
	shop := newShop(t, func(w http.ResponseWriter, r *http.Request) {
		clone := r.Clone(r.Context())
		g.asked.Store(clone)
		if strings.HasPrefix(strings.ToLower(r.URL.Path), "/checkout") && !strings.HasPrefix(r.URL.Path, "/checkout/help") {
			g.reached.Add(1)
		}
		if said := g.command.Load(); said != nil {
			w.Header().Set("Penstock-Command", *said)
			w.Header().Set("Penstock-Sale", "forged")
		}
		_, _ = io.WriteString(w, "shop")
	})
	lines := append([]string{gatedRules}, more...)
	shops := sites(t, shop.URL, strings.Split(strings.Join(lines, "\n"), "\n")...)
	g.stack = newStack(t, trustNobody, func(d *Deps) { d.Sites = shops })
	return g
}

func TestOnlyAPassOpensWhatIsProtected(t *testing.T) {
	g := newGatedShop(t)
	g.open(liveSale("spring", nil))
	g.open(liveSale("other", nil))
	g.open(liveSale("lounge", func(o *sale.Sale) { o.Admission.Mode = sale.Open }))
	_, pass := g.admitted("spring")
	_, foreign := g.admitted("other")
	browser := header{"Accept": "text/html,application/xhtml+xml"}

	sent := g.expect(303, "", "GET", "/checkout/step?a=1&b=%2F", browser, "")
	if cookies := sent.Cookies(); len(cookies) != 1 || cookies[0].Name != cookieCheck {
		t.Fatalf("the cookie by which the waiting room sees that the browser keeps cookies is missing: %v", cookies)
	}
	if want := "/sales/spring?return=" + url.QueryEscape("/checkout/step?a=1&b=%2F"); sent.Header.Get("Location") != want || sent.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("sent to %q, want %q", sent.Header.Get("Location"), want)
	}
	if sent := g.expect(303, "", "GET", "//evil.example/../checkout", browser, ""); sent.Header.Get("Location") != "/sales/spring?return="+url.QueryEscape("/evil.example/../checkout") {
		t.Errorf("sent to %q: the page could be taken for another host", sent.Header.Get("Location"))
	}
	for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		got := g.expect(401, "pass_required", method, "/checkout", nil, "")
		if got.Header.Get("Location") != "/sales/spring?return=%2Fcheckout" {
			t.Errorf("%s: %v", method, got.Header)
		}
	}
	g.expect(401, "pass_required", "POST", "/checkout", browser, "a=b")
	g.expect(401, "pass_required", "GET", "/checkout", header{"Cookie": "penstock_pass_spring=" + foreign}, "")
	g.expect(401, "pass_required", "GET", "/checkout", header{"Penstock-Pass": foreign}, "")
	g.expect(401, "pass_required", "GET", "/checkout", header{"Cookie": "penstock_pass_other=" + pass}, "")
	g.expect(404, "unknown_sale", "GET", "/typo", nil, "")
	if n := g.reached.Load(); n != 0 {
		t.Fatalf("%d requests reached the checkout", n)
	}
	for _, h := range []header{{"Cookie": "a=b; penstock_pass_spring=" + pass}, {"Penstock-Pass": pass}} {
		g.expect(200, "", "GET", "/checkout", h, "")
		g.expect(200, "", "POST", "/checkout/pay", h, "x")
	}
	g.expect(200, "", "GET", "/checkout/help/faq", nil, "")
	g.expect(200, "", "GET", "/shoes", nil, "")
	g.expect(200, "", "GET", "/lounge", nil, "") // its sale needs no pass
	g.expect(200, "", "OPTIONS", "/checkout", header{"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}, "")
	g.expect(401, "pass_required", "OPTIONS", "/checkout", header{"Origin": "https://a.example"}, "")
	g.expect(401, "pass_required", "OPTIONS", "/checkout", header{"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}, "body")
	g.expect(401, "pass_required", "OPTIONS", "/checkout", header{
		"Origin": "https://a.example", "Access-Control-Request-Method": "POST", "X-HTTP-Method-Override": "POST"}, "")
	if _, err := g.dialWebSocket("/checkout"); err == nil {
		t.Error("a WebSocket needs no pass")
	}
}

func TestAPassThatWasGivenBackOrASaleThatEndedOpensNothing(t *testing.T) {
	g := newGatedShop(t)
	entry := g.open(liveSale("spring", nil))
	_, pass := g.admitted("spring")
	mine := header{"Penstock-Pass": pass}
	g.expect(200, "", "GET", "/checkout", mine, "")
	_, second := g.admitted("spring")
	g.expect(204, "", "DELETE", "/v1/sales/spring/pass", mine, "")
	g.expect(401, "pass_required", "GET", "/checkout", mine, "")
	g.expect(200, "", "GET", "/checkout", header{"Penstock-Pass": second}, "")
	g.change(entry, func(r *sale.Record) { r.Ended = true })
	g.expect(401, "pass_required", "GET", "/checkout", header{"Penstock-Pass": second}, "")
}

// What is not known closes the way, unless the rule says otherwise; and it is counted.
func TestWhatIsNotKnownClosesTheWay(t *testing.T) {
	g := newGatedShop(t)
	testenv.Eventually(t, waitFor, "the sales are read", g.Sales.Complete)
	g.mini.FlushAll()
	testenv.Eventually(t, waitFor, "the loss is noticed", func() bool { return !g.Sales.Complete() })
	if got := g.expect(503, "unavailable", "GET", "/checkout", nil, ""); got.Header.Get("Retry-After") == "" {
		t.Error(got.Header)
	}
	page := g.expect(503, "", "GET", "/checkout", header{"Accept": "text/html"}, "")
	if !strings.Contains(string(page.body), "One moment") || page.Header.Get("Retry-After") == "" {
		t.Errorf("%s", page.body)
	}
	if n := g.reached.Load(); n != 0 {
		t.Fatalf("%d requests reached the checkout", n)
	}
	g.expect(200, "", "GET", "/vip", nil, "")
	g.expect(200, "", "GET", "/shoes", nil, "")
	if n := g.decisions(t, "failed_open"); n != 1 {
		t.Errorf("%v were let through", n)
	}
}

func (g *gatedShop) decisions(t testing.TB, label string) (sum float64) {
	t.Helper()
	return g.metricWith(t, "penstock_proxy_decisions_total", label)
}

func TestTheShopSeesNothingOfPenstockButWhatItIsTold(t *testing.T) {
	g := newGatedShop(t)
	g.open(liveSale("spring", nil))
	ticket, pass := g.admitted("spring")
	sent := header{
		"Penstock-Pass": pass, "Penstock-Ticket": ticket, "Penstock-Sale": "forged", "Penstock-Anything": "x", "Penstock_Sale": "forged", "penstock-pass-expires": "never",
		"Cookie": "session=1; penstock_pass_spring=" + pass + "; PENSTOCK_ticket_spring=" + ticket + ";__Host-penstock_x=y; theme=dark",
	}
	for path, told := range map[string]bool{"/checkout": true, "/shoes": false} {
		g.expect(200, "", "GET", path, sent, "")
		got := g.asked.Load().Header
		if got.Get("Cookie") != "session=1; theme=dark" {
			t.Errorf("%s: cookies %q", path, got.Get("Cookie"))
		}
		for name, values := range got {
			if strings.HasPrefix(strings.ReplaceAll(strings.ToLower(name), "_", "-"), "penstock-") && !told {
				t.Errorf("%s: the shop got %s: %v", path, name, values)
			}
		}
		if !told {
			continue
		}
		expires, err := time.Parse(time.RFC3339, got.Get("Penstock-Pass-Expires"))
		if got.Get("Penstock-Sale") != "spring" || len(got.Values("Penstock-Sale")) != 1 || got.Get("Penstock-Ticket") != "1" || err != nil || time.Until(expires) <= 0 ||
			got.Get("Penstock-Pass") != "" || got.Get("Penstock_Sale") != "" || got.Get("Penstock-Anything") != "" {
			t.Errorf("%v", got)
		}
	}
	g.expect(200, "", "GET", "/shoes", header{"Cookie": "penstock_pass_spring=" + pass}, "")
	if got := g.asked.Load().Header["Cookie"]; got != nil {
		t.Errorf("cookies %q", got)
	}
}

// A shop's backend needs the pass to reserve for the visitor. It gets the one that holds, and none where none is asked for.
func TestARuleMayGiveTheShopThePass(t *testing.T) {
	g := newGatedShop(t)
	g.open(liveSale("spring", nil))
	g.open(liveSale("lounge", func(o *sale.Sale) { o.Admission.Mode = sale.Open }))
	_, pass := g.admitted("spring")
	for name, sent := range map[string]header{
		"header":  {"Penstock-Pass": pass},
		"cookie":  {"Cookie": "penstock_pass_spring=" + pass},
		"cookies": {"Cookie": "penstock_pass_spring=forged; penstock_pass_spring=" + pass + "; penstock_pass_other=" + pass},
		"both":    {"Penstock-Pass": "forged", "Cookie": "penstock_pass_spring=" + pass},
	} {
		g.expect(200, "", "POST", "/buy", sent, "")
		if got := g.asked.Load().Header.Values("Penstock-Pass"); len(got) != 1 || got[0] != pass {
			t.Errorf("%s: the shop got %q", name, got)
		}
		g.expect(200, "", "POST", "/checkout", sent, "")
		if got := g.asked.Load().Header.Values("Penstock-Pass"); got != nil {
			t.Errorf("%s: the shop got %q unasked", name, got)
		}
	}
	g.expect(401, "pass_required", "POST", "/buy", header{"Penstock-Pass": "forged"}, "")
	g.expect(200, "", "POST", "/lounge", header{"Penstock-Pass": "forged"}, "") // its sale needs no pass
	if got := g.asked.Load().Header.Values("Penstock-Pass"); got != nil {
		t.Errorf("the shop got %q, which nobody checked", got)
	}
}

func TestTheShopMayEndAPass(t *testing.T) {
	for _, command := range []string{"release", "Revoke"} {
		for _, path := range []string{"/checkout/thanks", "/shoes"} {
			g := newGatedShop(t)
			g.open(liveSale("spring", nil))
			_, pass := g.admitted("spring")
			_, other := g.admitted("spring")
			mine := header{"Penstock-Pass": pass}
			g.command.Store(&command)
			got := g.expect(200, "", "GET", path, mine, "")
			g.command.Store(nil)
			for name := range got.Header {
				if strings.HasPrefix(name, "Penstock-") {
					t.Errorf("the visitor got %s", name)
				}
			}
			g.expect(401, "pass_required", "GET", "/checkout", mine, "")
			g.expect(200, "", "GET", "/checkout", header{"Penstock-Pass": other}, "")
			if n := g.metricWith(t, "penstock_proxy_commands_total", "obeyed"); n != 1 {
				t.Errorf("%v commands", n)
			}
		}
	}
}

func TestACommandThatNobodyKnowsIsCounted(t *testing.T) {
	g := newGatedShop(t)
	g.open(liveSale("spring", nil))
	_, pass := g.admitted("spring")
	command := "promote"
	g.command.Store(&command)
	g.expect(200, "", "GET", "/checkout", header{"Penstock-Pass": pass}, "")
	g.command.Store(nil)
	g.expect(200, "", "GET", "/checkout", header{"Penstock-Pass": pass}, "")
	if n := g.metricWith(t, "penstock_proxy_commands_total", "unknown"); n != 1 {
		t.Errorf("%v", n)
	}
}

const bypassSecret = "a-secret-of-the-monitoring"

func TestStaffAndSignedLinksNeedNoPass(t *testing.T) {
	t.Setenv("PROXY_TEST_SECRET", bypassSecret)
	g := newGatedShop(t, "bypass:", "  networks: [203.0.113.0/24, 10.0.0.0/8]",
		"  headers: [{name: X-Monitor, secret_env: PROXY_TEST_SECRET}]", "  links: {secret_env: PROXY_TEST_SECRET}")
	g.open(liveSale("spring", nil))
	g.expect(401, "pass_required", "GET", "/checkout", nil, "")

	g.expect(200, "", "GET", "/checkout", header{"X-Monitor": bypassSecret}, "")
	if got := g.asked.Load().Header.Get("X-Monitor"); got != "" {
		t.Errorf("the shop learns the secret: %q", got)
	}
	g.expect(401, "pass_required", "GET", "/checkout", header{"X-Monitor": bypassSecret + "x"}, "")
	g.expect(401, "pass_required", "GET", "/checkout", header{"X-Monitor": bypassSecret[1:]}, "")
	g.expect(401, "pass_required", "GET", "/checkout", header{"X-Forwarded-For": "203.0.113.7"}, "") // of no trusted proxy

	sign := func(link string, valid time.Duration) string {
		signed, err := proxy.SignLink(link, []byte(bypassSecret), time.Now().Add(valid))
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	g.expect(200, "", "GET", sign("/checkout/pay?a=1&b=2", time.Hour), nil, "")
	if got := g.asked.Load().URL.RawQuery; got != "a=1&b=2" {
		t.Errorf("the shop got the query %q", got)
	}
	good := sign("/checkout", time.Hour)
	for name, link := range map[string]string{
		"expired":        sign("/checkout", -time.Second),
		"another path":   strings.Replace(good, "/checkout", "/checkout/pay", 1),
		"another moment": strings.Replace(good, "penstock_link=", "penstock_link=9", 1),
		"cut short":      good[:len(good)-1],
		"twice":          good + "&" + good[strings.Index(good, "?")+1:],
		"empty":          "/checkout?penstock_link=",
		"no signature":   "/checkout?penstock_link=9999999999.",
	} {
		if got := g.do("GET", link, nil, ""); got.StatusCode != 401 {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
	}
}

func TestAnAddressThatIsOnlyClaimedOpensNothing(t *testing.T) {
	shop := newShop(t, func(http.ResponseWriter, *http.Request) {})
	shops := sites(t, shop.URL, gatedRules, "bypass: {networks: [203.0.113.0/24, 127.0.0.0/8]}")
	s := newStack(t, func(d *Deps) { d.Sites = shops }, trustLoopback)
	s.open(liveSale("spring", nil))
	for forwarded, want := range map[string]int{
		"203.0.113.7":                    200,
		"198.51.100.1, 203.0.113.7":      200,
		"203.0.113.7, 127.0.0.9":         200,
		"203.0.113.7, 198.51.100.1":      401, // the nearest that is no proxy
		"127.0.0.9":                      401, // claimed, and it may be a proxy's
		"nonsense":                       401, // and not the peer, who is in 127.0.0.0/8
		"203.0.113.7, [198.51.100.1]:80": 401,
	} {
		if got := s.do("GET", "/checkout", header{"X-Forwarded-For": forwarded}, ""); got.StatusCode != want {
			t.Errorf("%s: %d, want %d", forwarded, got.StatusCode, want)
		}
	}
}

// TestTenThousandTriesGetNobodyThrough mixes passes that are forged, expired, revoked or for another sale with
// spellings of the path, methods and headers.
func TestTenThousandTriesGetNobodyThrough(t *testing.T) {
	g := newGatedShop(t)
	g.open(liveSale("spring", nil))
	g.open(liveSale("other", nil))
	_, good := g.admitted("spring")
	_, revoked := g.admitted("spring")
	_, foreign := g.admitted("other")
	g.expect(204, "", "DELETE", "/v1/sales/spring/pass", header{"Penstock-Pass": revoked}, "")
	g.expect(200, "", "GET", "/checkout", header{"Penstock-Pass": good}, "")
	before := g.reached.Load()
	now := time.Now()
	expired := g.passes.Sign(queue.Pass{Sale: "spring", Ticket: 1, ID: "1", IssuedAt: now.Add(-time.Hour), ExpiresAt: now.Add(-time.Minute)})
	stranger := queue.NewPassKeys([]byte("another secret"), nil, nil).Sign(queue.Pass{Sale: "spring", Ticket: 1, ID: "1", IssuedAt: now, ExpiresAt: now.Add(time.Hour)})
	passes := []string{"", "x", revoked, foreign, expired, stranger, good[:len(good)-1], good + "A", good + ".", strings.ToUpper(good), "." + good, good[1:], strings.Replace(good, ".", "..", 1)}
	paths := []string{
		"/checkout", "/checkout/pay", "//checkout", "/./checkout", "/x/../checkout", "/x/%2e%2e/checkout", "/%63heckout", "/checkout;x", "/checkout/help/../pay",
		"/checkout/help/..;/pay", "/CHECKOUT", "/checkout%20", "/checkout.", "/%2563heckout", "/checkout%2fpay", "/a%5c..%5ccheckout", "/checkout%00", "/checkout?x=/help",
		"/checkout/.", "/;/checkout", "/checkout//../checkout", "/sales/../checkout", "/v1/../checkout", "/sales/static/%2e%2e/checkout", "/healthz/../checkout",
	}
	methods := []string{"GET", "POST", "HEAD", "OPTIONS", "PUT", "PROPFIND", "get"}
	heads := []string{"", "X-Original-URL: /shoes\r\n", "X-Rewrite-URL: /shoes\r\n", "X-HTTP-Method-Override: OPTIONS\r\n", "Penstock-Sale: other\r\n", "Accept: text/html\r\n", "Connection: Penstock-Pass, Cookie\r\n", "Forwarded: for=10.0.0.1\r\n", "X-Forwarded-For: 127.0.0.1\r\n"}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			tries := g.tries()
			defer tries.close()
			random := rand.New(rand.NewPCG(uint64(worker), 7))
			pick := func(from []string) string { return from[random.IntN(len(from))] }
			for range 1250 {
				pass, where := pick(passes), "Penstock-Pass: %s\r\n"
				if random.IntN(2) == 0 {
					where = "Cookie: a=b; penstock_pass_spring=%s\r\n"
				}
				tries.send(pick(methods), pick(paths), pick(heads)+fmt.Sprintf(where, pass))
			}
		})
	}
	all.Wait()
	if n := g.reached.Load() - before; n != 0 {
		t.Fatalf("%d of 10,000 reached the checkout", n)
	}
	g.expect(200, "", "GET", "/checkout", header{"Penstock-Pass": good}, "")
}

// The whole way of a browser: asked for the checkout, sent to the waiting room, admitted, and back to the page.
func TestABrowserIsBroughtBackToThePageThatItAskedFor(t *testing.T) {
	g := newGatedShop(t)
	g.open(liveSale("spring", nil))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	testenv.Eventually(t, waitFor, "the browser is in the checkout", func() bool {
		request, err := http.NewRequest("GET", g.url+"/checkout/step?a=1&b=%2F", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", "text/html")
		answer, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		_ = readAll(t, answer)
		return answer.Request.URL.Path == "/checkout/step" && answer.StatusCode == 200
	})
	if got := g.asked.Load(); got.URL.RequestURI() != "/checkout/step?a=1&b=%2F" || got.Header.Get("Penstock-Ticket") != "1" || got.Header.Get("Cookie") != "" {
		t.Fatalf("the shop was asked for %s with %v", got.URL.RequestURI(), got.Header)
	}
}
