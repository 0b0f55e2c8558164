package front

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/reservation"
)

func TestAVisitorGoesFromTheLineToACommittedOrder(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	const base = "/v1/sales/spring"

	doc := s.expect(200, "", "GET", base, nil, "")
	if doc.Header.Get("Cache-Control") != "public, max-age=1" || doc.json(t)["phase"] != "live" {
		t.Fatalf("document %s %v", doc.body, doc.Header)
	}

	joined := s.expect(201, "", "POST", base+"/tickets", nil, "{}")
	ticket := joined.text(t, "ticket")
	checkCookie(t, joined, "penstock_ticket_spring", ticket)
	again := s.expect(200, "", "POST", base+"/tickets", header{"Penstock-Ticket": ticket}, "")
	if again.text(t, "ticket") != ticket || again.json(t)["place"] != joined.json(t)["place"] {
		t.Fatalf("another place: %s", again.body)
	}
	if len(again.Cookies()) > 0 {
		t.Fatal("a cookie for a ticket that the visitor has")
	}

	s.awaitState("spring", ticket, "called")
	claimed := s.expect(201, "", "POST", base+"/passes", header{"Cookie": "penstock_ticket_spring=" + ticket}, "")
	pass := claimed.text(t, "pass")
	checkCookie(t, claimed, "penstock_pass_spring", pass)
	if twice := s.expect(200, "", "POST", base+"/passes", header{"Penstock-Ticket": ticket}, ""); twice.text(t, "pass") != pass {
		t.Fatal("the same ticket got another pass")
	}
	s.awaitState("spring", ticket, "admitted")

	h := header{"Cookie": "penstock_pass_spring=" + pass, "Idempotency-Key": "r-1"}
	held := s.expect(201, "", "POST", base+"/reservations", h, reserveBody("zoe", "SNKR-42", 2))
	id := held.text(t, "id")
	replay := s.expect(201, "", "POST", base+"/reservations", h, reserveBody("zoe", "SNKR-42", 2))
	if string(replay.body) != string(held.body) {
		t.Fatalf("the same request was answered\n%s\nand then\n%s", held.body, replay.body)
	}
	s.expect(422, "idempotency_mismatch", "POST", base+"/reservations", h, reserveBody("zoe", "SNKR-42", 1))
	if got := s.expect(200, "", "GET", "/v1/reservations/"+id, nil, ""); got.text(t, "status") != "held" {
		t.Fatalf("reservation %s", got.body)
	}
	mine := header{"Penstock-Pass": pass}
	s.expect(200, "", "POST", "/v1/reservations/"+id+"/extend", mine, "")
	s.expect(409, "extension_refused", "POST", "/v1/reservations/"+id+"/extend", mine, "{}")

	orderID := s.order(t, id, pass)
	s.expect(409, "already_resolved", "DELETE", "/v1/reservations/"+id, mine, "")
	s.expect(204, "", "DELETE", base+"/pass", header{"Penstock-Pass": pass}, "")
	s.expect(403, "pass_invalid", "POST", base+"/reservations", header{"Penstock-Pass": pass, "Idempotency-Key": "r-2"}, reserveBody("zoe", "SNKR-42", 1))

	s.mini.FlushAll() // nobody but the ledger knows the order now
	s.expect(200, "", "GET", "/v1/orders/"+orderID, nil, "")
}

// order places an order and follows it into the ledger.
func (s *stack) order(t *testing.T, reservationID, pass string) (id string) {
	t.Helper()
	h := header{"Idempotency-Key": "o-1", "Penstock-Pass": pass}
	body := `{"reservation":"` + reservationID + `","customer":{"email":"zoe@shop.example"},"payment":{"reference":"p-1"},"metadata":{"utm":"x"}}`
	accepted := s.expect(202, "", "POST", "/v1/orders", h, body)
	if accepted.text(t, "status") != "queued" || accepted.text(t, "reservation") != reservationID {
		t.Fatalf("order %s", accepted.body)
	}
	id = accepted.text(t, "id")
	if again := s.expect(200, "", "POST", "/v1/orders", h, body); again.text(t, "id") != id {
		t.Fatalf("the same order became another: %s", again.body)
	}
	s.expect(422, "idempotency_mismatch", "POST", "/v1/orders", h, strings.Replace(body, "zoe@", "eve@", 1))
	s.expect(409, "already_ordered", "POST", "/v1/orders", header{"Idempotency-Key": "o-2", "Penstock-Pass": pass}, strings.Replace(body, "zoe@", "eve@", 1))
	testenv.Eventually(t, waitFor, "the order is committed", func() bool {
		return s.expect(200, "", "GET", "/v1/orders/"+id, nil, "").text(t, "status") == "committed"
	})
	return id
}

func checkCookie(t *testing.T, got answer, name, value string) {
	t.Helper()
	for _, cookie := range got.Cookies() {
		if cookie.Name != name {
			continue
		}
		if cookie.Value != value || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.MaxAge <= 0 || cookie.Secure {
			t.Fatalf("cookie %+v", cookie)
		}
		return
	}
	t.Fatalf("no cookie %s in %v", name, got.Header)
}

func TestCookiesAreSecureBehindTLS(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	for proto, secure := range map[string]bool{"https": true, "https, http": true, "http": false, "": false} {
		got := s.expect(201, "", "POST", "/v1/sales/spring/tickets", header{"X-Forwarded-Proto": proto}, "")
		if got.Cookies()[0].Secure != secure {
			t.Errorf("X-Forwarded-Proto %q: %v", proto, got.Cookies()[0])
		}
	}
}

func TestAnotherSiteCannotTakeAVisitorsPlace(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	cross := header{"Sec-Fetch-Site": "cross-site"}
	if got := s.expect(201, "", "POST", "/v1/sales/spring/tickets", cross, ""); len(got.Cookies()) > 0 {
		t.Fatal("a form on another site overwrote the visitor's ticket")
	}
	got := s.expect(303, "", "POST", "/sales/spring", cross, "")
	if len(got.Cookies()) > 0 {
		t.Fatal("a form on another site overwrote the visitor's ticket")
	}
}

func TestWhoLeavesTheLineIsGone(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	ticket := s.expect(201, "", "POST", "/v1/sales/spring/tickets", nil, "").text(t, "ticket")
	h := header{"Penstock-Ticket": ticket}
	got := s.expect(204, "", "DELETE", "/v1/sales/spring/ticket", h, "")
	if len(got.Cookies()) != 1 || got.Cookies()[0].MaxAge >= 0 {
		t.Fatalf("the cookie stays: %v", got.Header)
	}
	s.awaitState("spring", ticket, "missed")
	s.expect(410, "turn_missed", "POST", "/v1/sales/spring/passes", h, "")
}

func TestAnOpenSaleNeedsNoPassAndAClosedOneGivesNone(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("open", func(o *sale.Sale) { o.Admission.Mode = sale.Open }))
	entry := s.open(liveSale("closing", nil))
	key := header{"Idempotency-Key": "k"}
	s.expect(201, "", "POST", "/v1/sales/open/reservations", key, reserveBody("zoe", "SNKR-42", 1))
	if got := s.expect(303, "", "GET", "/sales/open", nil, ""); got.Header.Get("Location") != "/demo/checkout" {
		t.Fatalf("sent to %q", got.Header.Get("Location"))
	}
	s.expect(204, "", "GET", "/v1/auth?sale=open", nil, "")

	_, pass := s.admitted("closing")
	s.change(entry, func(r *sale.Record) { r.Admission.Mode = sale.Closed })
	s.expect(403, "join_refused", "POST", "/v1/sales/closing/tickets", nil, "")
	s.expect(401, "pass_required", "POST", "/v1/sales/closing/reservations", key, reserveBody("zoe", "SNKR-42", 1))
	s.held("closing", pass, "k-2") // who is inside may finish
}

func TestAShopReservesForItsVisitor(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", nil))
	_, pass := s.admitted("spring")
	_, other := s.admitted("spring")
	path := "/v1/sales/spring/reservations"
	h := header{"Authorization": "Bearer " + s.shopKey, "Penstock-Pass": pass, "Idempotency-Key": "k"}
	first := s.expect(201, "", "POST", path, h, reserveBody("zoe", "SNKR-42", 1))

	h["Penstock-Pass"] = other // the keys are the shop's, not the visitor's
	if again := s.expect(201, "", "POST", path, h, reserveBody("zoe", "SNKR-42", 1)); again.text(t, "id") != first.text(t, "id") {
		t.Fatal("the shop's key meant another reservation with another pass")
	}
	delete(h, "Penstock-Pass")
	s.expect(401, "pass_required", "POST", path, h, reserveBody("zoe", "SNKR-42", 1))
	wrong, _ := auth.NewKey()
	h["Penstock-Pass"], h["Authorization"] = pass, "Bearer "+wrong
	s.expect(401, "unauthorized", "POST", path, h, reserveBody("zoe", "SNKR-42", 1))
	body := `{"reservation":"` + first.text(t, "id") + `","customer":{}}`
	s.expect(401, "unauthorized", "POST", "/v1/orders", header{"Authorization": "Bearer " + wrong, "Idempotency-Key": "o"}, body)
	s.expect(202, "", "POST", "/v1/orders", header{"Authorization": "Bearer " + s.shopKey, "Idempotency-Key": "o"}, body)
}

// A staging site's password, the shop's own customer token and a guess at the admin's key are no keys of
// a shop: they change nothing, so that they neither break a visit nor tell a guesser anything.
func TestAForeignAuthorizationChangesNothing(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.ReleaseOnOrder = sale.Off() })) // several orders with one pass
	_, pass := s.admitted("spring")
	path := "/v1/sales/spring/reservations"
	for i, foreign := range []string{
		"Basic dTpw", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJjdXN0b21lciJ9.x", "Bearer wrong", "Bearer pk_short",
		"Bearer bootstrap-key-of-the-admin", "Bearer", "Digest username=u",
	} {
		h := header{"Authorization": foreign, "Idempotency-Key": fmt.Sprint("k-", i)}
		s.expect(401, "pass_required", "POST", path, h, reserveBody("zoe", "SNKR-42", 1))
		h["Penstock-Pass"] = pass
		held := s.expect(201, "", "POST", path, h, reserveBody("zoe", "SNKR-42", 1)).text(t, "id")
		s.expect(202, "", "POST", "/v1/orders", h, `{"reservation":"`+held+`","customer":{}}`)
	}
}

func TestASaleIsSoldOutAndComesBack(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", func(o *sale.Sale) { o.Items[0].Stock = 2 }))
	_, pass := s.admitted("spring")
	_, late := s.admitted("spring")
	path := "/v1/sales/spring/reservations"
	both := func() answer {
		return s.expect(201, "", "POST", path, header{"Penstock-Pass": pass, "Idempotency-Key": "k"}, reserveBody("zoe", "SNKR-42", 2))
	}
	first := both()
	testenv.Eventually(t, waitFor, "the latch falls", func() bool {
		return entry.Stock().SoldOut([]reservation.Line{{SKU: "SNKR-42", Quantity: 1}}, "")
	})
	h := header{"Penstock-Pass": late, "Idempotency-Key": "late"}
	refused := s.expect(409, "sold_out", "POST", path, h, reserveBody("late", "SNKR-42", 1))
	if refused.json(t)["may_return"] != true {
		t.Fatalf("a held unit may return: %s", refused.body)
	}
	if retry := both(); retry.text(t, "id") != first.text(t, "id") {
		t.Fatal("the retry of the holder got another reservation")
	}
	s.expect(204, "", "DELETE", "/v1/reservations/"+first.text(t, "id"), header{"Penstock-Pass": pass}, "")
	testenv.Eventually(t, waitFor, "the unit is on the shelf again", func() bool {
		return s.do("POST", path, h, reserveBody("late", "SNKR-42", 1)).StatusCode == 201
	})
}

func TestThePhasesAreTold(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("soon", func(o *sale.Sale) {
		o.OpensAt, o.StartsAt = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
		o.EndsAt = o.StartsAt.Add(time.Hour)
	}))
	s.open(liveSale("draw", func(o *sale.Sale) {
		o.StartsAt, o.Admission.Order = time.Now().Add(time.Hour), sale.Draw
		o.EndsAt = o.StartsAt.Add(time.Hour)
	}))
	entry := s.open(liveSale("spring", func(o *sale.Sale) { o.Admission.RatePerMinute, o.Admission.MaxActive = 1, 1 }))
	s.expect(409, "sale_not_open", "POST", "/v1/sales/soon/tickets", nil, "")

	early := s.expect(201, "", "POST", "/v1/sales/draw/tickets", nil, "")
	if doc := early.json(t); doc["state"] != "early" || doc["place"] != nil || doc["ahead"] != nil {
		t.Fatalf("before the draw: %s", early.body)
	}
	s.admitted("spring")
	waiting := s.expect(201, "", "POST", "/v1/sales/spring/tickets", nil, "").text(t, "ticket")
	got := s.expect(409, "not_called", "POST", "/v1/sales/spring/passes", header{"Penstock-Ticket": waiting}, "")
	if _, ok := got.json(t)["poll_after_ms"].(float64); !ok {
		t.Fatalf("no poll_after_ms: %s", got.body)
	}
	s.change(entry, func(r *sale.Record) { r.Paused, r.Message = true, "Back at noon <b>" })
	s.awaitState("spring", waiting, "paused")
	page := s.expect(200, "", "GET", "/sales/spring", header{"Cookie": "penstock_ticket_spring=" + waiting}, "")
	if !strings.Contains(string(page.body), "Back at noon &lt;b&gt;") || !strings.Contains(string(page.body), "The sale is paused") {
		t.Fatalf("page %s", page.body)
	}
	s.change(entry, func(r *sale.Record) { r.Ended = true })
	s.awaitState("spring", waiting, "ended")
}
