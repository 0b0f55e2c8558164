package front

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

const shopHost = "shop.example"

// proxied adds what a proxy of the shop tells of its visitor's request.
func proxied(h header) header {
	all := header{"X-Forwarded-Host": shopHost, "X-Forwarded-Proto": "https"}
	for name, value := range h {
		all[name] = value
	}
	return all
}

func shopRoom(saleID string) string { return "https://" + shopHost + roomPath(saleID) }

func TestForwardAuthLetsInWhoHasAPass(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	_, pass := s.admitted("spring")
	cookie := "penstock_pass_spring=" + pass
	for _, method := range []string{"GET", "POST", "PUT", "OPTIONS"} {
		for path, status := range map[string]int{"/v1/auth": 204, "/v1/auth/checkout/step//2": 200} { // Envoy wants 200
			got := s.expect(status, "", method, path, header{"Penstock-Sale": "spring", "Cookie": cookie}, "")
			expires, err := time.Parse(time.RFC3339, got.Header.Get("Penstock-Pass-Expires"))
			if err != nil || time.Until(expires) <= 0 || got.Header.Get("Penstock-Sale") != "spring" || got.Header.Get("Penstock-Ticket") != "1" {
				t.Fatalf("%s %s: %v", method, path, got.Header)
			}
		}
	}
	s.expect(204, "", "GET", "/v1/auth?sale=spring", header{"Penstock-Pass": pass, "X-Forwarded-For": "203.0.113.7"}, "")
	denied := s.expect(401, "pass_required", "GET", "/v1/auth?sale=spring", proxied(nil), "")
	sent := s.expect(302, "", "GET", "/v1/auth?sale=spring&redirect=1", proxied(header{"Penstock-Pass": "nonsense"}), "")
	if denied.Header.Get("Location") != shopRoom("spring") || sent.Header.Get("Location") != shopRoom("spring") {
		t.Fatalf("sent to %q and %q", denied.Header.Get("Location"), sent.Header.Get("Location"))
	}
	s.expect(204, "", "DELETE", "/v1/sales/spring/pass", header{"Cookie": cookie}, "")
	s.expect(401, "pass_required", "GET", "/v1/auth?sale=spring", header{"Cookie": cookie}, "")
}

// What the proxy is configured with must not be outranked by what its visitor sends.
func TestForwardAuthRefusesToChooseBetweenTwoSales(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	s.open(liveSale("open", func(o *sale.Sale) { o.Admission.Mode = sale.Open }))
	_, pass := s.admitted("spring")
	s.expect(400, "bad_request", "GET", "/v1/auth?sale=spring", header{"Penstock-Sale": "open"}, "")
	s.expect(400, "bad_request", "GET", "/v1/auth?sale=spring", header{"Penstock-Sale": "open", "Penstock-Pass": pass}, "")
	s.expect(400, "bad_request", "GET", "/v1/auth?sale=spring&sale=open", nil, "")
	s.expect(400, "bad_request", "GET", "/v1/auth?sale=open&sale=spring", header{"Penstock-Sale": "open"}, "")
	s.expect(401, "pass_required", "GET", "/v1/auth?sale=spring", header{"Penstock-Sale": "spring"}, "")
	s.expect(204, "", "GET", "/v1/auth?sale=spring", header{"Penstock-Sale": "spring", "Penstock-Pass": pass}, "")
}

func TestForwardAuthLetsNobodyIntoASaleThatIsNotRunning(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("open", func(o *sale.Sale) { o.Admission.Mode = sale.Open }))
	gated := s.open(liveSale("spring", nil))
	_, pass := s.admitted("spring")
	now := time.Now()
	for name, change := range map[string]func(*sale.Record){
		"scheduled": func(r *sale.Record) {
			r.OpensAt, r.StartsAt, r.EndsAt = now.Add(time.Hour), now.Add(time.Hour), now.Add(2*time.Hour)
		},
		"ended": func(r *sale.Record) { r.Ended = true },
	} {
		s.change(entry, change)
		s.change(gated, change)
		for _, sent := range []string{
			s.expect(401, "pass_required", "GET", "/v1/auth?sale=open", proxied(nil), "").Header.Get("Location"),
			s.expect(302, "", "GET", "/v1/auth?sale=open&redirect=1", proxied(nil), "").Header.Get("Location"),
		} {
			if sent != shopRoom("open") {
				t.Errorf("%s: sent to %q", name, sent)
			}
		}
		s.expect(401, "pass_required", "GET", "/v1/auth?sale=spring", header{"Penstock-Pass": pass}, "")
	}
	paused := func(r *sale.Record) {
		r.OpensAt, r.StartsAt, r.EndsAt = now.Add(-time.Hour), now.Add(-time.Hour), now.Add(time.Hour)
		r.Ended, r.Paused = false, true
	}
	s.change(entry, paused)
	s.change(gated, paused)
	s.expect(204, "", "GET", "/v1/auth?sale=open", nil, "")
	s.expect(204, "", "GET", "/v1/auth?sale=spring", header{"Penstock-Pass": pass}, "")
}

func TestForwardAuthFindsTheSaleInThePass(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	entry := s.open(liveSale("open", nil))
	_, pass := s.admitted("spring")
	_, openPass := s.admitted("open")
	for _, h := range []header{{"Penstock-Pass": pass}, {"Cookie": "a=b; penstock_pass_spring=" + pass + "; c=d"}, {"Penstock-Pass": pass, "Cookie": "penstock_pass_open=x"}} {
		if got := s.expect(204, "", "GET", "/v1/auth", h, ""); got.Header.Get("Penstock-Sale") != "spring" || got.Header.Get("Penstock-Ticket") != "1" {
			t.Fatalf("%v: %v", h, got.Header)
		}
	}
	if sent := s.expect(302, "", "GET", "/v1/auth?redirect=1", proxied(header{"Cookie": "penstock_pass_spring=stale"}), ""); sent.Header.Get("Location") != shopRoom("spring") {
		t.Fatalf("sent to %q", sent.Header.Get("Location"))
	}
	// an open sale is no way past the others
	s.change(entry, func(r *sale.Record) { r.Admission.Mode = sale.Open })
	s.expect(401, "pass_required", "GET", "/v1/auth", header{"Cookie": "penstock_pass_open=made-up"}, "")
	s.expect(204, "", "GET", "/v1/auth", header{"Cookie": "penstock_pass_open=" + openPass}, "")
	s.expect(204, "", "GET", "/v1/auth?sale=open", nil, "")
}

// Traefik reads a relative Location as one of the server that it asked, which no visitor can reach.
// A sale in shadow mode lets everybody pass where the proxy names it. A visitor who names it gets nowhere by that.
func TestNobodyPassesAGateThatNamesNoSaleByNamingOneInShadowMode(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("watched", func(o *sale.Sale) { o.Shadow = true }))
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"aud":"watched"}`))
	for name, h := range map[string]header{
		"a header": {"Penstock-Pass": "e30." + claims + ".x"}, "a cookie": {"Cookie": "penstock_pass_watched=forged"},
	} {
		if got := s.do("GET", "/v1/auth", h, ""); got.StatusCode != 401 {
			t.Errorf("%s: %d", name, got.StatusCode)
		}
		if got := s.do("GET", "/v1/auth?sale=watched", h, ""); got.StatusCode != 204 || got.Header.Get("Penstock-Shadow") != "wait;reason=pass_invalid" {
			t.Errorf("%s, the sale named by the proxy: %d %q", name, got.StatusCode, got.Header.Get("Penstock-Shadow"))
		}
	}
}

func TestForwardAuthSendsNobodyToAnAddressThatIsNotKnown(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	for _, h := range []header{nil, {"X-Forwarded-Host": "evil.example/path"}, {"X-Forwarded-Host": "a b"}, {"Host": "internal"}} {
		for _, path := range []string{"/v1/auth?sale=spring", "/v1/auth?sale=spring&redirect=1"} {
			got := s.expect(401, "pass_required", "GET", path, h, "")
			if got.Header.Get("Location") != "" || !strings.Contains(string(got.body), "PENSTOCK_PUBLIC_URL") {
				t.Fatalf("%v: %v %s", h, got.Header, got.body)
			}
		}
	}
}

func TestForwardAuthBelievesWhatAProxySaysOnlyFromAnAddressThatIsTrusted(t *testing.T) {
	s := newStack(t, trustNobody)
	s.open(liveSale("spring", nil))
	if got := s.expect(401, "pass_required", "GET", "/v1/auth?sale=spring&redirect=1", proxied(nil), ""); got.Header.Get("Location") != "" {
		t.Fatalf("sent to %q", got.Header.Get("Location"))
	}
	s = newStack(t, trustNobody, publicURL("https://queue.shop.example"))
	s.open(liveSale("spring", nil))
	got := s.expect(302, "", "GET", "/v1/auth?sale=spring&redirect=1", proxied(header{"X-Forwarded-Uri": "/checkout"}), "")
	if got.Header.Get("Location") != "https://queue.shop.example/sales/spring" {
		t.Fatalf("sent to %q", got.Header.Get("Location"))
	}
}

func publicURL(address string) stackOption { return func(d *Deps) { d.PublicURL = address } }

func TestTheAskedForPageSurvivesTheRoom(t *testing.T) {
	spring := liveSale("spring", func(o *sale.Sale) { o.TargetURL, o.Handover = "https://shop.example/checkout", sale.HandoverNone })
	onShopHost, onOwnHost := newStack(t), newStack(t, publicURL("https://queue.example"))
	onShopHost.open(spring)
	onOwnHost.open(spring)
	const asked = "/checkout?variant=42&utm_source=a%20b"
	for name, c := range map[string]struct {
		s    *stack
		path string
		h    header
		back string // where the room page must lead in the end; empty is the sale's target
	}{
		"on the shop's host":          {onShopHost, "/v1/auth?sale=spring&redirect=1", proxied(header{"X-Forwarded-Uri": asked}), asked},
		"on a host of the room's own": {onOwnHost, "/v1/auth?sale=spring&redirect=1", proxied(header{"X-Forwarded-Uri": asked}), "https://" + shopHost + asked},
		"as Envoy asks":               {onShopHost, "/v1/auth" + asked, proxied(header{"Penstock-Sale": "spring", "Penstock-Redirect": "1"}), asked},
		"a form that was sent":        {onShopHost, "/v1/auth?sale=spring&redirect=1", proxied(header{"X-Forwarded-Uri": asked, "X-Forwarded-Method": "POST"}), ""},
		"of a host nobody allowed":    {onOwnHost, "/v1/auth?sale=spring&redirect=1", header{"X-Forwarded-Host": "evil.example", "X-Forwarded-Uri": asked}, ""},
		"two slashes":                 {onShopHost, "/v1/auth?sale=spring&redirect=1", proxied(header{"X-Forwarded-Uri": "//evil.example/"}), ""},
	} {
		_, pass := c.s.admitted("spring")
		sent, err := url.Parse(c.s.expect(302, "", "GET", c.path, c.h, "").Header.Get("Location"))
		if err != nil || !sent.IsAbs() || sent.Path != "/sales/spring" {
			t.Fatalf("%s: sent to %v: %v", name, sent, err)
		}
		if c.back == "" {
			c.back = "https://shop.example/checkout"
		}
		got := c.s.expect(303, "", "GET", sent.RequestURI(), header{"Cookie": "penstock_pass_spring=" + pass}, "")
		if got.Header.Get("Location") != c.back {
			t.Errorf("%s: the room leads to %q, want %q", name, got.Header.Get("Location"), c.back)
		}
	}
}

func TestTheRoomLeadsOnlyToHostsThatSomebodyAllowed(t *testing.T) {
	s := newStack(t, publicURL("https://queue.example"), func(d *Deps) { d.ReturnHosts = []string{"www.shop.example"} })
	s.open(liveSale("spring", func(o *sale.Sale) {
		o.TargetURL, o.Handover = "https://shop.example/checkout?variant=1#pay", sale.HandoverNone
	}))
	_, pass := s.admitted("spring")
	const target = "https://shop.example/checkout?variant=1"
	for query, want := range map[string]string{
		"return=https://www.shop.example/cart?a=1":      "https://www.shop.example/cart?a=1",
		"return=https://WWW.shop.example/cart":          "https://WWW.shop.example/cart",
		"return=https://queue.example/other":            "https://queue.example/other",
		"return=/cart":                                  "/cart",
		"return=https://evil.example/":                  target + "#pay",
		"return=https://shop.example.evil.example/":     target + "#pay",
		"return=https://shop.example@evil.example/":     target + "#pay",
		"return=//evil.example":                         target + "#pay",
		"return=/%5Cevil.example":                       target + "#pay",
		"return=javascript:alert(1)":                    target + "#pay",
		"return=https://shop.example:8443/":             target + "#pay",
		"variant=42&utm_source=mail&size=%C3%BC":        target + "&utm_source=mail&size=%C3%BC#pay",
		"penstock_pass=x&penstock_cookies=1&x=%zz&y=1":  target + "&y=1#pay",
		"x=" + strings.Repeat("a", sale.MaxURLLength):   target + "#pay",
		"return=/" + strings.Repeat("a", 3000) + "&y=1": target + "&y=1#pay",
	} {
		got := s.expect(303, "", "GET", "/sales/spring?"+query, header{"Cookie": "penstock_pass_spring=" + pass}, "")
		if got.Header.Get("Location") != want {
			t.Errorf("%.60s: led to %q, want %q", query, got.Header.Get("Location"), want)
		}
	}
}

// Which of several credentials counts is decided by what is valid, not by where it stands.
func TestOfSeveralTicketsAndPassesAValidOneCounts(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	s.open(liveSale("other", nil))
	ticket, pass := s.admitted("spring")
	_, foreign := s.admitted("other")
	forged := pass[:len(pass)-4] + "AAAA"
	for name, h := range map[string]header{
		"a forged cookie before":        {"Cookie": "penstock_pass_spring=" + forged + "; penstock_pass_spring=" + pass},
		"a forged cookie after":         {"Cookie": "penstock_pass_spring=" + pass + "; penstock_pass_spring=" + forged},
		"an empty cookie before":        {"Cookie": "penstock_pass_spring=; penstock_pass_spring=" + pass},
		"a forged header":               {"Penstock-Pass": forged, "Cookie": "penstock_pass_spring=" + pass},
		"a header of another sale":      {"Penstock-Pass": foreign, "Cookie": "penstock_pass_spring=" + pass},
		"a valid header, forged cookie": {"Penstock-Pass": pass, "Cookie": "penstock_pass_spring=" + forged},
		"ten forged cookies before":     {"Cookie": strings.Repeat("penstock_pass_spring="+forged+"; ", 10) + "penstock_pass_spring=" + pass},
	} {
		if got := s.do("GET", "/v1/auth?sale=spring", h, ""); got.StatusCode != 204 {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.body)
		}
	}
	broken := ticket[:len(ticket)-4] + "AAAA"
	for name, h := range map[string]header{
		"a forged ticket cookie before": {"Cookie": "penstock_ticket_spring=" + broken + "; penstock_ticket_spring=" + ticket},
		"a forged ticket in the header": {"Penstock-Ticket": broken, "Cookie": "penstock_ticket_spring=" + ticket},
	} {
		if got := s.expect(200, "", "GET", "/v1/sales/spring/ticket", h, "").text(t, "ticket"); got != ticket {
			t.Errorf("%s: the ticket %q", name, got)
		}
	}
	s.expect(401, "pass_required", "GET", "/v1/auth?sale=spring", header{"Cookie": strings.Repeat("penstock_pass_spring="+forged+"; ", 100)}, "")
	// without a named sale, the pass that holds names it
	got := s.expect(204, "", "GET", "/v1/auth", header{"Cookie": "penstock_pass_other=" + forged + "; penstock_pass_spring=" + pass}, "")
	if got.Header.Get("Penstock-Sale") != "spring" {
		t.Errorf("the sale %q", got.Header.Get("Penstock-Sale"))
	}
}

func TestPreflightsPassTheGateByRule(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	preflight := header{"Origin": "https://www.shop.example", "Access-Control-Request-Method": "POST"}
	with := func(name, value string) header {
		h := header{name: value}
		for name, value := range preflight {
			h[name] = value
		}
		return h
	}
	forwarded := with("X-Forwarded-Method", "OPTIONS")
	for _, c := range []struct {
		status       int
		method, path string
		h            header
	}{
		{204, "OPTIONS", "/v1/auth?sale=spring", preflight},
		{200, "OPTIONS", "/v1/auth/checkout", with("Penstock-Sale", "spring")},
		{401, "OPTIONS", "/v1/auth?sale=spring&preflight=refuse", preflight},
		{401, "OPTIONS", "/v1/auth?sale=spring", header{"Origin": "https://www.shop.example"}},
		{401, "OPTIONS", "/v1/auth?sale=spring", with("X-HTTP-Method-Override", "POST")},
		{401, "OPTIONS", "/v1/auth?sale=spring", with("X_Method_Override", "POST")},  // the same to a CGI-like interface
		{204, "OPTIONS", "/v1/auth?sale=spring", with("X-HTTP-Method-Override", "")}, // passed on by a proxy that had none
		{401, "GET", "/v1/auth?sale=spring", preflight},
		// the visitor can send this header too, so the operator's word is needed
		{401, "GET", "/v1/auth?sale=spring", forwarded},
		{204, "GET", "/v1/auth?sale=spring&preflight=forwarded", forwarded},
		{401, "GET", "/v1/auth?sale=spring&preflight=forwarded", header{"X-Forwarded-Method": "OPTIONS"}},
		{401, "GET", "/v1/auth/checkout?sale=spring&preflight=forwarded", with("Penstock-Sale", "spring")},
	} {
		if got := s.do(c.method, c.path, c.h, ""); got.StatusCode != c.status {
			t.Errorf("%s %s %v: %d, want %d", c.method, c.path, c.h, got.StatusCode, c.status)
		}
	}
	h := with("Penstock-Sale", "spring")
	h["X-Forwarded-Method"] = "OPTIONS"
	s.expect(401, "pass_required", "GET", "/v1/auth/checkout?preflight=forwarded", h, "")
}

// Envoy appends the visitor's path and query: a parameter of the shop's own is none of ours.
func TestTheQueryBelowTheGateIsTheVisitors(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	s.open(liveSale("open", func(o *sale.Sale) { o.Admission.Mode = sale.Open }))
	s.expect(401, "pass_required", "GET", "/v1/auth/list?sale=summer", header{"Penstock-Sale": "spring"}, "")
	s.expect(401, "pass_required", "GET", "/v1/auth/list?sale=open", header{"Penstock-Sale": "spring"}, "")
	s.expect(400, "bad_request", "GET", "/v1/auth/list?sale=open", nil, "")
	s.expect(200, "", "GET", "/v1/auth/?sale=open", nil, "")
}

func allowShop(d *Deps) { d.AllowedOrigins = []string{"https://www.shop.example"} }

func TestPagesOfOtherOriginsReadWhatTheyMay(t *testing.T) {
	s := newStack(t, allowShop)
	s.open(liveSale("spring", nil))
	shop, foreign := header{"Origin": "https://www.shop.example"}, header{"Origin": "https://evil.example"}
	for _, h := range []header{shop, foreign} {
		if got := s.expect(200, "", "GET", "/v1/sales/spring", h, ""); got.Header.Get("Access-Control-Allow-Origin") != "*" || got.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("the public document for %v: %v", h, got.Header)
		}
	}
	ticket := s.expect(201, "", "POST", "/v1/sales/spring/tickets", shop, "")
	if ticket.Header.Get("Access-Control-Allow-Origin") != "https://www.shop.example" ||
		ticket.Header.Get("Access-Control-Allow-Credentials") != "true" || ticket.Header.Get("Vary") != "Origin" {
		t.Errorf("an allowed origin: %v", ticket.Header)
	}
	refused := s.expect(201, "", "POST", "/v1/sales/spring/tickets", foreign, "")
	if refused.Header.Get("Access-Control-Allow-Origin") != "" || refused.Header.Get("Vary") != "Origin" {
		t.Errorf("a foreign origin: %v", refused.Header)
	}
	ask := func(origin string) http.Header {
		return s.expect(204, "", "OPTIONS", "/v1/sales/spring/reservations", header{"Origin": origin, "Access-Control-Request-Method": "POST"}, "").Header
	}
	if got := ask("https://www.shop.example"); got.Get("Access-Control-Allow-Methods") != "POST" || !strings.Contains(got.Get("Access-Control-Allow-Headers"), "Idempotency-Key") {
		t.Errorf("a preflight of an allowed origin: %v", got)
	}
	if got := ask("https://evil.example"); got.Get("Access-Control-Allow-Methods") != "" || got.Get("Allow") != "POST, OPTIONS" {
		t.Errorf("a preflight of a foreign origin: %v", got)
	}
	s.expect(404, "not_found", "OPTIONS", "/v1/nothing", nil, "")
}
