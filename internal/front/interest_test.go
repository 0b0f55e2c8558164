package front

import (
	"net/url"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// twoItems lets one visitor in at a time, and has one red unit and five blue ones.
func twoItems(o *sale.Sale) {
	o.Admission.MaxActive = 1
	o.Items = []sale.Item{{SKU: "SNKR-42", Name: "Red", Stock: 1}, {SKU: "BLUE", Name: "Blue", Stock: 5}}
}

// joinFor takes a place for some items.
func (s *stack) joinFor(skus string) (ticket string) {
	s.t.Helper()
	return s.expect(201, "", "POST", "/v1/sales/spring/tickets", nil, `{"items":[`+skus+`]}`).text(s.t, "ticket")
}

func TestAVisitorIsToldOfTheItemsTheyCameFor(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", twoItems))
	_, pass := s.admitted("spring")
	red, blue := s.joinFor(`"SNKR-42"`), s.joinFor(`"BLUE"`)
	held := s.held("spring", pass, "k").text(t, "id")
	got := s.awaitState("spring", red, "held_out")
	if !strings.Contains(string(got.body), `"items":[{"sku":"SNKR-42","outlook":"held_out"}]`) {
		t.Fatalf("%s", got.body)
	}
	s.expect(202, "", "POST", "/v1/orders", header{"Penstock-Pass": pass, "Idempotency-Key": "o"}, orderOf(held))
	// The red unit is sold. The other item is still on sale: who came for it waits on, or is called.
	testenv.Eventually(t, waitFor, "red is sold out", func() bool {
		doc := s.expect(200, "", "GET", "/v1/sales/spring", nil, "")
		return strings.Contains(string(doc.body), `"availability":"sold_out"`)
	})
	_ = blue
	late := s.joinFor(`"SNKR-42"`)
	if s.state("spring", late) != "called" { // the line is short: it may be that the turn came first
		got = s.awaitState("spring", late, "sold_out")
		if strings.Contains(string(got.body), `"outlook":"likely"`) {
			t.Fatalf("%s", got.body)
		}
	}
}

func TestAnInterestCanBeChangedAndKeepsThePlace(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", twoItems))
	s.admitted("spring")
	first := s.joinFor(`"SNKR-42"`)
	before := s.expect(200, "", "GET", "/v1/sales/spring/ticket", header{"Penstock-Ticket": first}, "")
	changed := s.expect(200, "", "POST", "/v1/sales/spring/tickets", header{"Penstock-Ticket": first}, `{"items":["BLUE"]}`)
	next := changed.text(t, "ticket")
	if next == first || changed.json(t)["place"] != before.json(t)["place"] || !strings.Contains(string(changed.body), `"sku":"BLUE"`) {
		t.Fatalf("%s, then %s", before.body, changed.body)
	}
	// Without items nothing changes; with none the interest is forgotten.
	same := s.expect(200, "", "POST", "/v1/sales/spring/tickets", header{"Penstock-Ticket": next}, `{}`)
	none := s.expect(200, "", "POST", "/v1/sales/spring/tickets", header{"Penstock-Ticket": next}, `{"items":[]}`)
	if same.text(t, "ticket") != next || none.text(t, "ticket") == next || none.json(t)["items"] != nil {
		t.Fatalf("%s, then %s", same.body, none.body)
	}
	s.expect(404, "unknown_sku", "POST", "/v1/sales/spring/tickets", header{"Penstock-Ticket": next}, `{"items":["GREEN"]}`)
	s.expect(404, "unknown_sku", "POST", "/v1/sales/spring/tickets", nil, `{"items":["GREEN"]}`)
	for _, body := range []string{`{"items":["BLUE","BLUE","BLUE","BLUE","BLUE"]}`, `{"items":"BLUE"}`, `{"items":[1]}`} {
		s.expect(400, "bad_request", "POST", "/v1/sales/spring/tickets", nil, body)
	}
}

func TestThePageTakesTheItemsFromItsAddress(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", twoItems))
	s.admitted("spring")
	visitor := s.browser()
	at, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	ticket := func() (text string) {
		for _, cookie := range visitor.Jar.Cookies(at) {
			if strings.HasPrefix(cookie.Name, "penstock_ticket_") {
				text = cookie.Value
			}
		}
		return text
	}
	s.visit(visitor, "GET", "/sales/spring?items=GREEN,SNKR-42")
	first := ticket()
	s.getPage(visitor, "GET", "/sales/spring")
	if again := ticket(); again != first || first == "" {
		t.Fatalf("%q, then %q", first, again)
	}
	s.getPage(visitor, "HEAD", "/sales/spring?items=BLUE")
	if again := ticket(); again != first {
		t.Fatal("a HEAD request changed the ticket")
	}
	s.getPage(visitor, "GET", "/sales/spring?items=BLUE")
	got := s.expect(200, "", "GET", "/v1/sales/spring/ticket", header{"Penstock-Ticket": ticket()}, "")
	if ticket() == first || !strings.Contains(string(got.body), `"sku":"BLUE"`) {
		t.Fatalf("%s", got.body)
	}
}
