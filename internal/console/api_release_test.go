package console

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/penstock/penstock/internal/auth"
)

func TestAnOperatorReleasesPassesInBulk(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	const path = "/admin/v1/sales/drop/release"
	s.do("POST", path, s.key(auth.Marketer), "{}").refused(http.StatusForbidden, "forbidden")
	s.admin("POST", path, `{"dry_run":true,"older_than":"10m"}`, http.StatusOK).shows(`"released":0`)
	s.audited("sale.create", "drop", "")
	for range 2 {
		s.do("POST", path, s.key(auth.Operator), `{"most":10}`).expect(http.StatusOK)
		s.audited("sale.release", "drop", `"released"`)
	}
	for _, body := range []string{`{"most":0}`, `{"most":100001}`, `{"older_than":"10m","issued_before":"2026-01-01T00:00:00Z"}`, `{"all":true}`} {
		s.do("POST", path, s.key(auth.Operator), body).refused(http.StatusBadRequest, "bad_request")
	}
	s.do("POST", "/admin/v1/sales/none/release", s.key(auth.Operator), "{}").refused(http.StatusNotFound, "unknown_sale")

	b := s.signedIn(auth.Operator)
	b.get("/sales/drop?idle_minutes=10").shows("0 passes hold nothing")
	b.get("/sales/drop?idle_minutes=x").shows("enter a whole number")
	b.submit("/sales/drop/release", url.Values{"issued_before": {"2026-01-01T00:00:00Z"}}).expect(http.StatusSeeOther)
	b.submit("/sales/drop/release", url.Values{}).expect(http.StatusBadRequest)
}
