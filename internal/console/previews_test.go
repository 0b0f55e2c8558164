package console

import (
	"net/url"
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/roomlink"
	"github.com/penstock/penstock/internal/sale"
)

func TestEveryStateOfThePageHasAPreview(t *testing.T) {
	s := newStage(t)
	planned := saleValues("spring")
	planned.Set("page.logo_url", "")
	planned.Set("page.languages", "de, ar")
	s.signedIn(auth.Marketer).submit("/new-sale", planned).expect(303)
	b := s.signedIn(auth.Viewer)
	page := b.get("/sales/spring/previews?language=ar&scheme=dark")
	page.shows(`<option value="ar" selected>`, `<option value="dark" selected>`)
	keys := roomlink.NewKeys(testRoomSecret)
	for _, state := range sale.PageStates {
		_, rest, _ := strings.Cut(string(page.body), "penstock_preview="+state+".")
		signed, _, _ := strings.Cut(rest, `"`)
		signed, err := url.QueryUnescape(state + "." + signed)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := keys.ReadPreview("spring", signed, s.console.deps.Now()); !ok || got != (roomlink.Preview{State: state, Language: "ar", Scheme: "dark"}) {
			t.Errorf("%s: %q is read as %+v, %v", state, signed, got, ok)
		}
	}
	b.get("/sales/spring").shows(`href="/sales/spring/previews"`)
	refused := b.get("/sales/spring/previews?language=fr")
	refused.expect(400)
	refused.shows("the languages of this sale are de, ar")
}
