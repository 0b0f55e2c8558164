package console

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/sale"
)

const (
	// stockOff is the value of the field for a stock that is not shown.
	stockOff = "off"

	wantPageText  = "enter a line for each text, such as: de sold_out headline: Alles weg"
	wantOtherItem = "enter a line for each item: its name | its address | the address of an image, or no image"
)

// pageTexts are the plain fields of a page and where their values are.
func pageTexts(p *sale.Page) map[string]*string {
	fields := map[string]*string{
		"page.logo_url": &p.LogoURL, "page.links.waitlist": &p.Links.Waitlist, "page.links.terms": &p.Links.Terms,
		"page.links.privacy": &p.Links.Privacy, "page.links.support": &p.Links.Support,
	}
	for scheme, palette := range map[string]*sale.Palette{"light": &p.Colours.Light, "dark": &p.Colours.Dark} {
		prefix := "page.colours." + scheme + "."
		fields[prefix+"background"], fields[prefix+"surface"] = &palette.Background, &palette.Surface
		fields[prefix+"text"], fields[prefix+"muted"] = &palette.Text, &palette.Muted
		fields[prefix+"accent"], fields[prefix+"on_accent"] = &palette.Accent, &palette.OnAccent
	}
	return fields
}

func fillPage(p sale.Page) typed {
	f := typed{
		"page.texts": showPageTexts(p.Texts), "page.links.other_items": showOtherItems(p.Links.OtherItems), "page.languages": strings.Join(p.Languages, ", "),
		"page.show_stock": cmp.Or(string(p.ShowStock), stockOff), "page.sound": strconv.FormatBool(p.Sound.On()),
	}
	for path, value := range pageTexts(&p) {
		f[path] = *value
	}
	return f
}

func readPage(v url.Values) typed {
	return readTyped(v, "page.logo_url", maps.Keys(fillPage(sale.Page{})))
}

// page lays what was typed over a sale.
func (f *saleForm) page(s *sale.Sale) {
	if f.Page == nil {
		return
	}
	p := sale.Page{ShowStock: sale.StockShown(f.Page["page.show_stock"])}
	if p.ShowStock == stockOff {
		p.ShowStock = sale.StockHidden
	}
	for path, value := range pageTexts(&p) {
		*value = f.Page[path]
		if strings.HasPrefix(path, "page.colours.") {
			*value = strings.ToLower(*value)
		}
	}
	if f.Page["page.sound"] == switchOff {
		p.Sound = sale.Off()
	}
	p.Languages = typedList(f.Page["page.languages"])
	p.Texts = f.pageTexts()
	p.Links.OtherItems = f.otherItems()
	s.Page = p
}

// pageTexts reads a line for each text: "<language> <state> headline: <text>", or lead.
func (f *saleForm) pageTexts() map[string]map[string]sale.PageText {
	var texts map[string]map[string]sale.PageText
	for line := range strings.Lines(f.Page["page.texts"]) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		words := strings.Fields(name)
		if !found || len(words) != 3 || words[2] != "headline" && words[2] != "lead" {
			f.fault("page.texts", wantPageText)
			return nil
		}
		if texts == nil {
			texts = map[string]map[string]sale.PageText{}
		}
		if texts[words[0]] == nil {
			texts[words[0]] = map[string]sale.PageText{}
		}
		text := texts[words[0]][words[1]]
		if words[2] == "lead" {
			text.Lead = strings.TrimSpace(value)
		} else {
			text.Headline = strings.TrimSpace(value)
		}
		texts[words[0]][words[1]] = text
	}
	return texts
}

// showPageTexts is the inverse of pageTexts.
func showPageTexts(texts map[string]map[string]sale.PageText) string {
	var lines []string
	for _, language := range slices.Sorted(maps.Keys(texts)) {
		for _, state := range slices.Sorted(maps.Keys(texts[language])) {
			text, prefix := texts[language][state], language+" "+state+" "
			if text.Headline != "" {
				lines = append(lines, prefix+"headline: "+text.Headline)
			}
			if text.Lead != "" {
				lines = append(lines, prefix+"lead: "+text.Lead)
			}
		}
	}
	return strings.Join(lines, "\n")
}

// otherItems reads a line for each item: "<name> | <address> | <address of an image>".
func (f *saleForm) otherItems() []sale.OtherItem {
	var items []sale.OtherItem
	for line := range strings.Lines(f.Page["page.links.other_items"]) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		parts := strings.Split(line, "|")
		if len(parts) < 2 || len(parts) > 3 || len(items) > sale.MaxOtherItems {
			f.fault("page.links.other_items", wantOtherItem)
			return nil
		}
		item := sale.OtherItem{Name: strings.TrimSpace(parts[0]), URL: strings.TrimSpace(parts[1])}
		if len(parts) == 3 {
			item.Image = strings.TrimSpace(parts[2])
		}
		items = append(items, item)
	}
	return items
}

// showOtherItems is the inverse of otherItems.
func showOtherItems(items []sale.OtherItem) string {
	lines := make([]string, 0, len(items))
	for _, item := range items {
		line := item.Name + " | " + item.URL
		if item.Image != "" {
			line += " | " + item.Image
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// paletteFields are the fields of the colours of one scheme.
type paletteFields struct {
	form   *saleForm
	scheme string
}

// viewPalette is that of the scheme light or dark.
func viewPalette(f *saleForm, scheme string) paletteFields { return paletteFields{f, scheme} }

// Field is the field of one colour.
func (p paletteFields) Field(colour, label string) fieldView {
	path := "page.colours." + p.scheme + "." + colour
	return viewField(p.form, path, label, p.form.Page[path], "text", "")
}
