package front

import (
	"testing"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
)

func TestTheNoticeIsSentOnceAndThenOnlyConfirmed(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", nil))
	first := s.expect(200, "", "GET", "/v1/sales/spring/notice", nil, "")
	if first.text(t, "message") != "" || first.text(t, "phase") != "live" || first.json(t)["refresh_after_ms"] != 1500.0 {
		t.Fatalf("%s", first.body)
	}
	if got := first.Header.Get("Cache-Control"); got != "public, max-age=1" {
		t.Fatalf("Cache-Control %q", got)
	}
	known := header{"If-None-Match": first.Header.Get("ETag")}
	if again := s.expect(304, "", "GET", "/v1/sales/spring/notice", known, ""); len(again.body) > 0 || again.Header.Get("ETag") != first.Header.Get("ETag") {
		t.Fatalf("%v %s", again.Header, again.body)
	}
	s.change(entry, func(rec *sale.Record) { rec.Notice = sale.Notice{Message: "Back at ten", MessagePhase: sale.PhaseLive} })
	testenv.Eventually(t, waitFor, "the message is in the notice", func() bool {
		got := s.do("GET", "/v1/sales/spring/notice", known, "")
		return got.StatusCode == 200 && got.text(t, "message") == "Back at ten"
	})
	if doc := s.expect(200, "", "GET", "/v1/sales/spring", nil, ""); doc.text(t, "message") != "Back at ten" {
		t.Fatalf("%s", doc.body)
	}
	s.change(entry, func(rec *sale.Record) { rec.Paused = true })
	testenv.Eventually(t, waitFor, "the message went with its phase", func() bool {
		return s.expect(200, "", "GET", "/v1/sales/spring/notice", nil, "").text(t, "message") == ""
	})
	s.expect(404, "unknown_sale", "GET", "/v1/sales/none/notice", nil, "")
}
