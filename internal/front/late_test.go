package front

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/internal/testenv"
)

// late opens a sale with one slot, in which a visitor was called 150 s ago and did not come: the claim window is 2 min.
// It returns the visitor's ticket.
func (s *stack) late(id string, change func(*sale.Sale)) string {
	s.t.Helper()
	s.open(liveSale(id, func(o *sale.Sale) {
		o.Admission.MaxActive = 1
		if change != nil {
			change(o)
		}
	}))
	ticket := s.expect(201, "", "POST", "/v1/sales/"+id+"/tickets", nil, "").text(s.t, "ticket")
	s.awaitState(id, ticket, "called")
	s.mini.SetTime(time.Now().Add(150 * time.Second))
	s.awaitState(id, ticket, "missed")
	return ticket
}

func TestWhoIsLateIsLetInWhileThereIsRoom(t *testing.T) {
	s := newStack(t)
	ticket := header{"Penstock-Ticket": s.late("spring", nil)}
	told := s.expect(200, "", "GET", "/v1/sales/spring/ticket", ticket, "").text(t, "take_up_before")
	if until, err := time.Parse(time.RFC3339, told); err != nil || until.Before(time.Now().Add(150*time.Second)) {
		t.Fatalf("until %q: %v", told, err)
	}
	// The slot is that of whoever is called now.
	next := s.expect(201, "", "POST", "/v1/sales/spring/tickets", nil, "").text(t, "ticket")
	s.awaitState("spring", next, "called")
	const claim, late = "/v1/sales/spring/passes", "/v1/sales/spring/passes?late=1"
	refused := s.expect(410, "turn_missed", "POST", late, ticket, "").json(t)
	if refused["take_up_before"] != told || refused["poll_after_ms"] == nil {
		t.Fatalf("told %v, want %s", refused, told)
	}
	pass := s.expect(201, "", "POST", claim, header{"Penstock-Ticket": next}, "").text(t, "pass")
	s.expect(410, "turn_missed", "POST", late, ticket, "")
	s.expect(204, "", "DELETE", "/v1/sales/spring/pass", header{"Penstock-Pass": pass}, "")
	if unasked := s.expect(410, "turn_missed", "POST", claim, ticket, "").json(t); unasked["take_up_before"] != told {
		t.Fatalf("a claim that does not ask to be late: %v", unasked)
	}
	first := s.expect(201, "", "POST", late, ticket, "").text(t, "pass")
	for _, again := range []string{late, claim} {
		if got := s.expect(200, "", "POST", again, ticket, "").text(t, "pass"); got != first {
			t.Fatal("another pass for the same ticket")
		}
	}
	testenv.Eventually(t, waitFor, "the metrics count whoever was late", func() bool { return s.admittedLate("spring") == 1 })
}

// admittedLate is what the metrics say of the sale.
func (s *stack) admittedLate(id string) float64 {
	s.t.Helper()
	all := prometheus.NewRegistry()
	all.MustRegister(salecache.NewCollector(s.Sales))
	return figureOf(s.t, all, "penstock_admitted_late_total", id)
}

func TestWhoIsTooLateHasMissedTheTurn(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*sale.Sale)
		after  time.Duration
	}{
		"after the grace":                  {after: 5 * time.Minute},
		"in a sale without the grace":      {change: func(o *sale.Sale) { o.Admission.Grace = sale.Off() }},
		"while every unit is held or sold": {change: func(o *sale.Sale) { o.Items[0].Stock = 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t)
			ticket := header{"Penstock-Ticket": s.late("spring", c.change)}
			if c.after > 0 {
				s.mini.SetTime(time.Now().Add(c.after))
			}
			if strings.HasPrefix(name, "while") {
				next := s.expect(201, "", "POST", "/v1/sales/spring/tickets", nil, "").text(t, "ticket")
				s.awaitState("spring", next, "called")
				pass := s.expect(201, "", "POST", "/v1/sales/spring/passes", header{"Penstock-Ticket": next}, "").text(t, "pass")
				s.held("spring", pass, "k")
				s.expect(204, "", "DELETE", "/v1/sales/spring/pass", header{"Penstock-Pass": pass}, "")
				testenv.Eventually(t, waitFor, "the node knows of the hold", s.Sales.Get("spring").HeldOut)
			} else {
				testenv.Eventually(t, waitFor, "the ticket says nothing of a grace", func() bool {
					return s.expect(200, "", "GET", "/v1/sales/spring/ticket", ticket, "").json(t)["take_up_before"] == nil
				})
			}
			s.expect(410, "turn_missed", "POST", "/v1/sales/spring/passes?late=1", ticket, "")
		})
	}
}

// TestWhoIsLateTakesTheTurnUpOnThePage, by a form that needs no script.
func TestWhoIsLateTakesTheTurnUpOnThePage(t *testing.T) {
	s := newStack(t)
	ticket := s.late("demo", nil)
	form := header{"Cookie": "penstock_ticket_demo=" + ticket, "Accept": "text/html", "Content-Type": "application/x-www-form-urlencoded"}
	button := `<button type="submit" name="take_up" value="1">Take your turn now</button>`
	page := string(s.expect(200, "", "GET", "/sales/demo", form, "").body)
	if !strings.Contains(page, "You can still enter") || !strings.Contains(page, button) || !strings.Contains(page, `>Join again</button>`) || !strings.Contains(page, `http-equiv="refresh"`) {
		t.Fatalf("page %s", page)
	}
	next := s.expect(201, "", "POST", "/v1/sales/demo/tickets", nil, "").text(t, "ticket")
	s.awaitState("demo", next, "called")
	pass := s.expect(201, "", "POST", "/v1/sales/demo/passes", header{"Penstock-Ticket": next}, "").text(t, "pass")
	page = string(s.expect(200, "", "POST", "/sales/demo", form, "take_up=1").body)
	if !strings.Contains(page, "There is no room for you at this moment") || !strings.Contains(page, button) {
		t.Fatalf("page %s", page)
	}
	s.expect(204, "", "DELETE", "/v1/sales/demo/pass", header{"Penstock-Pass": pass}, "")
	let := s.expect(303, "", "POST", "/sales/demo", form, "take_up=1")
	if len(let.Cookies()) != 1 || let.Cookies()[0].Name != "penstock_pass_demo" || let.Header.Get("Location") != "/sales/demo" {
		t.Fatalf("not let in: %v", let.Header)
	}
	// Again it changes nothing: the page leads into the shop.
	if again := s.expect(303, "", "POST", "/sales/demo", form, "take_up=1"); again.Header.Get("Location") != "/sales/demo" {
		t.Fatalf("again: %v", again.Header)
	}
	if got := s.expect(303, "", "GET", "/sales/demo", form, ""); !strings.Contains(got.Header.Get("Location"), "/demo/checkout") {
		t.Fatalf("leads to %v", got.Header)
	}
}

func TestWhoJoinsAgainOnThePageGivesTheTurnUp(t *testing.T) {
	s := newStack(t)
	ticket := s.late("demo", nil)
	form := header{"Cookie": "penstock_ticket_demo=" + ticket, "Accept": "text/html"}
	again := s.expect(303, "", "POST", "/sales/demo", form, "")
	if len(again.Cookies()) != 1 || again.Cookies()[0].Value == ticket {
		t.Fatalf("no new place: %v", again.Header)
	}
	if doc := s.expect(410, "turn_missed", "POST", "/v1/sales/demo/passes?late=1", header{"Penstock-Ticket": ticket}, "").json(t); doc["take_up_before"] != nil {
		t.Fatalf("told %v", doc)
	}
}

func TestAnotherSiteTakesNoTurnUp(t *testing.T) {
	s := newStack(t)
	ticket := s.late("demo", nil)
	s.expect(303, "", "POST", "/sales/demo", header{
		"Cookie": "penstock_ticket_demo=" + ticket, "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site",
	}, "take_up=1")
	s.awaitState("demo", ticket, "missed")
	if got := s.expect(200, "", "GET", "/v1/sales/demo/ticket", header{"Penstock-Ticket": ticket}, "").json(t); got["take_up_before"] == nil {
		t.Fatalf("told %v", got)
	}
}

// TestTheShopsLinkGivesNoTurnUp: who opens it again is shown the turn that can still be taken up; who joins again is not.
func TestTheShopsLinkGivesNoTurnUp(t *testing.T) {
	s := newStack(t, withIdentity(nil))
	s.open(liveSale("spring", forCustomers(sale.JoinTokenRequired)))
	ticket := s.expect(201, "", "POST", springTickets, nil, tokenBody(joinToken(t, "spring", "ada", time.Minute))).text(t, "ticket")
	s.awaitState("spring", ticket, "called")
	s.mini.SetTime(time.Now().Add(150 * time.Second))
	s.awaitState("spring", ticket, "missed")
	token := joinToken(t, "spring", "ada", 10*time.Minute)
	opened := s.expect(303, "", "GET", "/sales/spring?join_token="+token, header{"Accept": "text/html"}, "")
	if cookies := opened.Cookies(); len(cookies) == 0 || cookies[0].Value != ticket {
		t.Fatalf("another place: %v", opened.Header)
	}
	page := s.expect(200, "", "GET", "/sales/spring", header{"Accept": "text/html", "Cookie": "penstock_ticket_spring=" + ticket}, "")
	if !strings.Contains(string(page.body), "Take your turn now") {
		t.Fatalf("page %s", page.body)
	}
	again := s.expect(201, "", "POST", springTickets, nil, tokenBody(token)).text(t, "ticket")
	if again == ticket {
		t.Fatal("no new place")
	}
	s.expect(410, "turn_missed", "POST", "/v1/sales/spring/passes?late=1", header{"Penstock-Ticket": ticket}, "")
}
