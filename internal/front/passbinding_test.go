package front

import (
	"fmt"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/sale"
)

// at is a visitor at an address, as the proxy of the shop tells it.
func at(address, pass, device string) header {
	h := header{"X-Forwarded-For": address, "Cookie": "penstock_pass_spring=" + pass}
	if device != "" {
		h["Cookie"] += "; penstock_device=" + device
	}
	return h
}

// admittedAt goes into the shop from an address, with a device.
func (s *stack) admittedAt(address, device string) (ticket, pass string) {
	s.t.Helper()
	ticket = s.expect(201, "", "POST", "/v1/sales/spring/tickets", nil, "").text(s.t, "ticket")
	s.awaitState("spring", ticket, "called")
	h := header{"Penstock-Ticket": ticket, "X-Forwarded-For": address}
	if device != "" {
		h["Penstock-Device"] = device
	}
	return ticket, s.expect(201, "", "POST", "/v1/sales/spring/passes", h, "").text(s.t, "pass")
}

func TestAPassThatIsHandedOnIsTakenBack(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.MaxNetworks = 3 }))
	_, pass := s.admitted("spring")
	for i := range 3 {
		for _, address := range []string{"203.0.%d.7", "203.0.%d.200", "198.51.100.1, 203.0.%d.7"} { // one network each
			s.expect(204, "", "GET", "/v1/auth?sale=spring", at(fmt.Sprintf(address, i), pass, ""), "")
		}
	}
	s.expect(401, "pass_required", "GET", "/v1/auth?sale=spring", at("203.0.99.7", pass, ""), "")
	s.expect(401, "pass_required", "GET", "/v1/auth?sale=spring", at("203.0.0.7", pass, ""), "") // it has ended for all
	if !strings.Contains(s.logged.String(), "used from too many networks") {
		t.Fatal("nobody was told")
	}
}

// Whom nobody trusts may say what they like of their address: it is that of the connection.
func TestAVisitorCannotPretendToBeElsewhere(t *testing.T) {
	s := newStack(t, trustNobody)
	s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.MaxNetworks = 2 }))
	_, pass := s.admitted("spring")
	for i := range 10 {
		s.expect(204, "", "GET", "/v1/auth?sale=spring", at(fmt.Sprintf("203.0.%d.7", i), pass, ""), "")
	}
}

func TestAPassCanBeTiedToANetwork(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.PassBinding = sale.BindNetwork }))
	_, pass := s.admittedAt("203.0.113.7", "")
	s.expect(401, "pass_required", "GET", "/v1/auth?sale=spring", at("198.51.100.1", pass, ""), "")
	s.expect(204, "", "GET", "/v1/auth?sale=spring", at("203.0.113.99", pass, ""), "")
	_, six := s.admittedAt("2001:db8:1:2::3", "")
	s.expect(204, "", "GET", "/v1/auth?sale=spring", at("2001:db8:1:ffff::1", six, ""), "")
	s.expect(401, "pass_required", "GET", "/v1/auth?sale=spring", at("2001:db8:2::1", six, ""), "")
}

func TestAPassCanBeTiedToABrowser(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.PassBinding = sale.BindDevice }))
	ticket, pass := s.admittedAt("203.0.113.7", "mine")
	s.expect(204, "", "GET", "/v1/auth?sale=spring", at("198.51.100.1", pass, "mine"), "")
	for i := range 100 {
		s.expect(401, "pass_required", "GET", "/v1/auth?sale=spring", at("203.0.113.7", pass, fmt.Sprintf("other-%d", i)), "")
	}
	s.expect(401, "pass_required", "GET", "/v1/auth?sale=spring", at("203.0.113.7", pass, ""), "")
	// the room page gives a browser its key, and sends nobody round in circles
	visitor := s.browser()
	got := s.visit(visitor, "GET", "/sales/spring")
	if got.StatusCode != 200 && got.StatusCode != 303 {
		t.Fatalf("the page: %d", got.StatusCode)
	}
	copied := s.expect(303, "", "GET", "/sales/spring", at("203.0.113.7", pass, "other"), "")
	if got := copied.Header.Get("Location"); got != "/demo/checkout" || len(copied.Cookies()) != 2 || copied.Cookies()[1].Value == pass {
		t.Fatalf("whoever brings a copied pass is a newcomer, and gets another one: %q %v", got, copied.Cookies())
	}
	h := at("203.0.113.7", pass, "other")
	h["Cookie"] += "; penstock_ticket_spring=" + ticket
	if page := s.expect(200, "", "GET", "/sales/spring", h, ""); !strings.Contains(string(page.body), "in use elsewhere") {
		t.Fatalf("page %s", page.body)
	}
}
