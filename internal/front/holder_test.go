package front

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// dispose tries everything that only the holder of a reservation may do; the order comes last.
func (s *stack) dispose(status int, code problem.Code, id string, h header) {
	s.t.Helper()
	with := func(more header) header {
		all := header{}
		for _, one := range []header{h, more} {
			for name, value := range one {
				all[name] = value
			}
		}
		return all
	}
	s.expect(status, code, "POST", "/v1/reservations/"+id+"/extend", with(nil), "")
	s.expect(status, code, "POST", "/v1/orders", with(header{"Idempotency-Key": "o-" + id}), `{"reservation":"`+id+`","customer":{}}`)
	s.expect(status, code, "DELETE", "/v1/reservations/"+id, with(nil), "")
}

func orderOf(id string) string { return `{"reservation":"` + id + `","customer":{}}` }

func TestOnlyTheHolderOfAReservationDisposesOfIt(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", nil))
	ticket, pass := s.admitted("spring")
	otherTicket, otherPass := s.admitted("spring")
	id := s.held("spring", pass, "k").text(t, "id")

	s.dispose(401, "holder_required", id, nil)
	s.dispose(403, "not_the_holder", id, header{"Penstock-Pass": otherPass})
	s.dispose(403, "not_the_holder", id, header{"Penstock-Ticket": otherTicket})
	s.dispose(403, "not_the_holder", id, header{"Cookie": "penstock_pass_spring=" + otherPass + "; penstock_ticket_spring=" + otherTicket})
	s.dispose(403, "not_the_holder", id, header{"Penstock-Pass": "nonsense"})
	s.dispose(403, "not_the_holder", id, header{"Penstock-Holder": strings.Repeat("A", 22)})
	s.dispose(403, "not_the_holder", id, header{"Penstock-Holder": "wrong"})
	s.expect(200, "", "GET", "/v1/reservations/"+id, nil, "")
	if got := s.figures(entry); got.held != 1 || got.sold != 0 {
		t.Fatalf("a stranger changed something: %+v", got)
	}

	s.expect(200, "", "POST", "/v1/reservations/"+id+"/extend", header{"Penstock-Ticket": ticket}, "")
	// A pass names its ticket also when its time is over.
	now := time.Now()
	over := s.passes.Sign(queue.Pass{Sale: "spring", Ticket: 1, ID: "1", IssuedAt: now.Add(-2 * time.Hour), ExpiresAt: now.Add(-time.Hour)})
	h := header{"Penstock-Pass": over, "Idempotency-Key": "o"}
	placed := s.expect(202, "", "POST", "/v1/orders", h, orderOf(id))
	h["Penstock-Pass"] = pass
	if again := s.expect(200, "", "POST", "/v1/orders", h, orderOf(id)); again.text(t, "id") != placed.text(t, "id") {
		t.Fatalf("the order of %s became %s", placed.body, again.body)
	}
	h["Penstock-Pass"] = otherPass
	s.expect(403, "not_the_holder", "POST", "/v1/orders", h, orderOf(id))
}

func TestAPassOrTheShopsKeyDisposeOfWhatTheShopReserved(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	_, pass := s.admitted("spring")
	key := header{"Authorization": "Bearer " + s.shopKey}
	h := header{"Authorization": "Bearer " + s.shopKey, "Penstock-Pass": pass, "Idempotency-Key": "1"}
	first := s.expect(201, "", "POST", "/v1/sales/spring/reservations", h, reserveBody("zoe", "SNKR-42", 1)).text(t, "id")
	h["Idempotency-Key"] = "2"
	second := s.expect(201, "", "POST", "/v1/sales/spring/reservations", h, reserveBody("zoe", "SNKR-42", 1)).text(t, "id")
	s.expect(204, "", "DELETE", "/v1/reservations/"+first, key, "")
	s.expect(204, "", "DELETE", "/v1/reservations/"+second, header{"Penstock-Pass": pass}, "")
}

// holder returns the proof that came with a reservation of an open sale; "" for none.
func holder(t *testing.T, got answer) string {
	t.Helper()
	token := got.Header.Get("Penstock-Holder")
	at := slices.IndexFunc(got.Cookies(), func(c *http.Cookie) bool { return strings.HasPrefix(c.Name, holderCookie) })
	if (token == "") != (at < 0) {
		t.Fatalf("the proof is in the header or the cookie alone: %v", got.Header)
	}
	if at >= 0 {
		cookie := got.Cookies()[at]
		if first, _, _ := strings.Cut(cookie.Value, "."); first != token || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge <= 0 {
			t.Fatalf("cookie %+v", cookie)
		}
	}
	return token
}

func (s *stack) reserveOpen(saleID, key string, h header) answer {
	s.t.Helper()
	all := header{"Idempotency-Key": key}
	for name, value := range h {
		all[name] = value
	}
	return s.expect(201, "", "POST", "/v1/sales/"+saleID+"/reservations", all, reserveBody("zoe", "SNKR-42", 1))
}

func TestInAnOpenSaleTheHolderHasAProof(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.Mode = sale.Open }))
	made := s.reserveOpen("spring", "k", nil)
	id, token := made.text(t, "id"), holder(t, made)
	if token == "" {
		t.Fatal("no proof for whoever made the reservation")
	}
	// Somebody who knows the customer's name and the key is told the same, and gets no proof.
	again := s.reserveOpen("spring", "k", nil)
	if string(again.body) != string(made.body) || holder(t, again) != "" {
		t.Fatalf("a stranger got %v %s", again.Header, again.body)
	}
	other := s.reserveOpen("spring", "other", nil)
	s.dispose(401, "holder_required", id, nil)
	s.dispose(403, "not_the_holder", id, header{"Penstock-Holder": holder(t, other)})
	s.dispose(403, "not_the_holder", id, header{"Cookie": "penstock_holder_spring=" + holder(t, other)})
	if got := s.figures(entry); got.held != 2 || got.sold != 0 {
		t.Fatalf("a stranger changed something: %+v", got)
	}
	if shown := s.reserveOpen("spring", "k", header{"Penstock-Holder": token}); holder(t, shown) != token {
		t.Fatal("who shows the proof does not get it again")
	}
	cookie := header{"Cookie": "penstock_holder_spring=" + token}
	s.expect(200, "", "POST", "/v1/reservations/"+id+"/extend", cookie, "")
	h := header{"Penstock-Holder": token, "Idempotency-Key": "o"}
	s.expect(202, "", "POST", "/v1/orders", h, orderOf(id))
	s.expect(200, "", "POST", "/v1/orders", h, orderOf(id))
}

func TestABrowserProvesSeveralReservationsOfASale(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.Mode, o.Items[0].Stock = sale.Open, 100 }))
	jar, ids := "", []string{}
	for i := range maxHolderTokens + 1 {
		made := s.reserveOpen("spring", string(rune('a'+i)), header{"Cookie": "x=y; penstock_holder_spring=" + jar})
		holder(t, made)
		jar, ids = made.Cookies()[0].Value, append(ids, made.text(t, "id"))
	}
	h := header{"Cookie": "penstock_holder_spring=" + jar}
	s.expect(403, "not_the_holder", "DELETE", "/v1/reservations/"+ids[0], h, "") // the oldest has fallen out
	for _, id := range ids[1:] {
		s.expect(204, "", "DELETE", "/v1/reservations/"+id, h, "")
	}
	odd := s.reserveOpen("spring", "odd", header{"Cookie": "penstock_holder_spring=<script>." + strings.Repeat("!", 22) + "..x"})
	if value := odd.Cookies()[0].Value; value != holder(t, odd) {
		t.Fatalf("what somebody wrote into the cookie comes back: %q", value)
	}
}

// With a ticket a visitor of an open sale is known: an answer that was lost can be asked for again, with its
// proof.
func TestATicketMakesALostAnswerOfAnOpenSaleRepeatable(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.Mode = sale.Open }))
	join := func() string { return s.expect(201, "", "POST", "/v1/sales/spring/tickets", nil, "").text(t, "ticket") }
	mine, others := header{"Penstock-Ticket": join()}, header{"Cookie": "penstock_ticket_spring=" + join()}
	first := s.reserveOpen("spring", "k", mine)
	again := s.reserveOpen("spring", "k", mine)
	if string(again.body) != string(first.body) || holder(t, again) == "" || holder(t, again) != holder(t, first) {
		t.Fatalf("the lost answer: %v %s", again.Header, again.body)
	}
	if other := s.reserveOpen("spring", "k", others); other.text(t, "id") == first.text(t, "id") {
		t.Fatal("another ticket with the same key and name got the same reservation")
	}
	if bare := s.reserveOpen("spring", "k", nil); bare.text(t, "id") == first.text(t, "id") {
		t.Fatal("no ticket with the same key and name got the same reservation")
	}
	id := first.text(t, "id")
	s.dispose(403, "not_the_holder", id, others)
	s.expect(403, "ticket_invalid", "POST", "/v1/sales/spring/reservations", header{"Penstock-Ticket": "nonsense", "Idempotency-Key": "k"},
		reserveBody("zoe", "SNKR-42", 1))
	s.reserveOpen("spring", "stale", header{"Cookie": "penstock_ticket_spring=of-last-year"})
	mine["Idempotency-Key"] = "o"
	s.expect(202, "", "POST", "/v1/orders", mine, orderOf(id))
}

func TestAShopDisposesOfWhatItReservedInAnOpenSale(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.Mode = sale.Open }))
	key := header{"Authorization": "Bearer " + s.shopKey}
	made := s.reserveOpen("spring", "k", key)
	if again := s.reserveOpen("spring", "k", key); holder(t, again) != holder(t, made) {
		t.Fatal("the shop does not get the proof again")
	}
	s.expect(204, "", "DELETE", "/v1/reservations/"+made.text(t, "id"), key, "")
}

func TestThereIsNoHoldersTokenWhereThereIsAPass(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	_, pass := s.admitted("spring")
	if got := s.held("spring", pass, "k"); holder(t, got) != "" {
		t.Fatalf("%v", got.Header)
	}
}
