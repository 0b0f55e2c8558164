package front

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

// crowded opens a sale whose one slot is taken, so that whoever comes has to wait.
func (s *stack) crowded(change func(*sale.Sale)) (first string) {
	s.t.Helper()
	s.open(liveSale("spring", func(o *sale.Sale) {
		o.Admission.MaxActive, o.Admission.RatePerMinute = 1, 6000
		if change != nil {
			change(o)
		}
	}))
	_, first = s.admitted("spring")
	return first
}

func TestABrowserWithoutCookiesKeepsItsPlaceInALink(t *testing.T) {
	s := newStack(t)
	pass := s.crowded(nil)
	forgetful := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	blocked := s.visit(forgetful, "GET", "/sales/spring?variant=42")
	form := `action="/sales/spring?variant=42&amp;penstock_link=1"`
	if !strings.Contains(string(blocked.body), form) {
		t.Fatalf("no form in %s", blocked.body)
	}
	given := s.getPage(forgetful, "POST", "/sales/spring?variant=42&penstock_link=1")
	link := given.Header.Get("Location")
	if given.StatusCode != 303 || !strings.HasPrefix(link, "/sales/spring?variant=42&penstock_ticket=") {
		t.Fatalf("%d %s", given.StatusCode, link)
	}
	for range 3 {
		page := s.getPage(forgetful, "GET", link)
		ticket := strings.TrimPrefix(link, "/sales/spring?variant=42&penstock_ticket=")
		if page.StatusCode != 200 || !strings.Contains(string(page.body), "You are in line") || !strings.Contains(string(page.body), `data-ticket="`+ticket+`"`) {
			t.Fatalf("%d %s", page.StatusCode, page.body)
		}
		if page.Header.Get("Referrer-Policy") != "no-referrer" || strings.Contains(s.logged.String(), ticket) {
			t.Fatalf("the place is told to others: %v", page.Header)
		}
	}
	if got := s.wire(link, "br, gzip", nil); got.Header.Get("Content-Encoding") != "" {
		t.Fatal("a page with a ticket is compressed")
	}
	room := s.Sales.Get("spring").Room()
	if err := room.Refresh(t.Context()); err != nil || room.Snapshot().Entrants != 2 { // one is in the shop
		t.Fatalf("%d places, %v", room.Snapshot().Entrants, err)
	}
	s.expect(204, "", "DELETE", "/v1/sales/spring/pass", header{"Penstock-Pass": pass}, "")
	s.awaitState("spring", strings.TrimPrefix(link, "/sales/spring?variant=42&penstock_ticket="), "called")
	// The demo shop is on this host and needs the cookie.
	if page := s.getPage(forgetful, "GET", link); page.StatusCode != 200 || !strings.Contains(string(page.body), "The shop needs cookies of this site") {
		t.Fatalf("%d %s", page.StatusCode, page.body)
	}
}

func TestAFormOfAnotherSiteGivesNoPlaceAsALink(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", nil))
	for _, headers := range []header{{"Accept": "text/html", "Sec-Fetch-Site": "cross-site"}} {
		got := s.expect(303, "", "POST", "/sales/spring?penstock_link=1", headers, "")
		if strings.Contains(got.Header.Get("Location"), ticketParameter) {
			t.Fatalf("%v", got.Header)
		}
	}
	s.expect(303, "", "GET", "/sales/spring?penstock_ticket=forged", header{"Accept": "text/html", "Sec-Purpose": ""}, "")
	if n := entry.Room().Snapshot().Entrants; n > 1 {
		t.Fatalf("%d places were taken", n)
	}
}

var movePattern = regexp.MustCompile(`/sales/spring\?penstock_move=[A-Za-z0-9_-]+`)

func TestAPlaceIsTakenToAnotherDeviceAndIsTheSameThere(t *testing.T) {
	s := newStack(t)
	s.crowded(nil)
	phone, desktop := s.browser(), s.browser()
	waiting := s.visit(desktop, "GET", "/sales/spring")
	if !strings.Contains(string(waiting.body), `href="/sales/spring?penstock_device=1"`) && !strings.Contains(string(waiting.body), "penstock_device=1") {
		t.Fatalf("no way to another device in %s", waiting.body)
	}
	shown := s.getPage(desktop, "GET", "/sales/spring?penstock_device=1")
	link := movePattern.FindString(string(shown.body))
	if link == "" || !strings.Contains(string(shown.body), "<svg viewBox=") || shown.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("no code in %s", shown.body)
	}
	own := ticketOf(t, s, desktop)
	if strings.Contains(link, own) {
		t.Fatal("the link has the ticket itself")
	}
	asked := s.getPage(phone, "GET", link)
	if asked.StatusCode != 200 || !strings.Contains(string(asked.body), "Continue on this device?") || ticketOf(t, s, phone) != "" {
		t.Fatalf("opening the link took the place: %s", asked.body)
	}
	if taken := s.getPage(phone, "POST", link); taken.StatusCode != 303 || taken.Header.Get("Location") != "/sales/spring" || ticketOf(t, s, phone) != own {
		t.Fatalf("%d %v", taken.StatusCode, taken.Header)
	}
	if page := s.getPage(phone, "GET", "/sales/spring"); !strings.Contains(string(page.body), "You are in line") {
		t.Fatalf("%s", page.body)
	}
	room := s.Sales.Get("spring").Room()
	if err := room.Refresh(t.Context()); err != nil || room.Snapshot().Entrants != 2 { // one is in the shop
		t.Fatalf("%d places, %v", room.Snapshot().Entrants, err)
	}
	old := "/sales/spring?penstock_move=" + s.RoomLinks.SealTicket("spring", own, time.Now().Add(-time.Second))
	if over := s.getPage(phone, "GET", old); over.StatusCode != 410 || !strings.Contains(string(over.body), "This link is too old") {
		t.Fatalf("%d %s", over.StatusCode, over.body)
	}
	if over := s.getPage(s.browser(), "POST", old); over.StatusCode != 303 || len(over.Cookies()) != 0 {
		t.Fatalf("%d %v", over.StatusCode, over.Header)
	}
}

// ticketOf is the ticket that a browser keeps.
func ticketOf(t *testing.T, s *stack, browser *http.Client) string {
	t.Helper()
	at, err := url.Parse(s.url + "/sales/spring")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range browser.Jar.Cookies(at) {
		if one.Name == "penstock_ticket_spring" {
			return one.Value
		}
	}
	return ""
}
