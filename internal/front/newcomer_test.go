package front

import (
	"net/http"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/sale"
)

// forgetful is a browser that keeps no cookies.
func forgetful() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// fillUp takes the slots of a sale, so that a newcomer has to wait.
func (s *stack) fillUp(saleID string, slots int) {
	s.t.Helper()
	for range slots {
		got := s.expect(303, "", "GET", "/sales/"+saleID, header{"Accept": "text/html"}, "")
		if strings.Contains(got.Header.Get("Location"), cookieCheck) {
			s.t.Fatalf("a slot is free, and a newcomer has to wait: %v", got.Header)
		}
	}
}

func TestANewcomerToAFreeRoomIsInTheShopAfterOneRedirect(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.MaxActive, o.Items[0].Stock = 20, 100 }))
	for i := range 20 {
		got := s.getPage(forgetful(), "GET", "/sales/spring?variant=42")
		if got.StatusCode != 303 || got.Header.Get("Location") != "/demo/checkout?variant=42" || len(got.Cookies()) != 2 {
			t.Fatalf("newcomer %d: %d %v", i+1, got.StatusCode, got.Header)
		}
		s.expect(204, "", "GET", "/v1/auth?sale=spring", header{"Penstock-Pass": got.Cookies()[1].Value}, "")
	}
	if got := s.getPage(forgetful(), "GET", "/sales/spring"); !strings.Contains(got.Header.Get("Location"), cookieCheck) {
		t.Fatalf("all slots are taken: %d %v", got.StatusCode, got.Header)
	}
	if n := entry.Room().Snapshot().Entrants; n != 20 {
		t.Fatalf("%d numbers were given", n)
	}
}

func TestANewcomerToAFreeRoomIsCalledAsTheyJoin(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	for range 5 {
		got := s.expect(201, "", "POST", "/v1/sales/spring/tickets", nil, "")
		if got.text(t, "state") != "called" || got.text(t, "claim_before") == "" {
			t.Fatalf("%s", got.body)
		}
		s.expect(201, "", "POST", "/v1/sales/spring/passes", header{"Penstock-Ticket": got.text(t, "ticket")}, "")
	}
}

// Who comes back from the gate without the pass that was just given would get a pass each time, if a browser that
// keeps no cookies were let through again and again.
func TestABrowserWithoutCookiesDoesNotGoRoundInCircles(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", nil))
	refused := s.expect(302, "", "GET", "/v1/auth?sale=spring&redirect=1", header{"X-Forwarded-Host": "shop.example", "X-Forwarded-Uri": "/checkout"}, "")
	room := refused.Header.Get("Location")
	room = room[strings.Index(room, "/sales/"):]
	got := s.visit(forgetful(), "GET", room)
	if got.StatusCode != 200 || !strings.Contains(string(got.body), "Your browser blocks cookies") {
		t.Fatalf("%d %v", got.StatusCode, got.Header)
	}
	if n := entry.Room().Snapshot().Entrants; n != 0 {
		t.Fatalf("%d places were taken", n)
	}
	// The gate gives the cookie along, so that a browser which keeps cookies needs no more redirects than one.
	if cookies := refused.Cookies(); len(cookies) != 1 || cookies[0].Name != cookieCheck {
		t.Fatalf("the gate gives %v along", cookies)
	}
	s.expect(303, "", "GET", room, header{"Cookie": cookieCheck + "=1"}, "")
	if n := s.Sales.Get("spring").Room().Snapshot().Entrants; n != 1 {
		t.Fatalf("%d places were taken", n)
	}
}

func TestABrowserWithoutCookiesTakesNoPlacesAndIsTold(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.MaxActive = 1 }))
	s.fillUp("spring", 1)
	for range 5 {
		got := s.visit(forgetful(), "GET", "/sales/spring?variant=42")
		if got.StatusCode != 200 || !strings.Contains(string(got.body), "Your browser blocks cookies") || len(got.Cookies()) != 1 {
			t.Fatalf("%d %v %s", got.StatusCode, got.Cookies(), got.body)
		}
		if strings.Contains(string(got.body), "http-equiv") {
			t.Fatal("the page loads itself again, which changes nothing")
		}
		s.getPage(forgetful(), "POST", "/sales/spring")
	}
	if n := entry.Room().Snapshot().Entrants; n != 1 {
		t.Fatalf("%d places were taken", n-1)
	}
}

func TestANewcomerGetsAPlaceOnTheSecondRequestAndKeepsTheQuery(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.MaxActive = 1 }))
	s.fillUp("spring", 1)
	visitor := s.browser()
	first := s.getPage(visitor, "GET", "/sales/spring?variant=42")
	if first.StatusCode != 303 || first.Header.Get("Location") != "/sales/spring?variant=42&penstock_cookies=1" || first.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", first.StatusCode, first.Header)
	}
	// loading the first address again, with the cookie, does as well
	second := s.getPage(visitor, "GET", "/sales/spring?variant=42")
	if len(second.Cookies()) == 0 || !strings.HasPrefix(second.Cookies()[0].Name, "penstock_ticket_spring") {
		t.Fatalf("no place: %d %v", second.StatusCode, second.Header)
	}
}

// A sale without a line: there is room at once, or there is none.
func TestARoomThatRejectsHasNoLine(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.MaxActive, o.Admission.Mode = 1, sale.Reject }))
	s.fillUp("spring", 1)
	refused := s.expect(503, "room_full", "POST", "/v1/sales/spring/tickets", nil, "")
	if refused.Header.Get("Retry-After") == "" {
		t.Fatalf("%v", refused.Header)
	}
	page := s.visit(s.browser(), "GET", "/sales/spring")
	if page.StatusCode != 503 || page.Header.Get("Retry-After") == "" {
		t.Fatalf("%d %v", page.StatusCode, page.Header)
	}
	if n := entry.Room().Snapshot().Entrants; n != 1 {
		t.Fatalf("%d have numbers", n)
	}
}

func TestPeopleAtSlightlyWrongAddressesGetAPage(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	visitor := s.browser()
	for _, path := range []string{"/sales/spring/?variant=42", "/sales/none/"} {
		got := s.getPage(visitor, "GET", path)
		if got.StatusCode != 308 || got.Header.Get("Location") != strings.Replace(path, "/?", "?", 1) && got.Header.Get("Location") != strings.TrimSuffix(path, "/") {
			t.Errorf("%s: %d %v", path, got.StatusCode, got.Header)
		}
	}
	for _, path := range []string{"/sales", "/sales/", "//sales/spring", "/Sales/spring", "/sales/spring//", "/sales/spring/x", "/nothing", "/sales/%73pring", "/sales/none"} {
		request, err := http.NewRequest("GET", s.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.URL.Opaque = path
		request.Header.Set("Accept", "text/html,application/xhtml+xml")
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		body := readAll(t, response)
		response.Body.Close()
		if response.StatusCode != 404 || response.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(string(body), ">There is no") {
			t.Errorf("%s: %d %s %s", path, response.StatusCode, response.Header.Get("Content-Type"), body)
		}
	}
	// programs are told in their own language
	s.expect(404, "not_found", "GET", "/sales", nil, "")
	s.expect(404, "not_found", "GET", "/v1/sales/spring/nothing", header{"Accept": "application/json"}, "")
}
