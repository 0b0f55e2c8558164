package front

import (
	"net/http"
	"strings"
	"testing"
)

func TestABrowserWithoutCookiesTakesNoPlacesAndIsTold(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", nil))
	forgetful := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for range 5 {
		got := s.visit(forgetful, "GET", "/sales/spring?variant=42")
		if got.StatusCode != 200 || !strings.Contains(string(got.body), "Your browser blocks cookies") || len(got.Cookies()) != 1 {
			t.Fatalf("%d %v %s", got.StatusCode, got.Cookies(), got.body)
		}
		if strings.Contains(string(got.body), "http-equiv") {
			t.Fatal("the page loads itself again, which changes nothing")
		}
		s.getPage(forgetful, "POST", "/sales/spring")
	}
	if n := entry.Room().Snapshot().Entrants; n != 0 {
		t.Fatalf("%d places were taken", n)
	}
}

func TestANewcomerGetsAPlaceOnTheSecondRequestAndKeepsTheQuery(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
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
