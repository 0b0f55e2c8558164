package front

import (
	"context"
	"errors"
	"html"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/roomlink"
	"github.com/penstock/penstock/internal/sale"
)

// preview is the address of a preview of the sale "spring".
func (s *stack) preview(state, language, scheme string, ends time.Time) string {
	return "/sales/spring?penstock_preview=" + s.RoomLinks.SignPreview("spring", roomlink.Preview{State: state, Language: language, Scheme: scheme}, ends)
}

func TestADraftIsPreviewedInEachStateByWhoHasTheLinkAlone(t *testing.T) {
	draft := liveSale("spring", func(o *sale.Sale) {
		o.Draft, o.Page.ShowStock = true, sale.StockNumbers
		o.Page.Colours.Light.Accent = "#7a1f3d"
	})
	var fails atomic.Bool
	s := newStack(t, func(d *Deps) {
		d.Draft = func(_ context.Context, saleID string) (sale.Record, error) {
			switch {
			case fails.Load():
				return sale.Record{}, errors.New("the ledger is down")
			case saleID != "spring":
				return sale.Record{}, problem.UnknownSale
			}
			return sale.Record{Sale: draft, Version: 3}, nil
		}
	})
	soon, people := time.Now().Add(time.Hour), header{"Accept": "text/html", "Cookie": "penstock_cookies=1"}
	for _, state := range sale.PageStates {
		got := s.expect(200, "", "GET", s.preview(state, "de", "", soon), people, "")
		for _, want := range []string{s.words.Offered([]string{"de"})[0].Text(state + ".headline"), "Vorschau", "Spring drop"} {
			if !strings.Contains(string(got.body), want) {
				t.Errorf("%s: no %q in %s", state, want, got.body)
			}
		}
		if len(got.Cookies()) != 0 {
			t.Errorf("%s: sets cookies: %v", state, got.Header)
		}
	}
	page := s.expect(200, "", "GET", s.preview("waiting", "en", "", soon), people, "")
	if !strings.Contains(string(page.body), `<span class="stands">6 left</span>`) {
		t.Errorf("%s", page.body)
	}
	theme := html.UnescapeString(regexp.MustCompile(`/sales/static/theme-spring[^"]+`).FindString(string(page.body)))
	if css := s.expect(200, "", "GET", theme, nil, ""); string(css.body) != ":root{--accent:#7a1f3d;}\n" {
		t.Errorf("%s: %s", theme, css.body)
	}
	s.expect(404, problem.NotFound, "GET", "/sales/static/theme-spring.css?v=3", nil, "")
	s.expect(404, "", "GET", "/sales/spring", people, "")
	s.expect(404, "", "GET", s.preview("early", "en", "", time.Now().Add(-time.Second)), people, "")
	s.expect(404, "", "GET", "/sales/spring?penstock_preview=early.en..1999999999.AAAAAAAAAAAAAAAAAAAAAA", people, "")
	s.expect(404, "", "POST", s.preview("early", "en", "", soon), people, "")
	fails.Store(true)
	s.expect(503, "", "GET", s.preview("early", "en", "", soon), people, "")
}

func TestAPreviewShowsEachStateAndGivesNoPlace(t *testing.T) {
	s := newStack(t)
	entry := s.open(liveSale("spring", nil))
	soon := time.Now().Add(time.Hour)
	arabic := s.words.Offered([]string{"ar"})[0]
	for _, state := range sale.PageStates {
		got := s.expect(200, "", "GET", s.preview(state, "ar", "dark", soon), header{"Accept": "text/html", "Cookie": "penstock_cookies=1"}, "")
		for _, want := range []string{`<html lang="ar" dir="rtl" data-scheme="dark">`, arabic.Text(state + ".headline"), arabic.Text("preview.note"), `data-poll-ms="0" data-reload-ms="0"`} {
			if !strings.Contains(string(got.body), want) {
				t.Errorf("%s: no %q in %s", state, want, got.body)
			}
		}
		if strings.Contains(string(got.body), "http-equiv") || len(got.Cookies()) != 0 {
			t.Errorf("%s: goes on by itself, or sets cookies: %v", state, got.Header)
		}
		s.expect(303, "", "POST", s.preview(state, "ar", "dark", soon), header{"Accept": "text/html"}, "")
	}
	for name, path := range map[string]string{
		"ended": s.preview("early", "en", "", time.Now().Add(-time.Second)), "forged": "/sales/spring?penstock_preview=early.en..1999999999.AAAAAAAAAAAAAAAAAAAAAA",
	} {
		if got := s.expect(410, "", "GET", path, header{"Accept": "text/html", "Cookie": "penstock_cookies=1"}, ""); !strings.Contains(string(got.body), "This preview is too old") {
			t.Errorf("%s: %s", name, got.body)
		}
	}
	if n := entry.Room().Snapshot().Entrants; n != 0 {
		t.Fatalf("%d places were taken", n)
	}
}
