package penstock

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func newGate(t *testing.T, o Options) *Gate {
	t.Helper()
	o.Sale = "drop"
	if o.RoomURL == "" {
		o.RoomURL = "http://127.0.0.1:1" // nobody answers there
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *Gate) answer(method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	g.Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
	return w
}

func TestOptionsThatCannotBeRightAreRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"no sale":             {RoomURL: "https://queue.example"},
		"sale":                {Sale: "../x", RoomURL: "https://queue.example"},
		"no room":             {Sale: "drop"},
		"room without host":   {Sale: "drop", RoomURL: "https:///sales"},
		"room of a script":    {Sale: "drop", RoomURL: "javascript:alert(1)"},
		"shop with a query":   {Sale: "drop", RoomURL: "https://queue.example", ShopURL: "https://shop.example/?x"},
		"API with a person":   {Sale: "drop", RoomURL: "https://queue.example", APIURL: "http://a:b@queue.example"},
		"shop without schema": {Sale: "drop", RoomURL: "https://queue.example", ShopURL: "shop.example"},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestTheWayBackLeadsToThisShopAlone(t *testing.T) {
	for target, want := range map[string]string{
		"http://shop.example/a%2Fb?x=1&penstock_code=c&y":    "https://shop.example/a%2Fb?x=1&y",
		"http://shop.example//evil.example/?penstock_pass=p": "https://shop.example//evil.example/",
		"http://shop.example/?penstock%5Fcode=":              "https://shop.example/",
	} {
		got := newGate(t, Options{ShopURL: "https://shop.example/"}).answer("HEAD", target)
		to, err := url.Parse(got.Header().Get("Location"))
		if err != nil || got.Code != http.StatusSeeOther || to.Path != "/sales/drop" || to.Query().Get("return") != want {
			t.Errorf("%s: %d to %s, want back to %s", target, got.Code, to, want)
		}
	}
	behindTLS := newGate(t, Options{}).answer("GET", "http://shop.example/", "X-Forwarded-Proto", "https, http")
	if to := behindTLS.Header().Get("Location"); !strings.HasSuffix(to, "?return=https%3A%2F%2Fshop.example%2F") {
		t.Errorf("to %s", to)
	}
}

func TestProgramsAreToldInsteadOfSent(t *testing.T) {
	g := newGate(t, Options{})
	for _, one := range []*httptest.ResponseRecorder{
		g.answer("POST", "/checkout"), g.answer("GET", "/checkout", "Sec-Fetch-Mode", "cors"), g.answer("DELETE", "/checkout?penstock_code=x"),
	} {
		if one.Code != http.StatusUnauthorized || one.Header().Get("Content-Type") != "application/problem+json" || one.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", one.Code, one.Header())
		}
	}
}

func TestNothingIsDecidedWhilePenstockIsAway(t *testing.T) {
	g := newGate(t, Options{})
	for _, one := range []*httptest.ResponseRecorder{
		g.answer("GET", "/checkout?penstock_code=abc"),
		g.answer("GET", "/checkout", "Cookie", "penstock_pass_drop=eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ.e30.AAAA"),
	} {
		if one.Code != http.StatusServiceUnavailable || one.Header().Get("Retry-After") == "" || one.Header().Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%d %v", one.Code, one.Header())
		}
	}
	if one := g.answer("GET", "/checkout?penstock_code=%22%0A"); one.Code != http.StatusSeeOther {
		t.Errorf("what cannot be a code is asked about: %d", one.Code)
	}
}
