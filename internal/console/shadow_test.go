package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
)

func TestTheReportOfShadowModeIsShownToPeopleAndPrograms(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", time.Hour).expect(http.StatusCreated)
	s.admin("GET", "/admin/v1/sales/drop/shadow", "", http.StatusConflict)
	s.admin("PATCH", "/admin/v1/sales/drop", `{"shadow": true}`, http.StatusOK)
	call := ledger.ShadowCall{
		Sale: "drop", Key: "k", Payload: "p", AtMillis: time.Now().UnixMilli(), Outcome: ledger.ShadowAccepted,
		Code: problem.SoldOut, Reference: "=order-1", Units: map[string]int64{"A": 2},
	}
	if err := s.console.deps.Ledger.RecordShadow(t.Context(), []ledger.ShadowCall{call}); err != nil {
		t.Fatal(err)
	}
	report := s.admin("GET", "/admin/v1/sales/drop/shadow?examples=5", "", http.StatusOK)
	if report.json()["agreed"] != false || !strings.Contains(string(report.body), "=order-1") {
		t.Error(string(report.body))
	}
	s.admin("GET", "/admin/v1/sales/drop/shadow?examples=0", "", http.StatusBadRequest)
	table := s.admin("GET", "/admin/v1/sales/drop/shadow", "", http.StatusOK, "Accept", "text/csv")
	if !strings.Contains(string(table.body), "shop_sold_only,sold_out,'=order-1,A=2") {
		t.Error(string(table.body))
	}
	b := s.signedIn(auth.Operator)
	b.get("/sales/drop/shadow").shows("What Penstock would have done", "nothing was left", "=order-1", "A=2")
	b.get("/sales/drop").shows("Shadow mode", "/sales/drop/shadow")
	b.get("/sales/drop/edit").shows(`name="shadow" value="true" checked`)
}
