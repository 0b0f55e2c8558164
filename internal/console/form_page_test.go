package console

import (
	"reflect"
	"testing"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/sale"
)

func TestThePageOfASaleIsSetByForm(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Marketer)
	v := saleValues("spring")
	for field, value := range map[string]string{
		"page.logo_url": "https://cdn.example/logo.svg", "page.colours.light.accent": "#7A1F3D", "page.colours.dark.on_accent": "#000000",
		"page.texts":          "de sold_out headline: Alles weg\r\n\r\nde sold_out lead: Danke: bis bald\r\nen early lead: Soon",
		"page.links.waitlist": "https://shop.example/waitlist", "page.links.other_items": "Socks | https://shop.example/socks\r\nBag | https://shop.example/bag | https://cdn.example/bag.jpg",
		"page.languages": "de, en", "page.show_stock": "numbers", "page.sound": "false",
	} {
		v.Set(field, value)
	}
	b.submit("/new-sale", v).expect(303)
	want := sale.Page{
		LogoURL: "https://cdn.example/logo.svg",
		Colours: sale.PageColours{Light: sale.Palette{Accent: "#7a1f3d"}, Dark: sale.Palette{OnAccent: "#000000"}},
		Texts: map[string]map[string]sale.PageText{
			"de": {"sold_out": {Headline: "Alles weg", Lead: "Danke: bis bald"}}, "en": {"early": {Lead: "Soon"}},
		},
		Links: sale.PageLinks{Waitlist: "https://shop.example/waitlist", OtherItems: []sale.OtherItem{
			{Name: "Socks", URL: "https://shop.example/socks"}, {Name: "Bag", URL: "https://shop.example/bag", Image: "https://cdn.example/bag.jpg"},
		}},
		Languages: []string{"de", "en"}, ShowStock: sale.StockNumbers, Sound: sale.Off(),
	}
	if got := s.record("spring").Page; !reflect.DeepEqual(got, want) {
		t.Fatalf("got %+v", got)
	}
	b.get("/sales/spring/edit").shows(
		`value="#7a1f3d"`, "de sold_out headline: Alles weg\nde sold_out lead: Danke: bis bald\nen early lead: Soon</textarea>",
		"Bag | https://shop.example/bag | https://cdn.example/bag.jpg</textarea>", `value="de, en"`, `<option value="numbers" selected>`)
}

func TestAWrongPageIsShownOpenBesideItsField(t *testing.T) {
	s := newStage(t)
	b := s.signedIn(auth.Marketer)
	for field, typed := range map[string][2]string{
		"page.texts":                {"de sold_out: Weg", "enter a line for each text"},
		"page.links.other_items":    {"Socks", "enter a line for each item"},
		"page.languages":            {"de, xx", "is not one of"},
		"page.colours.light.accent": {"#ffdd00", "accent #ffdd00 on surface #ffffff has a contrast of"},
		"page.logo_url":             {"http://cdn.example/logo.svg", "want an https address"},
	} {
		v := saleValues("spring")
		v.Set("page.logo_url", "")
		v.Set(field, typed[0])
		page := b.submit("/new-sale", v)
		page.expect(422)
		page.shows(`<details class="card more" open><summary>The waiting-room page`, `aria-describedby="`+field+`-about"`, typed[1])
	}
}
