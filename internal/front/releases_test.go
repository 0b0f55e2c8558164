package front

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// loop reserves a unit from an address with a ticket of its own, and gives it back. It returns the answer to the
// reservation.
func (s *stack) loop(saleID, from string, i int, shopKey string) answer {
	s.t.Helper()
	h := header{"X-Forwarded-For": from}
	ticket := s.expect(201, "", "POST", "/v1/sales/"+saleID+"/tickets", h, "").text(s.t, "ticket")
	s.awaitState(saleID, ticket, "called")
	h["Penstock-Ticket"] = ticket
	pass := s.expect(201, "", "POST", "/v1/sales/"+saleID+"/passes", h, "").text(s.t, "pass")
	name := saleID + from + strconv.Itoa(i)
	with := header{"X-Forwarded-For": from, "Penstock-Pass": pass, "Idempotency-Key": name}
	if shopKey != "" {
		with["Authorization"] = "Bearer " + shopKey
	}
	got := s.do("POST", "/v1/sales/"+saleID+"/reservations", with, `{"customer":"`+name+`","items":[{"sku":"SNKR-42","quantity":1}]}`)
	if got.StatusCode == http.StatusCreated {
		delete(with, "Idempotency-Key")
		for range 3 { // again it gives nothing back, and counts for nothing
			s.expect(204, "", "DELETE", "/v1/reservations/"+got.text(s.t, "id"), with, "")
		}
	}
	return got
}

// With a new ticket each time, the limit of the ticket does not hold whoever reserves and gives back in a loop.
func TestAnAddressThatReservesAndGivesBackInALoopWaitsForTheNextReservation(t *testing.T) {
	s := newStack(t)
	for id, mode := range map[string]sale.LimitMode{"spring": "", "logged": sale.LimitLog} {
		s.open(liveSale(id, func(d *sale.Sale) { d.Bots.Limits = sale.Limits{Mode: mode, ReleasesPerAddress: 3} }))
	}
	for i := range 3 {
		if got := s.loop("spring", "198.51.100.1", i, ""); got.StatusCode != 201 {
			t.Fatalf("reservation %d: %d %s", i, got.StatusCode, got.body)
		}
	}
	refused := s.loop("spring", "198.51.100.1", 3, "")
	if refused.StatusCode != 429 || refused.text(t, "code") != string(problem.RateLimited) || refused.text(t, "limit") != "releases_per_address" {
		t.Fatalf("after three: %d %s", refused.StatusCode, refused.body)
	}
	if seconds, err := strconv.Atoi(refused.Header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 20 {
		t.Fatalf("retry after %s", refused.Header.Get("Retry-After"))
	}
	if got := s.loop("spring", "198.51.100.1", 4, s.shopKey); got.StatusCode != 201 {
		t.Fatalf("for a shop's backend: %d %s", got.StatusCode, got.body)
	}
	if got := s.loop("spring", "203.0.113.1", 0, ""); got.StatusCode != 201 {
		t.Fatalf("from another address: %d %s", got.StatusCode, got.body)
	}
	for i := range 5 {
		if got := s.loop("logged", "198.51.100.1", i, ""); got.StatusCode != 201 {
			t.Fatalf("where limits are only logged: %d %s", got.StatusCode, got.body)
		}
	}
}
