package sale

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestThePageOfASaleIsChecked(t *testing.T) {
	for name, test := range map[string]struct {
		page   Page
		field  string
		reason string
	}{
		"a logo over http":      {Page{LogoURL: "http://cdn.example/logo.svg"}, "page.logo_url", "https"},
		"a logo that is a path": {Page{LogoURL: "/logo.svg"}, "page.logo_url", "https"},
		"a host with a space":   {Page{LogoURL: "https://a b/logo.svg"}, "page.logo_url", "https"},
		"a colour by its name":  {Page{Colours: PageColours{Light: Palette{Accent: "green"}}}, "page.colours.light.accent", "six of"},
		"a colour in capitals":  {Page{Colours: PageColours{Light: Palette{Accent: "#AABBCC"}}}, "page.colours.light.accent", "six of"},
		"grey on white":         {Page{Colours: PageColours{Light: Palette{Text: "#999999"}}}, "page.colours.light.text", "text #999999 on surface #ffffff has a contrast of 2.84:1"},
		"yellow in the light":   {Page{Colours: PageColours{Light: Palette{Accent: "#ffdd00"}}}, "page.colours.light.accent", "accent #ffdd00 on surface"},
		"white on light green":  {Page{Colours: PageColours{Dark: Palette{OnAccent: "#ffffff"}}}, "page.colours.dark.on_accent", "on_accent #ffffff on accent #8fcdb8"},
		"an unknown language":   {Page{Texts: map[string]map[string]PageText{"xx": nil}}, "page.texts", `"xx" is not one of en`},
		"an unknown state":      {Page{Texts: map[string]map[string]PageText{"de": {"lost": {}}}}, "page.texts", `"lost" is not one of`},
		"markup":                {Page{Texts: map[string]map[string]PageText{"de": {"early": {Lead: "<b>"}}}}, "page.texts.de.early.lead", "plain text"},
		"a long headline":       {Page{Texts: map[string]map[string]PageText{"de": {"early": {Headline: strings.Repeat("ä", 81)}}}}, "page.texts.de.early.headline", "80"},
		"a script as a link":    {Page{Links: PageLinks{Waitlist: "javascript:alert(1)"}}, "page.links.waitlist", "https"},
		"an item without name":  {Page{Links: PageLinks{OtherItems: []OtherItem{{URL: "https://a.example"}}}}, "page.links.other_items[0]", "needs a name"},
		"too many other items":  {Page{Links: PageLinks{OtherItems: make([]OtherItem, 7)}}, "page.links.other_items", "at most 6"},
		"a language twice":      {Page{Languages: []string{"de", "de"}}, "page.languages[1]", "twice"},
		"another show_stock":    {Page{ShowStock: "all"}, "page.show_stock", "is not one of off, words, numbers"},
		"a language not spoken": {Page{Languages: []string{"sv"}}, "page.languages[0]", "is not one of"},
	} {
		err := Sale{Page: test.page}.validatePage()
		var wrong *Invalid
		if !errors.As(err, &wrong) || wrong.Field != test.field || !strings.Contains(wrong.Reason, test.reason) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good := Page{
		LogoURL:   "https://cdn.example/logo.svg",
		Colours:   PageColours{Light: Palette{Accent: "#7a1f3d"}, Dark: Palette{Accent: "#f0a5bd", OnAccent: "#2a0a15"}},
		Texts:     map[string]map[string]PageText{"de": {"sold_out": {Headline: "Alles weg"}}},
		Links:     PageLinks{Waitlist: "https://shop.example/waitlist", OtherItems: []OtherItem{{Name: "Socks", URL: "https://shop.example/socks"}}},
		Languages: []string{"de", "en"},
	}
	if err := (Sale{Page: good}).validatePage(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsShownOfTheStockIsReadInEachOfItsForms(t *testing.T) {
	for written, want := range map[string]StockShown{
		`"off"`: StockHidden, `"words"`: StockWords, `"numbers"`: StockNumbers, `true`: StockWords, `false`: StockHidden, `null`: StockHidden,
	} {
		rec, err := DecodeRecord([]byte(`{"page":{"show_stock":` + written + `}}`))
		if err != nil || rec.Page.ShowStock != want {
			t.Errorf("%s: %q, %v", written, rec.Page.ShowStock, err)
		}
		again, err := DecodeRecord(EncodeRecord(rec))
		if err != nil || again.Page.ShowStock != want {
			t.Errorf("%s, written again: %q, %v", written, again.Page.ShowStock, err)
		}
	}
	if _, err := DecodeRecord([]byte(`{"page":{"show_stock":3}}`)); err == nil || !strings.Contains(err.Error(), "off, words or numbers") {
		t.Errorf("%v", err)
	}
}

func TestContrastIsThatOfWCAG(t *testing.T) {
	for pair, want := range map[[2]string]float64{
		{"#000000", "#ffffff"}: 21, {"#ffffff", "#ffffff"}: 1, {"#777777", "#ffffff"}: 4.48, {"#767676", "#ffffff"}: 4.54, {"#ff0000", "#ffffff"}: 4.0,
	} {
		if got := contrast(pair[0], pair[1]); math.Abs(got-want) > 0.01 {
			t.Errorf("%v: %.3f, want %.2f", pair, got, want)
		}
	}
}
