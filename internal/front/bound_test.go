package front

import (
	"fmt"
	"testing"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

func TestOnePassIsOneBuyer(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", func(o *sale.Sale) { o.Items[0].Stock, o.Items[0].PerCustomer = 1000, 1 }))
	_, pass := s.admitted("spring")
	const path = "/v1/sales/spring/reservations"
	reserve := func(status int, code problem.Code, customer string, h header) {
		t.Helper()
		all := header{"Penstock-Pass": pass, "Idempotency-Key": "k-" + fmt.Sprint(len(h)) + customer}
		for name, value := range h {
			all[name] = value
		}
		s.expect(status, code, "POST", path, all, reserveBody(customer, "SNKR-42", 1))
	}
	reserve(201, "", "zoe", nil)
	for i := range 200 {
		reserve(403, "pass_bound", fmt.Sprint("made-up-", i), nil)
	}
	reserve(403, "pass_bound", "made-up", header{"Authorization": "Bearer " + s.shopKey})
	reserve(409, "limit_exceeded", "zoe", header{"Authorization": "Bearer " + s.shopKey})
	if got := s.figures(entry); got.held != 1 {
		t.Fatalf("%d units are held", got.held)
	}
}

func TestSpellingsOfOneAddressShareOneLimit(t *testing.T) {
	s := newStack(t)
	open := func(id string, terms sale.Terms) {
		s.open(liveSale(id, func(o *sale.Sale) {
			o.Admission.Mode, o.Items[0].Stock, o.Items[0].PerCustomer = sale.Open, 100, 1
			o.Reservation = terms
		}))
	}
	open("normal", sale.Terms{})
	open("tags", sale.Terms{PlusTags: sale.DropTags})
	open("exact", sale.Terms{Customer: sale.Exact})
	spellings := []string{
		"ada@example.com", "ADA@example.com", "Ada@Example.Com", " ada@example.com", "ada@example.com ", "ada@EXAMPLE.com",
		"\u00a0ada@example.com", "ada\u200b@example.com", "ada@example\u00ad.com", "\ufeffada@example.com", "ａda@example.com",
		"ada＠example.com", "ada@example.com\u2060", "aDa@example.com",
	}
	for i, spelling := range spellings {
		h := header{"Idempotency-Key": fmt.Sprint("k-", i)}
		status, code := 409, problem.LimitExceeded
		if i == 0 {
			status, code = 201, ""
		}
		for _, id := range []string{"normal", "tags"} {
			s.expect(status, code, "POST", "/v1/sales/"+id+"/reservations", h, reserveBody(spelling, "SNKR-42", 1))
		}
		s.expect(201, "", "POST", "/v1/sales/exact/reservations", h, reserveBody(spelling, "SNKR-42", 1))
	}
	h := header{"Idempotency-Key": "tagged"}
	s.expect(409, "limit_exceeded", "POST", "/v1/sales/tags/reservations", h, reserveBody("ada+shoes@example.com", "SNKR-42", 1))
	s.expect(201, "", "POST", "/v1/sales/normal/reservations", h, reserveBody("ada+shoes@example.com", "SNKR-42", 1))
	s.expect(400, "bad_request", "POST", "/v1/sales/normal/reservations", h, reserveBody("\u200b", "SNKR-42", 1))
}

// The same request in another spelling is the same request.
func TestARepetitionMaySpellTheCustomerOtherwise(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.Mode = sale.Open }))
	h := header{"Idempotency-Key": "k"}
	first := s.expect(201, "", "POST", "/v1/sales/spring/reservations", h, reserveBody("ada@example.com", "SNKR-42", 1))
	again := s.expect(201, "", "POST", "/v1/sales/spring/reservations", h, reserveBody("ADA@example.com", "SNKR-42", 1))
	if string(again.body) != string(first.body) {
		t.Fatalf("%s and then %s", first.body, again.body)
	}
}
