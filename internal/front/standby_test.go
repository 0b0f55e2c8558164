package front

import (
	"testing"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

// Below the threshold nobody needs a pass; from it on whoever comes goes through the line.
func TestASaleInStandbyAsksForAPassOnceManyCome(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(o *sale.Sale) {
		o.Admission.Mode, o.Admission.Standby = sale.Standby, &sale.StandbyTerms{OnArrivalsPerMinute: 20}
	}))
	browser := header{"Accept": "text/html"}
	for range 10 {
		s.expect(204, "", "GET", "/v1/auth?sale=spring", browser, "")
		if got := s.getPage(forgetful(), "GET", "/sales/spring"); got.Header.Get("Location") != "/demo/checkout" || len(got.Cookies()) != 0 {
			t.Fatalf("%d %v", got.StatusCode, got.Header)
		}
	}
	testenv.Eventually(t, waitFor, "the line is on", func() bool { return s.Sales.Get("spring").Mode() == sale.Queue })
	s.expect(401, "pass_required", "GET", "/v1/auth?sale=spring", browser, "")
	if got := s.getPage(forgetful(), "GET", "/sales/spring"); len(got.Cookies()) != 2 {
		t.Fatalf("there is room, and no pass is given: %d %v", got.StatusCode, got.Header)
	}
}
