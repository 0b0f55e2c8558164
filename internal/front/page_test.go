package front

import (
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// browser is someone without JavaScript: cookies and links only.
func (s *stack) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// visit asks for a page, and goes on to where the cookie check sends a newcomer.
func (s *stack) visit(c *http.Client, method, path string) answer {
	s.t.Helper()
	got := s.getPage(c, method, path)
	if next := got.Header.Get("Location"); got.StatusCode == 303 && strings.Contains(next, cookieCheck) {
		return s.getPage(c, method, next)
	}
	return got
}

func (s *stack) getPage(c *http.Client, method, path string) answer {
	s.t.Helper()
	request, err := http.NewRequest(method, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html,*/*")
	response, err := c.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	got := answer{Response: response, body: readAll(s.t, response)}
	conforms(s.t, request, got)
	return got
}

func TestABrowserWithoutJavaScriptGetsIntoTheShop(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("demo", func(o *sale.Sale) { o.Admission.MaxActive = 1; o.Admission.RatePerMinute = 6000 }))
	_, first := s.admitted("demo") // takes the one slot
	visitor := s.browser()

	waiting := s.visit(visitor, "GET", "/sales/demo")
	for _, want := range []string{"You are in line", `http-equiv="refresh"`, "ahead of you", `role="status"`, "/sales/static/room.js?v="} {
		if !strings.Contains(string(waiting.body), want) {
			t.Fatalf("no %q in %s", want, waiting.body)
		}
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Cache-Control": "no-store",
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	} {
		if waiting.Header.Get(name) != want {
			t.Errorf("%s: %q", name, waiting.Header.Get(name))
		}
	}
	entrants := entry.Room().Snapshot().Entrants
	s.visit(visitor, "GET", "/sales/demo")
	s.visit(visitor, "HEAD", "/sales/demo")

	s.expect(204, "", "DELETE", "/v1/sales/demo/pass", header{"Penstock-Pass": first}, "")
	testenv.Eventually(t, waitFor, "the visitor is sent on", func() bool {
		got := s.visit(visitor, "GET", "/sales/demo")
		return got.StatusCode == 303 && got.Header.Get("Location") == "/demo/checkout"
	})
	if got := entry.Room().Snapshot().Entrants; got > max(entrants, 2) {
		t.Fatalf("looking again took more places: %d", got)
	}
	checkout := s.visit(visitor, "GET", "/demo/checkout")
	if !strings.Contains(string(checkout.body), `data-admitted="true"`) {
		t.Fatalf("the shop does not let the visitor in: %s", checkout.body)
	}
	if got := s.visit(s.browser(), "GET", "/demo/checkout"); !strings.Contains(string(got.body), "You need a pass") {
		t.Fatal("the shop lets anybody in")
	}
	if got := s.visit(visitor, "GET", "/"); got.StatusCode != 303 || got.Header.Get("Location") != "/demo" {
		t.Fatalf("home: %d %v", got.StatusCode, got.Header)
	}
	if got := s.visit(visitor, "GET", "/demo"); !strings.Contains(string(got.body), "Enter the drop") || !strings.Contains(string(got.body), "129.00 EUR") {
		t.Fatalf("product page %s", got.body)
	}
}

func TestWhoMissedTheTurnMayJoinAgain(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("demo", nil))
	visitor := s.browser()
	ticket := s.expect(201, "", "POST", "/v1/sales/demo/tickets", nil, "").text(t, "ticket")
	s.expect(204, "", "DELETE", "/v1/sales/demo/ticket", header{"Penstock-Ticket": ticket}, "")
	s.awaitState("demo", ticket, "missed")
	cookie := header{"Cookie": "penstock_ticket_demo=" + ticket, "Accept": "text/html"}
	page := s.expect(200, "", "GET", "/sales/demo", cookie, "")
	if !strings.Contains(string(page.body), "Your turn has passed") || !strings.Contains(string(page.body), `<form method="post" action="/sales/demo">`) {
		t.Fatalf("page %s", page.body)
	}
	again := s.expect(303, "", "POST", "/sales/demo", cookie, "")
	if len(again.Cookies()) != 1 || again.Cookies()[0].Value == ticket || again.Header.Get("Location") != "/sales/demo" {
		t.Fatalf("no new place: %v", again.Header)
	}
	testenv.Eventually(t, waitFor, "the new place leads into the shop", func() bool {
		return s.visit(visitor, "GET", "/sales/demo").StatusCode == 303
	})
}

func TestThePageBeforeAndAfterTheSale(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("soon", func(o *sale.Sale) {
		o.OpensAt = time.Now().Add(time.Hour)
		o.StartsAt, o.EndsAt = o.OpensAt.Add(time.Hour), o.OpensAt.Add(2*time.Hour)
	}))
	s.open(liveSale("over", func(o *sale.Sale) { o.EndsAt = time.Now().Add(-time.Second) }))
	draw := s.open(liveSale("draw", func(o *sale.Sale) {
		o.StartsAt, o.Admission.Order = time.Now().Add(time.Hour), sale.Draw
		o.EndsAt = o.StartsAt.Add(time.Hour)
	}))
	for path, want := range map[string]string{
		"/sales/soon": "Not open yet", "/sales/over": "The sale has ended", "/sales/draw": "You are early", "/sales/none": "There is no such sale",
	} {
		got := s.visit(s.browser(), "GET", path)
		if !strings.Contains(string(got.body), want) {
			t.Errorf("%s: no %q in %s", path, want, got.body)
		}
	}
	if got := s.do("GET", "/sales/draw", header{"Sec-Purpose": "prefetch;prerender"}, ""); len(got.Cookies()) > 0 {
		t.Fatal("prefetching took a place")
	}
	if err := draw.Room().Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := draw.Room().Snapshot().Entrants; n != 1 {
		t.Fatalf("%d entrants, want the one who opened the page", n)
	}
}

func TestFormsMayLeadToTheShopsOwnAddress(t *testing.T) {
	got := pagePolicy{formTarget: "https://shop.example/checkout?x=1"}.contentSecurity()
	if !strings.Contains(got, "form-action 'self' https://shop.example;") {
		t.Fatal(got)
	}
}
