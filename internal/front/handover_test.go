package front

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/queue"
)

const elsewhereTarget = "https://shop.example/checkout?step=1#pay"

// sentOn visits the waiting room until it sends the visitor on, and returns where to.
func (s *stack) sentOn(visitor *http.Client, saleID string) *url.URL {
	s.t.Helper()
	var location string
	testenv.Eventually(s.t, waitFor, "the visitor is sent on", func() bool {
		got := s.visit(visitor, "GET", "/sales/"+saleID)
		location = got.Header.Get("Location")
		return got.StatusCode == 303
	})
	u, err := url.Parse(location)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func (s *stack) redeem(status int, code string) answer {
	s.t.Helper()
	return s.expect(status, "", "POST", "/v1/handover", nil, `{"code":"`+code+`"}`)
}

func toAnotherHost(handover sale.Handover) func(*sale.Sale) {
	return func(o *sale.Sale) { o.TargetURL, o.Handover = elsewhereTarget, handover }
}

func TestAVisitorBringsACodeToAShopOnAnotherHost(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", toAnotherHost("")))
	visitor := s.browser()
	u := s.sentOn(visitor, "spring")
	code := u.Query().Get("penstock_code")
	if code == "" || u.Host != "shop.example" || u.Path != "/checkout" || u.Query().Get("step") != "1" || u.Fragment != "pay" || u.Query().Has("penstock_pass") {
		t.Fatalf("sent to %s", u)
	}
	got := s.redeem(200, code)
	if got.text(t, "sale") != "spring" || got.Header.Get("Cache-Control") != "no-store" || len(got.Cookies()) > 0 {
		t.Fatalf("%s %v", got.body, got.Header)
	}
	base, _ := url.Parse(s.url)
	var own string
	for _, cookie := range visitor.Jar.Cookies(base) {
		if cookie.Name == "penstock_pass_spring" {
			own = cookie.Value
		}
	}
	if pass := got.text(t, "pass"); pass != own {
		t.Fatalf("the shop got the pass %q, the visitor has %q", pass, own)
	}
	s.expect(410, "code_used", "POST", "/v1/handover", nil, `{"code":"`+code+`"}`)

	again := s.sentOn(visitor, "spring").Query().Get("penstock_code")
	if again == code {
		t.Fatal("the same code for another redirect")
	}
	s.redeem(200, again)
	for _, secret := range []string{code, again, own} {
		if strings.Contains(s.logged.String(), secret) {
			t.Fatalf("%s is in the log", secret)
		}
	}
}

func TestWhoGaveThePassBackBringsNothingToTheShop(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", toAnotherHost("")))
	visitor := s.browser()
	code := s.sentOn(visitor, "spring").Query().Get("penstock_code")
	if got := s.visit(visitor, "DELETE", "/v1/sales/spring/pass"); got.StatusCode != 204 {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	s.expect(410, "code_expired", "POST", "/v1/handover", nil, `{"code":"`+code+`"}`)
}

func TestASaleSaysWhatTheRedirectCarries(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("offline", toAnotherHost(sale.HandoverPass)))
	s.open(liveSale("bare", toAnotherHost(sale.HandoverNone)))
	s.open(liveSale("open", func(o *sale.Sale) { o.TargetURL, o.Admission.Mode = elsewhereTarget, sale.Open }))

	pass := s.sentOn(s.browser(), "offline").Query().Get("penstock_pass")
	s.expect(204, "", "GET", "/v1/auth?sale=offline", header{"Penstock-Pass": pass}, "")
	if got := s.sentOn(s.browser(), "bare").String(); got != elsewhereTarget {
		t.Errorf("bare: %s", got)
	}
	if got := s.sentOn(s.browser(), "open").String(); got != elsewhereTarget {
		t.Errorf("without a pass in an open sale: %s", got)
	}
}

func TestAShopOnTheHostOfTheWaitingRoomGetsNoCode(t *testing.T) {
	s := newStack(t, func(d *Deps) { d.PublicURL = "https://Queue.shop.example" })
	entry := s.open(liveSale("spring", nil))
	_, pass := s.admitted("spring")
	for _, one := range []struct {
		target, host string
		code         bool
	}{
		{"/checkout", "", false},
		{"https://queue.shop.example/checkout", "", false},
		{"https://queue.shop.example:443/checkout", "", false},
		{"https://shop.example/checkout", "shop.example", false},
		{"http://shop.example/checkout", "SHOP.example:80", false},
		{"https://shop.example/checkout", "", true},
		{"https://shop.example:8443/checkout", "shop.example", true},
		{"https://evil-queue.shop.example/checkout", "", true},
	} {
		s.change(entry, func(r *sale.Record) { r.TargetURL = one.target })
		request, err := http.NewRequest("GET", s.url+"/sales/spring", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = one.host
		request.Header.Set("Cookie", "penstock_pass_spring="+pass)
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		location := response.Header.Get("Location")
		if strings.Contains(location, "penstock_code=") != one.code || !strings.HasPrefix(location, one.target) {
			t.Errorf("%s asked for at %q: sent to %q", one.target, one.host, location)
		}
	}
}

func TestMadeUpCodesAreRefusedWithoutAskingRedis(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", toAnotherHost("")))
	code := s.sentOn(s.browser(), "spring").Query().Get("penstock_code")
	forged := queue.NewTicketKeys([]byte("another secret"), nil, nil).SignCode(queue.HandoverCode{Sale: "spring", Ticket: 1, Epoch: 1})
	unknownSale := s.tickets.SignCode(queue.HandoverCode{Sale: "none", Ticket: 1, Epoch: 1})
	s.mini.SetError("this test asks no Redis")
	defer s.mini.SetError("")
	for _, wrong := range []string{"x", forged, code[:len(code)-1], code + "A", unknownSale, strings.Repeat("A", 5000), "penstock_code"} {
		s.expect(404, "unknown_code", "POST", "/v1/handover", nil, `{"code":"`+wrong+`"}`)
	}
	for _, body := range []string{"", "{}", `{"code":""}`, `{"code":1}`, `{"code":"x","sale":"spring"}`, `{"code":"x","code":"x"}`, `["x"]`} {
		s.expect(400, "bad_request", "POST", "/v1/handover", nil, body)
	}
	s.expect(405, "method_not_allowed", "GET", "/v1/handover?code="+code, nil, "")
	s.expect(503, "unavailable", "POST", "/v1/handover", nil, `{"code":"`+code+`"}`)
}

func TestNobodyIsSentToTheShopWithoutACodeWhileTheSaleIsRestored(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", toAnotherHost("")))
	visitor := s.browser()
	code := s.sentOn(visitor, "spring").Query().Get("penstock_code")
	s.mini.FlushAll()
	testenv.Eventually(t, waitFor, "the loss is noticed", func() bool { return !entry.Ready() })
	if got := s.visit(visitor, "GET", "/sales/spring"); got.StatusCode != 503 || !strings.Contains(string(got.body), "coming back") {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	s.expect(503, "unavailable", "POST", "/v1/handover", nil, `{"code":"`+code+`"}`)
}

func TestAParameterIsAddedAndTheRestStaysAsWritten(t *testing.T) {
	for address, want := range map[string]string{
		"https://shop.example":                                  "https://shop.example?penstock_code=a.b",
		"https://shop.example/?b=%20&a=1+2&&c":                  "https://shop.example/?b=%20&a=1+2&c&penstock_code=a.b",
		"https://shop.example/x?penstock_code=old&q=1":          "https://shop.example/x?q=1&penstock_code=a.b",
		"https://shop.example/x?q=1&penstock_pass=old#penstock": "https://shop.example/x?q=1&penstock_code=a.b#penstock",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := withParameter(u, codeParameter, "a.b"); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}
