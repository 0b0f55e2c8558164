package front

import (
	"testing"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// A key that is limited to one sale is good for whatever the role shop may do there, and for nothing elsewhere.
func TestAKeyThatIsLimitedToASaleDisposesOfNoOther(t *testing.T) {
	s, _, _ := orderStack(t)
	s.open(liveSale("autumn", func(one *sale.Sale) { one.Admission.Mode = sale.Open }))
	with := func(key, idempotency string) header {
		return header{"Authorization": "Bearer " + key, "Idempotency-Key": idempotency}
	}

	_, pass := s.admitted("spring")
	foreign := s.held("spring", pass, "visitor").text(t, "id")
	reserve := with(s.oneKey, "r")
	reserve["Penstock-Pass"] = pass
	s.expect(403, problem.Forbidden, "POST", "/v1/sales/spring/reservations", reserve, reserveBody("zoe", "SNKR-42", 1))
	s.expect(403, problem.Forbidden, "POST", "/v1/reservations/"+foreign+"/extend", with(s.oneKey, "e"), "")
	s.expect(403, problem.Forbidden, "DELETE", "/v1/reservations/"+foreign, with(s.oneKey, "d"), "")
	s.expect(403, problem.Forbidden, "POST", "/v1/orders", with(s.oneKey, "o"), `{"reservation":"`+foreign+`","customer":{}}`)
	s.expect(403, problem.Forbidden, "GET", ordersPath, with(s.oneKey, ""), "")
	s.expect(200, "", "POST", "/v1/reservations/"+foreign+"/extend", with(s.shopKey, "e"), "") // a key without such a limit

	own := s.expect(201, "", "POST", "/v1/sales/autumn/reservations", with(s.oneKey, "r"), reserveBody("zoe", "SNKR-42", 1)).text(t, "id")
	s.expect(200, "", "POST", "/v1/reservations/"+own+"/extend", with(s.oneKey, "e"), "")
	s.expect(202, "", "POST", "/v1/orders", with(s.oneKey, "o"), `{"reservation":"`+own+`","customer":{}}`)
	other := s.expect(201, "", "POST", "/v1/sales/autumn/reservations", with(s.oneKey, "r2"), reserveBody("yve", "SNKR-42", 1)).text(t, "id")
	s.expect(204, "", "DELETE", "/v1/reservations/"+other, with(s.oneKey, "d"), "")
}
