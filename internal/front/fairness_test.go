package front

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

const reportBody = `{"format":"penstock-fairness/1","sale":"spring","name":"Spring <b>drop</b>","order":"draw","opens_at":"2026-12-01T09:45:00Z","starts_at":"2026-12-01T10:00:00Z",` +
	`"ends_at":"2026-12-01T12:00:00Z","made_at":"2026-12-01T12:00:20Z","verdict":"unknown","checks":[{"name":"called_in_order","verdict":"holds","detail":"5 places were called"}],` +
	`"trust":{"kind":"parties","parties":["brand"],"detail":"x"},"draw":{"commitment":"c0ffee","seed":"5eed","count":12345,"completed_seed":"5eed2"},` +
	`"line":{"joined":20000,"called":5,"admitted":4,"inversions":0,"two_passes":0},"most_in_60_seconds":{"most":3,"limit":600,"over":0},` +
	`"most_active":{"counted":null,"at_most":4,"limit":50},"keys":{"count":0,"places":0,"duplicates":0},"bots":null,"limits":[],"calls":[[1,5]],"admissions":[[2,1]]}` + "\n"

// reported is a front whose ledger has a report on the sale spring, if it has.
func reported(t *testing.T) (s *stack, entry func() sale.Record, row *atomic.Pointer[ledger.FairnessReport], asked *atomic.Int64) {
	row, asked = &atomic.Pointer[ledger.FairnessReport]{}, &atomic.Int64{}
	s = newStack(t, func(d *Deps) {
		d.Report = func(_ context.Context, saleID string) (ledger.FairnessReport, bool, error) {
			asked.Add(1)
			kept := row.Load()
			if kept == nil || kept.Sale != saleID {
				return ledger.FairnessReport{}, false, nil
			}
			return *kept, true, nil
		}
	})
	e := s.open(liveSale("spring", nil))
	return s, e.Record, row, asked
}

func (s *stack) fairness(path, accept, language string) answer {
	s.t.Helper()
	return s.do(http.MethodGet, path, header{"Accept": accept, "Accept-Language": language}, "")
}

func TestAReportIsPublishedOnceTheSaleHasEnded(t *testing.T) {
	s, record, row, asked := reported(t)
	s.expect(404, problem.NoReport, "GET", "/v1/sales/spring/fairness", nil, "")
	if asked.Load() != 0 {
		t.Fatal("the ledger is asked for the report on a sale that goes on")
	}
	s.change(s.Sales.Get("spring"), func(r *sale.Record) { r.Ended = true })
	s.expect(404, problem.NoReport, "GET", "/v1/sales/spring/fairness", nil, "")
	if page := s.fairness("/sales/spring/fairness", "text/html", "de"); page.StatusCode != 404 || !strings.Contains(string(page.body), "noch keinen Bericht") {
		t.Fatalf("%d %s", page.StatusCode, page.body)
	}
	rec := record()
	row.Store(&ledger.FairnessReport{Sale: "spring", CreatedMillis: rec.CreatedAt.UnixMilli(), EndsMillis: rec.EndsAt.UnixMilli(), Body: reportBody})
	testenv.Eventually(t, waitFor, "the report is published", func() bool {
		got := s.fairness("/v1/sales/spring/fairness", "*/*", "")
		return got.StatusCode == 200 && string(got.body) == reportBody && got.Header.Get("Cache-Control") == "public, max-age=300"
	})
	before := asked.Load()
	for range 50 {
		s.fairness("/v1/sales/spring/fairness", "*/*", "")
	}
	if asked.Load() != before {
		t.Fatal("the ledger is asked again and again")
	}
	for i := range 100 {
		got := s.fairness("/v1/sales/none-"+strings.Repeat("x", i%60)+"/fairness", "*/*", "")
		if got.StatusCode != 404 && got.StatusCode != 503 {
			t.Fatalf("a sale that there never was: %d %s", got.StatusCode, got.body)
		}
	}
	if asked.Load()-before > 3*reportLookups {
		t.Fatalf("the ledger was asked %d times for sales that there never were", asked.Load()-before)
	}
}

func TestAReportOnAnotherEndOfTheSaleIsNotThisOne(t *testing.T) {
	s, record, row, _ := reported(t)
	rec := record()
	row.Store(&ledger.FairnessReport{Sale: "spring", CreatedMillis: rec.CreatedAt.UnixMilli(), EndsMillis: rec.EndsAt.Add(-time.Minute).UnixMilli(), Body: reportBody})
	s.change(s.Sales.Get("spring"), func(r *sale.Record) { r.Ended = true })
	s.expect(404, problem.NoReport, "GET", "/v1/sales/spring/fairness", nil, "")
}

func TestThePageOfAReportSaysWhatItSays(t *testing.T) {
	s, record, row, _ := reported(t)
	rec := record()
	body := strings.Replace(strings.Replace(reportBody, `"draw":{`, `"lanes":["gold"],"draw":{`, 1), `"count":12345,`, `"count":12345,"lanes":[12211,134],`, 1)
	row.Store(&ledger.FairnessReport{Sale: "spring", CreatedMillis: rec.CreatedAt.UnixMilli(), EndsMillis: rec.EndsAt.UnixMilli(), Body: body})
	s.change(s.Sales.Get("spring"), func(r *sale.Record) { r.Ended = true })
	for language, want := range map[string][]string{
		"en": {`lang="en" dir="ltr"`, "20,000", "12,345", "Took part in the draw: gold", "134", "At least one of these: brand.", "not recorded", "at most 4, of 50 allowed", "c0ffee", "5 places were called", "Spring &lt;b&gt;drop", "Not all of this is known"},
		"de": {`lang="de" dir="ltr"`, "20.000", "Mindestens einem von diesen: brand.", "nicht aufgezeichnet"},
		"ar": {`lang="ar" dir="rtl"`, "غير مسجّل", "20,000"},
	} {
		page := s.fairness("/sales/spring/fairness", "text/html", language)
		if page.StatusCode != 200 || !strings.Contains(page.Header.Get("Content-Security-Policy"), "default-src 'none'") || strings.Contains(string(page.body), "<script") {
			t.Fatalf("%d %v\n%s", page.StatusCode, page.Header, page.body)
		}
		for _, text := range append(want, `href="/v1/sales/spring/fairness"`, `href="/sales/static/recheck.mjs"`) {
			if !strings.Contains(string(page.body), text) {
				t.Errorf("%s: the page lacks %q\n%s", language, text, page.body)
			}
		}
	}
	if room := s.fairness("/sales/spring", "text/html", "en"); !strings.Contains(string(room.body), `href="/sales/spring/fairness"`) {
		t.Errorf("the page of the ended sale does not lead to the report\n%s", room.body)
	}
	if script := s.fairness("/sales/static/recheck.mjs", "*/*", ""); script.StatusCode != 200 || !strings.HasPrefix(script.Header.Get("Content-Type"), "text/javascript") {
		t.Errorf("the script: %d", script.StatusCode)
	}
}
