package front

import (
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// Two were let in, one holds both units, and a third waits. What the first gives back is the third's, although the
// second was there all the time and asks first.
func TestWhatIsGivenBackIsTheNextInLines(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(o *sale.Sale) { o.Items[0].Stock = 2 }))
	_, first := s.admitted("spring")
	_, second := s.admitted("spring")
	reserve := func(status int, pass, key, customer string, n int) answer {
		h := header{"Penstock-Pass": pass, "Idempotency-Key": key}
		code := map[bool]string{true: "sold_out"}[status == 409]
		return s.expect(status, problem.Code(code), "POST", "/v1/sales/spring/reservations", h, reserveBody(customer, "SNKR-42", n))
	}
	held := reserve(201, first, "k", "ann", 2).text(t, "id")
	third := s.join("spring")
	s.awaitState("spring", third, "held_out")
	s.expect(204, "", "DELETE", "/v1/reservations/"+held, header{"Penstock-Pass": first}, "")
	if got := reserve(409, second, "k-2", "bob", 1); !strings.Contains(string(got.body), `"may_return":true`) {
		t.Fatalf("%s", got.body)
	}
	s.awaitState("spring", third, "called")
	reserve(409, second, "k-3", "bob", 1)
	pass := s.expect(201, "", "POST", "/v1/sales/spring/passes", header{"Penstock-Ticket": third}, "").text(t, "pass")
	reserve(201, pass, "k-4", "cem", 1)
}
