package front

import (
	"regexp"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/testenv"
)

var reloads = regexp.MustCompile(`data-reload-ms="[1-9]`)

// returning checks that a person is told to wait, and that the page goes on by itself.
func (s *stack) returning(page answer, want string) {
	s.t.Helper()
	body := string(page.body)
	if page.StatusCode != 503 || page.Header.Get("Retry-After") == "" || !strings.Contains(body, "The sale is coming back") ||
		!strings.Contains(body, want) || !reloads.MatchString(body) || !strings.Contains(body, `http-equiv="refresh"`) {
		s.t.Fatalf("%d %v %s", page.StatusCode, page.Header, body)
	}
}

// A sale that this node does not know may exist after all, while Redis is being filled again.
func TestNobodyIsToldThatThereIsNoSaleBeforeThatIsKnown(t *testing.T) {
	s := newStack(t)
	testenv.Eventually(t, waitFor, "the sales are read", s.Sales.Complete)
	s.expect(404, "unknown_sale", "GET", "/v1/sales/spring", nil, "")
	s.mini.FlushAll()
	testenv.Eventually(t, waitFor, "the loss is noticed", func() bool { return !s.Sales.Complete() })
	rsv := "rsv_spring_1_AAAAAAAAAAAAAAAAAAAAAA"
	order := `{"reservation":"` + rsv + `","customer":{}}`
	for _, row := range []struct{ method, path, body string }{
		{"GET", "/v1/sales/spring", ""}, {"GET", "/v1/sales/spring/ticket", ""}, {"POST", "/v1/sales/spring/tickets", ""}, {"GET", "/sales/spring", ""},
		{"GET", "/v1/auth?sale=spring", ""}, {"GET", "/v1/reservations/" + rsv, ""}, {"POST", "/v1/orders", order}, {"GET", "/demo", ""},
	} {
		got := s.expect(503, "unavailable", row.method, row.path, header{"Idempotency-Key": "k"}, row.body)
		if got.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s: no Retry-After", row.method, row.path)
		}
	}
	s.returning(s.expect(503, "", "GET", "/sales/spring", header{"Accept": "text/html"}, ""), "If you have a place in line")
}

// Redis loses a live sale. Whoever waits sees the place they had, and nothing is given out.
func TestASaleThatIsBeingRestoredIsServedFromMemory(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", nil))
	ticket, pass := s.admitted("spring")
	rsv := s.held("spring", pass, "k-1").text(t, "id")
	before := s.expect(200, "", "GET", "/v1/sales/spring/ticket", header{"Penstock-Ticket": ticket}, "").json(t)
	rec := entry.Record()
	entrants := func() any { return s.expect(200, "", "GET", "/v1/sales/spring", nil, "").json(t)["entrants"] }
	testenv.Eventually(t, waitFor, "the document counts the visitor", func() bool { return entrants() == 1.0 })

	s.mini.FlushAll()
	testenv.Eventually(t, waitFor, "the loss is noticed", func() bool { return !entry.Ready() })
	mine, in := header{"Penstock-Ticket": ticket}, header{"Penstock-Pass": pass, "Idempotency-Key": "k-2"}
	poll := s.expect(200, "", "GET", "/v1/sales/spring/ticket", mine, "").json(t)
	again := s.expect(200, "", "POST", "/v1/sales/spring/tickets", mine, "").json(t)
	if poll["place"] != before["place"] || again["place"] != before["place"] || poll["state"] != before["state"] {
		t.Fatalf("before %v, poll %v, joined again %v", before, poll, again)
	}
	if doc := s.expect(200, "", "GET", "/v1/sales/spring", nil, "").json(t); doc["phase"] != "live" || doc["entrants"] != 1.0 {
		t.Fatalf("document %v", doc)
	}
	s.expect(204, "", "GET", "/v1/auth?sale=spring", in, "")
	for _, row := range []struct {
		method, path string
		h            header
		body         string
	}{
		{"POST", "/v1/sales/spring/tickets", nil, ""},
		{"DELETE", "/v1/sales/spring/ticket", mine, ""},
		{"POST", "/v1/sales/spring/passes", mine, ""},
		{"DELETE", "/v1/sales/spring/pass", in, ""},
		{"POST", "/v1/sales/spring/reservations", in, reserveBody("c-k-1", "SNKR-42", 1)},
		{"GET", "/v1/reservations/" + rsv, nil, ""},
		{"DELETE", "/v1/reservations/" + rsv, nil, ""},
		{"POST", "/v1/reservations/" + rsv + "/extend", nil, ""},
		{"POST", "/v1/orders", in, `{"reservation":"` + rsv + `","customer":{}}`},
		{"GET", "/v1/orders/ord" + strings.TrimPrefix(rsv, "rsv"), nil, ""},
	} {
		got := s.expect(503, "unavailable", row.method, row.path, row.h, row.body)
		if got.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s: no Retry-After", row.method, row.path)
		}
	}
	s.returning(s.expect(503, "", "GET", "/sales/spring", header{"Accept": "text/html"}, ""), "If you have a place in line")
	s.returning(s.expect(503, "", "GET", "/sales/spring", header{"Accept": "text/html", "Penstock-Ticket": ticket}, ""), "Your place in line is kept")

	rec.Epoch++
	s.publish(rec)
	testenv.Eventually(t, waitFor, "the page lets people in again", func() bool {
		return s.do("GET", "/sales/spring", header{"Accept": "text/html"}, "").StatusCode != 503
	})
}

// A page that says that there is no such sale looks again: the sale may be created a moment later.
func TestThePageOfAnUnknownSaleLooksAgain(t *testing.T) {
	s := newStack(t)
	testenv.Eventually(t, waitFor, "the sales are read", s.Sales.Complete)
	page := s.expect(404, "", "GET", "/sales/none", header{"Accept": "text/html"}, "")
	if body := string(page.body); !strings.Contains(body, "There is no such sale") || !reloads.MatchString(body) {
		t.Fatalf("page %s", body)
	}
}
