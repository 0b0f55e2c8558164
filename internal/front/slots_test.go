package front

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// oneAtATime is a sale that lets one visitor in at a time.
func oneAtATime(o *sale.Sale) { o.Admission.MaxActive = 1 }

func (s *stack) join(saleID string) (ticket string) {
	s.t.Helper()
	return s.expect(201, "", "POST", "/v1/sales/"+saleID+"/tickets", nil, "").text(s.t, "ticket")
}

func (s *stack) state(saleID, ticket string) string {
	s.t.Helper()
	return s.expect(200, "", "GET", "/v1/sales/"+saleID+"/ticket", header{"Penstock-Ticket": ticket}, "").text(s.t, "state")
}

func TestAnOrderGivesTheSlotToTheNextInLine(t *testing.T) {
	for name, proof := range map[string]func(s *stack, pass string) header{
		"the visitor orders": func(_ *stack, pass string) header { return header{"Penstock-Pass": pass, "Idempotency-Key": "o"} },
		"the shop orders": func(s *stack, _ string) header {
			return header{"Authorization": "Bearer " + s.shopKey, "Idempotency-Key": "o"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t)
			s.open(liveSale("spring", oneAtATime))
			_, pass := s.admitted("spring")
			late := s.join("spring")
			id := s.held("spring", pass, "k").text(t, "id")
			h := proof(s, pass)
			placed := s.expect(202, "", "POST", "/v1/orders", h, orderOf(id))
			s.awaitState("spring", late, "called")
			s.expect(201, "", "POST", "/v1/sales/spring/passes", header{"Penstock-Ticket": late}, "")

			if again := s.expect(200, "", "POST", "/v1/orders", h, orderOf(id)); again.text(t, "id") != placed.text(t, "id") {
				t.Fatalf("the order of %s became %s", placed.body, again.body)
			}
			s.expect(200, "", "GET", "/v1/orders/"+placed.text(t, "id"), header{"Penstock-Pass": pass}, "")
			s.expect(403, "pass_invalid", "POST", "/v1/sales/spring/reservations", header{"Penstock-Pass": pass, "Idempotency-Key": "k-2"},
				reserveBody("zoe", "SNKR-42", 1)) // for more a visitor needs another turn
			s.expect(204, "", "DELETE", "/v1/sales/spring/pass", header{"Penstock-Pass": pass}, "")
		})
	}
}

func TestAPassThatHoldsMoreUnitsKeepsItsSlot(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", oneAtATime))
	_, pass := s.admitted("spring")
	late := s.join("spring")
	one, two := s.held("spring", pass, "1").text(t, "id"), s.held("spring", pass, "2").text(t, "id")
	order := func(id string) {
		s.expect(202, "", "POST", "/v1/orders", header{"Penstock-Pass": pass, "Idempotency-Key": "o-" + id}, orderOf(id))
	}
	order(one)
	s.slotsAreGivenBack()
	if got := s.figures(entry); got.used != 1 || s.state("spring", late) != "waiting" {
		t.Fatalf("%d passes are active", got.used)
	}
	order(two)
	s.awaitState("spring", late, "called")
}

// slotsAreGivenBack waits until nothing is being given back.
func (s *stack) slotsAreGivenBack() {
	s.t.Helper()
	testenv.Eventually(s.t, waitFor, "nothing is being given back", func() bool { return len(s.slots.working) == 0 })
}

func TestASaleMayKeepTheSlotsOfThoseWhoOrdered(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", func(o *sale.Sale) {
		oneAtATime(o)
		o.Admission.ReleaseOnOrder = sale.Off()
	}))
	_, pass := s.admitted("spring")
	for _, key := range []string{"1", "2"} {
		id := s.held("spring", pass, key).text(t, "id")
		s.expect(202, "", "POST", "/v1/orders", header{"Penstock-Pass": pass, "Idempotency-Key": "o-" + key}, orderOf(id))
		s.slotsAreGivenBack()
	}
	if got := s.figures(entry); got.used != 1 {
		t.Fatalf("%d passes are active", got.used)
	}
}

// The order is accepted whatever becomes of the slot, and what is given back at a time is bounded.
func TestAnOrderDoesNotWaitForItsSlot(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	_, pass := s.admitted("spring")
	id := s.held("spring", pass, "k").text(t, "id")
	for range maxSlotReleases {
		s.slots.working <- struct{}{}
	}
	s.expect(202, "", "POST", "/v1/orders", header{"Penstock-Pass": pass, "Idempotency-Key": "o"}, orderOf(id))
	s.held("spring", pass, "k-2") // the pass ends by its time
	for range maxSlotReleases {
		<-s.slots.working
	}
	if log := s.logged.String(); !strings.Contains(log, "could not be given back") {
		t.Fatal("the log does not tell that the slot was kept")
	}
}

func TestAVisitorRenewsThePass(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", func(o *sale.Sale) {
		o.Admission.Renewal = sale.Renewal{By: sale.Duration(5 * time.Minute), Max: 1}
	}))
	_, pass := s.admitted("spring")
	s.held("spring", pass, "k")
	renew := func(token string) answer {
		return s.expect(200, "", "POST", "/v1/sales/spring/pass/renew", header{"Penstock-Pass": token}, "")
	}
	renewed := renew(pass)
	if renewed.json(t)["renewals_left"] != 0.0 {
		t.Fatalf("%s", renewed.body)
	}
	if again := renew(pass); string(again.body) != string(renewed.body) {
		t.Fatalf("again: %s, want %s", again.body, renewed.body)
	}
	s.held("spring", renewed.text(t, "pass"), "k-2")
	if got := s.figures(entry); got.used != 1 {
		t.Fatalf("%d passes are active", got.used)
	}
	s.expect(409, "renewal_refused", "POST", "/v1/sales/spring/pass/renew", header{"Penstock-Pass": renewed.text(t, "pass")}, "")
	s.expect(401, "pass_required", "POST", "/v1/sales/spring/pass/renew", nil, "")
	// It belongs to its customer for as long as it can be renewed.
	s.expect(403, "pass_bound", "POST", "/v1/sales/spring/reservations",
		header{"Penstock-Pass": renewed.text(t, "pass"), "Idempotency-Key": "x"}, `{"customer":"eve","items":[{"sku":"SNKR-42","quantity":1}]}`)
}
