package console

import (
	"net/http"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/ledger"
)

func TestTheReportOnAnEndedSaleIsWhatWasPublished(t *testing.T) {
	s := newStage(t)
	s.newSale("spring", time.Hour)
	s.admin("GET", "/admin/v1/sales/spring/fairness", "", http.StatusNotFound)
	s.admin("GET", "/admin/v1/sales/none/fairness", "", http.StatusNotFound)
	rec := s.record("spring")
	row := ledger.FairnessReport{Sale: "spring", CreatedMillis: rec.CreatedAt.UnixMilli(), EndsMillis: rec.EndsAt.UnixMilli() - 1, Body: fairBody}
	if _, err := s.ledger.SaveFairness(t.Context(), &row); err != nil {
		t.Fatal(err)
	}
	s.admin("GET", "/admin/v1/sales/spring/fairness", "", http.StatusNotFound) // of another end
	row.EndsMillis++
	if _, err := s.ledger.SaveFairness(t.Context(), &row); err != nil {
		t.Fatal(err)
	}
	if got := s.admin("GET", "/admin/v1/sales/spring/fairness", "", http.StatusOK); string(got.body) != fairBody {
		t.Fatalf("%s", got.body)
	}
}

const fairBody = `{"format":"penstock-fairness/1","sale":"spring","name":"Spring","order":"fifo","opens_at":"2026-12-01T09:45:00Z","starts_at":"2026-12-01T10:00:00Z",` +
	`"ends_at":"2026-12-01T12:00:00Z","made_at":"2026-12-01T12:00:20Z","verdict":"holds","checks":[{"name":"called_in_order","verdict":"holds","detail":"5 places were called"}],` +
	`"trust":{"kind":"arrival","detail":"x"},"draw":null,"line":{"joined":9,"called":5,"admitted":4,"inversions":0,"two_passes":0},"most_in_60_seconds":{"most":3,"limit":600,"over":0},` +
	`"most_active":{"counted":4,"at_most":4,"limit":50},"keys":{"count":0,"places":0,"duplicates":0},"bots":{"people":9,"removed":3,"noticed":{"limit":3}},"limits":[],"calls":[[1,5]],"admissions":null}` + "\n"
