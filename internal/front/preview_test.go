package front

import (
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/roomlink"
	"github.com/penstock/penstock/internal/sale"
)

// preview is the address of a preview of the sale "spring".
func (s *stack) preview(state, language, scheme string, ends time.Time) string {
	return "/sales/spring?penstock_preview=" + s.RoomLinks.SignPreview("spring", roomlink.Preview{State: state, Language: language, Scheme: scheme}, ends)
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
